import type { ByteSink, ValueEncoder } from '../../../contract/change.ts'
import { writeVarint, writeZigzag32, writeZigzagBigInt } from '../../../format/bytes/varint.ts'
import { badValue } from '../../types/bad-value.ts'
import { twosComplement } from '../../types/decimal.ts'
import { encodeFloat, parseDouble } from '../../types/float.ts'
import { encodeInt, encodeLong } from '../../types/integer.ts'

/** Numbers of the text protocol → Avro. ZEROFILL columns come with leading zeros. */

export function textInt(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const from = significant(src, start, length)
  return encodeInt(src, from, length - (from - start), out)
}

export function textLong(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const from = significant(src, start, length)
  const n = length - (from - start)
  if (n < 20 && (n < 19 || src[from] < 57 || src[from] === 45)) return encodeLong(src, from, n, out)
  writeZigzagBigInt(out, BigInt.asIntN(64, parse(src, from, n)))
  return true
}

/** BIGINT UNSIGNED → Decimal(20, 0). */
export function textUnsigned64Decimal(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const bytes = twosComplement(parse(src, start, length))
  writeVarint(out, bytes.length * 2)
  out.reserve(bytes.length)
  for (const b of bytes) out.buf[out.pos++] = b
  return true
}

export function textBoolean(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  out.reserve(1)
  out.buf[out.pos++] = length === 1 && src[start] === 48 ? 0 : 1
  return true
}

/** YEAR: 0000 is 2000 in Debezium's snapshot. */
export function textYear(quirks: boolean): ValueEncoder {
  return (src, start, length, out) => {
    const year = Number(src.toString('latin1', start, start + length))
    if (length === 0 || Number.isNaN(year)) throw badValue('year', src, start, length)
    writeZigzag32(out, year === 0 && quirks ? 2000 : year)
    return true
  }
}

export { encodeFloat as textFloat }

/** FLOAT(M,D): a float, shown as the double of the same value. */
export function textFloatAsDouble(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  out.reserve(8)
  out.pos = out.buf.writeDoubleLE(Math.fround(parseDouble(src, start, length)), out.pos)
  return true
}

/** Where the digits start behind zeros; the last digit stays. */
function significant(src: Buffer, start: number, length: number): number {
  let i = start
  while (i < start + length - 1 && src[i] === 48) i++
  return i
}

function parse(src: Buffer, start: number, length: number): bigint {
  const text = src.toString('latin1', start, start + length)
  if (!/^-?\d{1,20}$/.test(text)) throw badValue('bigint', src, start, length)
  return BigInt(text)
}
