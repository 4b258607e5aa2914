import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk, SliceDelta } from '../../contract/slice.ts'
import { type Column, type PlainVector, plainOfBytes } from '../../format/parquet/column.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { gather, nullColumn } from '../merge/gather.ts'
import { type KeyBlock, RECORD_KEY, recordKeys } from '../merge/join.ts'
import { type DeltaRequest, readDelta } from '../read/delta.ts'
import type { KeyRange, MorGroup } from './mor-plan.ts'

/** What reading the stored rows of slices needs; see DeltaRequest. */
export type StoredContext = Omit<DeltaRequest, 'slice'>

/**
 * The rows that a merge-on-read file group holds now: those of its base file that no log replaces, then those of its logs. Rows are named by
 * (row group, row); the chunks of log rows count on from the base file's row groups.
 */
export class StoredSlice {
  readonly group: MorGroup
  readonly #base: ParquetFile | null
  readonly #delta: SliceDelta | null

  private constructor(group: MorGroup, base: ParquetFile | null, delta: SliceDelta | null) {
    this.group = group
    this.#base = base
    this.#delta = delta
  }

  /** Of `context.columns` the values can be asked for later. */
  static async open(context: StoredContext, group: MorGroup): Promise<StoredSlice> {
    const { slice } = group
    const base = slice.base === null ? null : await ParquetFile.open(context.store, slice.base.key, slice.base.bytes)
    const delta = slice.logs.length === 0 ? null : await readDelta({ ...context, slice })
    return new StoredSlice(group, base, delta)
  }

  /** Rows that a reader sees. */
  get rows(): number {
    return (this.#base?.meta.rows ?? 0) - (this.#delta?.hidden.length ?? 0) + (this.#delta?.count ?? 0)
  }

  /**
   * Record keys of all rows, or of those row groups of the base file that may have keys of `range`. `number`: the group's place in the
   * list that the plan is given.
   */
  async *keys(number: number, range: KeyRange | null = null): AsyncGenerator<KeyBlock> {
    let first = 0
    let hidden = 0
    const base = this.#base
    const gone = this.#delta?.hidden ?? new Int32Array(0)
    for (let g = 0; base !== null && g < base.meta.rowGroups.length; g++) {
      const { rows } = base.meta.rowGroups[g]
      const from = hidden
      while (hidden < gone.length && gone[hidden] < first + rows) hidden++
      first += rows
      if (range !== null && outside(base, g, range)) continue
      const keys = await recordKeys(base, g)
      if (hidden === from) yield { group: number, rowGroup: g, rows: null, keys }
      else yield { group: number, rowGroup: g, ...visible(keys, gone.subarray(from, hidden), first - rows) }
    }
    let chunkNumber = base?.meta.rowGroups.length ?? 0
    for await (const chunk of this.#chunks()) {
      yield { group: number, rowGroup: chunkNumber++, rows: null, keys: keysOf(chunk) }
    }
  }

  /** Values of `columns` in rows `wanted` (row group → rows), in their order; null columns where none are stored. */
  async values(columns: readonly LakeColumn[], wanted: ReadonlyMap<number, Int32Array>): Promise<Map<number, Column[]>> {
    const out = new Map<number, Column[]>()
    const groups = this.#base?.meta.rowGroups.length ?? 0
    for (const [g, row] of wanted) {
      if (g >= groups) continue
      const found: Column[] = []
      for (const c of columns) found.push(pick(c, await this.#base!.read(g, c.name, c.type), row))
      out.set(g, found)
    }
    if ([...wanted.keys()].every((g) => g < groups)) return out
    let number = groups
    for await (const chunk of this.#chunks()) {
      const row = wanted.get(number)
      if (row !== undefined)
        out.set(
          number,
          columns.map((c) => pick(c, vectorOf(chunk, c.name), row)),
        )
      number++
    }
    return out
  }

  async close(): Promise<void> {
    await this.#delta?.close()
  }

  async *#chunks(): AsyncGenerator<RowChunk> {
    if (this.#delta !== null) yield* this.#delta.rows()
  }
}

/** No key of the row group is in the range, as its statistics say. */
function outside(file: ParquetFile, g: number, { min, max }: KeyRange): boolean {
  const column = file.column(RECORD_KEY)
  const s = column === null ? null : file.meta.rowGroups[g].columns[column.firstLeaf].statistics
  if (s === null || s.min === null || s.max === null) return false
  return Buffer.compare(s.max, min) < 0 || Buffer.compare(s.min, max) > 0
}

function pick(column: LakeColumn, from: Column | null, row: Int32Array): Column {
  if (from === null) return nullColumn(column.type, row.length)
  return gather(column.type, [from], { source: null, row, count: row.length })
}

function vectorOf(chunk: RowChunk, name: string): Vector | null {
  const at = chunk.columns.findIndex((c) => c.name === name)
  return at < 0 ? null : chunk.vectors[at]
}

function keysOf(chunk: RowChunk): PlainVector {
  const v = vectorOf(chunk, RECORD_KEY)
  if (v === null || v.kind !== 'bytes') return { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(chunk.count + 1) }
  return plainOfBytes(v, 0, chunk.count)
}

/** Keys of a row group without its hidden rows (ordinals in the file, ascending; `first` is that of the row group). */
function visible(keys: PlainVector, hidden: Int32Array, first: number): { rows: Int32Array; keys: PlainVector } {
  const n = keys.starts.length - 1
  const rows = new Int32Array(n - hidden.length)
  const starts = new Int32Array(rows.length + 1)
  for (let i = 0, at = 0, h = 0; i < n; i++) {
    if (h < hidden.length && hidden[h] === first + i) {
      h++
      continue
    }
    rows[at] = i
    starts[at + 1] = starts[at] + keys.starts[i + 1] - keys.starts[i]
    at++
  }
  const data = Buffer.allocUnsafeSlow(starts[rows.length])
  for (let i = 0; i < rows.length; i++) keys.data.copy(data, starts[i], keys.starts[rows[i]], keys.starts[rows[i] + 1])
  return { rows, keys: { kind: 'plain', data, starts } }
}
