import { Failure } from '../../failure/failure.ts'

/** Refuses a value whose text is not that of its type. The text is cut: it is data of the user. */
export function badValue(type: string, src: Buffer, start: number, length: number): Failure {
  const text = src.toString('latin1', start, start + Math.min(length, 40))
  return new Failure('TRB-ENV-001', { type, text: length > 40 ? `${text}…` : text })
}
