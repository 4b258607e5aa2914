import type { ByteSink } from '../../contract/change.ts'
import { writeZigzag32, writeZigzagMagnitude, writeZigzagNumber } from '../../format/bytes/varint.ts'
import { badValue } from './bad-value.ts'

const TWO_32 = 4294967296

/** int2, int4: decimal text → Avro int. */
export function encodeInt(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  let i = start
  const end = start + length
  const negative = src[i] === 45
  if (negative) i++
  if (i === end || length > 11) throw badValue('integer', src, start, length)
  let n = 0
  for (; i < end; i++) {
    const d = src[i] - 48
    if (d < 0 || d > 9) throw badValue('integer', src, start, length)
    n = n * 10 + d
  }
  writeZigzag32(out, negative ? -n : n)
  return true
}

/** int8, oid: decimal text → Avro long, all 64 bits exact. */
export function encodeLong(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const end = start + length
  const negative = src[start] === 45
  const from = negative ? start + 1 : start
  const digits = end - from
  if (digits <= 0 || digits > 19) throw badValue('bigint', src, start, length)
  if (digits <= 15) {
    const n = readDigits(src, from, end)
    if (n < 0) throw badValue('bigint', src, start, length)
    writeZigzagNumber(out, negative ? -n : n)
    return true
  }
  const top = readDigits(src, from, end - 9)
  const low = readDigits(src, end - 9, end)
  if (top < 0 || low < 0) throw badValue('bigint', src, start, length)
  writeProduct(out, negative, top, 1e9, low)
  return true
}

/** bool: `t` or `f` → Avro boolean. */
export function encodeBoolean(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const c = src[start]
  if (length !== 1 || (c !== 116 && c !== 102)) throw badValue('boolean', src, start, length)
  out.reserve(1)
  out.buf[out.pos++] = c === 116 ? 1 : 0
  return true
}

/** The number in [from, to), at most 15 digits; −1 when a byte is not a digit. */
export function readDigits(src: Buffer, from: number, to: number): number {
  let n = 0
  for (let i = from; i < to; i++) {
    const d = src[i] - 48
    if (d < 0 || d > 9) return -1
    n = n * 10 + d
  }
  return n
}

/**
 * Writes ±(top × factor + low) as an Avro long without losing a bit: top < 2^34, factor ≤ 10^9, low < 2^46, the result < 2^64.
 */
export function writeProduct(out: ByteSink, negative: boolean, top: number, factor: number, low: number): void {
  const a = Math.floor(top / 65536)
  const b = top - a * 65536
  const x = a * factor
  const y = b * factor + low
  const xh = Math.floor(x / 65536)
  const sum = (x - xh * 65536) * 65536 + y
  const carry = Math.floor(sum / TWO_32)
  writeZigzagMagnitude(out, negative, (xh + carry) >>> 0, (sum - carry * TWO_32) >>> 0)
}
