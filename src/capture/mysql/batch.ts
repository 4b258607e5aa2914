import type { ChangeBatch, TransactionRun } from '../../contract/change.ts'

/** What all changes of a transaction share. */
export interface MysqlTransaction {
  /** Binlog file that the transaction is in. */
  readonly file: string
  /** Start of BEGIN (MySQL: behind the GTID event; MariaDB: the GTID event, which begins the transaction there). */
  readonly beginPos: number
  /** `uuid:5`, `uuid:tag:5`, `0-2-5`; null: the server writes none. */
  readonly gtid: string | null
  /** GTIDs of everything before it; null: the server writes none. */
  readonly gtidsBefore: string | null
  readonly serverId: number
  /** How often the stream went on at another server (StreamPosition.epoch): its files are not those of before. */
  readonly epoch: number
  /** Connection that ran it (MySQL only). */
  readonly thread: number | null
  /** One statement that is not part of a transaction: DDL. */
  readonly ddl: boolean
}

/** A run of a streamed transaction. */
export interface MysqlRun extends TransactionRun {
  readonly info: MysqlTransaction
}

/** One entry per rows event (or TRUNCATE) that has changes in the batch, in columns. */
export interface RowsEvents {
  readonly count: number
  /** Start of the event in its file. Changes out of a compressed transaction: see wire/decoder.ts. */
  readonly pos: Float64Array
  /** 1-based number of the event in its transaction, BEGIN and TABLE_MAP counted: Debezium's offset `event`. */
  readonly index: Int32Array
  /** Seconds since epoch in the event's header. */
  readonly seconds: Uint32Array
  /** Text of the statement (Rows_query or Annotate_rows event), when the server sends it and it was asked for. */
  readonly query: readonly (string | null)[]
}

/**
 * A batch of MySQL or MariaDB. A column of a tuple is 'b' with the bytes of the rows event as they are there (little-endian integers, packed
 * decimals and times), without the length in front of variable ones; 'n'; or 'u' when the row image leaves it out. Snapshot rows are 't'.
 * place = epoch << 56 | number of the file << 36 | start of the rows event: never decreases.
 */
export interface MysqlBatch extends ChangeBatch {
  /** Change → index in `events`; −1 in snapshots. */
  readonly eventOf: Int32Array
  /** Row in its event, from 0. */
  readonly rowOf: Int32Array
  readonly events: RowsEvents
  /** Those of streamed transactions are MysqlRuns. */
  readonly transactions: readonly TransactionRun[]
}
