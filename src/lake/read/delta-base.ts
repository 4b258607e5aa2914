import { assert } from '../../failure/failure.ts'
import { type Column, type PlainVector, plainOfBytes, plainOfDictionary } from '../../format/parquet/column.ts'
import type { ParquetFile } from '../../format/parquet/file.ts'
import { ownMemory, Scratch } from '../../format/parquet/scratch.ts'
import { firstHash, hashInto } from '../index/keys.ts'
import { gather } from '../merge/gather.ts'
import { IntList } from '../merge/int-list.ts'
import type { Reduced } from './delta-reduce.ts'
import { KEY_SEED, madeKeys } from './log-chunk.ts'
import type { LogColumns } from './log-columns.ts'
import { compareOrdering, type Ordering } from './ordering.ts'

const KEY = '_hoodie_record_key'

/** How the survivors of the log meet the rows of the base file. */
export interface Met {
  /** Ordinals of base rows that go, ascending. */
  readonly hidden: IntList
  /** Key → row group and row in it of the base row that it replaces, −1 none. */
  readonly group: Int32Array
  readonly row: Int32Array
  /** Key → STAYS: the base row is newer and stays, the log has nothing to add; FILLED: it is, but where it is null the log may have a value. */
  readonly outlived: Uint8Array
}

export const STAYS = 1
export const FILLED = 2

/** Base rows of one row group whose keys the log has. */
export interface KeyMatches {
  readonly group: number
  /** Rows in the group, ascending, and the number of each one's key. */
  readonly row: Int32Array
  readonly key: Int32Array
  /** Ordering values, and each row's place in them; null: to be read from the file. */
  readonly ordering: { readonly values: Ordering; readonly place: Int32Array } | null
}

/** A base without rows: everything in the log is new. */
export function nothingMet(keys: number): Met {
  return {
    hidden: new IntList(),
    group: new Int32Array(keys).fill(-1),
    row: new Int32Array(keys).fill(-1),
    outlived: new Uint8Array(keys),
  }
}

/** Looks the keys of the base file up, row group by row group; only the key column is read, and only of groups whose range the log's keys touch. */
export async function* matchKeys(file: ParquetFile, reduced: Reduced, of: LogColumns): AsyncGenerator<KeyMatches> {
  if (reduced.count === 0) return
  const groups = of.made === null ? groupsInRange(file, reduced) : file.meta.rowGroups.map((_, group) => group)
  const filter = new KeyFilter(reduced)
  const scratch = new Scratch()
  for (const group of groups) {
    scratch.reset()
    yield matchRows(await groupKeys(file, group, of, scratch.take), reduced, filter, group)
  }
  scratch.release()
}

/** Decides, for each match, whether the survivor or the base row stays. `first` is the ordinal of each row group's first row. */
export async function meet(
  file: ParquetFile,
  matches: AsyncIterable<KeyMatches> | Iterable<KeyMatches>,
  reduced: Reduced,
  of: LogColumns,
): Promise<Met> {
  const met = nothingMet(reduced.keys.size)
  const first = firstOrdinals(file)
  const byEvent = of.rules.mode === 'event-time' && of.rules.overBase !== 'always'
  for await (const { group, row, key, ordering: known } of matches) {
    if (row.length === 0) continue
    const base = !byEvent ? null : known !== null ? known.values : await rowsOrdering(file, group, row, of)
    for (let i = 0; i < row.length; i++) {
      const k = key[i]
      const e = reduced.winner[k]
      if (base !== null && !reduced.unconditional(e)) {
        const chunk = reduced.chunks[reduced.chunkOf(e)]
        if (compareOrdering(chunk.ordering, reduced.rowOf(e), base, known === null ? i : known.place[i]) < 0) {
          met.outlived[k] = of.rules.nulls === 'below' && !reduced.removes(e) ? FILLED : STAYS
          if (met.outlived[k] === STAYS) continue
        }
      }
      met.group[k] = group
      met.row[k] = row[i]
      met.hidden.push(first[group] + row[i])
    }
  }
  return met
}

/** Ordinal of the first row of each row group. */
export function firstOrdinals(file: ParquetFile): Int32Array {
  const { rowGroups } = file.meta
  const first = new Int32Array(rowGroups.length + 1)
  for (const [g, { rows }] of rowGroups.entries()) first[g + 1] = first[g] + rows
  return first
}

/** The record keys of a row group. */
export async function groupKeys(file: ParquetFile, group: number, of: LogColumns, allocate = ownMemory): Promise<PlainVector> {
  if (of.made !== null) return await keysMade(file, group, of, of.made)
  const column = await file.read(group, KEY, { kind: 'string' }, allocate)
  if (column === null) return { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(file.meta.rowGroups[group].rows + 1) }
  if (column.kind === 'dictionary') return plainOfDictionary(column)
  return column.kind === 'bytes' ? plainOfBytes(column, 0, column.offsets.length - 1) : (column as PlainVector)
}

async function keysMade(file: ParquetFile, group: number, of: LogColumns, made: NonNullable<LogColumns['made']>): Promise<PlainVector> {
  const { rows } = file.meta.rowGroups[group]
  const columns: (Column | null)[] = []
  for (const p of made.places) columns[p] = await file.read(group, of.all[p].name, of.all[p].type)
  const { data, offsets } = madeKeys(made, columns, rows, file.key)
  return plainOfBytes({ kind: 'bytes', data, offsets, valid: null }, 0, rows)
}

/** One bit for each of ten hashes per key: most base keys are told to be none of the log's without a look at its table. */
class KeyFilter {
  readonly #bits: Int32Array
  readonly #mask: number

  constructor(reduced: Reduced) {
    let bits = 1024
    while (bits < reduced.count * 10 && bits < 1 << 28) bits *= 2
    this.#bits = new Int32Array(bits >> 5)
    this.#mask = bits - 1
    for (const { keys, count } of reduced.chunks) {
      for (let i = 0; i < count; i++) {
        const h = keys.h0[i] & this.#mask
        this.#bits[h >>> 5] |= 1 << (h & 31)
      }
    }
  }

  may(h0: number): boolean {
    const h = h0 & this.#mask
    return (this.#bits[h >>> 5] & (1 << (h & 31))) !== 0
  }
}

/** Keys, and ordering values where they matter, of some rows of a row group. */
export interface KeyPart {
  readonly group: number
  readonly rows: Int32Array
  readonly keys: PlainVector
  readonly ordering: Ordering | null
}

/** The same for keys of some rows only, as they were put aside. */
export async function* matchParts(parts: AsyncIterable<KeyPart>, reduced: Reduced): AsyncGenerator<KeyMatches> {
  const filter = new KeyFilter(reduced)
  for await (const { group, rows, keys, ordering } of parts) {
    const found = matchRows(keys, reduced, filter, group)
    const row = found.row.map((place) => rows[place])
    yield { ...found, row, ordering: ordering === null ? null : { values: ordering, place: found.row } }
  }
}

function matchRows({ data, starts }: PlainVector, reduced: Reduced, filter: KeyFilter, group: number): KeyMatches {
  const row = new IntList()
  const key = new IntList()
  const h0 = new Int32Array(1)
  const h1 = new Int32Array(1)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const n = starts.length - 1
  for (let i = 0; i < n; i++) {
    const from = starts[i] + 4
    const to = starts[i + 1]
    if (to < from || !filter.may(firstHash(data, view, from, to, KEY_SEED))) continue
    hashInto(data, from, to, KEY_SEED, h0, h1, 0)
    const k = reduced.keys.find(h0[0], h1[0], data, from, to)
    if (k < 0) continue
    row.push(i)
    key.push(k)
  }
  return { group, row: row.view(), key: key.view(), ordering: null }
}

/** Ordering values of some rows of a row group; null: of all. */
export async function rowsOrdering(file: ParquetFile, group: number, row: Int32Array | null, of: LogColumns): Promise<Ordering> {
  const columns: (Column | null)[] = []
  const scratch = new Scratch()
  for (const c of of.fields.columns) {
    if (row === null) columns.push(await file.read(group, c.name, c.type))
    else {
      const values = await file.read(group, c.name, c.type, scratch.take)
      columns.push(gather(c.type, [values], { source: null, row, count: row.length }))
      scratch.reset()
    }
  }
  scratch.release()
  return of.fields.ofRows(columns, row?.length ?? file.meta.rowGroups[group].rows)
}

/** Entries that are looked at first: mostly they show already that every row group may have keys of the log. */
const SAMPLE = 64

/** Row groups whose range of keys the log's keys touch. */
function groupsInRange(file: ParquetFile, reduced: Reduced): number[] {
  const all = file.meta.rowGroups.map((_, group) => group)
  const within = (step: number): number[] => {
    const range = keyRange(reduced, step)
    return all.filter((group) => !outside(file, group, range))
  }
  const step = Math.ceil(reduced.count / SAMPLE)
  return step === 1 || within(step).length < all.length ? within(1) : all
}

/** Least and greatest key of every `step`-th entry of each chunk of the log. */
function keyRange(reduced: Reduced, step: number): { readonly min: Buffer; readonly max: Buffer } {
  let min: Buffer | null = null
  let max: Buffer | null = null
  for (const { keys, count } of reduced.chunks) {
    const { data, offsets } = keys
    for (let i = 0; i < count; i += step) {
      if (min === null || isLess(data, offsets[i], offsets[i + 1], min, 0, min.length)) min = data.subarray(offsets[i], offsets[i + 1])
      if (max === null || isLess(max, 0, max.length, data, offsets[i], offsets[i + 1])) max = data.subarray(offsets[i], offsets[i + 1])
    }
  }
  assert(min !== null && max !== null, 'a log that is matched has keys')
  return { min, max }
}

/** Whether a[from, to) sorts before b[bf, bt). Keys differ early: a loop is cheaper than a call into the runtime. */
function isLess(a: Uint8Array, from: number, to: number, b: Uint8Array, bf: number, bt: number): boolean {
  for (let i = from, j = bf; i < to && j < bt; i++, j++) if (a[i] !== b[j]) return a[i] < b[j]
  return to - from < bt - bf
}

/** No key of the row group can be one of the log's. */
function outside(file: ParquetFile, group: number, range: { readonly min: Buffer; readonly max: Buffer }): boolean {
  const column = file.column(KEY)
  if (column === null) return true
  const s = file.meta.rowGroups[group].columns[column.firstLeaf].statistics
  if (s === null || s.min === null || s.max === null) return false
  return Buffer.compare(s.max, range.min) < 0 || Buffer.compare(s.min, range.max) > 0
}
