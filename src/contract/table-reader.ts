import type { LakeColumn } from './columns.ts'
import type { FileSlice, SliceFile } from './slice.ts'
import type { Checkpoint, TableSpec } from './table.ts'

/** What to look at: the newest completed instant ≤ `instant`, or the newest. */
export type View = { readonly kind: 'latest' } | { readonly kind: 'asOf'; readonly instant: string }

export interface ScanPlan {
  readonly spec: TableSpec
  /** Columns of the table's schema at that instant. */
  readonly columns: readonly LakeColumn[]
  /** Newest completed instant in the view; null: empty table. */
  readonly instant: string | null
  /** Base files of the slices, in their order; those of a copy-on-write table are all there is to read. */
  readonly files: readonly SliceFile[]
  /** By partition, then file id. Without logs in a read-optimized plan. */
  readonly slices: readonly FileSlice[]
  /** Whether a block of a log counts, by the instant in its header: committed, and not later than the view. */
  readonly counts: (instant: string) => boolean
  /** All files of the table's newest instant, logs included: "3 of 61 files". */
  readonly totalFiles: number
}

/** snapshot: base files and what the logs make of them. read-optimized: the newest base files alone. */
export type QueryKind = 'snapshot' | 'read-optimized'

export interface TableReader {
  /** Without a kind: for a snapshot. */
  plan(view: View, kind?: QueryKind): Promise<ScanPlan>
  checkpointAt(view: View): Promise<Checkpoint | null>
}
