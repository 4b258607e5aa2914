import { Failure } from '../../failure/failure.ts'
import type { TableMatcher } from '../select-tables.ts'
import { type CatalogTable, describeTables, listTables } from './catalogue.ts'
import { connectSql, quoteIdent, quoteLiteral, quoteTable, type SqlConnection } from './connect.ts'
import { minLsn, printLsn } from './lsn.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import { type PgPosition, printPosition } from './position.ts'
import { ensurePublication, readPublication, withoutIdentity } from './publication.ts'
import { readSlot, requireNotAhead, requireSlotName, requireUsable } from './slot.ts'
import { type TableShapes, tableName } from './table-shapes.ts'
import { requireSignalTable } from './write-signal.ts'

/** Tables that there may be changes of: they come as those of the root, or as those of the partitions. */
export async function tablesOfChanges(sql: SqlConnection, options: PostgresOptions, allRoots = false): Promise<CatalogTable[]> {
  const all = await listTables(sql)
  const publication = await readPublication(sql, options.publication)
  const viaRoot = options.viaRoot ?? publication?.viaRoot === true
  return viaRoot ? all.filter((t) => !t.partition) : all.filter((t) => t.kind === 'r' || allRoots)
}

/** Captured tables in snapshot order: by the include list, then by schema and name. `allRoots`: partitioned tables beside their partitions. */
export async function selectTables(
  sql: SqlConnection,
  options: PostgresOptions,
  matcher: TableMatcher,
  allRoots = false,
): Promise<CatalogTable[]> {
  const candidates = await tablesOfChanges(sql, options, allRoots)
  const chosen = candidates.filter((t) => matcher.matches(t.schema, t.table))
  if (chosen.length === 0) {
    const nearest = candidates.slice(0, 5).map(tableName).join(', ')
    throw new Failure('TRB-PG-017', {
      patterns: matcher.text,
      database: options.database,
      count: candidates.length,
      nearest: nearest === '' ? '' : `There are for instance ${nearest}.`,
    })
  }
  const rank = (t: CatalogTable): number => matcher.rank(t.schema, t.table)
  const by = (a: CatalogTable, b: CatalogTable): number => rank(a) - rank(b) || order(tableName(a), tableName(b))
  const described = await describeTables(
    sql,
    chosen.map((t) => t.oid),
  )
  return chosen.toSorted(by).flatMap((t) => described.get(t.oid) ?? [])
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * Everything that can be refused before the first byte is read, in the order in which it can be put right; then the publication is
 * made to cover the tables. The slot is made later, together with the snapshot.
 */
export async function prepare(
  sql: SqlConnection,
  options: PostgresOptions,
  matcher: TableMatcher,
  position: PgPosition | null,
  shapes: TableShapes,
  deps: PostgresDeps,
): Promise<void> {
  requireSlotName(options.slot)
  await requireLogical(sql)
  // The right to replicate shows only when it is used (managed services grant it in ways of their own).
  await (await connectSql(options, 'replication')).close()
  if (options.signals?.table != null) await requireSignalTable(sql, options.signals.table)
  const tables = await selectTables(sql, options, matcher)
  deps.chosen?.(tables.map(tableName), position === null || position.kind === 'snapshot')
  for (const t of tables) shapes.fromCatalog(t, null)
  await requireSlot(sql, options, position)
  if (position === null || position.kind === 'snapshot') await requireReadable(sql, options, tables)
  await publish(sql, options, tables, position, deps)
}

export async function requireLogical(sql: SqlConnection): Promise<void> {
  const level = (await sql.query('SHOW wal_level', 'reading wal_level'))[0][0]!
  if (level !== 'logical') throw new Failure('TRB-PG-005', { level })
}

/** The slot must be there when a position is held, be usable, and not have moved past the position. */
export async function requireSlot(sql: SqlConnection, options: PostgresOptions, position: PgPosition | null): Promise<void> {
  const state = await readSlot(sql, options.slot)
  const text = position === null ? 'the start' : describe(position)
  if (state === null) {
    if (position !== null) throw new Failure('TRB-PG-008', { slot: options.slot, position: text })
    if (!options.createSlot) throw new Failure('TRB-PG-026', { slot: options.slot })
    return
  }
  requireUsable(state, options.slot, options.database, text)
  const taken = position === null ? null : acknowledged(position)
  if (taken !== null) requireNotAhead(state, options.slot, taken, text)
}

/** The largest LSN that may have been acknowledged when `position` was the newest durable one; null: none. */
function acknowledged(position: PgPosition): bigint | null {
  if (position.kind === 'stream') return position.lsn + BigInt(position.tail)
  const { done, current } = position.progress
  const starts = [...done.values(), ...(current === null ? [] : [current.start])]
  return starts.length === 0 ? null : minLsn(starts[0], starts)
}

function describe(position: PgPosition): string {
  return position.kind === 'stream'
    ? printPosition({ ...position, catchUp: null })
    : `a snapshot of ${position.progress.done.size} tables at ${printLsn(position.progress.until)}`
}

async function requireReadable(sql: SqlConnection, options: PostgresOptions, tables: readonly CatalogTable[]): Promise<void> {
  if (options.snapshot === 'never') return
  const tests = tables.map(
    (t) => `pg_catalog.has_schema_privilege(${quoteLiteral(t.schema)}, 'USAGE')
    AND (pg_catalog.has_table_privilege(${t.oid}, 'SELECT') OR pg_catalog.has_any_column_privilege(${t.oid}, 'SELECT'))`,
  )
  const rows = await sql.query(tests.map((t, i) => `SELECT ${i} WHERE NOT (${t})`).join(' UNION ALL '), 'checking privileges')
  if (rows.length === 0) return
  const denied = rows.map((r) => tables[Number(r[0])])
  const grants = denied.map(
    (t) =>
      `GRANT USAGE ON SCHEMA ${quoteIdent(t.schema)} TO ${quoteIdent(options.user)}; GRANT SELECT ON ${quoteTable(t)} TO ${quoteIdent(options.user)};`,
  )
  throw new Failure('TRB-PG-018', { user: options.user, tables: denied.map(tableName).join(', '), sql: [...new Set(grants)].join(' ') })
}

async function publish(
  sql: SqlConnection,
  options: PostgresOptions,
  tables: readonly CatalogTable[],
  position: PgPosition | null,
  deps: PostgresDeps,
): Promise<void> {
  const before = await readPublication(sql, options.publication)
  const statement = await ensurePublication(sql, options.publication, options.publicationMode, tables, options.viaRoot ?? null)
  if (statement !== null) deps.observe({ kind: 'created', object: 'publication', name: options.publication, sql: statement })
  if (statement !== null && before !== null && position !== null) {
    deps.observe({
      kind: 'warning',
      text: `tables were added to the publication; the rows they had before come with cdc signal execute-snapshot: ${statement}`,
    })
  }
  const bare = withoutIdentity(tables)
  if (bare.length > 0) {
    const names = bare.map(tableName).join(', ')
    deps.observe({ kind: 'warning', text: `updates and deletes are refused by the server for want of a replica identity: ${names}` })
  }
}
