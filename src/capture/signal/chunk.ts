import type { Position, TableId, TableSchema } from '../../contract/change.ts'
import type { Task } from './progress.ts'

/** Rows of one table that were read by SQL, as tuples (grammar in contract/change.ts). */
export interface Chunk {
  readonly schema: TableSchema
  readonly arena: Buffer
  /** Where the tuples are. */
  readonly offsets: readonly number[]
  /** Order values of the last row; empty when there is none. */
  readonly last: readonly string[]
  /** What a row's place in the log is at most: changes that are streamed behind the window are newer. Null: that of the window's end. */
  readonly place: { readonly hi: number; readonly lo: number } | null
}

/** What an incremental snapshot needs of a database, beside its stream. */
export interface ChunkDatabase {
  /** Captured tables. */
  tables(): Promise<readonly TableId[]>
  /**
   * Names of the columns that tell the table's rows apart, in the stream too. Fails with TRB-SIG-003 when it cannot be read in chunks.
   */
  identity(id: TableId, task: Task): Promise<readonly string[]>
  /** Order values of the table's last row now; null: it has none. */
  maximum(id: TableId, task: Task): Promise<readonly string[] | null>
  /**
   * The next rows behind `task.after`, up to `task.max`. Every transaction that had ended for a reader of the stream before the call is seen, and
   * all that began before `place` have ended when it returns.
   */
  read(id: TableId, task: Task, streamed: Position | null, signal: AbortSignal): Promise<Chunk>
  /** Writes into the signal table. */
  insertSignal(id: string, type: string, data: string): Promise<void>
  deleteSignal(id: string): Promise<void>
  /** Printable commit position for a position of the stream at a boundary. */
  commitOf(position: Position): string
  close(): Promise<void>
}
