import type { Position, TableId } from './change.ts'

/**
 * The record batch, the unit that crosses from envelope to log to lake.
 *
 * Grammar of `records` (Kafka's record fields; unsigned LEB128 varints, `zz` zigzag):
 *   record  => timestampMs:zz64 key:blob value:blob side:blob headerCount:varint header*
 *   blob    => (length + 1):varint bytes        0 means null
 *   header  => nameLength:varint name value:blob
 * `side` is ours alone and never leaves for Kafka: u16le ordinals of the row columns whose value was not in the source's log
 * (the envelope shows Debezium's placeholder, or null for numeric); null when there are none.
 * Key and value carry the Confluent wire header (0, schema id:i32be).
 */
export interface TopicBatch {
  readonly topic: string
  readonly partition: number
  readonly count: number
  /** Schema id of every non-null key of this batch (0: the table has no key), of every non-null value. One table version per batch. */
  readonly keySchema: number
  readonly valueSchema: number
  readonly records: Uint8Array
  /** Headers that every record of this batch carries after its own: same header grammar, count first. Null: none. */
  readonly headers: Uint8Array | null
  readonly runs: readonly RecordRun[]
  /**
   * Bytes that end every non-null value of this batch, left out of its records: a value is its blob and then these. Absent: none.
   * The rows of a snapshot share most of their envelope.
   */
  readonly valueTail?: Uint8Array
  /** The times of the records are their own, which a transform has given them, not those of their processing. */
  readonly ownTimes?: boolean
}

/** Consecutive records of a TopicBatch that belong to one source transaction. */
export interface RecordRun {
  readonly count: number
  /** Commit position of the transaction (TransactionRun.commit). */
  readonly commit: string
  readonly commitUs: bigint
}

export interface LogCursor {
  readonly source: string
  readonly at: Position
  /** True when `at` is a transaction boundary: a flush may be cut here. */
  readonly boundary: boolean
  /** Last commit position and time contained in or before this append; null during the first snapshot. */
  readonly commit: string | null
  readonly commitUs: bigint | null
  /** Topics whose table snapshot ended with this append. */
  readonly snapshotDone: readonly string[]
  /** From this append on a boundary is a consistent state of the source (no snapshot in progress or still to be caught up). */
  readonly consistent: boolean
  /** What Debezium would store as its offset here, as JSON text; absent: not known. */
  readonly offset?: string
}

export interface StoredBatch extends TopicBatch {
  /** Offset of the first record; offsets are dense from 0 per topic. */
  readonly baseOffset: number
  /** The append that stored it: total order over all topics. */
  readonly appendId: number
}

export interface AppendInfo {
  readonly id: number
  readonly cursor: LogCursor
  /** Records of this append over all topics, and their uncompressed bytes: what flush policies count. */
  readonly records: number
  readonly bytes: number
}

/** Distinct schema pairs of a stretch of a topic, in order of first use: known without reading the records. */
export interface TopicSchemas {
  readonly keySchema: number
  readonly valueSchema: number
  readonly records: number
  readonly bytes: number
}

/** What capture needs of a log: the embedded one, or Kafka. */
export interface LogWriter {
  /** All batches and the cursor become durable together or not at all. Returns the append's id (dense, increasing). */
  append(batches: readonly TopicBatch[], cursor: LogCursor): Promise<number>
  /** The cursor of the newest append of this source; null: never appended. */
  cursor(source: string): LogCursor | null
}

/** A log that the lake half of the same machine reads. */
export interface Log extends LogWriter {
  /** Batches of one topic with baseOffset + count > from, up to and including append `upTo`. One batch in memory at a time. */
  read(topic: string, partition: number, from: number, upTo: number): Iterable<StoredBatch>
  /** What `read` with the same arguments would meet. */
  schemas(topic: string, partition: number, from: number, upTo: number): readonly TopicSchemas[]
  /** Offset after the last record of this topic in appends up to and including `upTo`. */
  endAt(topic: string, partition: number, upTo: number): number
  /** Append that holds this offset; null: no longer (or not yet) held. */
  appendOf(topic: string, partition: number, offset: number): number | null
  /** Topics with records in appends (after, upTo]. */
  touched(after: number, upTo: number): readonly string[]
  /** Newest append that is a consistent boundary. */
  lastBoundary(): AppendInfo | null
  appends(after: number): Iterable<AppendInfo>
  /** First offset still held (retention), and the end (next offset). */
  range(topic: string, partition: number): { readonly start: number; readonly end: number }
  topics(): readonly string[]
  /** Appends up to and including this one may be deleted once age or size asks for it. */
  release(appendId: number): void
  close(): void
}

/** Following the log's tail: a gate in the same process, polling from another. */
export interface AppendSignal {
  /** Resolves once an append newer than `after` may exist; rejects with the signal's reason. */
  wait(after: number, signal: AbortSignal): Promise<void>
}

/** What the source knows of the table behind a topic; the lake half needs it to create the table. */
export interface TopicTable {
  readonly database: string
  readonly table: TableId
  /** Rows estimated by the source, −1 unknown. */
  readonly rowEstimate: number
  /** Schema ids of the table when it was first met (0: no key): an empty table is created from them. */
  readonly keySchema: number
  readonly valueSchema: number
}

export interface TopicTables {
  /** Durable when it returns; the first one given for a topic stays. */
  put(topic: string, info: TopicTable): void
  get(topic: string): TopicTable | null
}

/** Schema ids as in a Confluent registry: one id per distinct schema text, versions per subject. */
export interface SchemaRegistry {
  register(subject: string, schemaText: string): Promise<number>
  schema(id: number): Promise<string>
}
