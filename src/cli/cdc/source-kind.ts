import type { ColumnRules } from '../../capture/columns/column-rules.ts'
import type { TableMatcher } from '../../capture/select-tables.ts'
import type { SignalRow } from '../../capture/signal/signal-row.ts'
import type { SourceEvent } from '../../capture/source-event.ts'
import type { ChangeBatch, ChangeSource, TransactionRun } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import type { SourceBlock } from '../../contract/source-block.ts'
import type { EnvelopeSettings } from '../../envelope/options.ts'
import type { Transform } from '../../envelope/transform/record.ts'
import type { CaptureOptions } from '../../pipeline/capture.ts'
import type { SlotProbe } from './slot-probe.ts'
import type { SnapshotLimits, SourceSnapshot } from './source-snapshot.ts'

/** What the verbs need of a kind of database. One adapter each (source-<kind>.ts), loaded when it is asked for (sources.ts). */
export interface Source {
  /** `connector` of Debezium's records: `postgresql`, `mysql`, `mariadb`. */
  readonly connector: string
  /** For people: `postgres user@host:5432/shop`. */
  readonly label: string
  /** `user@host:5432/shop`. */
  readonly address: string
  /** First part of the lake's paths. */
  readonly database: string
  /** Must appear in no error and no log; null: there is none. */
  readonly password: string | null
  /** What `cdc tail --state` belongs to. */
  readonly stateKey: string
  open(deps: SourceDeps): ChangeSource
  block(prefix: string, resumeAfter: string | null): SourceBlock
  /** `sourceOffset` of printed records. */
  offsets(lastPlace: string | null, commitEnd: string | null, transactions: boolean): OffsetPrinter
  /** Debezium's offset behind a batch, for a log that keeps it. */
  readonly offsetOf: CaptureOptions['offsetOf']
  /** Removes at the server what was made for this one run. */
  removeCreated(created: readonly SourceEvent[], clock: Clock): Promise<void>
  /** Schema of a table that is named without one; null: none. */
  readonly schema: string | null
  /** Writes a row of the signal table (--signal-table); answers the SQL. */
  signal(row: SignalRow): Promise<{ readonly sql: string }>
  /** What `cdc verify` needs. */
  verification(): Promise<Verification>
}

export interface Verification {
  readonly matcher: TableMatcher
  readonly probe: SlotProbe
  openSnapshot(limits: SnapshotLimits): Promise<SourceSnapshot>
}

export interface SourceDeps {
  readonly clock: Clock
  readonly observe: (event: SourceEvent) => void
  readonly chosen?: (tables: readonly string[], first: boolean) => void
}

/** Follows the stream and says what Debezium's `sourceOffset` of a record would be: JSON texts. */
export interface OffsetPrinter {
  /** Offset of the records of change `i`. `counters`: EnvelopeEncoder.state() behind it. */
  change(batch: ChangeBatch, i: number, run: TransactionRun, counters: string | null): string
  /** Of a BEGIN record, in front of change `i` (−1: the transaction has none). */
  begin(batch: ChangeBatch, i: number, run: TransactionRun): string
  end(run: TransactionRun, counters: string | null): string
  /** The snapshot is done, or one without rows was seen. */
  snapshot(commit: string): void
  /** A transaction ended (whether or not there is an END record). */
  left(run: TransactionRun): void
}

/** Values of the flags that say what is captured and how. */
export interface SourceFlags {
  readonly url: string | null
  readonly name: string
  readonly tables: readonly string[]
  readonly 'slot-name': string | null
  readonly publication: string | null
  readonly 'server-id': number | null
  readonly 'snapshot-locking': string
  readonly 'ignore-unsupported-types': boolean
  readonly heartbeat?: number
  readonly 'signal-table'?: string | null
  readonly 'signal-read-only'?: boolean
  readonly 'signal-chunk-rows'?: number
  readonly 'heartbeat-query'?: string | null
}

/** run: everything that a lake can hold, in the source's own types. tail: as Debezium would send it. */
export interface SourcePurpose {
  readonly kind: 'run' | 'tail'
  readonly snapshot: SnapshotChoice | null
  /** What is said of single columns; absent: nothing. */
  readonly columns?: ColumnRules
}

export type SnapshotChoice = 'initial' | 'initial_only' | 'never'

/** A source with what else a Debezium configuration says. */
export interface DebeziumSource {
  readonly prefix: string
  readonly source: Source
  readonly envelope: EnvelopeSettings
  /** In order; mostly none. */
  readonly transforms: readonly Transform[]
}

export interface SourceAdapter {
  fromFlags(kind: string, flags: SourceFlags, env: Readonly<Record<string, string | undefined>>, purpose: SourcePurpose): Source
  fromDebezium(config: ReadonlyMap<string, string>, file: string, snapshot: SnapshotChoice | null): DebeziumSource
}
