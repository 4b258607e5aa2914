import type { ChangeBatch } from '../../contract/change.ts'
import { connectSql, quoteLiteral, type SqlConnection } from './connect.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import type { SnapshotProgress } from './position.ts'
import { selectTables } from './prepare.ts'
import { readPublication } from './publication.ts'
import type { TableMatcher } from './select-tables.ts'
import { createSlot, createSlotCommand, type ExportedSlot, readSlot } from './slot.ts'
import { type SnapshotPoint, SnapshotRun } from './snapshot.ts'
import { existsSql, type SnapshotTable } from './snapshot-table.ts'
import { type TableShapes, tableName } from './table-shapes.ts'
import { CopyOut } from './wire/copy-out.ts'
import { RawSession } from './wire/raw-session.ts'

/** A read-only transaction that shows exactly what committed before `at`. */
export interface ConsistentView {
  readonly at: bigint
  readonly sql: SqlConnection
  close(): Promise<void>
}

/**
 * Opens a view of the database at a known LSN: the slot itself when it does not exist yet (then it is created and keeps what
 * follows), else a temporary slot whose exported snapshot gives an exact pair of LSN and state. Waits for running transactions.
 */
export async function openConsistentView(options: PostgresOptions, create: boolean, deps: PostgresDeps): Promise<ConsistentView> {
  const replication = await connectSql(options, 'replication')
  try {
    const exported = await exportSnapshot(replication, options, create, deps)
    const sql = await connectSql(options, 'sql')
    await sql.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'opening the snapshot')
    await sql.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(exported.snapshot)}`, 'opening the snapshot')
    return { at: exported.at, sql, close: () => sql.close() }
  } finally {
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
  if (!create) return createSlot(replication, `tributary_view_${deps.clock.uuid().replaceAll('-', '_')}`, true)
  const exported = await createSlot(replication, options.slot, false)
  const sql = createSlotCommand(replication.version, options.slot, false)
  deps.observe({ kind: 'created', object: 'slot', name: options.slot, sql })
  return exported
}

/** Reads the tables that `from` has not finished; hands out batches with positions. Connections are closed at the end. */
export async function* snapshotBatches(
  options: PostgresOptions,
  matcher: TableMatcher,
  shapes: TableShapes,
  from: SnapshotProgress | null,
  slotExists: boolean,
  deps: PostgresDeps,
): AsyncGenerator<ChangeBatch> {
  const view = await openConsistentView(options, !slotExists, deps)
  let raw: RawSession | null = null
  try {
    const point = await snapshotPoint(view, options)
    const tables = await snapshotTables(view.sql, options, matcher, shapes)
    const left = tables.filter((t) => from === null || !from.done.has(t.name))
    const lastWithRows = await lastTableWithRows(view.sql, left)
    raw = new RawSession(view.sql)
    const settings = { batchBytes: options.batchBytes ?? 1 << 20, chunkRows: options.chunkRows ?? 100_000 }
    yield* new SnapshotRun(new CopyOut(raw), left, lastWithRows, point, from, settings, deps.clock, deps.observe).batches()
  } finally {
    if (raw === null) await view.close()
    else await raw.close()
  }
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
  const tables = await selectTables(sql, options, matcher)
  const publication = await readPublication(sql, options.publication)
  return tables.map((table) => {
    const published = publication?.tables.find((p) => p.schema === table.schema && p.table === table.table) ?? null
    return { name: tableName(table), table, shape: shapes.fromCatalog(table, published), filter: published?.filter ?? null }
  })
}

async function lastTableWithRows(sql: SqlConnection, tables: readonly SnapshotTable[]): Promise<number> {
  for (let i = tables.length - 1; i >= 0; i--) {
    if ((await sql.query(existsSql(tables[i]), 'looking for rows'))[0][0] === 't') return i
  }
  return -1
}
