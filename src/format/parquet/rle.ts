import { Failure } from '../../failure/failure.ts'

/**
 * Parquet's hybrid of run lengths and bit packing:
 *   runs   => run*
 *   run    => header:varint body;  header odd: (header >> 1) groups of 8 values, bit-packed, least significant bit first
 *                                  header even: (header >> 1) times the value that follows in ceil(width / 8) bytes, little-endian
 */
export function bitWidth(max: number): number {
  return max === 0 ? 0 : 32 - Math.clz32(max)
}

/** Upper bound of what `encodeRuns` writes for n values. */
export function runsBound(n: number, width: number): number {
  return 16 + Math.ceil(n / 8) * width + 8
}

function putVarint(out: Uint8Array, at: number, value: number): number {
  let v = value
  let p = at
  while (v > 127) {
    out[p++] = (v & 127) | 128
    v >>>= 7
  }
  out[p++] = v
  return p
}

/** One run of `n` equal values. Returns the position after it. */
export function encodeRepeated(out: Uint8Array, at: number, value: number, n: number, width: number): number {
  let p = putVarint(out, at, n * 2)
  for (let i = 0; i < width; i += 8) out[p++] = value >>> i
  return p
}

/**
 * Values [from, to) of `values`, negative ones left out (nulls of a dictionary index), as one bit-packed run.
 * `n` is the number of values that are not negative. width ≤ 24.
 */
export function encodePacked(
  out: Uint8Array,
  at: number,
  values: Int32Array | Uint8Array,
  from: number,
  to: number,
  n: number,
  width: number,
): number {
  const groups = (n + 7) >> 3
  let p = putVarint(out, at, groups * 2 + 1)
  const end = p + groups * width
  let acc = 0
  let bits = 0
  for (let i = from; i < to; i++) {
    const v = values[i]
    if (v < 0) continue
    acc |= v << bits
    bits += width
    while (bits >= 8) {
      out[p++] = acc
      acc >>>= 8
      bits -= 8
    }
  }
  if (bits > 0) out[p++] = acc
  while (p < end) out[p++] = 0
  return p
}

/** Reads `count` values from src[at, end) into out[to …]. Returns the position after the last run that was needed. */
export function decodeRuns(
  src: Uint8Array,
  at: number,
  end: number,
  width: number,
  count: number,
  out: Int32Array | Uint8Array,
  to: number,
  file: string,
): number {
  let p = at
  let n = 0
  const bytes = (width + 7) >> 3
  while (n < count) {
    let header = 0
    for (let shift = 0; ; shift += 7) {
      if (p >= end) throw new Failure('TRB-LAKE-401', { file, problem: 'a run of levels or indexes is cut short' })
      const b = src[p++]
      header |= (b & 127) << shift
      if (b < 128) break
    }
    if ((header & 1) === 0) {
      let value = 0
      for (let i = 0; i < bytes; i++) value |= src[p++] << (i * 8)
      const run = Math.min(header >>> 1, count - n)
      out.fill(value, to + n, to + n + run)
      n += run
    } else {
      const groups = header >>> 1
      const run = Math.min(groups * 8, count - n)
      unpack(src, p, end, width, run, out, to + n)
      p += groups * width
      n += run
    }
  }
  return p
}

function unpack(src: Uint8Array, at: number, end: number, width: number, n: number, out: Int32Array | Uint8Array, to: number): void {
  if (width === 1) {
    for (let i = 0; i < n; i++) out[to + i] = (src[at + (i >> 3)] >> (i & 7)) & 1
    return
  }
  if (width === 0) {
    out.fill(0, to, to + n)
    return
  }
  const mask = width === 32 ? -1 : (1 << width) - 1
  let acc = 0
  let bits = 0
  let p = at
  for (let i = 0; i < n; i++) {
    if (width <= 24) {
      while (bits < width) {
        acc |= (p < end ? src[p] : 0) << bits
        p++
        bits += 8
      }
      out[to + i] = acc & mask
      acc >>>= width
      bits -= width
    } else {
      // wide indexes are rare: gather the bits of this value one byte at a time
      let value = 0
      const first = i * width
      for (let b = 0; b < width; b++) {
        const bit = first + b
        const q = at + (bit >> 3)
        if (q < end && ((src[q] >> (bit & 7)) & 1) === 1) value |= 1 << b
      }
      out[to + i] = value & mask
    }
  }
}
