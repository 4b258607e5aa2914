import type { BytesVector, FixedVector, ListVector, MapVector, StructVector, Vector } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'

/**
 * Byte strings as PLAIN pages hold them: row i is data[starts[i], starts[i + 1]), a u32le length and the bytes. A null row is
 * an empty range (even an empty string has its four length bytes), so runs of rows are copied with one memory copy.
 */
export interface PlainVector {
  readonly kind: 'plain'
  readonly data: Buffer
  /** count + 1 */
  readonly starts: Int32Array
  /** Rows with the least and the greatest value, where who made the vector knows them; no row is null then. */
  readonly extremes?: readonly [number, number]
}

/** Rows as indexes into distinct values; −1 is null. */
export interface DictionaryVector {
  readonly kind: 'dictionary'
  readonly values: PlainVector
  readonly indexes: Int32Array
  /** Known: every value is that of some row. */
  readonly used?: true
}

/** What the Parquet writer takes and the reader gives. Top-level byte strings come as plain or dictionary. */
export type Column = FixedVector | PlainVector | DictionaryVector | BytesVector | ListVector | MapVector | StructVector

export function isVector(column: Column): column is Vector {
  return column.kind !== 'plain' && column.kind !== 'dictionary'
}

/** One value repeated `count` times; null for all-null. */
export function constantColumn(value: Uint8Array | null, count: number): DictionaryVector {
  if (value === null) return { kind: 'dictionary', values: emptyPlain(), indexes: new Int32Array(count).fill(-1) }
  const data = Buffer.allocUnsafe(4 + value.length)
  data.writeInt32LE(value.length, 0)
  data.set(value, 4)
  return {
    kind: 'dictionary',
    values: { kind: 'plain', data, starts: Int32Array.of(0, data.length) },
    indexes: new Int32Array(count),
    used: true,
  }
}

export function emptyPlain(): PlainVector {
  return { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(1) }
}

/** Copies `length` bytes; short copies by loop, because a call into the runtime costs more than 40 of its iterations. */
export function copyBytes(src: Uint8Array, from: number, length: number, dst: Uint8Array, to: number): void {
  if (length <= 40) {
    for (let i = 0; i < length; i++) dst[to + i] = src[from + i]
  } else {
    dst.set(src.subarray(from, from + length), to)
  }
}

/** Where the bytes of row r are, without their length; −1 for null. */
export function plainEntry(v: PlainVector, r: number): readonly [from: number, to: number] {
  return v.starts[r + 1] === v.starts[r] ? [-1, -1] : [v.starts[r] + 4, v.starts[r + 1]]
}

/** Rows [from, to) of a bytes vector in plain form. */
export function plainOfBytes(v: BytesVector, from: number, to: number): PlainVector {
  const n = to - from
  const starts = new Int32Array(n + 1)
  plainStarts(v, from, n, starts, 0)
  const data = Buffer.allocUnsafeSlow(starts[n])
  putBytes(v, viewOf(v.data), from, n, starts, 0, data, viewOf(data))
  return { kind: 'plain', data, starts }
}

/** Ends of rows [from, from + n) of `v` in plain form, behind entry `at` of `starts`. */
export function plainStarts({ offsets, valid }: BytesVector, from: number, n: number, starts: Int32Array, at: number): void {
  let end = starts[at]
  for (let i = 0; i < n; i++) {
    if (valid === null || valid[from + i] === 1) end += 4 + offsets[from + i + 1] - offsets[from + i]
    starts[at + i + 1] = end
  }
}

export function viewOf(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.length)
}

/** Writes these rows to the places that `plainStarts` gave them. `source` and `target`: views of `v.data` and `out`. */
export function putBytes(
  v: BytesVector,
  source: DataView,
  from: number,
  n: number,
  starts: Int32Array,
  at: number,
  out: Buffer,
  target: DataView,
): void {
  const { data, offsets } = v
  for (let i = 0; i < n; i++) {
    const p = starts[at + i]
    if (starts[at + i + 1] === p) continue
    const length = starts[at + i + 1] - p - 4
    const o = offsets[from + i]
    target.setInt32(p, length, true)
    if (length > 512) {
      out.set(data.subarray(o, o + length), p + 4)
      continue
    }
    let k = 0
    for (; k + 4 <= length; k += 4) target.setInt32(p + 4 + k, source.getInt32(o + k, true), true)
    for (; k < length; k++) out[p + 4 + k] = data[o + k]
  }
}

export function plainOfDictionary(v: DictionaryVector): PlainVector {
  const n = v.indexes.length
  const { data, starts: at } = v.values
  const starts = new Int32Array(n + 1)
  let total = 0
  for (let i = 0; i < n; i++) {
    const k = v.indexes[i]
    if (k >= 0) total += at[k + 1] - at[k]
    starts[i + 1] = total
  }
  const out = Buffer.allocUnsafeSlow(total)
  for (let i = 0; i < n; i++) {
    const k = v.indexes[i]
    if (k >= 0) copyBytes(data, at[k], at[k + 1] - at[k], out, starts[i])
  }
  return { kind: 'plain', data: out, starts }
}

/** The contract's form of a column of byte strings. */
export function bytesOfPlain(v: PlainVector): BytesVector {
  const n = v.starts.length - 1
  const offsets = new Int32Array(n + 1)
  let valid: Uint8Array | null = null
  const out = Buffer.allocUnsafeSlow(v.data.length)
  let p = 0
  for (let i = 0; i < n; i++) {
    const s = v.starts[i]
    const length = v.starts[i + 1] - s - 4
    if (length < 0) {
      valid ??= new Uint8Array(n).fill(1)
      valid[i] = 0
    } else {
      copyBytes(v.data, s + 4, length, out, p)
      p += length
    }
    offsets[i + 1] = p
  }
  return { kind: 'bytes', data: out.subarray(0, p), offsets, valid }
}

/** Any column as the contract's vector. */
export function toVector(column: Column): Vector {
  if (column.kind === 'plain') return bytesOfPlain(column)
  if (column.kind === 'dictionary') return bytesOfPlain(plainOfDictionary(column))
  return column
}

export function columnLength(column: Column): number {
  switch (column.kind) {
    case 'plain':
      return column.starts.length - 1
    case 'dictionary':
      return column.indexes.length
    case 'fixed':
      return Math.floor(column.data.length / column.width)
    case 'struct':
      return column.count
    default:
      return column.offsets.length - 1
  }
}

/** A typed view of little-endian bytes, copied only when they are not aligned. */
export function int32View(data: Uint8Array, words: number): Int32Array {
  assert(data.length >= words * 4, 'a fixed-width vector is as long as its row count says')
  if (data.byteOffset % 4 === 0) return new Int32Array(data.buffer, data.byteOffset, words)
  const copy = new Uint8Array(words * 4)
  copy.set(data.subarray(0, words * 4))
  return new Int32Array(copy.buffer)
}
