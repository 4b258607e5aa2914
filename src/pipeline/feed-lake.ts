import type { LakeColumn, RowChanges } from '../contract/columns.ts'
import type { StoredBatch, TopicTable } from '../contract/log.ts'
import type { TableSpec, TableWriter, WatermarkStore } from '../contract/table.ts'

/** The lake as the feed needs it; given by the composition. */
export interface FeedLake {
  /** Printable, for messages. */
  readonly root: string
  readonly watermarks: WatermarkStore
  pathOf(table: TopicTable): string
  /** Rolls back what a dead writer left. Null: no such table yet. */
  open(path: string): Promise<TableWriter | null>
  create(spec: TableSpec): Promise<TableWriter>
  /**
   * Table services: between the commits of a table, and right after it was opened (what a dead process left of them is carried through).
   * They change no row, so where the feed stands stays the same.
   */
  maintain?(path: string): Promise<void>
}

/** Records → rows, as the envelope room makes them. */
export interface RowSource {
  /** Columns and key of the rows that records of these schemas (Avro texts) give. */
  shape(keySchema: string | null, valueSchema: string): { readonly columns: readonly LakeColumn[]; readonly key: readonly string[] }
  /** Rows of the records from offset `from` on, in log order, in chunks of bounded size. `schema` gives the text of an id. */
  rows(batches: Iterable<StoredBatch>, from: number, schema: (id: number) => string): Iterable<RowChanges>
}

/** How a new table is laid out, beyond what its rows say. */
export type TableLayout = Pick<TableSpec, 'tableType' | 'tableVersion' | 'partition'>
