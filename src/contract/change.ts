import type { ConnectSchema } from './connect-schema.ts'

/**
 * Where a source can resume: opaque, printable, ordered only by its own source (`ChangeSource.compare`).
 * Postgres: `<commit LSN>:<ordinal of the change in its transaction>`, or a snapshot progress (capture/postgres/position.ts).
 */
export type Position = string & { readonly __position?: never }

/** A growing output buffer. Writers call `reserve(n)` and then write at `buf[pos]`, moving `pos`. `buf` may change in reserve. */
export interface ByteSink {
  buf: Buffer
  pos: number
  reserve(bytes: number): void
}

/**
 * Writes the Avro binary of one non-null column value (without the union branch) from its bytes in the arena.
 * Returns false, having written nothing, when Debezium emits null for this value (numeric NaN in precise mode …).
 */
export type ValueEncoder = (src: Buffer, start: number, length: number, out: ByteSink) => boolean

export interface Column {
  readonly name: string
  /** The source's own text for the type, e.g. `numeric(10,2)`. */
  readonly sourceType: string
  /** Schema of this field in the Debezium Value record, optionality and default included. */
  readonly connect: ConnectSchema
  /** The column as the record key has it, where that differs: without masks and parameters of the source type. */
  readonly asKey?: Column
  readonly encode: ValueEncoder
  /** Instead of `encode` for snapshot rows (marks 1–5), where Debezium reads some types differently (spec debezium B.6, B.7, A.2). */
  readonly encodeSnapshot?: ValueEncoder
  /** Holds a place in tuples but is not part of the record (a type Debezium leaves out, an excluded or generated column). */
  readonly omitted?: boolean
  /** Avro binary (no union branch) of the placeholder for a value that is not in the log (TOAST); null: Debezium writes null. */
  readonly unavailable: Uint8Array | null
  /** Avro binary (no union branch) that is written in the place of every null: of masks that hide nulls too. */
  readonly instead?: Uint8Array
  /** Avro binary of what stands for null: in a NOT NULL column of `before` (spec debezium §1.5), in any column with a default; else null. */
  readonly fallback: Uint8Array | null
}

export interface TableId {
  readonly schema: string
  readonly table: string
}

/** One version of a table's shape. A new object (and version) for each change of shape; identity comparison is allowed. */
export interface TableSchema {
  readonly id: TableId
  /** 1, 2, … per table and process; not persistent. */
  readonly version: number
  /** Columns in source order. A tuple's column i is this array's i; tuples of an older version never meet a newer schema. */
  readonly columns: readonly Column[]
  /** Ordinals of the key columns in key order; empty: the table has no key. */
  readonly key: readonly number[]
  readonly identity: 'default' | 'full' | 'index' | 'nothing'
  /** Rows estimated by the source (reltuples), −1 unknown: sizes the bucket index when the lake table is created. */
  readonly rowEstimate: number
}

/** ASCII of Debezium's op letter: c u d r t, and m (logical message). */
export type OpCode = 99 | 117 | 100 | 114 | 116 | 109

/** How Debezium marks snapshot rows (`source.snapshot`): 0 false 1 true 2 first 3 first_in_data_collection 4 last_in_data_collection 5 last 6 incremental. */
export type SnapshotMark = 0 | 1 | 2 | 3 | 4 | 5 | 6

/** A run of changes of one transaction inside a batch. A long transaction spans several batches. One object per transaction, not per row. */
export interface TransactionRun {
  /** Changes [from, to) of the batch; may be empty (a transaction whose changes are all filtered). */
  readonly from: number
  readonly to: number
  /** Ordinal in the transaction of change `from`. */
  readonly firstIndex: number
  /** Printable commit position, without ordinal: Postgres commit LSN `16/B374D848`. Snapshot rows: the snapshot's consistent point. */
  readonly commit: string
  /** Position just after the transaction (Postgres: end LSN of the commit), on runs that end one; absent: not known, `commit` stands for it. */
  readonly commitEnd?: string
  /** Source commit time, µs since epoch. */
  readonly commitUs: bigint
  /** Source transaction id (xid); in snapshots that of the snapshot's own transaction, null when not known. */
  readonly xid: bigint | null
  /** Where the transaction came from (`pg_replication_origin_…`), and its LSN there, decimal; absent: from this server. */
  readonly origin?: { readonly name: string; readonly lsn: string }
  readonly begins: boolean
  readonly ends: boolean
}

/**
 * Changes in commit order, as struct of arrays over one arena; nothing here is an object per row.
 *
 * Tuple grammar in the arena (that of pgoutput TupleData; snapshot rows and other sources are written in the same form):
 *   tuple => ncols:u16be column*
 *   column => 'n' (null) | 'u' (unchanged, not in the log) | 't' len:i32be bytes | 'b' len:i32be bytes
 */
export interface ChangeBatch {
  readonly arena: Buffer
  /** What the batch costs in memory: the unit of all budgets. */
  readonly bytes: number
  readonly count: number
  readonly tables: readonly TableSchema[]
  /** Change → index into `tables`; −1 for a logical message. */
  readonly table: Int32Array
  readonly op: Uint8Array
  readonly mark: Uint8Array
  /** Arena offset of the tuple, −1 when absent. */
  readonly before: Int32Array
  readonly after: Int32Array
  /** 0 none, 1 key columns only (pgoutput 'K': other columns are 'n' and mean unknown), 2 the whole old row ('O'). */
  readonly beforeKind: Uint8Array
  /** The change's own 64-bit place in the source's log (Postgres: LSN of the message), as two u32. */
  readonly placeHi: Uint32Array
  readonly placeLo: Uint32Array
  readonly transactions: readonly TransactionRun[]
  /** Resume here once this batch is durable. */
  readonly upTo: Position
  /** True when `upTo` is at a transaction boundary (or the end of a table's snapshot). */
  readonly boundary: boolean
  /** Table snapshots that end with this batch. */
  readonly snapshotDone: readonly TableId[]
  /** Streaming changes from here on include everything the snapshot showed: set on the batch that ends the whole snapshot. */
  readonly snapshotComplete: boolean
  /** A heartbeat is due behind it. */
  readonly heartbeat?: boolean
  /**
   * The batch is not needed any more: its arena and arrays may be used for a later one. To be called at most by its one consumer, and
   * optional: what is not given back is left to the garbage collector.
   */
  release?(): void
}

/** A finding of the doctor. `fix` is exact SQL or a command. */
export interface Finding {
  readonly id: string
  readonly level: 'ok' | 'warning' | 'failed'
  readonly what: string
  readonly fix: string | null
}

export interface ChangeStream {
  /** Pull-based: not pulling makes the source stop reading its socket once its own byte budget is used. */
  readonly batches: AsyncIterable<ChangeBatch>
  /** Everything up to here is durable; monotonic. Never called early: early is data loss, late only keeps WAL. */
  ack(durable: Position): void
  /** The newest source position known to exist, for `--once` and lag: printable commit position. */
  head(): Promise<string>
  close(): Promise<void>
}

export interface ChangeSource {
  /** No side effects; feeds the doctor. `from`: where a run would go on. */
  check(signal: AbortSignal, from?: Position | null): Promise<readonly Finding[]>
  /** `from` null: first start, snapshot then stream. */
  open(from: Position | null, signal: AbortSignal): Promise<ChangeStream>
  compare(a: Position, b: Position): number
  close(): Promise<void>
}
