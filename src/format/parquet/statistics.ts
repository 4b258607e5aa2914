import type { FixedVector } from '../../contract/columns.ts'
import { type DictionaryVector, int32View, type PlainVector } from './column.ts'
import { PHYSICAL, type SchemaElement, type Statistics } from './metadata.ts'

/** Longer minima and maxima are left out: a cut one would have to be marked as inexact, which older readers ignore. */
const LONGEST = 256
const FIRST_BIT = 0x80000000

/** Unsigned byte order, the order of strings and bytes. */
export function compareBytes(a: Uint8Array, aFrom: number, aTo: number, b: Uint8Array, bFrom: number, bTo: number): number {
  const n = Math.min(aTo - aFrom, bTo - bFrom)
  for (let i = 0; i < n; i++) {
    const d = a[aFrom + i] - b[bFrom + i]
    if (d !== 0) return d
  }
  return aTo - aFrom - (bTo - bFrom)
}

/** Walks each value once along minimum and maximum together, four bytes at a time: keys often share a long prefix. */
export function plainStatistics(v: PlainVector): Statistics {
  const { data, starts } = v
  const n = starts.length - 1
  if (n === 0) return { nullCount: 0, min: null, max: null }
  if (v.extremes !== undefined) return bytesStatistics(v, ...v.extremes)
  const words = new DataView(data.buffer, data.byteOffset, data.length)
  let min = 0
  let max = 0
  for (let i = 1; i < n; i++) {
    const s = starts[i] + 4
    const e = starts[i + 1]
    const minAt = starts[min] + 4
    const maxAt = starts[max] + 4
    const shared = Math.min(e - s, starts[min + 1] - minAt, starts[max + 1] - maxAt) - 4
    let k = 0
    let aboveMin = false
    let belowMax = false
    for (; k <= shared; k += 4) {
      // signed words with the first bit turned over: they compare as the bytes do, and stay small integers for the compiler
      const w = words.getInt32(s + k) ^ FIRST_BIT
      const low = words.getInt32(minAt + k) ^ FIRST_BIT
      const high = words.getInt32(maxAt + k) ^ FIRST_BIT
      if (w === low && w === high) continue
      // the rest is compared with the one of the two that it still ties with
      aboveMin = w > low
      belowMax = w < high
      if (w < low) min = i
      else if (w > high) max = i
      break
    }
    if (min === i || max === i || (aboveMin && belowMax)) continue
    if (!aboveMin && compareBytes(data, s + k, e, data, minAt + k, starts[min + 1]) < 0) min = i
    else if (!belowMax && compareBytes(data, s + k, e, data, maxAt + k, starts[max + 1]) > 0) max = i
  }
  return bytesStatistics(v, min, max)
}

/** Over the entries that rows use; entries without a row don't count. Nulls are counted by the caller. */
export function dictionaryStatistics(v: DictionaryVector): Statistics {
  const entries = v.values.starts.length - 1
  const used = v.used === true ? null : new Uint8Array(entries)
  if (used !== null) for (let i = 0; i < v.indexes.length; i++) if (v.indexes[i] >= 0) used[v.indexes[i]] = 1
  const { data, starts } = v.values
  let min = -1
  let max = -1
  for (let i = 0; i < entries; i++) {
    if (used !== null && used[i] === 0) continue
    if (min < 0 || compareBytes(data, starts[i] + 4, starts[i + 1], data, starts[min] + 4, starts[min + 1]) < 0) min = i
    if (max < 0 || compareBytes(data, starts[i] + 4, starts[i + 1], data, starts[max] + 4, starts[max + 1]) > 0) max = i
  }
  return bytesStatistics(v.values, min, max)
}

function bytesStatistics(v: PlainVector, min: number, max: number): Statistics {
  const nullCount = 0
  const at = (i: number): Uint8Array => Uint8Array.prototype.slice.call(v.data, v.starts[i] + 4, v.starts[i + 1])
  const long = (i: number): boolean => v.starts[i + 1] - v.starts[i] - 4 > LONGEST
  if (min < 0 || long(min) || long(max)) return { nullCount, min: null, max: null }
  return { nullCount, min: at(min), max: at(max) }
}

export function fixedStatistics(v: FixedVector, n: number, element: SchemaElement): Statistics {
  let nulls = 0
  if (v.valid !== null) for (let i = 0; i < n; i++) if (v.valid[i] === 0) nulls++
  const [min, max] = extremes(v, n, element)
  const at = (i: number): Uint8Array | null => {
    if (i < 0) return null
    return Uint8Array.prototype.slice.call(v.data, i * v.width, (i + 1) * v.width)
  }
  const low = at(min)
  const high = at(max)
  if (element.type === PHYSICAL.float || element.type === PHYSICAL.double) signZero(low, high, v.width)
  return { nullCount: nulls, min: low, max: high }
}

/** Row numbers of the least and the greatest value, −1 when there is none (all null, NaN only). */
function extremes(v: FixedVector, n: number, element: SchemaElement): [number, number] {
  switch (element.type) {
    case PHYSICAL.int64:
      return extremesOfLong(v, n)
    case PHYSICAL.fixed:
      return extremesOfDecimal(v, n)
    case PHYSICAL.int32:
      return extremesOf(int32View(v.data, n), v.valid, n)
    case PHYSICAL.boolean:
      return extremesOf(v.data, v.valid, n)
    case PHYSICAL.float:
      return extremesOf(floats(v.data, 4, n, Float32Array), v.valid, n)
    default:
      return extremesOf(floats(v.data, 8, n, Float64Array), v.valid, n)
  }
}

/** The first n values of `width` bytes, as `Values`; copied only when they are not aligned. */
function floats<T>(data: Uint8Array, width: number, n: number, Values: new (b: ArrayBuffer, at: number, n: number) => T): T {
  if (data.byteOffset % width === 0) return new Values(data.buffer as ArrayBuffer, data.byteOffset, n)
  const copy = new Uint8Array(n * width)
  copy.set(data.subarray(0, n * width))
  return new Values(copy.buffer, 0, n)
}

/** NaN compares false and so never becomes an extreme. */
function extremesOf(values: ArrayLike<number>, valid: Uint8Array | null, n: number): [number, number] {
  let min = -1
  let max = -1
  for (let i = 0; i < n; i++) {
    if (valid !== null && valid[i] === 0) continue
    const x = values[i]
    if (Number.isNaN(x)) continue
    if (min < 0) {
      min = i
      max = i
    } else if (x < values[min]) min = i
    else if (x > values[max]) max = i
  }
  return [min, max]
}

/** Pairs of 32-bit halves: no bigint per value. */
function extremesOfLong(v: FixedVector, n: number): [number, number] {
  const words = int32View(v.data, n * 2)
  let min = -1
  let max = -1
  const less = (a: number, b: number): boolean => {
    const ah = words[a * 2 + 1]
    const bh = words[b * 2 + 1]
    return ah !== bh ? ah < bh : words[a * 2] >>> 0 < words[b * 2] >>> 0
  }
  for (let i = 0; i < n; i++) {
    if (v.valid !== null && v.valid[i] === 0) continue
    if (min < 0) {
      min = i
      max = i
    } else if (less(i, min)) min = i
    else if (less(max, i)) max = i
  }
  return [min, max]
}

/** Big-endian two's complement: the first byte compares signed, the rest unsigned. */
function extremesOfDecimal(v: FixedVector, n: number): [number, number] {
  const { data, width } = v
  let min = -1
  let max = -1
  const less = (a: number, b: number): boolean => {
    const x = a * width
    const y = b * width
    const d = ((data[x] << 24) >> 24) - ((data[y] << 24) >> 24)
    if (d !== 0) return d < 0
    for (let i = 1; i < width; i++) if (data[x + i] !== data[y + i]) return data[x + i] < data[y + i]
    return false
  }
  for (let i = 0; i < n; i++) {
    if (v.valid !== null && v.valid[i] === 0) continue
    if (min < 0) {
      min = i
      max = i
    } else if (less(i, min)) min = i
    else if (less(max, i)) max = i
  }
  return [min, max]
}

/** parquet.thrift: a zero minimum is written as −0, a zero maximum as +0, because writers can't tell which one occurs. */
function signZero(min: Uint8Array | null, max: Uint8Array | null, width: number): void {
  const zero = (b: Uint8Array): boolean => b.every((x, i) => x === 0 || (i === width - 1 && x === 0x80))
  if (min !== null && zero(min)) min[width - 1] = 0x80
  if (max !== null && zero(max)) max[width - 1] = 0
}
