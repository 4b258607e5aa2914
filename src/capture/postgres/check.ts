import type { Finding } from '../../contract/change.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import type { TableMatcher } from '../select-tables.ts'
import { connectSql, quoteIdent, quoteLiteral, type SqlConnection } from './connect.ts'
import type { PostgresOptions } from './options.ts'
import { selectTables } from './prepare.ts'
import { addTablesSql, createPublicationSql, identitySql, readPublication, withoutIdentity } from './publication.ts'
import { readSlot } from './slot.ts'
import { TableShapes, tableName } from './table-shapes.ts'

/** Retained WAL from which on the doctor warns. */
const RETAINED_WARNING = 1n << 30n

/** The doctor's findings, in the order in which they can be put right. Nothing is changed at the server. */
export async function checkPostgres(options: PostgresOptions, matcher: TableMatcher, signal: AbortSignal): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  let sql: SqlConnection
  try {
    sql = await connectSql(options, 'sql')
  } catch (e) {
    return [failed('connection', e)]
  }
  try {
    findings.push(
      ok('connection', `connected to Postgres ${Math.floor(sql.version / 10000)}.${sql.version % 10000}, database ${options.database}`),
    )
    const checks = { wal_level: walLevel, replication: replicationRight, slots: freeSlots, slot, tables }
    for (const [id, check] of Object.entries(checks)) {
      signal.throwIfAborted()
      findings.push(...(await guarded(id, () => check(sql, options, matcher))))
    }
    return findings
  } finally {
    await sql.close()
  }
}

async function guarded(id: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check()
  } catch (e) {
    return [failed(id, e)]
  }
}

async function walLevel(sql: SqlConnection): Promise<Finding[]> {
  const level = (await sql.query('SHOW wal_level', 'checking'))[0][0]
  if (level === 'logical') return [ok('wal_level', 'wal_level is logical')]
  return [failed('wal_level', new Failure('TRB-PG-005', { level: level ?? '' }))]
}

async function replicationRight(_sql: SqlConnection, options: PostgresOptions): Promise<Finding[]> {
  await (await connectSql(options, 'replication')).close()
  return [ok('replication', `user ${options.user} may replicate`)]
}

async function freeSlots(sql: SqlConnection): Promise<Finding[]> {
  const rows = await sql.query(
    `SELECT current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_catalog.pg_replication_slots),
       current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_catalog.pg_stat_replication)`,
    'checking',
  )
  const [slots, usedSlots, senders, usedSenders] = rows[0].map(Number)
  return [
    room('slots', 'replication slots', 'max_replication_slots', slots, usedSlots),
    room('wal_senders', 'WAL senders', 'max_wal_senders', senders, usedSenders),
  ]
}

function room(id: string, what: string, setting: string, limit: number, used: number): Finding {
  const text = `${used} of ${limit} ${what} in use`
  if (limit - used >= 2) return ok(id, text)
  const fix = `ALTER SYSTEM SET ${setting} = ${limit + 10};  then restart the server.`
  return { id, level: limit > used ? 'warning' : 'failed', what: limit > used ? `${text}: a resumed snapshot needs two` : text, fix }
}

async function slot(sql: SqlConnection, options: PostgresOptions): Promise<Finding[]> {
  const state = await readSlot(sql, options.slot)
  if (state === null) return [ok('slot', `slot ${options.slot} does not exist yet; the first run creates it`)]
  const drop = `SELECT pg_drop_replication_slot(${quoteLiteral(options.slot)});`
  if (state.type !== 'logical' || state.plugin !== 'pgoutput' || state.database !== options.database) {
    return [
      failed(
        'slot',
        new Failure('TRB-PG-011', {
          slot: options.slot,
          found: `${state.type} ${state.plugin} ${state.database}`,
          database: options.database,
        }),
      ),
    ]
  }
  if (state.invalid !== null) {
    return [
      {
        id: 'slot',
        level: 'failed',
        what: `slot ${options.slot} was invalidated (${state.invalid}): changes are lost`,
        fix: `${drop}  then take a new snapshot`,
      },
    ]
  }
  const used = state.active ? `, read by pid ${state.activePid ?? 'unknown'}` : ', not in use'
  const retained = `${(Number(state.retained) / (1 << 20)).toFixed(0)} MiB of WAL retained`
  const found = [ok('slot', `slot ${options.slot} exists${used}`)]
  if (state.retained < RETAINED_WARNING) return [...found, ok('retained_wal', retained)]
  return [
    ...found,
    {
      id: 'retained_wal',
      level: 'warning',
      what: `${retained}: the server's disk fills while nobody reads the slot`,
      fix: `Start cdc run; or, if the slot is not needed: ${drop}`,
    },
  ]
}

async function tables(sql: SqlConnection, options: PostgresOptions, matcher: TableMatcher): Promise<Finding[]> {
  const chosen = await selectTables(sql, options, matcher)
  const names = chosen.map(tableName)
  const findings = [ok('tables', `${chosen.length} tables match: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ' …' : ''}`)]
  const bare = withoutIdentity(chosen)
  if (bare.length > 0)
    findings.push(failed('replica_identity', new Failure('TRB-PG-015', { tables: bare.map(tableName).join(', '), sql: identitySql(bare) })))
  else findings.push(ok('replica_identity', 'every table has a replica identity'))
  const unsupported: string[] = []
  const shapes = new TableShapes({ ...options, unsupported: 'omit' }, matcher, (e) => {
    if (e.kind === 'warning') unsupported.push(e.text)
  })
  for (const t of chosen) shapes.fromCatalog(t, null)
  for (const what of unsupported)
    findings.push({
      id: 'types',
      level: options.unsupported === 'refuse' ? 'failed' : 'warning',
      what,
      fix: '--ignore-unsupported-types, or leave the tables out with --tables',
    })
  return [...findings, ...(await privileges(sql, options, chosen)), await publication(sql, options, chosen)]
}

async function privileges(
  sql: SqlConnection,
  options: PostgresOptions,
  chosen: Awaited<ReturnType<typeof selectTables>>,
): Promise<Finding[]> {
  const rows = await sql.query(
    `SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid IN (${chosen.map((t) => t.oid).join(',')}) AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')`,
    'checking',
  )
  if (rows.length === 0) return [ok('select', `user ${options.user} may read every table`)]
  const denied = rows.map((r) => chosen.find((t) => t.oid === Number(r[0]))!)
  const grants = denied.map((t) => `GRANT SELECT ON ${quoteIdent(t.schema)}.${quoteIdent(t.table)} TO ${quoteIdent(options.user)};`)
  return [
    failed('select', new Failure('TRB-PG-018', { user: options.user, tables: denied.map(tableName).join(', '), sql: grants.join(' ') })),
  ]
}

async function publication(
  sql: SqlConnection,
  options: PostgresOptions,
  chosen: Awaited<ReturnType<typeof selectTables>>,
): Promise<Finding> {
  const found = await readPublication(sql, options.publication)
  const create = options.publicationMode !== 'existing'
  if (found === null) {
    const fix = createPublicationSql(options.publication, options.publicationMode, chosen)
    const refused = create ? await refusedPublication(sql, options, chosen) : null
    if (refused !== null)
      return { id: 'publication', level: 'failed', what: `publication ${options.publication} does not exist, and ${refused}`, fix }
    if (create)
      return {
        id: 'publication',
        level: 'ok',
        what: `publication ${options.publication} does not exist yet; the first run creates it`,
        fix,
      }
    return { id: 'publication', level: 'failed', what: `publication ${options.publication} does not exist`, fix }
  }
  const missing = chosen.filter((t) => !found.tables.some((p) => p.schema === t.schema && p.table === t.table))
  if (missing.length === 0) return ok('publication', `publication ${options.publication} covers every table`)
  const what = `publication ${options.publication} lacks ${missing.map(tableName).join(', ')}`
  return { id: 'publication', level: create ? 'warning' : 'failed', what, fix: addTablesSql(options.publication, missing) }
}

/** Why the user may not create the publication; null: it may. FOR ALL TABLES needs a superuser, others own the tables they name. */
async function refusedPublication(
  sql: SqlConnection,
  options: PostgresOptions,
  chosen: Awaited<ReturnType<typeof selectTables>>,
): Promise<string | null> {
  const owned = chosen.map((t) => t.oid).join(',')
  const rows = await sql.query(
    `SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
       (SELECT count(*) FROM pg_catalog.pg_class WHERE oid IN (${owned}) AND NOT pg_catalog.pg_has_role(relowner, 'USAGE'))`,
    'checking',
  )
  const [create, superuser, foreign] = rows[0]
  if (superuser === 't') return null
  if (create !== 't') return `user ${options.user} may not create one (no CREATE right on database ${options.database})`
  if (options.publicationMode === 'all_tables') return `user ${options.user} is no superuser, which FOR ALL TABLES needs`
  return foreign === '0' ? null : `user ${options.user} does not own all of its tables`
}

function ok(id: string, what: string): Finding {
  return { id, level: 'ok', what, fix: null }
}

function failed(id: string, error: unknown): Finding {
  if (!isFailure(error)) throw error
  const { what, why, fix } = error.explain()
  return { id, level: 'failed', what: `${what}. ${why}`, fix }
}
