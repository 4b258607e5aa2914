import type { LakeColumn } from '../../contract/columns.ts'
import { type Column, type PlainVector, toVector } from '../../format/parquet/column.ts'
import { ownMemory } from '../../format/parquet/scratch.ts'
import type { ChangedRows } from '../merge/changed-rows.ts'
import { gather } from '../merge/gather.ts'
import type { BlockRef, ScratchFile } from './scratch-file.ts'

/** Changed rows on disk: what a unit of changes does to one row group of a base file, or rows to be inserted. */
export interface SavedBlock {
  /** Base rows that are edited; empty for inserts. */
  readonly row: Int32Array
  /** Per edited row: number of the row of this block that replaces it, −1 deletes it. */
  readonly changed: Int32Array
  readonly count: number
  readonly keys: PlainVector
  readonly columns: readonly Column[]
  readonly missing: readonly (Uint8Array | null)[]
}

/** Writes changed rows to the scratch file. `rows` null: deletes only. */
export async function saveRows(
  file: ScratchFile,
  rows: ChangedRows | null,
  columns: readonly LakeColumn[],
  row: Int32Array,
  changed: Int32Array,
): Promise<BlockRef> {
  const count = rows?.count ?? 0
  const block: SavedBlock = {
    row,
    changed,
    count,
    keys: rows?.keys ?? { kind: 'plain', data: Buffer.alloc(0), starts: new Int32Array(1) },
    columns: rows === null ? [] : columns.map((_, c) => toVector(rows.column(c))),
    missing: rows === null ? [] : columns.map((_, c) => rows.missing(c)),
  }
  const before = file.length
  const ref = await file.append(block, count, 0)
  return { ...ref, bytes: file.length - before }
}

/** The rows of several blocks, one after the other. */
export class SavedRows implements ChangedRows {
  readonly count: number
  readonly keys: PlainVector
  readonly #blocks: readonly SavedBlock[]
  readonly #columns: readonly LakeColumn[]
  readonly #source: Int32Array
  readonly #row: Int32Array

  constructor(blocks: readonly SavedBlock[], columns: readonly LakeColumn[]) {
    this.#blocks = blocks.filter((b) => b.count > 0)
    this.#columns = columns
    this.count = this.#blocks.reduce((n, b) => n + b.count, 0)
    this.#source = new Int32Array(this.count)
    this.#row = new Int32Array(this.count)
    let at = 0
    this.#blocks.forEach((b, n) => {
      for (let i = 0; i < b.count; i++, at++) {
        this.#source[at] = n
        this.#row[at] = i
      }
    })
    const all = this.#blocks.map((b) => b.keys)
    this.keys = gather({ kind: 'string' }, all, { source: this.#source, row: this.#row, count: this.count }) as PlainVector
  }

  column(c: number, allocate = ownMemory): Column {
    const sources = this.#blocks.map((b) => b.columns[c])
    return gather(this.#columns[c].type, sources, { source: this.#source, row: this.#row, count: this.count }, allocate)
  }

  missing(c: number): Uint8Array | null {
    if (this.#blocks.every((b) => b.missing[c] === null)) return null
    const out = new Uint8Array(this.count)
    let at = 0
    for (const b of this.#blocks) {
      const flags = b.missing[c]
      if (flags !== null) out.set(flags, at)
      at += b.count
    }
    return out
  }
}
