import type { ByteSink, ValueEncoder } from '../../contract/change.ts'
import { writeVarint, writeZigzag32 } from '../../format/bytes/varint.ts'
import { badValue } from './bad-value.ts'

/**
 * PG numeric text → Avro. Grammar: [-]digits[.digits] | NaN | Infinity | -Infinity; never an exponent.
 * Unscaled values are two's complement, big-endian, of the least number of bytes (as java.math.BigInteger.toByteArray).
 */

/** numeric(p,s) in precise mode: Connect Decimal of `scale` digits. False for NaN and infinities: Debezium shows null. */
export function encodeDecimal(scale: number): ValueEncoder {
  return (src, start, length, out) => {
    if (isSpecial(src, start, length)) return false
    const dot = dotOf(src, start, length)
    const fraction = start + length - dot - 1
    const have = Math.max(fraction, 0)
    writeUnscaled(out, src, start, length, dot, have, scale)
    return true
  }
}

/** numeric without typmod: VariableScaleDecimal {scale:int, value:bytes}, trailing zeros of the fraction stripped. */
export function encodeVariableDecimal(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  if (isSpecial(src, start, length)) return false
  const dot = dotOf(src, start, length)
  let end = start + length
  if (dot < end) {
    while (end > dot + 1 && src[end - 1] === 48) end--
    if (end === dot + 1) end = dot
  }
  const scale = end > dot ? end - dot - 1 : 0
  writeZigzag32(out, scale)
  writeUnscaled(out, src, start, end - start, dot, scale, scale)
  return true
}

/** money in the C locale: `$1,234.11`, `-$0.05`, `($0.05)` → Connect Decimal of `scale` digits. */
export function encodeMoney(scale: number): ValueEncoder {
  const scratch = Buffer.allocUnsafeSlow(40)
  return (src, start, length, out) => {
    const n = plainMoney(src, start, length, scratch)
    const dot = dotOf(scratch, 0, n)
    writeUnscaled(out, scratch, 0, n, dot, Math.max(0, n - dot - 1), scale)
    return true
  }
}

/** Money text without currency sign and grouping, in `into`; returns its length. */
export function plainMoney(src: Buffer, start: number, length: number, into: Buffer): number {
  let n = 0
  let negative = false
  for (let i = 0; i < length; i++) if (src[start + i] === 45 || src[start + i] === 40) negative = true
  if (negative) into[n++] = 45
  let dots = 0
  for (let i = start; i < start + length; i++) {
    const c = src[i]
    if (c === 46) dots++
    if ((c >= 48 && c <= 57) || c === 46) into[n++] = c
    else if (c === 44 && dots > 0) throw badValue('money', src, start, length)
  }
  if (n === (negative ? 1 : 0) || dots > 1 || n > 38) throw badValue('money', src, start, length)
  return n
}

/**
 * numeric in string mode: the plain text with `scale` digits (null: as it is); NaN and infinities by Debezium's names. The server pads
 * values itself, defaults it does not.
 */
export function encodeDecimalText(scale: number | null): ValueEncoder {
  return (src, start, length, out) => {
    if (isSpecial(src, start, length)) {
      const name = src[start] === 78 ? 'NAN' : src[start] === 45 ? 'NEGATIVE_INFINITY' : 'POSITIVE_INFINITY'
      writeVarint(out, name.length * 2)
      out.reserve(name.length)
      out.pos += out.buf.write(name, out.pos, 'latin1')
      return true
    }
    const dot = scale === null || scale === 0 ? -1 : dotOf(src, start, length)
    const whole = dot === start + length
    const zeros = scale === null || dot < 0 ? 0 : Math.max(0, scale - (whole ? 0 : start + length - dot - 1))
    const point = whole && zeros > 0 ? 1 : 0
    writeVarint(out, (length + point + zeros) * 2)
    out.reserve(length + point + zeros)
    src.copy(out.buf, out.pos, start, start + length)
    out.pos += length
    if (point > 0) out.buf[out.pos++] = 46
    out.buf.fill(48, out.pos, out.pos + zeros)
    out.pos += zeros
    return true
  }
}

/** True for NaN, Infinity, -Infinity. */
export function isSpecial(src: Buffer, start: number, length: number): boolean {
  const c = src[start]
  return c === 78 || c === 73 || (c === 45 && length > 1 && src[start + 1] === 73)
}

/** Position of the point, or the end. */
function dotOf(src: Buffer, start: number, length: number): number {
  const end = start + length
  for (let i = start; i < end; i++) if (src[i] === 46) return i
  return end
}

/**
 * Writes length and bytes of the unscaled value of the text at `scale` digits. `dot`: position of the point or end; `have`: digits after it.
 * More digits than the scale must be zeros.
 */
function writeUnscaled(out: ByteSink, src: Buffer, start: number, length: number, dot: number, have: number, scale: number): void {
  const negative = src[start] === 45
  let end = start + length
  for (; have > scale; have--) {
    if (src[--end] !== 48) throw badValue('numeric', src, start, length)
  }
  const digits = end - start + (scale - have)
  if (digits > 15) {
    writeBigUnscaled(out, src, start, end, dot, scale - have)
    return
  }
  let m = 0
  for (let i = negative ? start + 1 : start; i < end; i++) {
    if (i === dot) continue
    const d = src[i] - 48
    if (d < 0 || d > 9) throw badValue('numeric', src, start, length)
    m = m * 10 + d
  }
  for (let i = have; i < scale; i++) m *= 10
  writeTwosComplement(out, negative, m)
}

/** |value| = m < 2^50. */
function writeTwosComplement(out: ByteSink, negative: boolean, m: number): void {
  let size = 1
  let limit = 128
  while (negative ? m > limit : m >= limit) {
    size++
    limit *= 256
  }
  out.reserve(size + 1)
  const buf = out.buf
  const at = out.pos
  buf[at] = size * 2
  let v = negative && m > 0 ? limit * 2 - m : m
  for (let i = at + size; i > at; i--) {
    const q = Math.floor(v / 256)
    buf[i] = v - q * 256
    v = q
  }
  out.pos = at + size + 1
}

function writeBigUnscaled(out: ByteSink, src: Buffer, start: number, end: number, dot: number, zeros: number): void {
  const whole = src.toString('latin1', start, Math.min(dot, end))
  const text = dot < end ? whole + src.toString('latin1', dot + 1, end) : whole
  if (!/^-?\d+$/.test(text)) throw badValue('numeric', src, start, end - start)
  const bytes = twosComplement(BigInt(text) * 10n ** BigInt(zeros))
  writeVarint(out, bytes.length * 2)
  out.reserve(bytes.length)
  bytes.copy(out.buf, out.pos)
  out.pos += bytes.length
}

/** Minimal big-endian two's complement of any size. */
export function twosComplement(value: bigint): Buffer {
  const m = value < 0n ? ~value : value
  const hex = m.toString(16)
  const bits = m === 0n ? 0 : (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex[0], 16)))
  const size = Math.floor(bits / 8) + 1
  const unsigned = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, '0')
  return Buffer.from(unsigned, 'hex')
}
