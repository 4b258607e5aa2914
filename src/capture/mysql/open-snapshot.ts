import type { ChangeBatch, TableId } from '../../contract/change.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import type { TableMatcher } from '../select-tables.ts'
import { type CatalogTable, describeTable, listTables, quoteTable } from './catalogue.ts'
import { connectMysql, type SqlConnection } from './connect.ts'
import type { MysqlDeps, MysqlOptions } from './options.ts'
import type { Point, SnapshotProgress } from './position.ts'
import { errorText } from './server-failure.ts'
import { SnapshotRun } from './snapshot.ts'
import { existsSql, type SnapshotTable } from './snapshot-table.ts'
import { type TableShapes, tableName } from './table-shapes.ts'
import { TextRows } from './wire/text-rows.ts'

/** Seconds that the lock of the beginning may be waited for; writers wait behind it. */
const LOCK_WAIT_S = 10

/** The captured tables in the order of the snapshot: as the include list names them, then by name. Fails with TRB-MY-053. */
export async function capturedTables(sql: SqlConnection, options: MysqlOptions, matcher: TableMatcher): Promise<TableId[]> {
  const ids = (await listTables(sql)).filter((t) => matcher.matches(t.schema, t.table))
  if (ids.length === 0) throw new Failure('TRB-MY-053', { selection: matcher.text, user: options.user })
  return ids
    .map((id, i) => ({ id, i }))
    .sort((a, b) => matcher.rank(a.id.schema, a.id.table) - matcher.rank(b.id.schema, b.id.table) || a.i - b.i)
    .map((x) => x.id)
}

/** A read-only transaction that shows exactly what committed before `at`. */
interface ConsistentView {
  readonly at: Point
  readonly clockUs: bigint
  readonly sql: SqlConnection
  readonly tables: readonly SnapshotTable[]
}

/** Newest position of the server: end of the binlog and the GTIDs in it. */
export async function serverPoint(sql: SqlConnection): Promise<Point> {
  const text = sql.flavor === 'mysql' && sql.version >= 80200 ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS'
  const rows = await sql.query(text, 'asking for the newest position')
  if (rows.length === 0) throw new Failure('TRB-MY-005', {})
  const [file, pos] = rows[0]
  if (sql.flavor === 'mysql') {
    const mode = await sql.query('SELECT @@GLOBAL.gtid_mode, @@GLOBAL.gtid_executed', 'asking for the newest position')
    return { file: file!, pos: Number(pos), gtids: mode[0][0] === 'ON' ? (rows[0][4] ?? '').replace(/\s/g, '') : null }
  }
  return { file: file!, pos: Number(pos), gtids: await mariadbGtids(sql, file!, Number(pos)) }
}

async function mariadbGtids(sql: SqlConnection, file: string, pos: number): Promise<string> {
  const rows = await sql.query(`SELECT BINLOG_GTID_POS('${file.replaceAll("'", "''")}', ${pos})`, 'asking for the GTIDs of a position')
  return rows[0][0] ?? ''
}

/** Reads the tables that `from` has not finished; hands out batches with positions. Connections are closed at the end. */
export async function* snapshotBatches(
  options: MysqlOptions,
  matcher: TableMatcher,
  shapes: TableShapes,
  from: SnapshotProgress | null,
  server: string | null,
  deps: MysqlDeps,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch> {
  const view = await openView(options, matcher, shapes, deps, signal)
  const leave = (): void => view.sql.destroy()
  signal.addEventListener('abort', leave, { once: true })
  try {
    const left = view.tables.filter((t) => from === null || !from.done.has(t.name))
    const lastWithRows = await lastTableWithRows(view.sql, left)
    const rows = new TextRows(view.sql.takeSocket())
    const settings = { batchBytes: options.batchBytes ?? 1 << 20, chunkRows: options.chunkRows ?? 100_000 }
    const point = { at: view.at, clockUs: view.clockUs, server }
    const run = new SnapshotRun(rows, left, lastWithRows, point, from, settings, deps.clock, deps.observe)
    yield* run.batches()
  } finally {
    signal.removeEventListener('abort', leave)
    view.sql.destroy()
  }
}

/** Where the stream begins when no table is to be read. */
export async function pointNow(sql: SqlConnection): Promise<{ readonly at: Point; readonly clockUs: bigint }> {
  return { at: await serverPoint(sql), clockUs: await serverClock(sql) }
}

async function openView(
  options: MysqlOptions,
  matcher: TableMatcher,
  shapes: TableShapes,
  deps: MysqlDeps,
  signal: AbortSignal,
): Promise<ConsistentView> {
  const look = await connectMysql(options)
  const ids = await capturedTables(look, options, matcher)
    .then(async (found) => {
      requireTransactions(await describeAll(look, found, options))
      return found
    })
    .finally(() => look.close())
  const snapshot: SnapshotTable[] = []
  // Read under the lock: nobody changes a table between this look and the rows.
  const underLock = async (reader: SqlConnection): Promise<void> => {
    for (const table of await describeAll(reader, ids, options)) {
      const shape = await shapes.fromCatalog(table, reader)
      snapshot.push({ name: tableName(table), table, shape, exactFloats: !options.types.quirks })
    }
  }
  const { reader, at, clockUs } = await lockedTransaction(options, ids, deps, signal, underLock)
  return { at, clockUs, sql: reader, tables: snapshot }
}

/** A transaction of its own connection that shows exactly what committed before `at`; writers are held while it begins (options.locking). */
export async function lockedTransaction(
  options: MysqlOptions,
  ids: readonly TableId[],
  deps: Pick<MysqlDeps, 'observe'>,
  signal: AbortSignal,
  underLock: (reader: SqlConnection) => Promise<void> = async () => undefined,
): Promise<{ readonly reader: SqlConnection; readonly at: Point; readonly clockUs: bigint }> {
  const reader = await connectMysql(options)
  const locker = await connectMysql(options)
  const leave = (): void => {
    reader.destroy()
    locker.destroy()
  }
  signal.addEventListener('abort', leave, { once: true })
  try {
    const locked = await lock(locker, options, ids, deps)
    await reader.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'opening the snapshot')
    const readOnly = options.flavor === 'mariadb' ? '' : ', READ ONLY'
    await reader.query(`START TRANSACTION WITH CONSISTENT SNAPSHOT${readOnly}`, 'opening the snapshot')
    const at = locked ? await serverPoint(locker) : await ownPoint(reader)
    const clockUs = await serverClock(reader)
    await underLock(reader)
    if (locked) await locker.query('UNLOCK TABLES', 'releasing the lock')
    await locker.close()
    return { reader, at, clockUs }
  } catch (e) {
    leave()
    throw e
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

async function describeAll(sql: SqlConnection, ids: readonly TableId[], options: MysqlOptions): Promise<CatalogTable[]> {
  const tables: CatalogTable[] = []
  for (const id of ids) {
    const table = await describeTable(sql, id, options.flavor)
    if (table !== null) tables.push(table)
  }
  return tables
}

/** A transaction shows the rows of InnoDB (and RocksDB) as they were; of others as they are. */
function requireTransactions(tables: readonly CatalogTable[]): void {
  const plain = tables.filter((t) => !/^(innodb|rocksdb|ndbcluster)$/i.test(t.engine))
  if (plain.length > 0) throw new Failure('TRB-MY-059', { tables: plain.map((t) => `${tableName(t)} (${t.engine})`).join(', ') })
}

/** Holds writers; false: no lock is needed. */
async function lock(
  sql: SqlConnection,
  options: MysqlOptions,
  ids: readonly TableId[],
  deps: Pick<MysqlDeps, 'observe'>,
): Promise<boolean> {
  if (options.locking === 'none' || (options.locking === 'minimal' && options.flavor === 'mariadb')) {
    if (options.flavor === 'mysql') throw new Failure('TRB-MY-058', {})
    return false
  }
  await sql.query(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_S}`, 'locking the tables')
  if (options.locking === 'minimal') {
    try {
      await sql.query('FLUSH TABLES WITH READ LOCK', 'locking the tables')
      return true
    } catch (e) {
      if (!isFailure(e) || !(e.code === 'TRB-MY-004' || e.code === 'TRB-MY-002' || e.code === 'TRB-MY-020')) throw e
      const text = `FLUSH TABLES WITH READ LOCK: ${errorText(e.cause)}; the captured tables are locked instead for the moment in which the snapshot begins`
      deps.observe({ kind: 'warning', text })
    }
  }
  try {
    await sql.query(`LOCK TABLES ${ids.map((id) => `${quoteTable(id)} READ`).join(', ')}`, 'locking the tables')
    return true
  } catch (e) {
    if (!isFailure(e)) throw e
    throw new Failure('TRB-MY-057', { reason: errorText(e.cause ?? e), user: options.user }, e)
  }
}

/** MariaDB tells in the transaction itself which position its snapshot has. */
async function ownPoint(reader: SqlConnection): Promise<Point> {
  const rows = await reader.query("SHOW STATUS LIKE 'binlog_snapshot_%'", 'asking for the position of the snapshot')
  const of = (name: string): string | null => rows.find((r) => r[0]?.toLowerCase() === name)?.[1] ?? null
  const file = of('binlog_snapshot_file')
  const pos = of('binlog_snapshot_position')
  if (file === null || file === '' || pos === null) throw new Failure('TRB-MY-005', {})
  return { file, pos: Number(pos), gtids: await mariadbGtids(reader, file, Number(pos)) }
}

/** The position of a snapshot that is taken and given up: what is visible now (MariaDB). */
export async function snapshotPoint(sql: SqlConnection): Promise<Point> {
  await sql.query('START TRANSACTION WITH CONSISTENT SNAPSHOT', 'asking what is visible')
  try {
    return await ownPoint(sql)
  } finally {
    await sql.query('ROLLBACK', 'asking what is visible')
  }
}

async function serverClock(sql: SqlConnection): Promise<bigint> {
  const rows = await sql.query('SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS DECIMAL(20, 0))', 'reading the clock')
  return BigInt(rows[0][0]!)
}

async function lastTableWithRows(sql: SqlConnection, tables: readonly SnapshotTable[]): Promise<number> {
  for (let i = tables.length - 1; i >= 0; i--) {
    if ((await sql.query(existsSql(tables[i]), 'looking for rows'))[0][0] === '1') return i
  }
  return -1
}
