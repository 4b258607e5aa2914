import type { ChangeBatch } from '../../contract/change.ts'
import type { TableMatcher } from '../select-tables.ts'
import { connectSql, quoteLiteral, type SqlConnection } from './connect.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import type { SnapshotProgress } from './position.ts'
import { selectTables } from './prepare.ts'
import { readPublication } from './publication.ts'
import { createSlot, createSlotCommand, type ExportedSlot, readSlot } from './slot.ts'
import { type SnapshotPoint, SnapshotRun } from './snapshot.ts'
import { existsSql, type SnapshotTable } from './snapshot-table.ts'
import { type TableShapes, tableName } from './table-shapes.ts'
import { CopyOut } from './wire/copy-out.ts'
import { RawSession } from './wire/raw-session.ts'

/** After this long it is said that slot creation waits for others. */
const WAITING_MS = 3000

/** A read-only transaction that shows exactly what committed before `at`. */
export interface ConsistentView {
  readonly at: bigint
  readonly sql: SqlConnection
  close(): Promise<void>
}

/**
 * Opens a view of the database at a known LSN: the slot itself when it does not exist yet (then it is created and keeps what
 * follows), else a temporary slot whose exported snapshot gives an exact pair of LSN and state. Waits for transactions that are
 * running; after a while it says so.
 */
export async function openConsistentView(
  options: PostgresOptions,
  create: boolean,
  deps: PostgresDeps,
  signal: AbortSignal,
): Promise<ConsistentView> {
  const replication = await connectSql(options, 'replication')
  const leave = (): void => replication.destroy()
  signal.addEventListener('abort', leave, { once: true })
  try {
    const exported = await exportSnapshot(replication, options, create, deps)
    const sql = await connectSql(options, 'sql')
    await sql.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'opening the snapshot')
    await sql.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(exported.snapshot)}`, 'opening the snapshot')
    return { at: exported.at, sql, close: () => sql.close() }
  } finally {
    signal.removeEventListener('abort', leave)
    // The snapshot lives on in the importing transaction; a temporary slot goes with its connection.
    await replication.close()
  }
}

async function exportSnapshot(
  replication: SqlConnection,
  options: PostgresOptions,
  create: boolean,
  deps: PostgresDeps,
): Promise<ExportedSlot> {
  const done = new AbortController()
  const patience = sayWaiting(deps, done.signal)
  try {
    if (!create) return await createSlot(replication, `tributary_view_${deps.clock.uuid().replaceAll('-', '_')}`, true)
    const exported = await createSlot(replication, options.slot, false)
    const sql = createSlotCommand(replication.version, options.slot, false)
    deps.observe({ kind: 'created', object: 'slot', name: options.slot, sql })
    return exported
  } finally {
    done.abort()
    await patience
  }
}

async function sayWaiting(deps: PostgresDeps, done: AbortSignal): Promise<void> {
  try {
    await deps.clock.sleep(WAITING_MS, done)
  } catch (e) {
    if (done.aborted) return
    throw e
  }
  const who = 'SELECT pid, now() - xact_start AS age, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;'
  deps.observe({
    kind: 'warning',
    text: `the server waits for transactions that were open before the slot, then the snapshot starts: ${who}`,
  })
}

/** Reads the tables that `from` has not finished; hands out batches with positions. Connections are closed at the end. */
export async function* snapshotBatches(
  options: PostgresOptions,
  matcher: TableMatcher,
  shapes: TableShapes,
  from: SnapshotProgress | null,
  slotExists: boolean,
  deps: PostgresDeps,
  signal: AbortSignal,
): AsyncGenerator<ChangeBatch> {
  const view = await openConsistentView(options, !slotExists, deps, signal)
  const leave = (): void => view.sql.destroy()
  signal.addEventListener('abort', leave, { once: true })
  let raw: RawSession | null = null
  // The last batch waits until the transaction, and with it the locks on the tables, is gone.
  let held: ChangeBatch | null = null
  try {
    const point = await snapshotPoint(view, options)
    const tables = await snapshotTables(view.sql, options, matcher, shapes)
    const left = tables.filter((t) => from === null || !from.done.has(t.name))
    const lastWithRows = await lastTableWithRows(view.sql, left)
    raw = new RawSession(view.sql)
    const settings = { batchBytes: options.batchBytes ?? 1 << 20, chunkRows: options.chunkRows ?? 100_000 }
    const run = new SnapshotRun(new CopyOut(raw), left, lastWithRows, point, from, settings, deps.clock, deps.observe)
    for await (const batch of run.batches()) {
      if (held !== null) yield held
      held = batch
    }
  } finally {
    signal.removeEventListener('abort', leave)
    if (raw === null) await view.close()
    else await raw.close()
  }
  if (held !== null) yield held
}

async function snapshotPoint(view: ConsistentView, options: PostgresOptions): Promise<SnapshotPoint> {
  const rows = await view.sql.query(
    `SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::bigint, pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())`,
    'opening the snapshot',
  )
  // Changes of transactions that were running carry LSNs before the snapshot's, never before the slot's restart point.
  const slot = await readSlot(view.sql, options.slot)
  const place = slot === null || slot.restart === 0n || slot.restart > view.at ? view.at : slot.restart
  return { at: view.at, clockUs: BigInt(rows[0][0]!), xid: BigInt(rows[0][1]!), place }
}

async function snapshotTables(
  sql: SqlConnection,
  options: PostgresOptions,
  matcher: TableMatcher,
  shapes: TableShapes,
): Promise<SnapshotTable[]> {
  // Debezium reads the rows of partitions twice, as those of their root too.
  const tables = await selectTables(sql, options, matcher, options.debeziumQuirks)
  const publication = await readPublication(sql, options.publication)
  return tables.map((table) => {
    const published = publication?.tables.find((p) => p.schema === table.schema && p.table === table.table) ?? null
    const shape = shapes.fromCatalog(table, published)
    return { name: tableName(table), table, shape, inOrder: options.debeziumQuirks !== true, filter: published?.filter ?? null }
  })
}

async function lastTableWithRows(sql: SqlConnection, tables: readonly SnapshotTable[]): Promise<number> {
  for (let i = tables.length - 1; i >= 0; i--) {
    if ((await sql.query(existsSql(tables[i]), 'looking for rows'))[0][0] === 't') return i
  }
  return -1
}
