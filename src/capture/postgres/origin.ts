import type { ByteSink, ChangeBatch, TransactionRun } from '../../contract/change.ts'
import type { ConnectField, ConnectSchema } from '../../contract/connect-schema.ts'
import type { SourceBlock } from '../../contract/source-block.ts'
import { GrowableSink, writeAll } from '../../format/bytes/growable-sink.ts'
import { writeZigzag64, writeZigzagBigInt } from '../../format/bytes/varint.ts'
import { parseLsn } from './lsn.ts'
import { avroBytes } from './types/text.ts'

export interface PostgresSourceOptions {
  /** topic.prefix. */
  readonly name: string
  readonly database: string
  /** Shown as source.version; default 3.6.1.Final. */
  readonly version?: string
  /** LSN of the last change processed before a restart: first element of `sequence` until a commit is seen. */
  readonly resumeAfter?: string | null
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
  readonly #database: Uint8Array
  readonly #scratch = new GrowableSink(256)
  #front: (Uint8Array | undefined)[] = []
  #middle: (Uint8Array | undefined)[] = []
  #run: TransactionRun | null = null
  /** Index of `#run` in the batch being written. */
  #at = 0
  /** End of the last commit as decimal text, null before the first. */
  #previous: Uint8Array | null

  constructor(options: PostgresSourceOptions) {
    const text = (s: string): Uint8Array => avroBytes(Buffer.from(s, 'utf8'))
    this.#head = Buffer.concat([text(options.version ?? '3.6.1.Final'), text('postgresql'), text(options.name)])
    this.#database = text(options.database)
    this.#previous = options.resumeAfter == null ? null : decimal(options.resumeAfter)
  }

  write(batch: ChangeBatch, i: number, run: TransactionRun, out: ByteSink): void {
    if (run !== this.#run) this.#enter(batch, run)
    const mark = batch.mark[i]
    writeAll(out, this.#front[mark] ?? this.#makeFront(mark, run))
    const hi = batch.placeHi[i]
    const lo = batch.placeLo[i]
    this.#writeSequence(out, mark === 0 ? this.#previous : null, hi, lo)
    const table = batch.table[i]
    writeAll(out, this.#middle[table] ?? this.#makeMiddle(batch, table, run))
    out.reserve(16)
    out.buf[out.pos++] = 2
    writeZigzag64(out, hi, lo)
    writeAll(out, NOTHING_AFTER_LSN)
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
    this.#front = []
    this.#middle = []
  }

  /** A snapshot is no commit: the first transaction after it has no predecessor. */
  #leave(batch: ChangeBatch, run: TransactionRun): void {
    const snapshot = run.from < run.to ? batch.mark[run.from] !== 0 : run.xid === null || batch.snapshotDone.length > 0
    if (run.ends && !snapshot) this.#previous = decimal(run.commitEnd ?? run.commit)
  }

  #makeFront(mark: number, run: TransactionRun): Uint8Array {
    const s = this.#scratch
    s.pos = 0
    writeAll(s, this.#head)
    writeZigzagBigInt(s, floorDiv(run.commitUs, 1000n))
    // The union is [string, null], because the field has a default.
    s.reserve(1)
    s.buf[s.pos++] = 0
    writeAll(s, avroBytes(Buffer.from(MARKS[mark])))
    writeAll(s, this.#database)
    const bytes = s.copy()
    this.#front[mark] = bytes
    return bytes
  }

  #makeMiddle(batch: ChangeBatch, table: number, run: TransactionRun): Uint8Array {
    const s = this.#scratch
    s.pos = 0
    const long = (v: bigint): void => {
      s.reserve(1)
      s.buf[s.pos++] = 2
      writeZigzagBigInt(s, v)
    }
    long(run.commitUs)
    long(run.commitUs * 1000n)
    const id = batch.tables[table]?.id
    writeAll(s, avroBytes(Buffer.from(id?.schema ?? '', 'utf8')))
    writeAll(s, avroBytes(Buffer.from(id?.table ?? '', 'utf8')))
    if (run.xid !== null) long(run.xid)
    else {
      s.reserve(1)
      s.buf[s.pos++] = 0
    }
    const bytes = s.copy()
    this.#middle[table] = bytes
    return bytes
  }

  /** `["<end of the previous commit>","<lsn>"]`, or null in place of the first: a JSON text of at most 48 bytes. */
  #writeSequence(out: ByteSink, previous: Uint8Array | null, hi: number, lo: number): void {
    out.reserve(64)
    const buf = out.buf
    buf[out.pos++] = 2
    const mark = out.pos++
    writeAll(out, previous === null ? NULL_FIRST : TEXT_FIRST)
    if (previous !== null) {
      writeAll(out, previous)
      writeAll(out, BETWEEN)
    }
    writeDecimal(out, hi, lo)
    buf[out.pos++] = 34
    buf[out.pos++] = 93
    buf[mark] = (out.pos - mark - 1) * 2
  }
}

const NULL_FIRST = Buffer.from('[null,"')
const TEXT_FIRST = Buffer.from('["')
const BETWEEN = Buffer.from('","')

function decimal(lsn: string): Uint8Array {
  return Buffer.from(String(parseLsn(lsn) ?? 0n))
}

function floorDiv(a: bigint, b: bigint): bigint {
  const q = a / b
  return a % b < 0n ? q - 1n : q
}

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
