import type { BytesVector, FixedVector, LakeType, Vector } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import { decimalWidth } from '../../format/columns/decimal-width.ts'
import { type Column, constantColumn, copyBytes, type DictionaryVector, type PlainVector } from '../../format/parquet/column.ts'
import { type Allocate, ownMemory } from '../../format/parquet/scratch.ts'

/**
 * Which rows a new column is made of: row i is row `row[i]` of source `source[i]` (all of source 0 when `source` is null);
 * −1 is null. A source that is null has no such column: its rows are null.
 */
export interface Selection {
  readonly source: Int32Array | null
  readonly row: Int32Array
  readonly count: number
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
  if (type.kind === 'string' || type.kind === 'bytes') return gatherBytes(sources, pick)
  return gatherFixed(fixedWidth(type), sources, pick, allocate)
}

function gatherFixed(
  width: number,
  sources: readonly (Vector | null)[],
  { source, row, count }: Selection,
  allocate: Allocate,
): FixedVector {
  const data = allocate(count * width)
  let valid: Uint8Array | null = null
  const setNull = (i: number): void => {
    valid ??= new Uint8Array(count).fill(1)
    valid[i] = 0
    data.fill(0, i * width, (i + 1) * width)
  }
  for (let i = 0; i < count; ) {
    const s = source === null ? 0 : source[i]
    const r = row[i]
    const v = sources[s]
    if (r < 0 || v === null) {
      setNull(i++)
      continue
    }
    assert(v.kind === 'fixed' && v.width === width, 'columns of one type have one layout')
    let j = i + 1
    while (j < count && row[j] === r + (j - i) && (source === null || source[j] === s)) j++
    copyBytes(v.data, r * width, (j - i) * width, data, i * width)
    if (v.valid !== null) for (let k = i; k < j; k++) if (v.valid[r + (k - i)] === 0) setNull(k)
    i = j
  }
  return { kind: 'fixed', width, data, valid }
}

/** Plain result: lengths first, then copies; rows that lie together in a plain source go in one copy. */
function gatherPlain(sources: readonly (Column | null)[], pick: Selection, allocate: Allocate): PlainVector {
  const { source, row, count } = pick
  const starts = new Int32Array(count + 1)
  for (let i = 0; i < count; i++) {
    const v = sources[source === null ? 0 : source[i]]
    starts[i + 1] = starts[i] + (row[i] < 0 || v === null ? 0 : plainLength(v, row[i]))
  }
  const data = allocate(starts[count])
  for (let i = 0; i < count; ) {
    const s = source === null ? 0 : source[i]
    const r = row[i]
    const v = sources[s]
    if (r < 0 || v === null) {
      i++
    } else if (v.kind === 'plain') {
      let j = i + 1
      while (j < count && row[j] === r + (j - i) && (source === null || source[j] === s)) j++
      const from = v.starts[r]
      copyBytes(v.data, from, v.starts[r + (j - i)] - from, data, starts[i])
      i = j
    } else {
      putPlain(v, r, data, starts[i], starts[i + 1])
      i++
    }
  }
  return { kind: 'plain', data, starts }
}

function plainLength(v: Column, r: number): number {
  if (v.kind === 'plain') return v.starts[r + 1] - v.starts[r]
  if (v.kind === 'dictionary') {
    const k = v.indexes[r]
    return k < 0 ? 0 : v.values.starts[k + 1] - v.values.starts[k]
  }
  assert(v.kind === 'bytes', 'columns of one type have one layout')
  return v.valid !== null && v.valid[r] === 0 ? 0 : 4 + v.offsets[r + 1] - v.offsets[r]
}

function putPlain(v: Column, r: number, data: Buffer, at: number, end: number): void {
  if (at === end) return
  if (v.kind === 'dictionary') {
    copyBytes(v.values.data, v.values.starts[v.indexes[r]], end - at, data, at)
  } else if (v.kind === 'bytes') {
    const length = end - at - 4
    data[at] = length
    data[at + 1] = length >>> 8
    data[at + 2] = length >>> 16
    data[at + 3] = length >>> 24
    copyBytes(v.data, v.offsets[r], length, data, at + 4)
  }
}

/** Most distinct values that others may bring into a dictionary. */
const MOST_NEW = 4096

/** A dictionary result, when the rows come from dictionaries, and from others only few different values. Entries nobody uses are dropped. */
function gatherDictionary(sources: readonly (Column | null)[], { source, row, count }: Selection): DictionaryVector | null {
  if (!sources.some((s) => s?.kind === 'dictionary')) return null
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
  return { kind: 'dictionary', values: out.build(), indexes }
}

function bytesAt(v: Column, r: number): [data: Buffer, from: number, to: number] {
  if (v.kind === 'plain') return v.starts[r + 1] === v.starts[r] ? [v.data, -1, -1] : [v.data, v.starts[r] + 4, v.starts[r + 1]]
  assert(v.kind === 'bytes', 'columns of one type have one layout')
  return v.valid !== null && v.valid[r] === 0 ? [v.data, -1, -1] : [v.data, v.offsets[r], v.offsets[r + 1]]
}

class DictionaryBuilder {
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

/** A column without a value in any of `count` rows. */
export function nullColumn(type: LakeType, count: number): Column {
  if (type.kind === 'string' || type.kind === 'bytes') return constantColumn(null, count)
  return gatherVector(type, [null], { source: null, row: new Int32Array(count).fill(-1), count })
}
