import { Failure } from '../failure/failure.ts'

/**
 * Checks a store key: '/'-separated parts, none of them empty, `.` or `..`, no leading or trailing slash, no NUL.
 * Refused with TRB-STORE-007: such a key could leave the store's root or mean two objects on two stores.
 */
export function checkKey(key: string): void {
  const bad = key === '' || key.includes('\0') || key.split('/').some((part) => part === '' || part === '.' || part === '..')
  if (bad) throw new Failure('TRB-STORE-007', { key })
}
