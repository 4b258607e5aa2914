import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { describeTable, listTables, quoteTable } from '../../capture/mysql/catalogue.ts'
import { requireFlavor } from '../../capture/mysql/check.ts'
import { connectMysql, quoteIdent, type SqlConnection } from '../../capture/mysql/connect.ts'
import { lockedTransaction } from '../../capture/mysql/open-snapshot.ts'
import type { MysqlOptions } from '../../capture/mysql/options.ts'
import type { Point } from '../../capture/mysql/position.ts'
import { serverFailure } from '../../capture/mysql/server-failure.ts'
import { TextRows } from '../../capture/mysql/wire/text-rows.ts'
import type { TableId } from '../../contract/change.ts'
import { commitOrder } from '../../query/commit-order.ts'
import { mysqlCanonical } from './mysql-canonical.ts'
import type { SlotProbe } from './slot-probe.ts'
import type { SnapshotLimits, SourceColumn, SourceSnapshot } from './source-snapshot.ts'

/** Bytes of CSV that are collected before they are written. */
const WRITE_BYTES = 1 << 20

/** The database in one read-only transaction at a known place of the binlog. `tables`: those that are locked while it begins, where that is needed. */
export async function openMysqlSnapshot(
  options: MysqlOptions,
  limits: SnapshotLimits,
  tables: (id: TableId) => boolean,
): Promise<SourceSnapshot> {
  const sql = await connectMysql(options)
  try {
    requireFlavor(sql, options)
    const ids = (await listTables(sql)).filter(tables)
    const { reader, at } = await lockedTransaction(options, ids, { observe: () => undefined }, limits.signal)
    return new MysqlSnapshot(options, sql, reader, at)
  } catch (e) {
    sql.destroy()
    throw e
  }
}

/** The server keeps no record of how far a reader has come: only the log can tell. */
export function noProbe(): SlotProbe {
  return { covers: async () => 'not recorded', close: async () => undefined }
}

class MysqlSnapshot implements SourceSnapshot {
  readonly lsn: bigint
  readonly lsnText: string
  readonly #options: MysqlOptions
  /** For the catalogue; the other connection has given its socket away. */
  readonly #sql: SqlConnection
  readonly #reader: SqlConnection
  #rows: TextRows | null = null

  constructor(options: MysqlOptions, sql: SqlConnection, reader: SqlConnection, at: Point) {
    this.#options = options
    this.#sql = sql
    this.#reader = reader
    this.lsnText = `${at.file}:${at.pos}`
    this.lsn = commitOrder(this.lsnText)!
  }

  get target(): SourceSnapshot['target'] {
    return { kind: 'lsn', lsn: this.lsn, text: `binlog:${this.lsnText}` }
  }

  async tables(): Promise<readonly TableId[]> {
    return await listTables(this.#sql)
  }

  async columns(schema: string, table: string): Promise<readonly SourceColumn[] | null> {
    const found = await describeTable(this.#sql, { schema, table }, this.#options.flavor)
    if (found === null) return null
    const key = found.primaryKey.length > 0 ? found.primaryKey : found.uniqueIndex
    return found.columns.map((c) => ({
      name: c.name,
      typeName: c.columnType,
      key: key.includes(c.name),
      generated: false,
      reference: `t.${quoteIdent(c.name)}`,
      canonical: (lake) => mysqlCanonical(c, lake),
    }))
  }

  async copy(schema: string, table: string, expressions: readonly string[], file: string, signal: AbortSignal): Promise<number> {
    const stop = (): void => this.#reader.destroy()
    signal.addEventListener('abort', stop, { once: true })
    const out = createWriteStream(file)
    try {
      await once(out, 'open')
      this.#rows ??= new TextRows(this.#reader.takeSocket())
      this.#rows.start(`SELECT ${expressions.join(', ')} FROM ${quoteTable({ schema, table })} AS t`)
      const csv = new Csv()
      while ((await this.#rows.read((buf, start, end) => csv.row(buf, start, end))) === 'full') {
        if (!out.write(csv.take())) await once(out, 'drain')
      }
      out.end(csv.take())
      await once(out, 'close')
      return csv.rows
    } catch (e) {
      throw signal.aborted ? signal.reason : serverFailure(e, { connect: this.#options, doing: `reading ${schema}.${table}` })
    } finally {
      signal.removeEventListener('abort', stop)
      out.destroy()
    }
  }

  async close(): Promise<void> {
    this.#reader.destroy()
    await this.#sql.close()
  }
}

const QUOTE = 34
const COMMA = 44

/** Rows of the text protocol as CSV: every value quoted, null empty. */
class Csv {
  rows = 0
  #buf = Buffer.allocUnsafeSlow(WRITE_BYTES * 2)
  #pos = 0

  /** False: no room. */
  row(src: Buffer, start: number, end: number): boolean {
    if (this.#pos >= WRITE_BYTES) return false
    this.#reserve((end - start) * 2 + 16)
    for (let p = start; p < end; ) {
      if (p > start) this.#buf[this.#pos++] = COMMA
      let length = src[p++]
      if (length === 0xfb) continue
      if (length === 0xfc) {
        length = src.readUInt16LE(p)
        p += 2
      } else if (length === 0xfd) {
        length = src.readUIntLE(p, 3)
        p += 3
      } else if (length === 0xfe) {
        length = src.readUInt32LE(p)
        p += 8
      }
      this.#value(src, p, p + length)
      p += length
    }
    this.#buf[this.#pos++] = 10
    this.rows++
    return true
  }

  take(): Buffer {
    const out = Buffer.from(this.#buf.subarray(0, this.#pos))
    this.#pos = 0
    return out
  }

  #value(src: Buffer, from: number, to: number): void {
    this.#reserve((to - from) * 2 + 4)
    this.#buf[this.#pos++] = QUOTE
    for (let i = from; i < to; i++) {
      if (src[i] === QUOTE) this.#buf[this.#pos++] = QUOTE
      this.#buf[this.#pos++] = src[i]
    }
    this.#buf[this.#pos++] = QUOTE
  }

  #reserve(bytes: number): void {
    if (this.#pos + bytes <= this.#buf.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buf.length * 2, this.#pos + bytes))
    this.#buf.copy(larger, 0, 0, this.#pos)
    this.#buf = larger
  }
}
