import { PackedReader, u32 } from './little-endian.ts'

/** Compressed events inside an event: bytes [start, end) of the buffer it was given in. */
export interface Payload {
  readonly start: number
  readonly end: number
  /** 0 zstd, 255 none. */
  readonly method: number
}

/**
 * Body of TRANSACTION_PAYLOAD; null: malformed.
 *   body => (field:lenenc length:lenenc value)* 0 bytes     field => 1 size, 2 method, 3 size when unpacked
 */
export function parsePayload(buf: Buffer, p: number, end: number): Payload | null {
  const r = new PackedReader(buf, p, end)
  let size = -1
  let method = 0
  for (let field = r.number(); field !== 0 && r.ok; field = r.number()) {
    const length = r.number()
    const at = r.take(length)
    const value = new PackedReader(buf, at, r.ok ? at + length : at).number()
    if (field === 1) size = value
    else if (field === 2) method = value
  }
  if (!r.ok || size < 0 || size > end - r.pos) return null
  return { start: r.pos, end: r.pos + size, method }
}

/**
 * The xid in an XA_PREPARE as statements print it; null: malformed.
 *   body => onePhase:u8 format:u32 lengths:u32[2] gtrid bqual
 */
export function preparedXid(buf: Buffer, p: number, end: number): string | null {
  if (end - p < 13) return null
  const first = u32(buf, p + 5)
  const second = u32(buf, p + 9)
  if (end - p - 13 < first + second) return null
  const at = p + 13
  return `x'${buf.toString('hex', at, at + first)}',x'${buf.toString('hex', at + first, at + first + second)}',${u32(buf, p + 1)}`
}

/** Where the rows of a rows event begin, behind its images (table-rows.ts has the grammar); −1: malformed. */
export function behindImages(buf: Buffer, p: number, end: number, update: boolean, extra: boolean): number {
  let at = p + 8
  if (extra) at += end - at >= 2 ? Math.max(2, buf.readUInt16LE(at)) : 2
  const r = new PackedReader(buf, Math.min(at, end), end)
  const columns = r.number()
  r.take(((columns + 7) >> 3) * (update ? 2 : 1))
  return r.ok ? r.pos : -1
}
