import type { TableId } from '../../contract/change.ts'

/** `signal.data.collection` and what belongs to it. */
export interface SignalOptions {
  /** Signal table; null: signals come by no table. */
  readonly table: TableId | null
  /** Its changes are read and not handed on. */
  readonly hidden: boolean
  /** `incremental.snapshot.chunk.size`. */
  readonly chunkRows: number
  /** `read.only`: nothing is written; a window ends by the position of the source. */
  readonly readOnly: boolean
  /** `incremental.snapshot.watermarking.strategy`: how the end of a window is written. */
  readonly strategy: 'insert_insert' | 'insert_delete'
  /** Rows have the place in the log that Debezium shows, which is not one to order them by. */
  readonly exact: boolean
}

/** Whether this is the signal table. */
export function isSignalTable(id: TableId, options: SignalOptions | undefined): boolean {
  const table = options?.table ?? null
  return table !== null && table.schema === id.schema && table.table === id.table
}
