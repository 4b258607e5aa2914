import { userInfo } from 'node:os'
import { Failure } from '../../failure/failure.ts'
import { underLock } from '../../lake/lock/table-concurrency.ts'
import { openForService } from '../../lake/service/open.ts'
import { createSavepoint, deleteSavepoint, type KeptState, listSavepoints, savepointable } from '../../lake/service/savepoint.ts'
import type { TimelineStore } from '../../lake/timeline-store.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { grid } from '../terminal/grid.ts'
import { countOf } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

type SavepointFlags = { readonly at: string | null; readonly comment: string; readonly plan: boolean } & S3FlagValues
type SavepointContext = ContextWith<SavepointFlags>

/** `lake savepoint`. */
export async function runSavepoint(context: SavepointContext): Promise<Outcome> {
  const [action, uri] = context.args
  const run = { create, delete: remove, list }[action as 'create' | 'delete' | 'list']
  if (run === undefined) {
    const expected = 'create, delete or list'
    throw new Failure('TRB-CLI-004', { command: context.command, where: 'ACTION', value: JSON.stringify(action), expected })
  }
  return run(await openTableUri(uri!, context), context)
}

async function create(ts: TimelineStore, { flags }: SavepointContext): Promise<Outcome> {
  if (flags.plan) {
    await openForService(ts)
    const { time } = await savepointable(ts, flags.at)
    const summary = `the state of ${ts.table} at ${time} would be kept; nothing was changed`
    return { summary, text: summary, result: { table: ts.table, planned: true, at: time } }
  }
  const kept = await underLock(ts, () => createSavepoint(ts, flags.at, userInfo().username, flags.comment))
  const summary = `the state of ${ts.table} at ${kept.time} is kept: ${countOf(filesOf(kept), 'file')}`
  return { summary, text: summary, result: { table: ts.table, planned: false, ...row(kept) } }
}

async function remove(ts: TimelineStore, { flags, command }: SavepointContext): Promise<Outcome> {
  const { at } = flags
  if (at === null) throw new Failure('TRB-CLI-005', { command, what: '--at', env: 'TRIBUTARY_AT' })
  const there = (await listSavepoints(ts)).some((s) => s.time === at)
  if (flags.plan && there) {
    const summary = `the savepoint ${at} of ${ts.table} would be deleted; nothing was changed`
    return { summary, text: summary, result: { table: ts.table, planned: true, at } }
  }
  await underLock(ts, () => deleteSavepoint(ts, at))
  const summary = `the savepoint ${at} of ${ts.table} is deleted: cleans may take its files`
  return { summary, text: summary, result: { table: ts.table, planned: false, at } }
}

async function list(ts: TimelineStore): Promise<Outcome> {
  const rows = (await listSavepoints(ts)).map(row)
  const summary = `${countOf(rows.length, 'savepoint')} of ${ts.table}`
  const cells = rows.map((r) => [r.at, r.complete ? 'complete' : 'begun', r.created ?? '-', r.by, String(r.files), r.comment])
  const table = grid(['commit', 'state', 'created', 'by', 'files', 'comment'], cells, ['left', 'left', 'left', 'left', 'right', 'left'])
  return { summary, text: rows.length === 0 ? summary : `${table}\n${summary}`, result: { table: ts.table, savepoints: rows } }
}

function row(s: KeptState): { at: string; complete: boolean; created: string | null; by: string; files: number; comment: string } {
  const created = s.complete ? new Date(s.atMs).toISOString() : null
  return { at: s.time, complete: s.complete, created, by: s.by, files: filesOf(s), comment: s.comments }
}

function filesOf(s: KeptState): number {
  return [...s.files.values()].reduce((n, names) => n + names.length, 0)
}
