import type { BytesVector, FixedVector, LakeType, Vector } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import { decimalWidth } from '../../format/columns/decimal-width.ts'
import {
  type Column,
  constantColumn,
  copyBytes,
  type DictionaryVector,
  type PlainVector,
  plainStarts,
  putBytes,
  viewOf,
} from '../../format/parquet/column.ts'
import { type Allocate, int32s, ownMemory } from '../../format/parquet/scratch.ts'
import { IntList } from './int-list.ts'

/**
 * Which rows a new column is made of: row i is row `row[i]` of source `source[i]` (all of source 0 when `source` is null);
 * −1 is null. A source that is null has no such column: its rows are null.
 */
export interface Selection {
  readonly source: Int32Array | null
  readonly row: Int32Array
  readonly count: number
  /** `runsOf` the selection, when it is known already. */
  readonly runs?: Int32Array
}

/** Stretches of rows that lie together in one source: source, first row (−1: null), length of each. */
export function runsOf({ source, row, count, runs }: Selection): Int32Array {
  if (runs !== undefined) return runs
  const out = new IntList(256)
  for (let i = 0; i < count; ) {
    const s = source === null ? 0 : source[i]
    const r = row[i]
    let j = i + 1
    if (r < 0) while (j < count && row[j] < 0) j++
    else while (j < count && row[j] === r + (j - i) && (source === null || source[j] === s)) j++
    out.push(s)
    out.push(Math.max(-1, r))
    out.push(j - i)
    i = j
  }
  return out.view()
}

/** The selected rows of a column of type `type`, from columns that all have this type. Runs of rows are copied as one. */
export function gather(type: LakeType, sources: readonly (Column | null)[], pick: Selection, allocate = ownMemory): Column {
  if (type.kind === 'string' || type.kind === 'bytes') {
    return gatherDictionary(sources, pick) ?? gatherPlain(sources, pick, allocate)
  }
  return gatherVector(type, sources as readonly (Vector | null)[], pick, allocate)
}

const WIDTH: Readonly<Record<string, number>> = {
  boolean: 1,
  int: 4,
  date: 4,
  float: 4,
  long: 8,
  double: 8,
  'time-micros': 8,
  'timestamp-micros': 8,
}

export function fixedWidth(type: LakeType): number {
  return type.kind === 'decimal' ? decimalWidth(type.precision) : WIDTH[type.kind]
}

/** `gather` for vectors of the contract, with byte strings as such. */
export function gatherVector(type: LakeType, sources: readonly (Vector | null)[], pick: Selection, allocate = ownMemory): Vector {
  if (type.kind === 'list' || type.kind === 'map') return gatherNested(type, sources, pick)
  if (type.kind === 'struct') return gatherStruct(type, sources, pick)
  if (type.kind === 'string' || type.kind === 'bytes') return gatherBytes(sources, pick)
  return gatherFixed(fixedWidth(type), sources, pick, allocate)
}

function gatherFixed(width: number, sources: readonly (Vector | null)[], pick: Selection, allocate: Allocate): FixedVector {
  const { count } = pick
  const runs = runsOf(pick)
  const whole = runs.length === 3 ? sources[runs[0]] : null
  if (whole?.kind === 'fixed' && runs[1] >= 0 && whole.width === width) return sliceFixed(whole, runs[1], count)
  const data = allocate(count * width)
  let valid: Uint8Array | null = null
  for (let k = 0, to = 0; k < runs.length; k += 3) {
    const v = sources[runs[k]]
    const r = runs[k + 1]
    const n = runs[k + 2]
    if (r < 0 || v === null) {
      valid ??= new Uint8Array(count).fill(1)
      valid.fill(0, to, to + n)
      data.fill(0, to * width, (to + n) * width)
    } else {
      assert(v.kind === 'fixed' && v.width === width, 'columns of one type have one layout')
      copyBytes(v.data, r * width, n * width, data, to * width)
      if (v.valid !== null) {
        valid ??= new Uint8Array(count).fill(1)
        for (let i = 0; i < n; i++) {
          if (v.valid[r + i] === 1) continue
          valid[to + i] = 0
          data.fill(0, (to + i) * width, (to + i + 1) * width)
        }
      }
    }
    to += n
  }
  return { kind: 'fixed', width, data, valid }
}

/** Rows of one vector, where they lie. */
function sliceFixed(v: FixedVector, from: number, count: number): FixedVector {
  const valid = v.valid === null ? null : v.valid.subarray(from, from + count)
  return { kind: 'fixed', width: v.width, data: v.data.subarray(from * v.width, (from + count) * v.width), valid }
}

/** Plain result: lengths first, then copies; rows that lie together in a plain source go in one copy. */
function gatherPlain(sources: readonly (Column | null)[], pick: Selection, allocate: Allocate): PlainVector {
  const runs = runsOf(pick)
  const starts = int32s(allocate, pick.count + 1)
  starts[0] = 0
  for (let k = 0, to = 0; k < runs.length; k += 3) {
    const v = sources[runs[k]]
    const n = runs[k + 2]
    if (runs[k + 1] < 0 || v === null) starts.fill(starts[to], to + 1, to + n + 1)
    else putStarts(v, runs[k + 1], n, starts, to)
    to += n
  }
  const data = allocate(starts[pick.count])
  const views = sources.map((v) => (v?.kind === 'bytes' ? viewOf(v.data) : null))
  const target = viewOf(data)
  for (let k = 0, to = 0; k < runs.length; k += 3) {
    const v = sources[runs[k]]
    const n = runs[k + 2]
    if (runs[k + 1] >= 0 && v !== null) {
      if (v.kind === 'bytes') putBytes(v, views[runs[k]]!, runs[k + 1], n, starts, to, data, target)
      else putPlain(v, runs[k + 1], n, starts, to, data)
    }
    to += n
  }
  return { kind: 'plain', data, starts }
}

/** Ends of n rows of `v` from row r on, behind entry `to`. */
function putStarts(v: Column, r: number, n: number, starts: Int32Array, to: number): void {
  let end = starts[to]
  if (v.kind === 'plain') {
    const from = v.starts
    const shift = end - from[r]
    for (let i = 1; i <= n; i++) starts[to + i] = from[r + i] + shift
  } else if (v.kind === 'dictionary') {
    const from = v.values.starts
    for (let i = 0; i < n; i++) {
      const x = v.indexes[r + i]
      if (x >= 0) end += from[x + 1] - from[x]
      starts[to + i + 1] = end
    }
  } else {
    assert(v.kind === 'bytes', 'columns of one type have one layout')
    plainStarts(v, r, n, starts, to)
  }
}

function putPlain(v: Column, r: number, n: number, starts: Int32Array, to: number, data: Buffer): void {
  if (v.kind === 'plain') {
    copyBytes(v.data, v.starts[r], v.starts[r + n] - v.starts[r], data, starts[to])
    return
  }
  assert(v.kind === 'dictionary', 'columns of one type have one layout')
  for (let i = 0; i < n; i++) {
    const at = starts[to + i]
    const size = starts[to + i + 1] - at
    if (size > 0) copyBytes(v.values.data, v.values.starts[v.indexes[r + i]], size, data, at)
  }
}

/** Most distinct values that others may bring into a dictionary. */
export const MOST_NEW = 4096

/** A dictionary result, when the rows come from dictionaries, and from others only few different values. Entries nobody uses are dropped. */
function gatherDictionary(sources: readonly (Column | null)[], { source, row, count }: Selection): DictionaryVector | null {
  if (!sources.some((s) => s?.kind === 'dictionary')) return null
  // many small dictionaries of values that hardly repeat
  const entries = sources.reduce((n, s) => n + (s?.kind === 'dictionary' ? s.values.starts.length - 1 : 0), 0)
  if (sources.length > 2 && entries > Math.max(MOST_NEW, count / 4)) return null
  const out = new DictionaryBuilder()
  const maps = sources.map((s) => (s?.kind === 'dictionary' ? new Int32Array(s.values.starts.length - 1).fill(-1) : null))
  const indexes = new Int32Array(count)
  let added = 0
  for (let i = 0; i < count; i++) {
    const s = source === null ? 0 : source[i]
    const r = row[i]
    const v = sources[s]
    if (r < 0 || v === null) indexes[i] = -1
    else if (v.kind === 'dictionary') {
      const k = v.indexes[r]
      if (k < 0) indexes[i] = -1
      else {
        const map = maps[s]!
        if (map[k] < 0) map[k] = out.add(v.values.data, v.values.starts[k] + 4, v.values.starts[k + 1])
        indexes[i] = map[k]
      }
    } else {
      const [data, from, to] = bytesAt(v, r)
      if (from < 0) indexes[i] = -1
      else {
        const before = out.size
        indexes[i] = out.add(data, from, to)
        if (out.size > before && ++added > MOST_NEW) return null
      }
    }
  }
  return { kind: 'dictionary', values: out.build(), indexes, used: true }
}

function bytesAt(v: Column, r: number): [data: Buffer, from: number, to: number] {
  if (v.kind === 'plain') return v.starts[r + 1] === v.starts[r] ? [v.data, -1, -1] : [v.data, v.starts[r] + 4, v.starts[r + 1]]
  assert(v.kind === 'bytes', 'columns of one type have one layout')
  return v.valid !== null && v.valid[r] === 0 ? [v.data, -1, -1] : [v.data, v.offsets[r], v.offsets[r + 1]]
}

/** The dictionary without the values that no row has any more; its indexes are changed in place. */
export function withoutUnused({ values, indexes }: DictionaryVector): DictionaryVector {
  const entries = values.starts.length - 1
  const number = new Int32Array(entries).fill(-1)
  let left = entries
  for (let i = 0; i < indexes.length && left > 0; i++) {
    const x = indexes[i]
    if (x >= 0 && number[x] < 0) {
      number[x] = 0
      left--
    }
  }
  if (left === 0) return { kind: 'dictionary', values, indexes, used: true }
  const out = new DictionaryBuilder()
  for (let k = 0; k < entries; k++) if (number[k] === 0) number[k] = out.add(values.data, values.starts[k] + 4, values.starts[k + 1])
  for (let i = 0; i < indexes.length; i++) if (indexes[i] >= 0) indexes[i] = number[indexes[i]]
  return { kind: 'dictionary', values: out.build(), indexes, used: true }
}

/** Distinct byte strings with a number each, in order of addition. */
export class DictionaryBuilder {
  readonly #numbers = new Map<string, number>()
  readonly #parts: Buffer[] = []
  #bytes = 0

  get size(): number {
    return this.#parts.length
  }

  add(data: Buffer, from: number, to: number): number {
    const text = data.toString('latin1', from, to)
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    const n = this.#parts.push(data.subarray(from, to)) - 1
    this.#numbers.set(text, n)
    this.#bytes += 4 + to - from
    return n
  }

  build(): PlainVector {
    const data = Buffer.allocUnsafeSlow(this.#bytes)
    const starts = new Int32Array(this.#parts.length + 1)
    let p = 0
    for (const [k, part] of this.#parts.entries()) {
      data.writeInt32LE(part.length, p)
      data.set(part, p + 4)
      p += 4 + part.length
      starts[k + 1] = p
    }
    return { kind: 'plain', data, starts }
  }
}

function gatherBytes(sources: readonly (Vector | null)[], { source, row, count }: Selection): BytesVector {
  const vectors = sources.map((v): BytesVector | null => {
    if (v === null) return null
    assert(v.kind === 'bytes', 'columns of one type have one layout')
    return v
  })
  const offsets = new Int32Array(count + 1)
  const valid = new Uint8Array(count)
  let total = 0
  let present = 0
  for (let i = 0; i < count; i++) {
    const v = vectors[source === null ? 0 : source[i]]
    const r = row[i]
    if (r >= 0 && v !== null && (v.valid === null || v.valid[r] === 1)) {
      valid[i] = 1
      present++
      total += v.offsets[r + 1] - v.offsets[r]
    }
    offsets[i + 1] = total
  }
  const data = Buffer.allocUnsafeSlow(total)
  for (let i = 0; i < count; i++) {
    const length = offsets[i + 1] - offsets[i]
    if (length === 0) continue
    const v = vectors[source === null ? 0 : source[i]]!
    copyBytes(v.data, v.offsets[row[i]], length, data, offsets[i])
  }
  return { kind: 'bytes', data, offsets, valid: present === count ? null : valid }
}

function gatherNested(type: LakeType & { kind: 'list' | 'map' }, sources: readonly (Vector | null)[], pick: Selection): Vector {
  const { source, row, count } = pick
  const offsets = new Int32Array(count + 1)
  let valid: Uint8Array | null = null
  for (let i = 0; i < count; i++) {
    const v = sources[source === null ? 0 : source[i]]
    const isNull = row[i] < 0 || v === null || (v.valid !== null && v.valid[row[i]] === 0)
    if (isNull) {
      valid ??= new Uint8Array(count).fill(1)
      valid[i] = 0
      offsets[i + 1] = offsets[i]
    } else {
      assert(v.kind === type.kind, 'columns of one type have one layout')
      offsets[i + 1] = offsets[i] + v.offsets[row[i] + 1] - v.offsets[row[i]]
    }
  }
  const n = offsets[count]
  const childSource = new Int32Array(n)
  const childRow = new Int32Array(n)
  for (let i = 0; i < count; i++) {
    if (offsets[i + 1] === offsets[i]) continue
    const s = source === null ? 0 : source[i]
    const first = (sources[s] as { offsets: Int32Array }).offsets[row[i]]
    for (let j = offsets[i], k = 0; j < offsets[i + 1]; j++, k++) {
      childSource[j] = s
      childRow[j] = first + k
    }
  }
  const child: Selection = { source: childSource, row: childRow, count: n }
  const of = (side: 'element' | 'key' | 'value'): (Vector | null)[] => sources.map((v) => (v === null ? null : (v as never)[side]))
  if (type.kind === 'list') return { kind: 'list', offsets, valid, element: gatherVector(type.element, of('element'), child) }
  const key = gatherBytes(of('key'), child)
  return { kind: 'map', offsets, valid, key, value: gatherVector(type.value, of('value'), child) }
}

function gatherStruct(type: LakeType & { kind: 'struct' }, sources: readonly (Vector | null)[], pick: Selection): Vector {
  const { source, row, count } = pick
  let valid: Uint8Array | null = null
  for (let i = 0; i < count; i++) {
    const v = sources[source === null ? 0 : source[i]]
    if (row[i] >= 0 && v !== null && (v.valid === null || v.valid[row[i]] === 1)) continue
    valid ??= new Uint8Array(count).fill(1)
    valid[i] = 0
  }
  const of = (f: number): (Vector | null)[] =>
    sources.map((v) => {
      if (v === null) return null
      assert(v.kind === 'struct', 'columns of one type have one layout')
      return v.fields[f]
    })
  return { kind: 'struct', count, valid, fields: type.fields.map((f, i) => gatherVector(f.type, of(i), pick)) }
}

/** A column without a value in any of `count` rows. */
export function nullColumn(type: LakeType, count: number): Column {
  if (type.kind === 'string' || type.kind === 'bytes') return constantColumn(null, count)
  return gatherVector(type, [null], { source: null, row: new Int32Array(count).fill(-1), count })
}
