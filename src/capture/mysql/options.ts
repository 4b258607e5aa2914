import type { Clock } from '../../contract/clock.ts'
import type { ColumnRules } from '../columns/column-rules.ts'
import type { HeartbeatOptions } from '../heartbeat.ts'
import type { TableSelection } from '../select-tables.ts'
import type { SignalOptions } from '../signal/signal-options.ts'
import type { SourceEvent } from '../source-event.ts'
import type { TlsOptions } from '../tls-options.ts'
import type { MysqlTypeOptions } from './types/options.ts'

export type Flavor = 'mysql' | 'mariadb'

/** How to reach the server. */
export interface ConnectOptions {
  /** Name or address, or the path of a Unix socket (starts with '/'). */
  readonly host: string
  readonly port: number
  readonly user: string
  /** Never printed. Null: the server must not ask for one. */
  readonly password: string | null
  readonly ssl: false | TlsOptions
}

/**
 * initial: when there is no position. initial_only: then stop. never: the schema alone, changes from now on. when_needed: as initial, and again
 * when the server no longer has what follows the position. always: at every start.
 */
export type SnapshotMode = 'initial' | 'initial_only' | 'never' | 'when_needed' | 'always'

/**
 * How writers are held while the transaction of the snapshot begins, for that moment only. minimal: FLUSH TABLES WITH READ LOCK, where it is not
 * allowed `tables`. tables: LOCK TABLES … READ on the captured ones. none: not at all (MariaDB, whose transactions know their position).
 */
export type LockingMode = 'minimal' | 'tables' | 'none'

export interface MysqlOptions extends ConnectOptions {
  /** What the server must be; another one is refused. */
  readonly flavor: Flavor
  /** Number that this reader has among the replicas of the server. */
  readonly serverId: number
  readonly tables: TableSelection
  readonly snapshot: SnapshotMode
  readonly locking: LockingMode
  readonly types: MysqlTypeOptions
  /** What to do with a column whose type has no mapping: refuse with TRB-MY-051, or leave it out with a warning. */
  readonly unsupported: 'refuse' | 'omit'
  /** What is said of single columns; absent: nothing. */
  readonly columns?: ColumnRules
  /** Hand on the text of statements, where the server logs it (`include.query`). */
  readonly includeQuery: boolean
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
}

export interface MysqlDeps {
  readonly clock: Clock
  readonly observe: (event: SourceEvent) => void
  /** Told which tables (`db.table`) are captured; what it throws ends the start. `first`: nothing of the stream behind the snapshot was read. */
  readonly chosen?: (tables: readonly string[], first: boolean) => void
}
