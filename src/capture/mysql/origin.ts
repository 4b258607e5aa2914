import type { ByteSink, ChangeBatch, TableSchema, TransactionRun } from '../../contract/change.ts'
import type { ConnectField, ConnectSchema } from '../../contract/connect-schema.ts'
import type { SourceBlock } from '../../contract/source-block.ts'
import { GrowableSink, writeAll, writeSlice } from '../../format/bytes/growable-sink.ts'
import { writeZigzag32, writeZigzag64, writeZigzagNumber } from '../../format/bytes/varint.ts'
import { avroBytes } from '../types/text.ts'
import type { MysqlBatch, MysqlRun, MysqlTransaction } from './batch.ts'
import type { Flavor } from './options.ts'
import { parsePoint } from './position.ts'

export interface MysqlSourceOptions {
  /** topic.prefix. */
  readonly name: string
  readonly flavor: Flavor
  /** Shown as source.version; default: that of the connector whose records are compared, 3.6.1.Final and 3.5.0.Final. */
  readonly version?: string
}

const required = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: false } })
const optional = (name: string, type: ConnectSchema['type']): ConnectField => ({ name, schema: { type, optional: true } })

/** `source` of Debezium for MySQL and MariaDB (spec debezium §1.2); they differ in name alone. */
export function mysqlSourceSchema(flavor: Flavor): ConnectSchema {
  return {
    type: 'struct',
    optional: false,
    name: `io.debezium.connector.${flavor}.Source`,
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
      optional('table', 'string'),
      required('server_id', 'int64'),
      optional('gtid', 'string'),
      required('file', 'string'),
      required('pos', 'int64'),
      required('row', 'int32'),
      optional('thread', 'int64'),
      optional('query', 'string'),
    ],
  }
}

const MARKS = ['false', 'true', 'first', 'first_in_data_collection', 'last_in_data_collection', 'last', 'incremental']
const VERSIONS: Readonly<Record<Flavor, string>> = { mysql: '3.6.1.Final', mariadb: '3.5.0.Final' }

/** The source block of one connector. */
export function mysqlSourceBlock(options: MysqlSourceOptions): SourceBlock {
  return new MysqlSourceBlock(options)
}

/**
 * What changes of one rows event share is encoded once and copied, the ordinal of the row (`row`) is written between:
 *   front = version … pos      row      back = thread query
 */
class MysqlSourceBlock implements SourceBlock {
  readonly schema: ConnectSchema
  readonly #head: Uint8Array
  readonly #marks: readonly Uint8Array[]
  readonly #tables = new WeakMap<TableSchema, { readonly db: Uint8Array; readonly table: Uint8Array }>()
  readonly #front = new GrowableSink(512)
  readonly #back = new GrowableSink(64)
  #batch: ChangeBatch | null = null
  #run: TransactionRun | null = null
  #info: MysqlTransaction | null = null
  #event = -2
  #table = -1
  #mark = -1

  constructor(options: MysqlSourceOptions) {
    const text = (s: string): Uint8Array => avroBytes(Buffer.from(s, 'utf8'))
    this.schema = mysqlSourceSchema(options.flavor)
    this.#head = Buffer.concat([text(options.version ?? VERSIONS[options.flavor]), text(options.flavor), text(options.name)])
    // The union of `snapshot` is [string, null], because the field has a default.
    this.#marks = MARKS.map((m) => Buffer.concat([Buffer.from([0]), text(m)]))
  }

  write(batch: ChangeBatch, i: number, run: TransactionRun, out: ByteSink): void {
    const { mark } = batch
    const b = batch as Partial<MysqlBatch>
    const event = b.eventOf === undefined ? -1 : b.eventOf[i]
    if (run !== this.#run || batch !== this.#batch) this.#enter(batch, run)
    if (event !== this.#event || batch.table[i] !== this.#table || mark[i] !== this.#mark) this.#make(b as MysqlBatch, i, event, run)
    writeSlice(out, this.#front.buf, 0, this.#front.pos)
    writeZigzag32(out, event < 0 || mark[i] === INCREMENTAL ? 0 : b.rowOf![i])
    writeSlice(out, this.#back.buf, 0, this.#back.pos)
  }

  finish(): void {
    this.#run = null
    this.#batch = null
  }

  /** The GTID, else file and place of BEGIN. */
  transactionId(batch: ChangeBatch, _i: number, run: TransactionRun): string {
    return this.boundaryId(batch, run)
  }

  boundaryId(batch: ChangeBatch, run: TransactionRun): string {
    if (run !== this.#run || batch !== this.#batch) this.#enter(batch, run)
    const info = this.#info
    if (info === null) return run.commit
    return info.gtid ?? `file=${info.file},pos=${info.beginPos}`
  }

  #enter(batch: ChangeBatch, run: TransactionRun): void {
    this.#info = (run as Partial<MysqlRun>).info ?? null
    this.#batch = batch
    this.#run = run
    this.#event = -2
  }

  #make(batch: MysqlBatch, i: number, event: number, run: TransactionRun): void {
    const streamed = event >= 0
    const point = streamed ? null : parsePoint(run.commit)
    const info = streamed ? this.#info : null
    const file = info?.file ?? point?.file ?? ''
    const pos = streamed ? batch.events.pos[event] : (point?.pos ?? 0)
    const s = this.#front
    s.pos = 0
    writeAll(s, this.#head)
    const us = Number(run.commitUs)
    writeZigzagNumber(s, Math.floor(us / 1000))
    writeAll(s, this.#marks[batch.mark[i]])
    const name = this.#nameOf(batch.tables[batch.table[i]])
    writeAll(s, name.db)
    s.reserve(2)
    s.buf[s.pos++] = 0
    s.buf[s.pos++] = 2
    writeZigzagNumber(s, us)
    s.reserve(1)
    s.buf[s.pos++] = 2
    writeNanos(s, us)
    s.reserve(1)
    s.buf[s.pos++] = 2
    writeAll(s, name.table)
    writeZigzagNumber(s, info?.serverId ?? 0)
    optionalText(s, info?.gtid ?? null)
    writeAll(s, avroBytes(Buffer.from(file, 'utf8')))
    writeZigzagNumber(s, pos)
    const back = this.#back
    back.pos = 0
    back.reserve(1)
    const thread = streamed && batch.op[i] !== TRUNCATE ? (info?.thread ?? null) : null
    back.buf[back.pos++] = thread === null ? 0 : 2
    if (thread !== null) writeZigzagNumber(back, thread)
    optionalText(back, streamed && batch.mark[i] !== INCREMENTAL ? batch.events.query[event] : null)
    this.#event = event
    this.#table = batch.table[i]
    this.#mark = batch.mark[i]
  }

  #nameOf(table: TableSchema): { readonly db: Uint8Array; readonly table: Uint8Array } {
    let name = this.#tables.get(table)
    if (name === undefined) {
      const text = (t: string): Uint8Array => avroBytes(Buffer.from(t, 'utf8'))
      name = { db: text(table.id.schema), table: text(table.id.table) }
      this.#tables.set(table, name)
    }
    return name
  }
}

const TRUNCATE = 116
/** Mark of rows that are read between changes of the stream: they have the place of the change that ends their window. */
const INCREMENTAL = 6

function optionalText(s: GrowableSink, text: string | null): void {
  s.reserve(1)
  s.buf[s.pos++] = text === null ? 0 : 2
  if (text !== null) writeAll(s, avroBytes(Buffer.from(text, 'utf8')))
}

/** ts_ns = µs × 1000 does not fit in 53 bits. */
function writeNanos(s: GrowableSink, us: number): void {
  const low = (us >>> 0) * 1000
  const carry = Math.floor(low / 4294967296)
  writeZigzag64(s, (Math.floor(us / 4294967296) * 1000 + carry) >>> 0, low >>> 0)
}
