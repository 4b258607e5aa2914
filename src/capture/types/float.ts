import type { ByteSink } from '../../contract/change.ts'
import { badValue } from './bad-value.ts'

/** One double and its bytes (little-endian, as on every machine Node runs on but s390x, where the test of this file fails). */
const ONE_DOUBLE = new Float64Array(1)
const ITS_BYTES = new Uint8Array(ONE_DOUBLE.buffer)
const POWERS = Array.from({ length: 23 }, (_, i) => 10 ** i)

/** float8 (and numeric in double mode): text → Avro double, correctly rounded. */
export function encodeDouble(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  ONE_DOUBLE[0] = parseDouble(src, start, length)
  out.reserve(8)
  const { buf, pos } = out
  for (let i = 0; i < 8; i++) buf[pos + i] = ITS_BYTES[i]
  out.pos = pos + 8
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
 * rounds correctly; 16 and 17 digits (what the server prints for most values) take two; everything else, and what lies too close to
 * the middle of two doubles, goes through the language's own conversion.
 */
export function parseDouble(src: Buffer, start: number, length: number): number {
  const end = start + length
  let i = start
  const negative = src[i] === 45
  if (negative) i++
  let m = 0
  let more = 0
  let digits = 0
  let dot = -1
  for (; i < end; i++) {
    const c = src[i]
    if (c === 46 && dot < 0) dot = i
    else if (c >= 48 && c <= 57) {
      if (digits < 15) m = m * 10 + (c - 48)
      else more = more * 10 + (c - 48)
      digits++
    } else break
  }
  const fraction = dot < 0 ? 0 : end - dot - 1
  if (i === end && digits > 0 && digits <= 17 && fraction <= 22) {
    const v = digits > 15 ? quotient(m, digits === 16 ? 10 : 100, more, POWERS[fraction]) : fraction === 0 ? m : m / POWERS[fraction]
    if (!Number.isNaN(v)) return negative ? -v : v
  }
  const text = src.toString('latin1', start, end)
  const v = Number(text)
  if (length === 0 || (Number.isNaN(v) && text !== 'NaN')) throw badValue('double precision', src, start, length)
  return v
}

/** Splits a double into two halves of 26 bits. */
const SPLITTER = 134217729
/** More than the relative error of the second quotient below. */
const SLACK = 2 ** -45

/**
 * (m × shift + more) / power, rounded to the nearest double: m < 10^15, shift 10 or 100, power ≤ 10^22 a power of ten. The numerator is
 * held exactly as a sum of two doubles, the remainder of the first quotient gives the second one. NaN: too close to call.
 */
function quotient(m: number, shift: number, more: number, power: number): number {
  const top = Math.floor(m / 1e7)
  const a = top * (1e7 * shift)
  const b = (m - top * 1e7) * shift + more
  const high = a + b
  const low = b - (high - a)
  const q = high / power
  // q × power = product + rest, exactly
  const product = q * power
  const qs = SPLITTER * q
  const q1 = qs - (qs - q)
  const q2 = q - q1
  const ps = SPLITTER * power
  const p1 = ps - (ps - power)
  const p2 = power - p1
  const rest = q1 * p1 - product + q1 * p2 + q2 * p1 + q2 * p2
  const second = (high - product - rest + low) / power
  const v = q + second * (1 + SLACK)
  return v === q + second * (1 - SLACK) ? v : Number.NaN
}
