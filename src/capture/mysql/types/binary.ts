import type { ValueEncoder } from '../../../contract/change.ts'
import { writeSlice } from '../../../format/bytes/growable-sink.ts'
import { writeVarint } from '../../../format/bytes/varint.ts'
import { type BinaryMode, binaryText, encodeText } from '../../types/text.ts'

/**
 * BINARY, VARBINARY and BLOB in one of the binary.handling.modes.
 * @param width bytes of BINARY(n): the binlog leaves trailing zeros out; 0 for the other types
 */
export function binaryEncoder(mode: BinaryMode, width: number): ValueEncoder {
  if (mode !== 'bytes') {
    return (src, start, length, out) => {
      const text = Buffer.from(binaryText(padded(src.subarray(start, start + length), width), mode), 'latin1')
      return encodeText(text, 0, text.length, out)
    }
  }
  return (src, start, length, out) => {
    const missing = length < width ? width - length : 0
    writeVarint(out, (length + missing) * 2)
    writeSlice(out, src, start, length)
    if (missing > 0) {
      out.reserve(missing)
      out.buf.fill(0, out.pos, out.pos + missing)
      out.pos += missing
    }
    return true
  }
}

function padded(bytes: Buffer, width: number): Buffer {
  return bytes.length >= width ? bytes : Buffer.concat([bytes, Buffer.alloc(width - bytes.length)])
}

/**
 * UUID of MariaDB: 16 bytes; those of versions 1 to 5 are stored with their parts in reverse order (node, clock, time high, mid, low), so
 * that they sort by time, others as they are. Trailing zeros are left out of the binlog.
 */
export function binlogUuid(src: Buffer, start: number, length: number, out: Parameters<ValueEncoder>[3]): boolean {
  const rec = padded(src.subarray(start, start + length), 16)
  const swapped = (rec[6] & 0x80) !== 0 && rec[8] > 0 && rec[8] < 0x60
  const order = swapped ? SWAPPED : PLAIN
  const hex = order.map((i) => rec.toString('hex', i, i + 1)).join('')
  const text = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return encodeText(Buffer.from(text, 'latin1'), 0, 36, out)
}

const PLAIN = Array.from({ length: 16 }, (_, i) => i)
const SWAPPED = [12, 13, 14, 15, 10, 11, 8, 9, 6, 7, 0, 1, 2, 3, 4, 5]

/** INET4 of MariaDB: 4 bytes → dotted text. */
export function binlogInet4(src: Buffer, start: number, length: number, out: Parameters<ValueEncoder>[3]): boolean {
  const b = padded(src.subarray(start, start + length), 4)
  const text = Buffer.from([...b].join('.'), 'latin1')
  return encodeText(text, 0, text.length, out)
}

/** INET6 of MariaDB: 16 bytes → text as the server prints it (RFC 5952, IPv4-mapped and -compatible addresses dotted). */
export function binlogInet6(src: Buffer, start: number, length: number, out: Parameters<ValueEncoder>[3]): boolean {
  const text = Buffer.from(inet6Text(padded(src.subarray(start, start + length), 16)), 'latin1')
  return encodeText(text, 0, text.length, out)
}

export function inet6Text(b: Buffer): string {
  const words = Array.from({ length: 8 }, (_, i) => b.readUInt16BE(i * 2))
  let gap = -1
  let gapLength = 0
  for (let i = 0; i < 8; i++) {
    let n = 0
    while (i + n < 8 && words[i + n] === 0) n++
    if (n > gapLength && n > 1) {
      gap = i
      gapLength = n
    }
  }
  const mapped = gap === 0 && (gapLength === 6 || (gapLength === 5 && words[5] === 0xffff))
  if (mapped) {
    const v4 = [...b.subarray(12)].join('.')
    return gapLength === 6 ? `::${v4}` : `::ffff:${v4}`
  }
  const hex = (from: number, to: number): string =>
    words
      .slice(from, to)
      .map((w) => w.toString(16))
      .join(':')
  return gap < 0 ? hex(0, 8) : `${hex(0, gap)}::${hex(gap + gapLength, 8)}`
}
