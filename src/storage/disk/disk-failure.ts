import { Failure } from '../../failure/failure.ts'

/** Error numbers that mean the same to an operator. */
const CODES: Readonly<Record<string, 'TRB-STORE-001' | 'TRB-STORE-002' | 'TRB-STORE-003' | 'TRB-STORE-005' | 'TRB-STORE-006'>> = {
  ENOENT: 'TRB-STORE-001',
  EACCES: 'TRB-STORE-002',
  EPERM: 'TRB-STORE-002',
  EROFS: 'TRB-STORE-002',
  ENOSPC: 'TRB-STORE-003',
  EDQUOT: 'TRB-STORE-003',
  EEXIST: 'TRB-STORE-005',
  ENOTDIR: 'TRB-STORE-006',
}

/** What link(2) answers on file systems that have no hard links (FAT, exFAT, some network shares). */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'])

/** The failure that an error of the file system means; anything unknown is TRB-STORE-004. Failures pass unchanged. */
export function diskFailure(e: unknown, root: string, key: string): Failure {
  if (e instanceof Failure) return e
  const system = errorCode(e) ?? String(e)
  if (NO_LINKS.has(system) && e instanceof Error && 'syscall' in e && e.syscall === 'link') {
    return new Failure('TRB-STORE-008', { root, key, system }, e)
  }
  return new Failure(CODES[system] ?? 'TRB-STORE-004', { root, key, system }, e)
}

/** `ENOENT` and the like; null when it isn't an error of the system. */
export function errorCode(e: unknown): string | null {
  return e instanceof Error && 'code' in e && typeof e.code === 'string' ? e.code : null
}
