import { Failure } from '../../failure/failure.ts'
import type { TableMatcher } from '../select-tables.ts'
import { requireFlavor } from './check.ts'
import type { SqlConnection } from './connect.ts'
import { capturedTables } from './open-snapshot.ts'
import type { MysqlDeps, MysqlOptions } from './options.ts'
import type { MysqlPosition, StreamPosition } from './position.ts'
import {
  isReplica,
  missingGtids,
  readServer,
  requireFile,
  requireSameServer,
  type ServerState,
  settingProblems,
  usesGtids,
} from './server-state.ts'
import { tableName } from './table-shapes.ts'
import { requireSignalTable } from './write-signal.ts'

/** How long a replica may take to come to a position, by default. */
const LAG_FOR_MS = 60_000

/**
 * Checks what can be checked before anything is read: settings of the binlog (TRB-MY-005, 006), that there are tables, and that the server has
 * what follows the position (TRB-MY-007, 008, 009).
 */
export async function prepare(
  sql: SqlConnection,
  options: MysqlOptions,
  matcher: TableMatcher,
  position: MysqlPosition | null,
  deps: MysqlDeps,
  signal: AbortSignal,
): Promise<ServerState> {
  requireFlavor(sql, options)
  const state = await readServer(sql)
  const problems = settingProblems(state)
  if (problems.length > 0) throw problems[0]
  if (position?.kind === 'stream') await requireStart(sql, position, state, deps, signal)
  // What is left of a snapshot may be read elsewhere only where what was read before can be compared with it.
  else if (position !== null) requireSameServer(position.progress.until, position.progress.server, state)
  if (options.signals?.table != null) await requireSignalTable(sql, options.signals.table, options.flavor)
  deps.chosen?.((await capturedTables(sql, options, matcher)).map(tableName), position === null)
  return state
}

/** Fails unless the server can go on behind the position; a replica that lags is waited for. */
export async function requireStart(
  sql: SqlConnection,
  position: StreamPosition,
  state: ServerState,
  deps: MysqlDeps,
  signal: AbortSignal,
): Promise<void> {
  if (!usesGtids(state, position)) return await requireFile(sql, position, position.server, state)
  const began = deps.clock.now()
  for (;;) {
    const { unknown, purged } = await missingGtids(sql, position.gtids!)
    if (purged !== '') throw new Failure('TRB-MY-007', { missing: purged })
    if (unknown === '') return
    const waited = deps.clock.now() - began
    const failure = new Failure('TRB-MY-008', { unknown, waited: Math.round(waited / 1000) })
    if (waited >= LAG_FOR_MS || !(await isReplica(sql))) throw failure
    deps.observe({ kind: 'retry', failure, delayMs: 1000 })
    await deps.clock.sleep(1000, signal)
  }
}
