import type { Position, TableId } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import { BatchBuilder } from '../batch-builder.ts'
import type { TableMatcher } from '../select-tables.ts'
import type { Chunk, ChunkDatabase } from '../signal/chunk.ts'
import type { Task } from '../signal/progress.ts'
import { bytesOf } from '../signal/tuples.ts'
import { describeTables } from './catalogue.ts'
import { connectSql, quoteLiteral, quoteTable, type SqlConnection } from './connect.ts'
import { lsnHi, lsnLo, parseLsn, printLsn } from './lsn.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import { parsePosition } from './position.ts'
import { tablesOfChanges } from './prepare.ts'
import { readPublication } from './publication.ts'
import { serverFailure } from './server-failure.ts'
import { chunkSql, maximumSql, orderOf, type SnapshotTable } from './snapshot-table.ts'
import { SqlLink } from './sql-link.ts'
import { TableShapes, tableName } from './table-shapes.ts'
import { CopyOut } from './wire/copy-out.ts'
import { copyLineToTuple } from './wire/copy-text.ts'
import { RawSession } from './wire/raw-session.ts'

/** Bytes of rows at which a chunk ends before it has all the rows that were asked for. */
const CHUNK_BYTES = 16 << 20
/** After this long it is said that a chunk waits for others. */
const WAITING_MS = 10_000
const POLL_MOST_MS = 200

/** Chunks of an incremental snapshot of Postgres. */
export class PostgresChunks implements ChunkDatabase {
  readonly #options: PostgresOptions
  readonly #matcher: TableMatcher
  readonly #deps: PostgresDeps
  readonly #signals: TableId | null
  readonly #chunkRows: number
  /** Rows that the next chunk asks for. */
  #limit: number
  readonly #link: SqlLink
  readonly #shapes: TableShapes
  #copy: { readonly out: CopyOut; readonly raw: RawSession } | null = null
  #closed = false

  constructor(options: PostgresOptions, matcher: TableMatcher, deps: PostgresDeps) {
    this.#options = options
    this.#matcher = matcher
    this.#deps = deps
    this.#signals = options.signals?.table ?? null
    this.#chunkRows = options.signals?.chunkRows ?? 8192
    this.#limit = this.#chunkRows
    this.#link = new SqlLink(options)
    // What there is to be said of the tables was said by the stream.
    this.#shapes = new TableShapes(options, matcher, () => undefined)
  }

  tables(): Promise<readonly TableId[]> {
    return this.#link.use(async (sql) => {
      const candidates = await tablesOfChanges(sql, this.#options)
      return candidates.filter((t) => this.#matcher.matches(t.schema, t.table))
    })
  }

  async identity(id: TableId, task: Task): Promise<readonly string[]> {
    const { shape } = await this.#link.use((sql) => this.#describe(sql, id))
    const own = shape.rowKey.length > 0 ? shape.rowKey : orderOf(shape, task.surrogate)
    if (own.length > 0 && orderOf(shape, task.surrogate).length > 0) return own.map((i) => shape.columns[i].name)
    const table = `${id.schema}.${id.table}`
    throw new Failure('TRB-SIG-003', {
      table,
      reason: task.surrogate === null ? 'it has no key' : `${task.surrogate} is no column of it that cannot be null`,
    })
  }

  async maximum(id: TableId, task: Task): Promise<readonly string[] | null> {
    const rows = await this.#link.use(async (sql) => {
      const t = await this.#describe(sql, id)
      return sql.query(maximumSql(t, orderOf(t.shape, task.surrogate), task.filter), `the snapshot of ${t.name}`)
    })
    return rows.length === 0 ? null : rows[0].map((v) => v ?? '')
  }

  /**
   * Place and visibility: L is the end of the log now, and the transactions that are running now are waited for. So whatever is streamed later
   * than the window has begun to write behind L, and what the rows do not show yet was still to be streamed when the window began.
   */
  async read(id: TableId, task: Task, _streamed: Position | null, signal: AbortSignal): Promise<Chunk> {
    const place = await this.#settled(signal)
    const t = await this.#link.use((sql) => this.#describe(sql, id))
    const order = orderOf(t.shape, task.surrogate)
    const builder = new BatchBuilder(64 * 1024)
    const offsets: number[] = []
    const { schema } = t.shape
    const width = schema.columns.length
    await this.#run(chunkSql(t, order, task, this.#limit), t.name, (buf, from, to) => {
      // The rest is read with the next chunk.
      if (builder.filled > CHUNK_BYTES) return
      const at = copyLineToTuple(buf, from, to, width, builder)
      if (at < 0)
        throw new Failure('TRB-PG-020', {
          found: `a COPY line that has not ${width} fields`,
          position: `the snapshot of ${t.name}`,
          address: 'the server',
        })
      offsets.push(at)
    })
    // Of wide rows fewer are asked for: those behind the limit in bytes come again with the next chunk.
    this.#limit = builder.filled > CHUNK_BYTES ? Math.max(1, offsets.length) : Math.min(this.#chunkRows, this.#limit * 2)
    const arena = builder.arena.subarray(0, builder.filled)
    const tail = offsets.at(-1)
    const last = tail === undefined ? [] : order.map((i) => bytesOf(arena, tail, i)?.toString('utf8') ?? '')
    return { schema, arena, offsets, last, place: { hi: lsnHi(place), lo: lsnLo(place) } }
  }

  async insertSignal(id: string, type: string, data: string): Promise<void> {
    const values = [id, type, data].map(quoteLiteral).join(', ')
    await this.#link.use((sql) => sql.query(`INSERT INTO ${quoteTable(this.#signals!)} VALUES (${values})`, 'writing a signal'))
  }

  async deleteSignal(id: string): Promise<void> {
    await this.#link.use(async (sql) => {
      const column = await sql.query(
        `SELECT quote_ident(attname) FROM pg_catalog.pg_attribute WHERE attrelid = ${quoteLiteral(quoteTable(this.#signals!))}::regclass AND attnum = 1`,
        'writing a signal',
      )
      await sql.query(`DELETE FROM ${quoteTable(this.#signals!)} WHERE ${column[0][0]} = ${quoteLiteral(id)}`, 'writing a signal')
    })
  }

  commitOf(position: Position): string {
    const p = parsePosition(position)
    return p.kind === 'stream' ? printLsn(p.lsn) : ''
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#copy?.raw.destroy()
    this.#copy = null
    await this.#link.close()
  }

  async #describe(sql: SqlConnection, id: TableId): Promise<SnapshotTable> {
    const oid = (await sql.query(`SELECT pg_catalog.to_regclass(${quoteLiteral(quoteTable(id))})::oid`, 'looking for a table'))[0][0]
    const table = oid === null ? undefined : (await describeTables(sql, [Number(oid)])).get(Number(oid))
    if (table === undefined) throw new Failure('TRB-PG-024', { table: `${id.schema}.${id.table}`, reason: 'there is no such table' })
    const publication = await readPublication(sql, this.#options.publication)
    const published = publication?.tables.find((p) => p.schema === id.schema && p.table === id.table) ?? null
    const shape = this.#shapes.fromCatalog(table, published)
    return { name: tableName(table), table, shape, inOrder: true, filter: published?.filter ?? null }
  }

  /** The end of the log, once the transactions that were running then have ended. */
  async #settled(signal: AbortSignal): Promise<bigint> {
    const { clock } = this.#deps
    const doing = 'beginning a chunk of a snapshot'
    const [end, running] = await this.#link.use(async (sql) => {
      const either = (replica: string, primary: string): string =>
        `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN ${replica} ELSE ${primary} END`
      const at = await sql.query(either('pg_catalog.pg_last_wal_replay_lsn()', 'pg_catalog.pg_current_wal_insert_lsn()'), doing)
      // Asked behind it, and a number of our own: the end of a snapshot is behind what has ended, and leaves out what is open with higher numbers.
      const snapshot = 'pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())'
      const id = await sql.query(either(snapshot, 'pg_catalog.txid_current()'), doing)
      return [at[0][0]!, id[0][0]!]
    })
    const began = clock.now()
    let said = false
    for (let wait = 2; ; wait = Math.min(POLL_MOST_MS, wait * 2)) {
      const oldest = 'pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot())'
      const rows = await this.#link.use((sql) => sql.query(`SELECT ${oldest} >= ${running}`, doing))
      if (rows[0][0] === 't') return parseLsn(end)!
      if (!said && clock.now() - began > WAITING_MS) {
        said = true
        const who = 'SELECT pid, now() - xact_start AS age, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;'
        this.#deps.observe({ kind: 'warning', text: `the incremental snapshot waits for transactions that are open: ${who}` })
      }
      await clock.sleep(wait, signal)
    }
  }

  async #run(sql: string, table: string, line: (buf: Buffer, from: number, to: number) => void): Promise<void> {
    try {
      if (this.#copy === null) {
        const connection = await connectSql(this.#options, 'sql')
        if (this.#closed) return connection.destroy()
        const raw = new RawSession(connection)
        this.#copy = { out: new CopyOut(raw), raw }
      }
      this.#copy.out.start(sql)
      await this.#copy.out.read((buf, from, to) => {
        line(buf, from, to)
        return true
      })
    } catch (e) {
      this.#copy?.raw.destroy()
      this.#copy = null
      throw serverFailure(e, { connect: this.#options, slot: this.#options.slot, doing: `the snapshot of ${table}` })
    }
  }
}
