import type { ChangedRows } from './changed-rows.ts'
import { runsOf, type Selection } from './gather.ts'

/** Edits of one row group of the base file: rows ascending, `changed` numbers rows of `rows`, −1 deletes. */
export interface RowGroupEdits {
  readonly row: Int32Array
  readonly changed: Int32Array
  readonly rows: ChangedRows | null
}

/** What becomes of the rows of one row group: base rows and changed rows in output order. */
export class MergePlan {
  readonly count: number
  readonly deleted: number
  readonly updated: number
  readonly inserted: number
  /** Source 0: the base, by its row; source 1: the changed rows, by their number. */
  readonly own: Selection
  /** Output row → base row; −1 for inserts. */
  readonly baseRow: Int32Array
  /** Base rows that are updated, and by which changed row. */
  readonly updatedRows: Int32Array
  readonly updatedBy: Int32Array

  /** Edits ascending by row; rows of `edits.rows` from `firstInsert` on are appended. */
  constructor(baseRows: number, edits: RowGroupEdits, firstInsert: number) {
    const { row: editRow, changed, rows } = edits
    let deleted = 0
    for (const c of changed) if (c < 0) deleted++
    this.deleted = deleted
    this.updated = changed.length - deleted
    this.inserted = rows === null ? 0 : rows.count - firstInsert
    this.count = baseRows - deleted + this.inserted
    const source = new Int32Array(this.count)
    const row = new Int32Array(this.count)
    this.baseRow = new Int32Array(this.count).fill(-1)
    this.updatedRows = new Int32Array(this.updated)
    this.updatedBy = new Int32Array(this.updated)
    let out = 0
    let edit = 0
    let updates = 0
    for (let r = 0; r < baseRows; r++) {
      if (edit < editRow.length && editRow[edit] === r) {
        const by = changed[edit++]
        if (by < 0) continue
        source[out] = 1
        row[out] = by
        this.updatedRows[updates] = r
        this.updatedBy[updates++] = by
      } else row[out] = r
      this.baseRow[out++] = r
    }
    for (let i = 0; i < this.inserted; i++, out++) {
      source[out] = 1
      row[out] = firstInsert + i
    }
    const own = { source, row, count: this.count }
    this.own = { ...own, runs: runsOf(own) }
  }

  /** Same rows in the same places. */
  get inPlace(): boolean {
    return this.deleted === 0 && this.inserted === 0
  }

  /** `own`, with the stored value where a changed row's is missing; null where there is none. */
  withStored(missing: Uint8Array): Selection {
    const source = this.own.source!.slice()
    const row = this.own.row.slice()
    for (let i = 0; i < this.count; i++) {
      if (source[i] === 0 || missing[row[i]] === 0) continue
      source[i] = 0
      row[i] = this.baseRow[i]
    }
    return { source, row, count: this.count }
  }
}
