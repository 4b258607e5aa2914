import type { QueryEvent } from './query-event.ts'

/** A statement of the binlog that is no transaction control: DDL. */
export interface StatementEvent extends QueryEvent {
  readonly file: string
  /** Start of the event. */
  readonly pos: number
  readonly gtid: string | null
  readonly serverId: number
  readonly commitUs: bigint
  readonly seconds: number
  /** Table that it empties. */
  readonly emptied: { readonly schema: string; readonly table: string } | null
  /** It changes rows that are not in the binlog: a session with another format than ROW ran it. */
  readonly dataAsText: boolean
  /** Then the one table that it writes; null: several, or it cannot be told. */
  readonly writes: { readonly schema: string; readonly table: string } | null
}
