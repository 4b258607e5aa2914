import type { ByteSink, ValueEncoder } from '../../../contract/change.ts'
import { writeVarint, writeZigzag32, writeZigzag64 } from '../../../format/bytes/varint.ts'

/** Integers of a binlog row (little-endian, 1 to 8 bytes) → Avro. */

/** TINYINT … INT, signed, and unsigned ones that fit an Avro int. */
export function binlogInt(bytes: 1 | 2 | 3 | 4, unsigned: boolean): ValueEncoder {
  const shift = 32 - bytes * 8
  return (src, start, _length, out) => {
    let v = src[start]
    for (let i = 1; i < bytes; i++) v |= src[start + i] << (i * 8)
    writeZigzag32(out, unsigned || shift === 0 ? v : (v << shift) >> shift)
    return true
  }
}

/** INT UNSIGNED → Avro long. */
export function binlogUnsigned32(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  const lo = (src[start] | (src[start + 1] << 8) | (src[start + 2] << 16) | (src[start + 3] << 24)) >>> 0
  writeZigzag64(out, 0, lo)
  return true
}

/** BIGINT → Avro long; unsigned values from 2^63 wrap around as in Debezium's mode `long`. */
export function binlogLong(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  const lo = (src[start] | (src[start + 1] << 8) | (src[start + 2] << 16) | (src[start + 3] << 24)) >>> 0
  const hi = src[start + 4] | (src[start + 5] << 8) | (src[start + 6] << 16) | (src[start + 7] << 24)
  writeZigzag64(out, hi, lo)
  return true
}

/** BIGINT UNSIGNED → Decimal(20, 0): two's complement, big-endian, least number of bytes. */
export function binlogUnsigned64Decimal(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  let n = 8
  while (n > 1 && src[start + n - 1] === 0) n--
  const sign = src[start + n - 1] >= 128 ? 1 : 0
  writeVarint(out, (n + sign) * 2)
  out.reserve(9)
  if (sign === 1) out.buf[out.pos++] = 0
  for (let i = n - 1; i >= 0; i--) out.buf[out.pos++] = src[start + i]
  return true
}

/** TINYINT(1) as BOOLEAN. */
export function binlogBoolean(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  out.reserve(1)
  out.buf[out.pos++] = src[start] === 0 ? 0 : 1
  return true
}

/** FLOAT and DOUBLE have Avro's form; FLOAT(M,D) and FLOAT(53) are shown as double. */
export function binlogFloat(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  out.reserve(4)
  for (let i = 0; i < 4; i++) out.buf[out.pos + i] = src[start + i]
  out.pos += 4
  return true
}

export function binlogDouble(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  out.reserve(8)
  for (let i = 0; i < 8; i++) out.buf[out.pos + i] = src[start + i]
  out.pos += 8
  return true
}

export function binlogFloatAsDouble(src: Buffer, start: number, _length: number, out: ByteSink): boolean {
  out.reserve(8)
  out.pos = out.buf.writeDoubleLE(src.readFloatLE(start), out.pos)
  return true
}

/** YEAR: 0 is the year 0000 (1900 in Debezium's stream), n is 1900 + n. */
export function binlogYear(quirks: boolean): ValueEncoder {
  return (src, start, _length, out) => {
    writeZigzag32(out, src[start] === 0 ? (quirks ? 1900 : 0) : 1900 + src[start])
    return true
  }
}

/** BIT(1): Avro boolean. In binlog and text protocol alike the bytes are big-endian. */
export function bitBoolean(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  out.reserve(1)
  out.buf[out.pos++] = src[start + length - 1] & 1
  return true
}

/** BIT(n): all ceil(n / 8) bytes, little-endian. */
export function bits(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  writeVarint(out, length * 2)
  out.reserve(length)
  for (let i = length - 1; i >= 0; i--) out.buf[out.pos++] = src[start + i]
  return true
}
