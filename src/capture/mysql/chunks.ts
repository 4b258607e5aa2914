import type { Position, TableId } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import { BatchBuilder } from '../batch-builder.ts'
import type { TableMatcher } from '../select-tables.ts'
import type { Chunk, ChunkDatabase } from '../signal/chunk.ts'
import type { Task } from '../signal/progress.ts'
import { bytesOf } from '../signal/tuples.ts'
import { describeTable, listTables, quoteTable } from './catalogue.ts'
import { connectMysql, quoteIdent, quoteLiteral, type SqlConnection } from './connect.ts'
import { snapshotPoint } from './open-snapshot.ts'
import type { MysqlDeps, MysqlOptions } from './options.ts'
import { hasReached, parsePosition, printPoint } from './position.ts'
import { serverFailure } from './server-failure.ts'
import { chunkSql, maximumSql, orderOf, rowToTuple, type SnapshotTable } from './snapshot-table.ts'
import { SqlLink } from './sql-link.ts'
import { TableShapes, tableName } from './table-shapes.ts'
import { SqlError, TextRows } from './wire/text-rows.ts'

/** Bytes of rows at which a chunk ends before it has all the rows that were asked for. */
const CHUNK_BYTES = 16 << 20
const POLL_MOST_MS = 200

/** Chunks of an incremental snapshot of MySQL or MariaDB. */
export class MysqlChunks implements ChunkDatabase {
  readonly #options: MysqlOptions
  readonly #matcher: TableMatcher
  readonly #chunkRows: number
  /** Rows that the next chunk asks for. */
  #limit: number
  readonly #deps: MysqlDeps
  readonly #link: SqlLink
  readonly #shapes: TableShapes
  #rows: { readonly text: TextRows; readonly connection: SqlConnection } | null = null
  #closed = false

  constructor(options: MysqlOptions, matcher: TableMatcher, deps: MysqlDeps) {
    this.#options = options
    this.#matcher = matcher
    this.#chunkRows = options.signals?.chunkRows ?? 8192
    this.#limit = this.#chunkRows
    this.#deps = deps
    this.#link = new SqlLink(options)
    // What there is to be said of the tables was said by the stream.
    this.#shapes = new TableShapes(options, matcher, () => undefined)
  }

  tables(): Promise<readonly TableId[]> {
    return this.#link.use(async (sql) => (await listTables(sql)).filter((t) => this.#matcher.matches(t.schema, t.table)))
  }

  async identity(id: TableId, task: Task): Promise<readonly string[]> {
    const t = await this.#link.use((sql) => this.#describe(sql, id))
    const order = orderOf(t, task.surrogate)
    const own = t.shape.rowKey.length > 0 ? t.shape.rowKey : order
    if (order.length > 0) return own.map((i) => t.shape.columns[i].name)
    const reason =
      task.surrogate === null ? 'it has no key whose values can be put in order' : `${task.surrogate} is no column to order it by`
    throw new Failure('TRB-SIG-003', { table: t.name, reason })
  }

  async maximum(id: TableId, task: Task): Promise<readonly string[] | null> {
    const t = await this.#link.use((sql) => this.#describe(sql, id))
    const order = orderOf(t, task.surrogate)
    const { arena, offsets } = await this.#run(maximumSql(t, order, task.filter), t.name, order.length)
    return offsets.length === 0 ? null : order.map((_, i) => bytesOf(arena, offsets[0], i)?.toString('latin1') ?? '')
  }

  /**
   * The binlog has transactions in the order in which they become visible, so a row of the signal table that was written shows that all before it
   * are. Read only, the server is asked: MySQL which GTIDs are visible, MariaDB which position the snapshot of the transaction has.
   */
  async read(id: TableId, task: Task, streamed: Position | null, signal: AbortSignal): Promise<Chunk> {
    if (this.#options.signals?.readOnly !== false) await this.#visible(streamed, signal)
    const t = await this.#link.use((sql) => this.#describe(sql, id))
    const order = orderOf(t, task.surrogate)
    const { schema } = t.shape
    const { arena, offsets } = await this.#run(chunkSql(t, order, task, this.#limit), t.name, schema.columns.length)
    // Of wide rows fewer are asked for: those behind the limit in bytes come again with the next chunk.
    this.#limit = arena.length > CHUNK_BYTES ? Math.max(1, offsets.length) : Math.min(this.#chunkRows, this.#limit * 2)
    const tail = offsets.at(-1)
    const last = tail === undefined ? [] : order.map((i) => bytesOf(arena, tail, i)?.toString('latin1') ?? '')
    return { schema, arena, offsets, last, place: null }
  }

  async insertSignal(id: string, type: string, data: string): Promise<void> {
    const values = [id, type, data].map(quoteLiteral).join(', ')
    await this.#link.use((sql) => sql.query(`INSERT INTO ${quoteTable(this.#signals)} VALUES (${values})`, 'writing a signal'))
  }

  async deleteSignal(id: string): Promise<void> {
    await this.#link.use(async (sql) => {
      const table = await describeTable(sql, this.#signals, this.#options.flavor)
      const column = quoteIdent(table?.columns[0].name ?? 'id')
      await sql.query(`DELETE FROM ${quoteTable(this.#signals)} WHERE ${column} = ${quoteLiteral(id)}`, 'writing a signal')
    })
  }

  commitOf(position: Position): string {
    const p = parsePosition(position)
    if (p.kind !== 'stream') return ''
    return p.epoch === 0 ? printPoint(p) : `${printPoint(p)}~${p.epoch}`
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#leave()
    await this.#link.close()
  }

  get #signals(): TableId {
    return this.#options.signals!.table!
  }

  async #describe(sql: SqlConnection, id: TableId): Promise<SnapshotTable> {
    const table = await describeTable(sql, id, this.#options.flavor)
    if (table === null) throw new Failure('TRB-SIG-003', { table: `${id.schema}.${id.table}`, reason: 'there is no such table' })
    const shape = await this.#shapes.fromCatalog(table, sql)
    return { name: tableName(table), table, shape, exactFloats: !this.#options.types.quirks }
  }

  /** Waits until a reader of tables sees all that was streamed: the binlog is read a moment before the transactions in it are ended. */
  async #visible(streamed: Position | null, signal: AbortSignal): Promise<void> {
    const at = streamed === null ? null : parsePosition(streamed)
    if (at === null || at.kind !== 'stream') return
    for (let wait = 2; ; wait = Math.min(POLL_MOST_MS, wait * 2)) {
      const seen = await this.#link.use(async (sql) => {
        if (sql.flavor === 'mariadb') return hasReached(await snapshotPoint(sql), at)
        if (at.gtids === null) throw new Failure('TRB-SIG-004', {})
        const rows = await sql.query(
          `SELECT GTID_SUBSET(${quoteLiteral(at.gtids)}, @@GLOBAL.gtid_executed)`,
          'waiting for what was streamed',
        )
        return rows[0][0] === '1'
      })
      if (seen) return
      await this.#deps.clock.sleep(wait, signal)
    }
  }

  /** Rows of a query as tuples of `width` columns. */
  async #run(sql: string, table: string, width: number): Promise<{ readonly arena: Buffer; readonly offsets: readonly number[] }> {
    const builder = new BatchBuilder(64 * 1024)
    const offsets: number[] = []
    try {
      if (this.#rows === null) {
        const connection = await connectMysql(this.#options)
        this.#rows = { text: new TextRows(connection.takeSocket()), connection }
        if (this.#closed) this.#leave()
      }
      const { text } = this.#rows ?? {}
      if (text === undefined) return { arena: Buffer.alloc(0), offsets }
      text.start(sql)
      await text.read((buf, from, to) => {
        // The rest is read with the next chunk.
        if (builder.filled > CHUNK_BYTES) return true
        const at = rowToTuple(buf, from, to, width, builder)
        if (at < 0) throw new Failure('TRB-MY-012', { position: `the snapshot of ${table}`, reason: `a row has not ${width} values` })
        offsets.push(at)
        return true
      })
    } catch (e) {
      this.#leave()
      const error = e instanceof SqlError ? Object.assign(new Error(e.message), { errno: e.errno }) : e
      throw serverFailure(error, { connect: this.#options, doing: `the snapshot of ${table}` })
    }
    return { arena: builder.arena.subarray(0, builder.filled), offsets }
  }

  #leave(): void {
    this.#rows?.connection.destroy()
    this.#rows = null
  }
}
