import type { ByteSink } from '../../../contract/change.ts'
import { badValue } from './bad-value.ts'

const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i)

/** float8 (and numeric in double mode): text → Avro double, correctly rounded. */
export function encodeDouble(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const v = parseDouble(src, start, length)
  out.reserve(8)
  out.buf.writeDoubleLE(v, out.pos)
  out.pos += 8
  return true
}

/** float4: text → Avro float. */
export function encodeFloat(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const v = parseDouble(src, start, length)
  out.reserve(4)
  out.buf.writeFloatLE(v, out.pos)
  out.pos += 4
  return true
}

/**
 * The nearest double of decimal text. Up to 15 digits over a power of ten up to 10^22 both are exact doubles, so one division
 * rounds correctly; everything else goes through the language's own conversion.
 */
export function parseDouble(src: Buffer, start: number, length: number): number {
  const end = start + length
  let i = start
  const negative = src[i] === 45
  if (negative) i++
  let m = 0
  let digits = 0
  let dot = -1
  for (; i < end; i++) {
    const c = src[i]
    if (c === 46 && dot < 0) dot = i
    else if (c >= 48 && c <= 57) {
      m = m * 10 + (c - 48)
      digits++
    } else break
  }
  if (i === end && digits > 0 && digits <= 15) {
    const fraction = dot < 0 ? 0 : end - dot - 1
    const v = fraction === 0 ? m : m / POWERS[fraction]
    return negative ? -v : v
  }
  const text = src.toString('latin1', start, end)
  const v = Number(text)
  if (length === 0 || (Number.isNaN(v) && text !== 'NaN')) throw badValue('double precision', src, start, length)
  return v
}
