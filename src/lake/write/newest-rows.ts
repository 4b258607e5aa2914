import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { KeyTable } from '../index/key-table.ts'
import { hashInto, type Keys } from '../index/keys.ts'
import type { KeyWriter } from '../index/record-key.ts'
import { IntList } from '../merge/int-list.ts'
import { compareOrdering, type Ordering, type OrderingFields } from '../read/ordering.ts'

/** Rows that somebody wants to write, readable again and again. */
export interface KeyedInput {
  /** What messages call it. */
  readonly name: string
  readonly rows: number
  read(): AsyncIterable<RowChunk>
}

export interface NewestRowsOptions {
  readonly columns: readonly LakeColumn[]
  readonly keys: KeyWriter
  /** Null: the later row of the input is the newer one, and newer than every stored row. */
  readonly ordering: { readonly column: string; readonly fields: OrderingFields } | null
  /** Stored rows that may have keys of the input: record key first, then the ordering column. Null: they are not asked. */
  readonly stored: (() => AsyncIterable<RowChunk>) | null
  /**
   * The same of rows that are stored, but may have been deleted since: a row older than one of them is late, too. (Of a merge-on-read table those
   * in base files: a row older than a deleted one would bring the deleted one back, because logs are merged among themselves first.)
   */
  readonly buried?: (() => AsyncIterable<RowChunk>) | null
  readonly seed: number
}

/** Which rows of an input are worth writing, and what is known of the others. */
export interface NewestRows {
  /** 1 by row of the input: not to be written. */
  readonly dropped: Uint8Array
  /** Rows for whose key the input has a newer one. */
  readonly superseded: number
  /** Rows for whose key the table has a newer one. */
  readonly late: number
  /** Keys of the input that the table has. */
  readonly existing: number
  readonly firstExisting: string | null
}

/** Keys looked at in one pass; each costs its bytes and about 40 more. */
const KEYS_AT_ONCE = 1 << 21

/**
 * Finds the newest row of every key of an input, by the ordering column (of equals the later row), and, when `stored` rows are given, whether
 * the table has the key, and a newer row for it. Memory is bounded by passes over the input, each looking at a share of the keys. Fails with
 * TRB-LAKE-093 for a null key, TRB-LAKE-062 for a null ordering value.
 */
export async function newestRows(input: KeyedInput, options: NewestRowsOptions): Promise<NewestRows> {
  const dropped = new Uint8Array(input.rows)
  const found = { superseded: 0, late: 0, existing: 0, firstExisting: null as string | null }
  let passes = 1
  while (input.rows / passes > KEYS_AT_ONCE) passes *= 2
  for (let pass = 0; pass < passes; pass++) {
    const candidates = new Candidates(input.name, options, (h1) => (h1 & (passes - 1)) === pass)
    let first = 0
    for await (const chunk of input.read()) {
      candidates.add(chunk, first, dropped)
      first += chunk.count
    }
    assert(first === input.rows, 'an input has the same rows each time it is read')
    if (options.stored !== null) for await (const chunk of options.stored()) candidates.meet(chunk, dropped, true)
    if (options.buried) for await (const chunk of options.buried()) candidates.meet(chunk, dropped, false)
    found.superseded += candidates.superseded
    found.late += candidates.late
    found.existing += candidates.existing
    found.firstExisting ??= candidates.firstExisting
  }
  return { dropped, ...found }
}

/** The newest row so far of each key of one pass. */
class Candidates {
  superseded = 0
  late = 0
  existing = 0
  firstExisting: string | null = null
  readonly #name: string
  readonly #options: NewestRowsOptions
  readonly #inPass: (h1: number) => boolean
  readonly #sources: Keys[] = []
  readonly #orderings: (Ordering | null)[] = []
  readonly #table: KeyTable
  /** By key: row of the input, and where its ordering value is. */
  readonly #row = new IntList()
  readonly #source = new IntList()
  readonly #at = new IntList()
  readonly #met = new IntList()

  constructor(name: string, options: NewestRowsOptions, inPass: (h1: number) => boolean) {
    this.#name = name
    this.#options = options
    this.#inPass = inPass
    this.#table = new KeyTable(this.#sources, 1 << 12)
  }

  add(chunk: RowChunk, first: number, dropped: Uint8Array): void {
    const { keys: writer, seed } = this.#options
    const columns = writer.fields.map((f) => vectorOf(chunk, f))
    const missing = columns.length === 1 ? firstNull(columns[0], chunk.count) : -1
    if (missing >= 0) throw new Failure('TRB-LAKE-093', { input: this.#name, row: first + missing + 1, column: writer.fields[0] })
    const keys = writer.write(columns, null, chunk.count, seed)
    const ordering = this.#orderingOf(chunk, first)
    const source = this.#sources.push(keys) - 1
    this.#orderings.push(ordering)
    for (let i = 0; i < chunk.count; i++) {
      if (!this.#inPass(keys.h1[i])) continue
      const known = this.#table.size
      const k = this.#table.put(source, i)
      if (k === known) {
        this.#row.push(first + i)
        this.#source.push(source)
        this.#at.push(i)
        this.#met.push(0)
        continue
      }
      this.superseded++
      if (this.#older(source, i, k)) {
        dropped[first + i] = 1
        continue
      }
      dropped[this.#row.at(k)] = 1
      this.#row.set(k, first + i)
      this.#source.set(k, source)
      this.#at.set(k, i)
    }
  }

  /** Looks up stored rows: record key, then the ordering column. `counts`: the table has them now. */
  meet(chunk: RowChunk, dropped: Uint8Array, counts: boolean): void {
    const stored = chunk.vectors[0]
    assert(stored.kind === 'bytes', 'record keys are texts')
    const { ordering: by, seed } = this.#options
    const ordering = by === null ? null : by.fields.ofRows([chunk.vectors[1]], chunk.count)
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    for (let i = 0; i < chunk.count; i++) {
      const from = stored.offsets[i]
      const to = stored.offsets[i + 1]
      hashInto(stored.data, from, to, seed, h0, h1, 0)
      const k = this.#table.find(h0[0], h1[0], stored.data, from, to)
      if (k < 0) continue
      if (counts && this.#met.at(k) === 0) {
        this.existing++
        this.firstExisting ??= stored.data.toString('utf8', from, to)
        this.#met.set(k, 1)
      }
      const own = this.#orderings[this.#source.at(k)]
      if (ordering === null || own === null || compareOrdering(own, this.#at.at(k), ordering, i) >= 0) continue
      if (dropped[this.#row.at(k)] === 0) this.late++
      dropped[this.#row.at(k)] = 1
    }
  }

  #orderingOf(chunk: RowChunk, first: number): Ordering | null {
    const by = this.#options.ordering
    if (by === null) return null
    const v = vectorOf(chunk, by.column)
    const missing = firstNull(v, chunk.count)
    if (missing >= 0) throw new Failure('TRB-LAKE-062', { input: this.#name, row: first + missing + 1, column: by.column })
    return by.fields.ofRows([v], chunk.count)
  }

  /** Row i of `source` is older than the newest of key k. Equal ones: the later wins. */
  #older(source: number, i: number, k: number): boolean {
    const a = this.#orderings[source]
    const b = this.#orderings[this.#source.at(k)]
    return a !== null && b !== null && compareOrdering(a, i, b, this.#at.at(k)) < 0
  }
}

/** Of the first `count` values; −1: none is null. */
function firstNull(v: Vector, count: number): number {
  return v.valid === null ? -1 : v.valid.subarray(0, count).indexOf(0)
}

function vectorOf(chunk: RowChunk, name: string): Vector {
  const at = chunk.columns.findIndex((c) => c.name === name)
  assert(at >= 0, `the rows have the column ${name}`)
  return chunk.vectors[at]
}
