import type { ByteSink } from '../../contract/change.ts'

/**
 * Variable-length integers, least significant group first (LEB128), as Avro and Kafka write them.
 *   varint   => (0x80 | 7 bits)* 7 bits        unsigned
 *   zigzag n => varint of (n << 1) ^ (n >> 63)
 * A 64-bit value travels as two u32 (hi, lo), never as one JS number beyond 2^53.
 */

const TWO_32 = 4294967296

/** Unsigned 32 bits. At most 5 bytes. */
export function writeVarint(out: ByteSink, value: number): void {
  out.reserve(5)
  const buf = out.buf
  let pos = out.pos
  let v = value >>> 0
  while (v > 127) {
    buf[pos++] = (v & 127) | 128
    v >>>= 7
  }
  buf[pos++] = v
  out.pos = pos
}

/** Bytes that writeVarint needs. */
export function varintSize(value: number): number {
  const v = value >>> 0
  return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : v < 268435456 ? 4 : 5
}

/** Signed 32 bits. At most 5 bytes. */
export function writeZigzag32(out: ByteSink, value: number): void {
  writeVarint(out, (value << 1) ^ (value >> 31))
}

/** Unsigned 64 bits as two u32. At most 10 bytes. */
export function writeVarint64(out: ByteSink, hi: number, lo: number): void {
  out.reserve(10)
  const buf = out.buf
  let pos = out.pos
  let h = hi >>> 0
  let l = lo >>> 0
  while (h !== 0) {
    buf[pos++] = (l & 127) | 128
    l = ((l >>> 7) | (h << 25)) >>> 0
    h >>>= 7
  }
  while (l > 127) {
    buf[pos++] = (l & 127) | 128
    l >>>= 7
  }
  buf[pos++] = l
  out.pos = pos
}

/** Signed 64 bits in two's complement, as two u32. */
export function writeZigzag64(out: ByteSink, hi: number, lo: number): void {
  const sign = hi >> 31
  writeVarint64(out, ((hi << 1) | (lo >>> 31)) ^ sign, (lo << 1) ^ sign)
}

/** Sign and magnitude (two u32): −2^63 has the magnitude (0x80000000, 0). */
export function writeZigzagMagnitude(out: ByteSink, negative: boolean, hi: number, lo: number): void {
  let h = ((hi << 1) | (lo >>> 31)) >>> 0
  let l = (lo << 1) >>> 0
  if (negative && (hi !== 0 || lo !== 0)) {
    if (l === 0) h = (h - 1) >>> 0
    l = (l - 1) >>> 0
  }
  writeVarint64(out, h, l)
}

/** A safe integer (|value| ≤ 2^53 − 1). */
export function writeZigzagNumber(out: ByteSink, value: number): void {
  if (value >= -1073741824 && value < 1073741824) {
    writeVarint(out, (value << 1) ^ (value >> 31))
    return
  }
  const negative = value < 0
  const m = negative ? -value : value
  writeZigzagMagnitude(out, negative, Math.floor(m / TWO_32), m >>> 0)
}

/** Off the hot path. */
export function writeZigzagBigInt(out: ByteSink, value: bigint): void {
  const v = BigInt.asUintN(64, value)
  writeZigzag64(out, Number(v >> 32n), Number(v & 0xffffffffn))
}
