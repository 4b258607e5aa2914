import type { ByteSink, ValueEncoder } from '../../../contract/change.ts'
import { encodeDecimal, encodeDecimalText } from '../../types/decimal.ts'
import { encodeDouble } from '../../types/float.ts'

/**
 * DECIMAL(p,s) of a binlog row: groups of nine digits in four bytes, big-endian, a shorter group first in the whole part and last in the
 * fraction. The first bit is inverted, and all bits of a negative value:
 *   decimal => group(p - s) group(s)        group(n digits) => 4 bytes for each nine, SIZE[n mod 9] for the rest
 */
const SIZE = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]

/** Bytes of DECIMAL(precision, scale) in a row. */
export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale
  return Math.floor(whole / 9) * 4 + SIZE[whole % 9] + Math.floor(scale / 9) * 4 + SIZE[scale % 9]
}

/** DECIMAL in one of the decimal.handling.modes. */
export function binlogDecimal(precision: number, scale: number, mode: 'precise' | 'double' | 'string'): ValueEncoder {
  const text = Buffer.allocUnsafeSlow(precision + 4)
  const inner = mode === 'precise' ? encodeDecimal(scale) : mode === 'double' ? encodeDouble : encodeDecimalText(null)
  if (mode === 'precise' && precision <= 15) return smallDecimal(precision, scale)
  return (src, start, _length, out) => inner(text, 0, decimalText(src, start, precision, scale, text), out)
}

/** Reads one group of `size` bytes, inverted when negative; the first byte of the value has its top bit inverted. */
function group(src: Buffer, at: number, size: number, negative: boolean, first: boolean): number {
  let v = 0
  for (let i = 0; i < size; i++) {
    let b = src[at + i]
    if (first && i === 0) b ^= 0x80
    if (negative) b ^= 0xff
    v = v * 256 + b
  }
  return v
}

/** Plain text of a value, `-12.50`, in `into`; returns its length. */
export function decimalText(src: Buffer, start: number, precision: number, scale: number, into: Buffer): number {
  const negative = (src[start] & 0x80) === 0
  let at = start
  let n = 0
  let leading = true
  let first = true
  if (negative) into[n++] = 45
  const put = (digits: number): void => {
    const size = digits === 9 ? 4 : SIZE[digits]
    const v = group(src, at, size, negative, first)
    first = false
    at += size
    for (let unit = 10 ** (digits - 1); unit >= 1; unit /= 10) {
      const d = Math.floor(v / unit) % 10
      if (leading && d === 0) continue
      leading = false
      into[n++] = 48 + d
    }
  }
  const whole = precision - scale
  if (whole % 9 > 0) put(whole % 9)
  for (let i = 0; i < Math.floor(whole / 9); i++) put(9)
  if (leading) into[n++] = 48
  if (scale === 0) return n
  into[n++] = 46
  leading = false
  for (let i = 0; i < Math.floor(scale / 9); i++) put(9)
  if (scale % 9 > 0) put(scale % 9)
  return n
}

/** Up to 15 digits fit a safe integer: the groups are added up and written as two's complement without going through text. */
function smallDecimal(precision: number, scale: number): ValueEncoder {
  const whole = precision - scale
  const digits = [whole % 9, ...new Array(Math.floor(whole / 9)).fill(9), ...new Array(Math.floor(scale / 9)).fill(9), scale % 9].filter(
    (d) => d > 0,
  ) as number[]
  const sizes = digits.map((d) => (d === 9 ? 4 : SIZE[d]))
  const powers = digits.map((d) => 10 ** d)
  return (src, start, _length, out) => {
    const negative = (src[start] & 0x80) === 0
    let at = start
    let v = 0
    for (let g = 0; g < sizes.length; g++) {
      v = v * powers[g] + group(src, at, sizes[g], negative, g === 0)
      at += sizes[g]
    }
    writeUnscaled(out, negative, v)
    return true
  }
}

/** |value| = m < 2^50, two's complement, big-endian, least number of bytes. */
function writeUnscaled(out: ByteSink, negative: boolean, m: number): void {
  let size = 1
  let limit = 128
  while (negative ? m > limit : m >= limit) {
    size++
    limit *= 256
  }
  out.reserve(size + 1)
  const { buf, pos } = out
  buf[pos] = size * 2
  let v = negative && m > 0 ? limit * 2 - m : m
  for (let i = pos + size; i > pos; i--) {
    const q = Math.floor(v / 256)
    buf[i] = v - q * 256
    v = q
  }
  out.pos = pos + size + 1
}
