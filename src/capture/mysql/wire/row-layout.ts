import { inflateRawSync, inflateSync } from 'node:zlib'
import { decimalBytes, T } from './column-type.ts'
import { u16, u24, u32, uN } from './little-endian.ts'
import type { TableMap } from './table-map.ts'

/**
 * Bytes of a column's value in a rows event, by column: n > 0 that many; −1 … −4: behind a length of so many bytes; −11, −12, −21 … −24: the
 * same, and what follows is a compressed column of MariaDB. Null: a type whose values cannot be told apart from what follows them.
 */
export function rowLayout(map: TableMap): Int8Array | null {
  const out = new Int8Array(map.count)
  for (let i = 0; i < map.count; i++) {
    const width = widthOf(map.types[i], map.meta[i])
    if (width === null) return null
    out[i] = width
  }
  return out
}

function widthOf(type: number, meta: number): number | null {
  switch (type) {
    case T.TINY:
    case T.YEAR:
      return 1
    case T.SHORT:
      return 2
    case T.INT24:
    case T.DATE:
    case T.NEWDATE:
    case T.TIME:
      return 3
    case T.LONG:
    case T.FLOAT:
    case T.TIMESTAMP:
      return 4
    case T.LONGLONG:
    case T.DOUBLE:
    case T.DATETIME:
      return 8
    case T.TIME2:
      return 3 + ((meta + 1) >> 1)
    case T.TIMESTAMP2:
      return 4 + ((meta + 1) >> 1)
    case T.DATETIME2:
      return 5 + ((meta + 1) >> 1)
    case T.NEWDECIMAL:
      return decimalBytes(meta >> 8, meta & 0xff)
    case T.BIT:
      return (meta + 7) >> 3
    case T.ENUM:
    case T.SET:
      return meta
    case T.STRING:
    case T.VARCHAR:
    case T.VAR_STRING:
      return meta > 255 ? -2 : -1
    case T.VARCHAR_COMPRESSED:
      return meta > 255 ? -12 : -11
    case T.BLOB_COMPRESSED:
      return -20 - meta
    case T.BLOB:
    case T.TINY_BLOB:
    case T.MEDIUM_BLOB:
    case T.LONG_BLOB:
    case T.GEOMETRY:
    case T.JSON:
    case T.VECTOR:
      return -meta
    default:
      return null
  }
}

/** `bytes` (1–4) of length at p. */
export function lengthAt(buf: Uint8Array, p: number, bytes: number): number {
  if (bytes === 1) return buf[p]
  if (bytes === 2) return u16(buf, p)
  return bytes === 3 ? u24(buf, p) : u32(buf, p)
}

/**
 * A value of a COMPRESSED column; null: malformed.
 *   value => '' | 0x00 bytes | head:u8 size:uint[head & 7] deflated      head => method << 4 (8: deflate) | raw << 3 | bytes of size
 */
export function inflateColumn(buf: Buffer, start: number, length: number): Buffer | null {
  if (length === 0 || buf[start] === 0) return buf.subarray(length === 0 ? start : start + 1, start + length)
  const head = buf[start]
  const sizeBytes = head & 7
  if (head >> 4 !== 8 || sizeBytes > 4 || length < 1 + sizeBytes) return null
  const size = uN(buf, start + 1, sizeBytes)
  const data = buf.subarray(start + 1 + sizeBytes, start + length)
  const out = (head & 8) !== 0 ? inflateRawSync(data, { maxOutputLength: size + 1 }) : inflateSync(data, { maxOutputLength: size + 1 })
  return out.length === size ? out : null
}

/**
 * The body of one of MariaDB's compressed events, inflated; null: malformed.
 *   body => head:u8 size:uint_be[head & 7] deflated      head => 0x80 | method << 4 (0: zlib) | bytes of size
 */
export function inflateEvent(buf: Buffer, start: number, end: number): Buffer | null {
  const head = buf[start]
  const sizeBytes = head & 7
  if ((head & 0x80) === 0 || ((head >> 4) & 7) !== 0 || sizeBytes === 0 || sizeBytes > 4 || start + 1 + sizeBytes > end) return null
  const size = buf.readUIntBE(start + 1, sizeBytes)
  const out = inflateSync(buf.subarray(start + 1 + sizeBytes, end), { maxOutputLength: size + 1 })
  return out.length === size ? out : null
}
