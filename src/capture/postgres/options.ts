import type { Clock } from '../../contract/clock.ts'
import type { ColumnRules } from '../columns/column-rules.ts'
import type { HeartbeatOptions } from '../heartbeat.ts'
import type { TextMatcher } from '../java-regex.ts'
import type { TableSelection } from '../select-tables.ts'
import type { SignalOptions } from '../signal/signal-options.ts'
import type { SourceEvent } from '../source-event.ts'
import type { TlsOptions } from '../tls-options.ts'
import type { TypeOptions } from './types/options.ts'

/** How to reach the server. libpq's environment is resolved by the caller. */
export interface ConnectOptions {
  /** Name, address, or directory of a Unix socket (starts with '/'). */
  readonly host: string
  readonly port: number
  readonly user: string
  /** Never printed. Null: the server must not ask for one. */
  readonly password: string | null
  readonly database: string
  readonly ssl: false | TlsOptions
}

/** `filtered`: created for the captured tables. `all_tables`: FOR ALL TABLES. `existing`: never created or changed. */
export type PublicationMode = 'filtered' | 'all_tables' | 'existing'

/** initial: when there is no position. initial_only: then stop. never: start at the slot. */
export type SnapshotMode = 'initial' | 'initial_only' | 'never'

export interface PostgresOptions extends ConnectOptions {
  readonly slot: string
  readonly publication: string
  readonly publicationMode: PublicationMode
  readonly createSlot: boolean
  readonly tables: TableSelection
  readonly snapshot: SnapshotMode
  readonly types: TypeOptions
  /** What to do with a column whose type has no mapping: refuse with TRB-PG-016, or leave it out with a warning. */
  readonly unsupported: 'refuse' | 'omit'
  /** What is said of single columns; absent: nothing. */
  readonly columns?: ColumnRules
  /** `publish.via.partition.root`: changes of partitions are those of their root; absent: as the publication says. */
  readonly viaRoot?: boolean
  /** Hand on pg_logical_emit_message() as op m: all, or those whose prefix matches. From version 14. */
  readonly messages?: boolean | TextMatcher
  /** Keys as Debezium 3.6 chooses them even where they cannot identify the old row (schema.ts keyNames). */
  readonly debeziumQuirks?: boolean
  /** Memory for batches that were not pulled yet. Default 32 MiB. */
  readonly budgetBytes?: number
  /** Size at which a batch is cut. Default 1 MiB. */
  readonly batchBytes?: number
  /** Absent: no signals. */
  readonly signals?: SignalOptions
  /** Absent: no heartbeats. */
  readonly heartbeat?: HeartbeatOptions
  /** Rows per query of a keyed snapshot. Default 100,000. */
  readonly chunkRows?: number
  /** How long an unreachable server is waited for. Default 5 minutes. */
  readonly retryForMs?: number
  /** How long a slot that another process reads is waited for: a crashed one's server side may live a while. Default 70 s. */
  readonly busySlotForMs?: number
}

export interface PostgresDeps {
  readonly clock: Clock
  readonly observe: (event: SourceEvent) => void
  /**
   * Told which tables (`schema.table`) are captured, before anything is made at the server; what it throws ends the start. `first`: nothing of
   * the stream that follows their snapshot has been read yet.
   */
  readonly chosen?: (tables: readonly string[], first: boolean) => void
}
