import type { LakeColumn } from '../../contract/columns.ts'
import type { Column, PlainVector } from '../../format/parquet/column.ts'
import { ownMemory } from '../../format/parquet/scratch.ts'
import { DIGEST_LENGTH } from '../index/bag-key.ts'
import { gather, runsOf, type Selection } from './gather.ts'
import { NOWHERE, type Outcomes, STORED } from './outcomes.ts'
import type { RescuedRows } from './rescue.ts'

/** Rows that changes put into a file: first those that update a stored row in its place, then new ones. */
export interface ChangedRows {
  readonly count: number
  /** Record keys. */
  readonly keys: PlainVector
  /** The keys were made of the key columns by us: of one column of text they are its values. */
  readonly ownKeys?: boolean
  /** Values of column c of the table. */
  column(c: number, allocate?: typeof ownMemory): Column
  /** 1 = the change doesn't have the value: it is that of the stored row, null where there is none. */
  missing(c: number): Uint8Array | null
  /** Values of a meta column that the rows bring along (commit time, sequence number); absent: they are of the commit that writes them. */
  meta?(name: string, allocate: typeof ownMemory): Column
}

/** Rows of a unit of changes, by entry number; their values stay in the unit's chunks until a column is asked for. */
export class UnitRows implements ChangedRows {
  readonly count: number
  readonly keys: PlainVector
  readonly ownKeys: boolean
  readonly #outcomes: Outcomes
  readonly #columns: readonly LakeColumn[]
  readonly #entry: Int32Array
  readonly #updates: number
  readonly #rescued: RescuedRows | null
  /** Where the entries' rows are, for columns that no change lacks. */
  #own: Selection | null = null

  /** The first `updates` entries update their key's stored row. `ordinal`: bags only, of each row. */
  constructor(
    outcomes: Outcomes,
    columns: readonly LakeColumn[],
    entry: Int32Array,
    updates: number,
    ordinal: Int32Array | null,
    rescued: RescuedRows | null,
  ) {
    this.#outcomes = outcomes
    this.#columns = columns
    this.#entry = entry
    this.#updates = updates
    this.#rescued = rescued
    this.count = entry.length
    this.keys = entryKeys(outcomes, entry, ordinal)
    this.ownKeys = outcomes.net === null
  }

  column(c: number, allocate = ownMemory): Column {
    const { unit } = this.#outcomes
    const sources = unit.chunks.map((chunk) => chunk.columns[c])
    if (this.#rescued !== null) sources.push(this.#rescued.columns[c])
    const pick = this.#outcomes.lacks(c) ? this.#origins(c) : this.#entries()
    return gather(this.#columns[c].type, sources, pick, allocate)
  }

  #entries(): Selection {
    if (this.#own !== null) return this.#own
    const { unit } = this.#outcomes
    const source = new Int32Array(this.count)
    const row = new Int32Array(this.count)
    for (let i = 0; i < this.count; i++) {
      const j = this.#entry[i]
      source[i] = unit.chunk[j]
      row[i] = unit.chunks[source[i]].row[unit.entry[j]]
    }
    const own = { source, row, count: this.count }
    this.#own = { ...own, runs: runsOf(own) }
    return this.#own
  }

  #origins(c: number): Selection {
    const { unit } = this.#outcomes
    const source = new Int32Array(this.count)
    const row = new Int32Array(this.count)
    for (let i = 0; i < this.count; i++) {
      const from = this.#outcomes.origin(c, this.#entry[i])
      if (from >= 0) {
        source[i] = unit.chunk[from]
        row[i] = unit.chunks[source[i]].row[unit.entry[from]]
      } else {
        source[i] = unit.chunks.length
        row[i] = this.#rescuedRow(i, from)
        if (row[i] < 0) source[i] = 0
      }
    }
    return { source, row, count: this.count }
  }

  missing(c: number): Uint8Array | null {
    if (!this.#outcomes.lacks(c)) return null
    const out = new Uint8Array(this.count)
    for (let i = 0; i < this.#updates; i++) if (this.#isOwn(i, this.#outcomes.origin(c, this.#entry[i]))) out[i] = 1
    return out
  }

  /** `from` is the stored row that entry i updates. */
  #isOwn(i: number, from: number): boolean {
    return i < this.#updates && from <= STORED && STORED - from === this.#outcomes.keyOf[this.#entry[i]]
  }

  #rescuedRow(i: number, from: number): number {
    if (from === NOWHERE || this.#rescued === null || this.#isOwn(i, from)) return -1
    return this.#rescued.rowOf[STORED - from]
  }
}

function entryKeys({ unit }: Outcomes, entry: Int32Array, ordinal: Int32Array | null): PlainVector {
  const count = entry.length
  if (ordinal === null) {
    const source = new Int32Array(count)
    const row = new Int32Array(count)
    for (let i = 0; i < count; i++) {
      source[i] = unit.chunk[entry[i]]
      row[i] = unit.entry[entry[i]]
    }
    const keys = unit.chunks.map(({ keys: { data, offsets } }) => ({ kind: 'bytes' as const, data, offsets, valid: null }))
    return gather({ kind: 'string' }, keys, { source, row, count }) as PlainVector
  }
  const starts = new Int32Array(count + 1)
  const suffix = Array.from(ordinal, (o) => Buffer.from(`-${o}`, 'latin1'))
  for (let i = 0; i < count; i++) starts[i + 1] = starts[i] + 4 + DIGEST_LENGTH + suffix[i].length
  const data = Buffer.allocUnsafeSlow(starts[count])
  for (let i = 0; i < count; i++) {
    const keys = unit.chunks[unit.chunk[entry[i]]].keys
    const from = keys.offsets[unit.entry[entry[i]]]
    data.writeInt32LE(starts[i + 1] - starts[i] - 4, starts[i])
    keys.data.copy(data, starts[i] + 4, from, from + DIGEST_LENGTH)
    suffix[i].copy(data, starts[i] + 4 + DIGEST_LENGTH)
  }
  return { kind: 'plain', data, starts }
}
