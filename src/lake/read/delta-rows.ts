import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { type Column, toVector } from '../../format/parquet/column.ts'
import type { ParquetFile } from '../../format/parquet/file.ts'
import { gather, nullColumn, type Selection } from '../merge/gather.ts'
import { IntList } from '../merge/int-list.ts'
import { FILLED, type Met, STAYS } from './delta-base.ts'
import { BASE, type Reduced } from './delta-reduce.ts'

/** Rows of one chunk that is handed out. */
const CHUNK_ROWS = 32768
const NOWHERE = -2

/** The rows that a log adds or puts in the place of base rows. */
export class DeltaRows {
  /** Keys whose survivor is a row, in log order of the survivors. */
  readonly keys: Int32Array
  readonly #reduced: Reduced
  readonly #met: Met
  readonly #columns: readonly LakeColumn[]
  /** Values of base rows that survivors lack: by wanted column. `valid` by place in it. */
  readonly #stored = new Map<number, { readonly column: Column; readonly row: Int32Array; readonly valid: Uint8Array | null }>()

  constructor(reduced: Reduced, met: Met, columns: readonly LakeColumn[]) {
    this.#reduced = reduced
    this.#met = met
    this.#columns = columns
    const keyOf = new Int32Array(reduced.count).fill(-1)
    let n = 0
    for (let k = 0; k < reduced.winner.length; k++) {
      const e = reduced.winner[k]
      if (met.outlived[k] === STAYS || reduced.removes(e)) continue
      keyOf[e] = k
      n++
    }
    this.keys = new Int32Array(n)
    for (let e = 0, i = 0; e < keyOf.length; e++) if (keyOf[e] >= 0) this.keys[i++] = keyOf[e]
  }

  /** Reads what must be taken from the base file; to be called once, before `rows`. */
  async load(file: ParquetFile | null): Promise<void> {
    if (file === null || this.#reduced.below === null) return
    for (const [c, column] of this.#columns.entries()) {
      const needed = this.#fromBase(c)
      if (needed === null) continue
      const stored = await storedValues(file, column, needed, this.#met)
      this.#stored.set(c, { ...stored, valid: toVector(stored.column).valid })
    }
  }

  *rows(): Generator<RowChunk> {
    const r = this.#reduced
    for (let from = 0; from < this.keys.length; from += CHUNK_ROWS) {
      const keys = this.keys.subarray(from, from + CHUNK_ROWS)
      const source = new Int32Array(keys.length)
      const row = new Int32Array(keys.length)
      for (let i = 0; i < keys.length; i++) {
        const e = r.winner[keys[i]]
        source[i] = r.chunkOf(e)
        row[i] = r.rowOf(e)
      }
      const pick: Selection = { source, row, count: keys.length }
      const vectors = this.#columns.map((_, c) => this.#vector(c, pick, keys))
      yield { columns: this.#columns, count: keys.length, vectors }
    }
  }

  #vector(c: number, own: Selection, keys: Int32Array): Vector {
    const { type } = this.#columns[c]
    const sources = this.#reduced.chunks.map((chunk) => chunk.columns[c])
    if (!this.#mayLack(c)) return toVector(gather(type, sources, own))
    const source = own.source!.slice()
    const row = own.row.slice()
    const stored = this.#stored.get(c) ?? null
    for (let i = 0; i < keys.length; i++) {
      const from = this.#isStored(c, keys[i]) ? BASE : this.#origin(c, keys[i])
      if (from >= 0) {
        source[i] = this.#reduced.chunkOf(from)
        row[i] = this.#reduced.rowOf(from)
      } else {
        source[i] = sources.length
        row[i] = from === BASE && stored !== null ? stored.row[keys[i]] : -1
      }
    }
    return toVector(gather(type, [...sources, stored?.column ?? null], { source, row, count: keys.length }))
  }

  /** Keys whose survivor takes column c from the base file; null: none. */
  #fromBase(c: number): Int32Array | null {
    if (!this.#mayLack(c)) return null
    const out = new IntList()
    for (const k of this.keys) {
      if (this.#met.group[k] >= 0 && (this.#met.outlived[k] === FILLED || this.#origin(c, k) === BASE)) out.push(k)
    }
    return out.length === 0 ? null : out.view()
  }

  /** Some row takes column c from elsewhere than its survivor. */
  #mayLack(c: number): boolean {
    return this.#reduced.chunks.some((chunk) => chunk.missing[c] !== null) || this.#met.outlived.includes(FILLED)
  }

  /** The base row of key k is the newer one, and has a value in column c. */
  #isStored(c: number, k: number): boolean {
    const stored = this.#stored.get(c)
    if (stored === undefined || this.#met.outlived[k] !== FILLED) return false
    return stored.valid === null || stored.valid[stored.row[k]] === 1
  }

  /**
   * The entry that has the value of column c for the survivor of key k: its own or one below; BASE: the stored row; NOWHERE: a delete came in between.
   * The stored row comes last, whatever its ordering value: what survives of the logs has been weighed against it (spec hudi, correction to 4.5).
   */
  #origin(c: number, k: number): number {
    const r = this.#reduced
    const top = r.winner[k]
    if (r.rules.nulls !== undefined) return this.#notNull(c, top)
    for (let e = top; e !== BASE; e = r.below![e]) {
      if (r.removes(e)) return NOWHERE
      if (!r.lacks(e, c)) return e
    }
    return BASE
  }

  /** The same where nulls are filled: a delete in between hides what the logs had before it, not the stored row. */
  #notNull(c: number, top: number): number {
    const r = this.#reduced
    for (let e = top; e !== BASE && !r.removes(e); e = r.below![e]) {
      if (!r.lacks(e, c)) return e
      if (r.rules.nulls === 'base') return BASE
    }
    return BASE
  }
}

/** Values of a column in the base rows of these keys, row group by row group: row[k] is key k's place in `column`. */
async function storedValues(
  file: ParquetFile,
  column: LakeColumn,
  keys: Int32Array,
  met: Met,
): Promise<{ readonly column: Column; readonly row: Int32Array }> {
  const row = new Int32Array(met.group.length).fill(-1)
  const byGroup = new Map<number, IntList>()
  for (const k of keys) {
    const g = met.group[k]
    const list = byGroup.get(g) ?? new IntList()
    list.push(k)
    byGroup.set(g, list)
  }
  const parts: Column[] = []
  const source = new Int32Array(keys.length)
  const at = new Int32Array(keys.length)
  let n = 0
  for (const [g, list] of byGroup) {
    const { rows } = file.meta.rowGroups[g]
    const values = (await file.read(g, column.name, column.type)) ?? nullColumn(column.type, rows)
    const from = new Int32Array(list.length)
    for (const [i, k] of list.view().entries()) {
      from[i] = met.row[k]
      source[n] = parts.length
      at[n] = i
      row[k] = n++
    }
    parts.push(gather(column.type, [values], { source: null, row: from, count: list.length }))
  }
  return { column: gather(column.type, parts, { source, row: at, count: n }), row }
}
