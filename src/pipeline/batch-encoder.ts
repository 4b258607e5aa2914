import type { ChangeBatch, TableId, TableSchema } from '../contract/change.ts'
import type { TopicBatch } from '../contract/log.ts'

/** Changes → records, as the envelope room makes them; a value, so that tests give a simpler one. */
export interface BatchEncoder {
  /** Makes ready (and registers) the schemas of these tables; called before the first batch that has them. */
  prepare(tables: readonly TableSchema[]): Promise<void>
  /** Called before a batch with a heartbeat. */
  prepareHeartbeat?(): Promise<void>
  /** One TopicBatch per topic and table version; the bytes belong to the caller until `recycle`. A promise where schemas are those of records. */
  encode(batch: ChangeBatch): readonly TopicBatch[] | Promise<readonly TopicBatch[]>
  /** What `encode` gave so far has been stored: its memory may be used again. */
  recycle?(): void
  /** Ids of a prepared table. */
  schemasOf(table: TableSchema): { readonly keySchema: number; readonly valueSchema: number }
  topicOf(table: TableId): string
}
