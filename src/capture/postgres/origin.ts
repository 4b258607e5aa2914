import type { ByteSink, ChangeBatch, TableSchema, TransactionRun } from '../../contract/change.ts'
import type { ConnectField, ConnectSchema } from '../../contract/connect-schema.ts'
import type { SourceBlock } from '../../contract/source-block.ts'
import { GrowableSink, writeAll, writeSlice } from '../../format/bytes/growable-sink.ts'
import { writeZigzag64, writeZigzagBigInt, writeZigzagNumber } from '../../format/bytes/varint.ts'
import { avroBytes } from '../types/text.ts'
import { parseLsn } from './lsn.ts'

export interface PostgresSourceOptions {
  /** topic.prefix. */
  readonly name: string
  readonly database: string
  /** Shown as source.version; default 3.6.1.Final. */
  readonly version?: string
  /** LSN of the last change processed before a restart: first element of `sequence` until a commit is seen. */
  readonly resumeAfter?: string | null
  /** Rows of incremental snapshots show no LSN, as in Debezium; without it the one that orders them. */
  readonly exact?: boolean
}

const required = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: false } })
const optional = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: true } })

/** `source` of Debezium 3.6 for Postgres (spec debezium §1.2). */
const SOURCE_SCHEMA: ConnectSchema = {
  type: 'struct',
  optional: false,
  name: 'io.debezium.connector.postgresql.Source',
  version: 1,
  fields: [
    required('version', 'string'),
    required('connector', 'string'),
    required('name', 'string'),
    required('ts_ms', 'int64'),
    {
      name: 'snapshot',
      schema: {
        type: 'string',
        optional: true,
        name: 'io.debezium.data.Enum',
        version: 1,
        parameters: [['allowed', 'true,first,first_in_data_collection,last_in_data_collection,last,false,incremental']],
        default: 'false',
      },
    },
    required('db', 'string'),
    optional('sequence', 'string'),
    optional('ts_us', 'int64'),
    optional('ts_ns', 'int64'),
    required('schema', 'string'),
    required('table', 'string'),
    optional('txId', 'int64'),
    optional('lsn', 'int64'),
    optional('xmin', 'int64'),
    optional('origin', 'string'),
    optional('origin_lsn', 'int64'),
  ],
}

const MARKS = ['false', 'true', 'first', 'first_in_data_collection', 'last_in_data_collection', 'last', 'incremental']

/** Mark of rows that are read between changes of the stream. */
const INCREMENTAL = 6

/** Neither of a table nor of a logical message, which has −1. */
const NO_TABLE = -2

/** Schema and table of a logical message: empty. */
const NO_NAMES = Buffer.from([0, 0])

/** xmin, origin and origin_lsn: null. */
const NOTHING_AFTER_LSN = Buffer.from([0, 0, 0])

/** The source block of one connector; it keeps the end of the last commit between batches, for `sequence`. */
export function postgresSourceBlock(options: PostgresSourceOptions): SourceBlock {
  return new PostgresSourceBlock(options)
}

/**
 * Everything that is the same for all changes of a transaction (or of a table in it) is encoded once and copied:
 *   front(mark) = version connector name ts_ms snapshot db    middle(table) = ts_us ts_ns schema table txId
 * Only `sequence` and `lsn` are written per change.
 */
class PostgresSourceBlock implements SourceBlock {
  readonly schema = SOURCE_SCHEMA
  readonly #head: Uint8Array
  readonly #exact: boolean
  /** snapshot (union branch and text) and db, by mark. */
  readonly #marks: readonly Uint8Array[]
  readonly #tables = new WeakMap<TableSchema, Uint8Array>()
  readonly #front = new GrowableSink(256)
  #frontMark = -1
  readonly #middle = new GrowableSink(256)
  #middleTable = NO_TABLE
  #run: TransactionRun | null = null
  /** Index of `#run` in the batch being written. */
  #at = 0
  /** The last block of a snapshot row, and the place in the log that it has: the rows of a snapshot all share theirs. */
  readonly #row = new GrowableSink(512)
  #rowHi = -1
  #rowLo = -1
  /** Decimal end of the last commit; empty before the first. */
  readonly #previous = new GrowableSink(32)

  constructor(options: PostgresSourceOptions) {
    const text = (s: string): Uint8Array => avroBytes(Buffer.from(s, 'utf8'))
    this.#exact = options.exact === true
    this.#head = Buffer.concat([text(options.version ?? '3.6.1.Final'), text('postgresql'), text(options.name)])
    // The union of `snapshot` is [string, null], because the field has a default.
    this.#marks = MARKS.map((m) => Buffer.concat([Buffer.from([0]), text(m), text(options.database)]))
    if (options.resumeAfter != null) this.#setPrevious(options.resumeAfter)
  }

  write(batch: ChangeBatch, i: number, run: TransactionRun, out: ByteSink): void {
    if (run !== this.#run) this.#enter(batch, run)
    const mark = batch.mark[i]
    const hi = batch.placeHi[i]
    const lo = batch.placeLo[i]
    if (mark === 0) {
      this.#write(batch, i, run, out)
      return
    }
    if (mark !== this.#frontMark || batch.table[i] !== this.#middleTable || hi !== this.#rowHi || lo !== this.#rowLo) {
      this.#row.pos = 0
      this.#write(batch, i, run, this.#row)
      this.#rowHi = hi
      this.#rowLo = lo
    }
    writeSlice(out, this.#row.buf, 0, this.#row.pos)
  }

  #write(batch: ChangeBatch, i: number, run: TransactionRun, out: ByteSink): void {
    const mark = batch.mark[i]
    const hi = batch.placeHi[i]
    const lo = batch.placeLo[i]
    if (mark !== this.#frontMark) this.#makeFront(mark, run)
    writeSlice(out, this.#front.buf, 0, this.#front.pos)
    this.#writeSequence(out, mark === 0 || mark === INCREMENTAL ? this.#previous.pos : 0, hi, lo)
    const table = batch.table[i]
    if (table !== this.#middleTable) this.#makeMiddle(batch, table, mark === INCREMENTAL ? null : run.xid, run)
    writeSlice(out, this.#middle.buf, 0, this.#middle.pos)
    out.reserve(16)
    if (mark === INCREMENTAL && this.#exact) out.buf[out.pos++] = 0
    else {
      out.buf[out.pos++] = 2
      writeZigzag64(out, hi, lo)
    }
    if (run.origin === undefined) writeAll(out, NOTHING_AFTER_LSN)
    else writeAll(out, originBytes(run.origin))
  }

  finish(batch: ChangeBatch): void {
    for (; this.#at < batch.transactions.length; this.#at++) this.#leave(batch, batch.transactions[this.#at])
    this.#at = 0
    this.#run = null
  }

  transactionId(batch: ChangeBatch, i: number, run: TransactionRun): string {
    return `${run.xid}:${(BigInt(batch.placeHi[i]) << 32n) | BigInt(batch.placeLo[i])}`
  }

  /** BEGIN has the LSN of the transaction's first change, END that of its end. */
  boundaryId(batch: ChangeBatch, run: TransactionRun, boundary: 'begin' | 'end'): string {
    if (boundary === 'begin' && run.from < run.to) return this.transactionId(batch, run.from, run)
    return `${run.xid}:${parseLsn(run.commitEnd ?? run.commit) ?? 0n}`
  }

  #enter(batch: ChangeBatch, run: TransactionRun): void {
    while (batch.transactions[this.#at] !== run && this.#at < batch.transactions.length) this.#leave(batch, batch.transactions[this.#at++])
    this.#run = run
    this.#frontMark = -1
    this.#middleTable = NO_TABLE
    // A message outside of transactions is its own commit.
    if (run.xid === null && run.from < run.to && batch.mark[run.from] === 0) this.#setPrevious(run.commit)
  }

  /** A snapshot is no commit: the first transaction after it has no predecessor. */
  #leave(batch: ChangeBatch, run: TransactionRun): void {
    const snapshot = run.from < run.to ? batch.mark[run.from] !== 0 : run.xid === null || batch.snapshotDone.length > 0
    if (run.ends && !snapshot) this.#setPrevious(run.commitEnd ?? run.commit)
  }

  /** `16/B374D848` → decimal digits, without a bigint: this happens once per transaction. */
  #setPrevious(lsn: string): void {
    const slash = lsn.indexOf('/')
    this.#previous.pos = 0
    writeDecimal(this.#previous, Number.parseInt(lsn.slice(0, slash), 16), Number.parseInt(lsn.slice(slash + 1), 16))
  }

  #makeFront(mark: number, run: TransactionRun): void {
    const s = this.#front
    s.pos = 0
    writeAll(s, this.#head)
    writeZigzagNumber(s, Math.floor(Number(run.commitUs) / 1000))
    writeAll(s, this.#marks[mark])
    this.#frontMark = mark
  }

  #makeMiddle(batch: ChangeBatch, table: number, xid: bigint | null, run: TransactionRun): void {
    const s = this.#middle
    s.pos = 0
    const us = Number(run.commitUs)
    s.buf[s.pos++] = 2
    writeZigzagNumber(s, us)
    s.buf[s.pos++] = 2
    // ts_ns = µs × 1000 does not fit in 53 bits.
    const low = (us >>> 0) * 1000
    const carry = Math.floor(low / 4294967296)
    writeZigzag64(s, (Math.floor(us / 4294967296) * 1000 + carry) >>> 0, low >>> 0)
    writeAll(s, table < 0 ? NO_NAMES : this.#tableName(batch.tables[table]))
    s.reserve(16)
    if (xid === null) s.buf[s.pos++] = 0
    else {
      s.buf[s.pos++] = 2
      writeZigzagNumber(s, Number(xid))
    }
    this.#middleTable = table
  }

  #tableName(table: TableSchema): Uint8Array {
    let name = this.#tables.get(table)
    if (name === undefined) {
      const text = (t: string): Uint8Array => avroBytes(Buffer.from(t, 'utf8'))
      name = Buffer.concat([text(table.id.schema), text(table.id.table)])
      this.#tables.set(table, name)
    }
    return name
  }

  /** `["<end of the previous commit>","<lsn>"]`, or null in place of the first: a JSON text of at most 48 bytes. */
  #writeSequence(out: ByteSink, previous: number, hi: number, lo: number): void {
    out.reserve(64)
    const buf = out.buf
    buf[out.pos++] = 2
    const mark = out.pos++
    if (previous === 0) writeAll(out, NULL_FIRST)
    else {
      writeAll(out, TEXT_FIRST)
      writeSlice(out, this.#previous.buf, 0, previous)
      writeAll(out, BETWEEN)
    }
    writeDecimal(out, hi, lo)
    buf[out.pos++] = 34
    buf[out.pos++] = 93
    buf[mark] = (out.pos - mark - 1) * 2
  }
}

/** xmin (null), origin and its LSN. */
function originBytes({ name, lsn }: NonNullable<TransactionRun['origin']>): Uint8Array {
  const out = new GrowableSink(64)
  out.reserve(2)
  out.buf[out.pos++] = 0
  out.buf[out.pos++] = 2
  writeAll(out, avroBytes(Buffer.from(name, 'utf8')))
  out.reserve(1)
  out.buf[out.pos++] = 2
  writeZigzagBigInt(out, BigInt(lsn))
  return out.copy()
}

const NULL_FIRST = Buffer.from('[null,"')
const TEXT_FIRST = Buffer.from('["')
const BETWEEN = Buffer.from('","')

/** A 64-bit LSN in decimal. Below 2^53 two exact divisions by 10^8 do; beyond (8 PB of WAL) a bigint. Room is reserved by the caller. */
function writeDecimal(out: ByteSink, hi: number, lo: number): void {
  if (hi >= 0x200000) {
    const text = String((BigInt(hi) << 32n) | BigInt(lo))
    out.pos += out.buf.write(text, out.pos, 'latin1')
    return
  }
  const v = hi * 4294967296 + lo
  const high = Math.floor(v / 1e8)
  const low = v - high * 1e8
  if (high === 0) writeDigits(out, low, digitsOf(low))
  else {
    writeDigits(out, high, digitsOf(high))
    writeDigits(out, low, 8)
  }
}

function digitsOf(n: number): number {
  let d = 1
  for (let limit = 10; n >= limit; limit *= 10) d++
  return d
}

function writeDigits(out: ByteSink, value: number, digits: number): void {
  const buf = out.buf
  let v = value
  for (let i = out.pos + digits - 1; i >= out.pos; i--) {
    const q = (v / 10) | 0
    buf[i] = 48 + v - q * 10
    v = q
  }
  out.pos += digits
}
