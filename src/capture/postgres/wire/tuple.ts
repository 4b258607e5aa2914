import { Failure } from '../../../failure/failure.ts'
import { i32, u16 } from './big-endian.ts'

/**
 * End of the tuple at p.
 *   tuple  => ncols:u16be column*
 *   column => 'n' | 'u' | 't' len:i32be bytes | 'b' len:i32be bytes
 */
export function tupleEnd(buf: Uint8Array, p: number): number {
  const n = u16(buf, p)
  let at = p + 2
  for (let i = 0; i < n; i++) {
    const kind = buf[at++]
    if (kind === 0x74 || kind === 0x62) at += 4 + i32(buf, at)
    else if (kind !== 0x6e && kind !== 0x75)
      throw new Failure('TRB-PG-020', { found: `column kind ${kind} in a tuple`, position: '', address: '' })
  }
  return at
}
