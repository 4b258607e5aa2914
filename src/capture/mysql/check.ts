import type { Finding, Position } from '../../contract/change.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import type { TableMatcher } from '../select-tables.ts'
import { duration, expireSeconds, type Retention, retentionOf } from './binlog-age.ts'
import { type CatalogTable, describeTable } from './catalogue.ts'
import { connectMysql, type SqlConnection } from './connect.ts'
import { capturedTables } from './open-snapshot.ts'
import type { MysqlOptions } from './options.ts'
import { parsePosition } from './position.ts'
import { errorText } from './server-failure.ts'
import { isReplica, missingGtids, readersWithId, readServer, requireFile, settingProblems, usesGtids } from './server-state.ts'
import { TableShapes, tableName } from './table-shapes.ts'

/** Binlogs that are kept for less than this may be gone after a weekend. */
const KEPT_WARNING_S = 2 * 86400

const OPTIONAL = ['server-id', 'replica']

/** The doctor's findings, in the order in which they can be put right. Nothing is changed at the server. */
export async function checkMysql(
  options: MysqlOptions,
  matcher: TableMatcher,
  signal: AbortSignal,
  from: Position | null = null,
): Promise<readonly Finding[]> {
  let sql: SqlConnection
  try {
    sql = await connectMysql(options)
  } catch (e) {
    return [failed('connection', e)]
  }
  try {
    const findings = [ok('connection', `connected to ${sql.flavor === 'mariadb' ? 'MariaDB' : 'MySQL'} ${sql.versionText}`)]
    const position = (): Promise<Finding[]> => reachable(sql, options, from)
    const checks = { server: kindOf, binlog, gtid, privileges, 'server-id': serverId, replica, retention, position, tables }
    for (const [id, check] of Object.entries(checks)) {
      signal.throwIfAborted()
      try {
        findings.push(...(await check(sql, options, matcher)))
      } catch (e) {
        // What only a stronger user may look at is not needed to read changes.
        const optional = isFailure(e, 'TRB-MY-004') && OPTIONAL.includes(id)
        findings.push(optional ? { ...failed(id, e), level: 'warning', what: `not known: ${errorText(e.cause)}` } : failed(id, e))
      }
    }
    return findings
  } finally {
    await sql.close()
  }
}

/** Fails with TRB-MY-052 when the server is the other one. */
export function requireFlavor(sql: SqlConnection, options: MysqlOptions): void {
  if (sql.flavor === options.flavor) return
  const name = { mysql: 'MySQL', mariadb: 'MariaDB' }
  const address = `${options.host}:${options.port}`
  throw new Failure('TRB-MY-052', { address, found: name[sql.flavor], expected: name[options.flavor], right: sql.flavor })
}

async function kindOf(sql: SqlConnection, options: MysqlOptions): Promise<Finding[]> {
  requireFlavor(sql, options)
  return []
}

async function binlog(sql: SqlConnection): Promise<Finding[]> {
  const problems = settingProblems(await readServer(sql))
  if (problems.length > 0) return problems.map((p) => failed('binlog', p))
  return [ok('binlog', 'the binlog is on, in rows, with whole images and full metadata')]
}

async function gtid(sql: SqlConnection): Promise<Finding[]> {
  if (sql.flavor === 'mariadb') return [ok('gtid', 'MariaDB numbers its transactions')]
  const mode = (await sql.query('SELECT @@GLOBAL.gtid_mode', 'checking'))[0][0]
  if (mode === 'ON') return [ok('gtid', 'transactions have GTIDs: another server of the same ones can take over')]
  const fix =
    'SET GLOBAL enforce_gtid_consistency = ON; SET GLOBAL gtid_mode = OFF_PERMISSIVE; SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = ON;'
  return [warning('gtid', `gtid_mode is ${mode}: positions are files of this one server, after a failover a new snapshot is needed`, fix)]
}

/** One statement per right, each of which only reads. */
async function privileges(sql: SqlConnection, options: MysqlOptions): Promise<Finding[]> {
  const rows = await sql.query('SHOW GRANTS', 'checking')
  const grants = rows.map((r) => r[0] ?? '').filter((g) => / ON \*\.\* /.test(g))
  const has = (...names: string[]): boolean =>
    grants.some((g) => g.startsWith('GRANT ALL PRIVILEGES') || names.some((n) => new RegExp(`[ ,]${n}(,| ON)`).test(g)))
  // Roles bring rights that this list does not show.
  const roles = rows.some((r) => !/ ON /.test(r[0] ?? ''))
  const out: Finding[] = []
  const need = (right: boolean, name: string, why: string): void => {
    if (right) return
    const fix = `GRANT ${name} ON *.* TO ${account(rows)};`
    out.push(
      roles
        ? warning('privileges', `${name} is not granted directly: ${why}`, fix)
        : { ...warning('privileges', `${name} is not granted: ${why}`, fix), level: 'failed' },
    )
  }
  need(has('REPLICATION SLAVE', 'REPLICATION REPLICA'), 'REPLICATION SLAVE', 'the binlog cannot be read')
  const client = sql.flavor === 'mariadb' ? 'BINLOG MONITOR' : 'REPLICATION CLIENT'
  need(has('REPLICATION CLIENT', 'BINLOG MONITOR'), client, 'the position cannot be asked for')
  if (!has('RELOAD') && options.locking === 'minimal' && sql.flavor === 'mysql') {
    const text = 'RELOAD is not granted: the snapshot locks the captured tables for a moment (LOCK TABLES) instead of all'
    out.push(warning('privileges', text, `GRANT RELOAD ON *.* TO ${account(rows)};`))
  }
  return out.length > 0 ? out : [ok('privileges', `user ${options.user} may read the binlog and lock for the snapshot`)]
}

/** `` `cdc`@`%` `` out of SHOW GRANTS. */
function account(rows: readonly (readonly (string | null)[])[]): string {
  return / TO (\S+@\S+)/.exec(rows[0]?.[0] ?? '')?.[1] ?? 'CURRENT_USER'
}

async function serverId(sql: SqlConnection, options: MysqlOptions): Promise<Finding[]> {
  const own = Number((await sql.query('SELECT @@GLOBAL.server_id', 'checking'))[0][0])
  const fix = 'Give this reader a number of its own with --server-id.'
  if (own === options.serverId) return [{ ...warning('server-id', `${own} is the id of the server itself`, fix), level: 'failed' }]
  const others = await readersWithId(sql, options.serverId)
  if (others.length > 0)
    return [{ ...warning('server-id', `another replica has the id ${options.serverId} (${others.join(', ')})`, fix), level: 'failed' }]
  return [ok('server-id', `${options.serverId} is free`)]
}

async function replica(sql: SqlConnection): Promise<Finding[]> {
  if (!(await isReplica(sql))) return []
  const name = sql.flavor === 'mysql' && sql.version >= 80026 ? 'log_replica_updates' : 'log_slave_updates'
  const logs = (await sql.query(`SELECT @@GLOBAL.${name}`, 'checking'))[0][0]
  if (logs === '1') return [ok('replica', 'the server is a replica and writes what it applies to its own binlog')]
  const text = `the server is a replica with ${name} off: what its source changes is not in its binlog`
  return [{ ...warning('replica', text, `Start the server with ${name}=ON, or read the source itself.`), level: 'failed' }]
}

/** How long the server keeps what was not read yet; with what it has now, when that is by size. */
async function retention(sql: SqlConnection): Promise<Finding[]> {
  const seconds = await expireSeconds(sql)
  const logs = await sql.query('SHOW BINARY LOGS', 'checking')
  const bytes = logs.reduce((n, l) => n + Number(l[1] ?? 0), 0)
  const holds = `${logs.length} binlogs with ${Math.ceil(bytes / (1 << 20))} MiB`
  if (seconds === 0) return [ok('retention', `${holds}; binlogs do not expire`)]
  const days = (seconds / 86400).toFixed(1)
  const text = `${holds}; binlogs expire after ${days} days: a reader that stands still longer than that needs a new snapshot`
  if (seconds >= KEPT_WARNING_S) return [ok('retention', text)]
  const fix =
    sql.version >= 100601 || sql.flavor === 'mysql' ? 'SET GLOBAL binlog_expire_logs_seconds = 604800;' : 'SET GLOBAL expire_logs_days = 7;'
  return [warning('retention', text, fix)]
}

/** Whether the server still has what follows the position of a run, how much that is, and how long it stays. */
async function reachable(sql: SqlConnection, options: MysqlOptions, from: Position | null): Promise<Finding[]> {
  const position = from === null ? null : parsePosition(from)
  if (position === null || position.kind !== 'stream') return []
  const state = await readServer(sql)
  if (usesGtids(state, position)) {
    const { unknown, purged } = await missingGtids(sql, position.gtids!)
    if (purged !== '') throw new Failure('TRB-MY-007', { missing: purged })
    if (unknown !== '') throw new Failure('TRB-MY-008', { unknown, waited: 0 })
  } else await requireFile(sql, position, position.server, state)
  const logs = await sql.query('SHOW BINARY LOGS', 'checking')
  const at = logs.findIndex((l) => l[0] === position.file)
  const place = `${position.file}:${position.pos}`
  // The file of another server: only the GTIDs count.
  if (at < 0 || (position.server !== null && position.server !== state.server))
    return [ok('position', `the server has everything behind ${place}`)]
  const behind = logs.slice(at).reduce((n, l) => n + Number(l[1] ?? 0), 0) - position.pos
  const older = at === 0 ? 'its binlog is the oldest one and goes first' : `${at} older binlogs go before its own`
  const kept = await retentionOf(sql, options, state, logs, at)
  const text = `the run stands at ${place}, ${Math.ceil(behind / (1 << 20))} MiB behind the end; ${older}; ${estimate(kept)}`
  const soon = !kept.current && kept.left !== null && kept.left < SOON_S
  if (!soon && (at > 0 || logs.length === 1)) return [ok('position', text)]
  return [warning('position', text, 'Start cdc run before the server purges it.')]
}

/** A binlog that goes within a day. */
const SOON_S = 86400

function estimate({ left, current, rate }: Retention): string {
  const speed = rate === null ? '' : ` (it was written with ${(rate / 1024).toFixed(1)} KiB/s)`
  if (left === null) return `it does not expire${speed}`
  if (current) return `it is still written, and stays ${duration(left)} at least${speed}`
  return left === 0 ? `it may be purged at any moment${speed}` : `it may be purged in ${duration(left)}${speed}`
}

async function tables(sql: SqlConnection, options: MysqlOptions, matcher: TableMatcher): Promise<Finding[]> {
  const ids = await capturedTables(sql, options, matcher)
  const found: CatalogTable[] = []
  for (const id of ids) {
    const table = await describeTable(sql, id, options.flavor)
    if (table !== null) found.push(table)
  }
  const out: Finding[] = []
  const plain = found.filter((t) => !/^(innodb|rocksdb|ndbcluster)$/i.test(t.engine))
  if (plain.length > 0) out.push(failed('tables', new Failure('TRB-MY-059', { tables: plain.map(tableName).join(', ') })))
  const keyless = found.filter((t) => t.primaryKey.length === 0 && t.uniqueIndex.length === 0)
  if (keyless.length > 0) {
    const text = `tables without a key: their rows are told apart by all columns: ${keyless.map(tableName).join(', ')}`
    out.push(warning('keys', text, 'ALTER TABLE … ADD PRIMARY KEY (…);'))
  }
  const shapes = new TableShapes({ ...options, unsupported: 'omit' }, matcher, (e) => {
    if (e.kind !== 'warning' || !e.text.includes('type mapping')) return
    const fix = 'Leave them out with --ignore-unsupported-types.'
    out.push({ ...warning('types', e.text, fix), level: options.unsupported === 'refuse' ? 'failed' : 'warning' })
  })
  for (const t of found) await shapes.fromCatalog(t, sql)
  return [ok('tables', `${found.length} tables are captured`), ...out]
}

function ok(id: string, what: string): Finding {
  return { id, level: 'ok', what, fix: null }
}

function warning(id: string, what: string, fix: string): Finding {
  return { id, level: 'warning', what, fix }
}

function failed(id: string, error: unknown): Finding {
  if (!isFailure(error)) throw error
  const { what, why, fix } = error.explain()
  return { id, level: 'failed', what: `${what}\n${why}`, fix }
}
