import { type Action, completedAction } from '../../../timeline/name.ts'
import type { Instant } from '../../../timeline/timeline.ts'
import { Failure } from '../../failure/failure.ts'
import { settleBucketChanges } from '../bucket-change.ts'
import { ListedFiles } from '../listed-files.ts'
import { type InstantInfo, parseRestorePlan, printRestoreMetadata, printRestorePlan } from '../metadata/restore-files.ts'
import type { RollbackDone } from '../metadata/rollback-files.ts'
import { openForWriting } from '../open-for-writing.ts'
import { completeAction, pendingActions, planOf, removeAction, requestAction, startAction } from '../planned-action.ts'
import { finishRollbacks, refuseLiveWriter } from '../rollback.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { carryOut, planRollback } from '../undo-files.ts'
import { finishCleans } from './clean.ts'
import { savepoints } from './needed.ts'

export interface RestoreReport {
  /** Of the restore; null: there was no later write, so nothing was done. */
  readonly instant: string | null
  readonly savepoint: string
  /** What was taken away, newest first. */
  readonly instants: readonly InstantInfo[]
  readonly files: number
}

const WRITES: ReadonlySet<Action> = new Set([
  'commit',
  'deltacommit',
  'replacecommit',
  'clustering',
  'compaction',
  'logcompaction',
  'indexing',
])

/**
 * Takes the table back to a savepoint: every later write is taken away, newest first. A restore that an earlier process began is carried through
 * instead, whatever it goes to. Invariant I12. TRB-LAKE-073 when there is no such savepoint, TRB-LAKE-072 when a later savepoint keeps a later state.
 */
export async function restore(ts: TimelineStore, savepoint: string): Promise<RestoreReport> {
  const begun = await finishRestore(ts)
  if (begun !== null) return begun
  await finishCleans(ts)
  await finishRollbacks(ts)
  const instants = await restorable(ts, savepoint)
  if (instants.length === 0) return { instant: null, savepoint, instants: [], files: 0 }
  const plan = { instants: instants.map((i) => ({ time: i.time, action: nameOf(i) })), savepoint }
  const time = await requestAction(ts, 'restore', () => printRestorePlan(plan, ts.sync()))
  return carryThrough(ts, time)
}

/** Carries a restore through that has been begun; null: there is none. */
export async function finishRestore(ts: TimelineStore): Promise<RestoreReport | null> {
  await openForWriting(ts)
  await ts.refresh()
  const begun = pendingActions(ts, 'restore').at(0)
  if (begun === undefined) return null
  if (begun.state === 'requested' && !(await planIsThere(ts, begun))) {
    await removeAction(ts, 'restore', begun.time)
    return null
  }
  return carryThrough(ts, begun.time)
}

/** The writes that a restore to a savepoint takes away, newest first; else why not. The timeline must be fresh. Also for `--plan`. */
export async function restorable(ts: TimelineStore, savepoint: string): Promise<readonly Instant[]> {
  const all = savepoints(ts)
  if (!all.some((s) => s.time === savepoint && s.state === 'completed')) {
    throw new Failure('TRB-LAKE-073', { table: ts.table, instant: savepoint })
  }
  const later = all.find((s) => s.time > savepoint)
  if (later !== undefined) {
    const fix = `lake savepoint delete ${ts.table} --at ${later.time} gives it free.`
    throw new Failure('TRB-LAKE-072', { table: ts.table, instant: later.time, why: 'a savepoint keeps it', fix })
  }
  const instants = ts.timeline.instants.filter((i) => WRITES.has(i.action) && i.time > savepoint).reverse()
  for (const i of instants) if (i.state !== 'completed') await refuseLiveWriter(ts, i.time)
  return instants
}

/** Every part may have been done before: what is gone from the timeline is gone from the store, too. */
async function carryThrough(ts: TimelineStore, time: string): Promise<RestoreReport> {
  const began = ts.clock.now()
  const plan = parseRestorePlan(await planOf(ts, 'restore', time), `${time}.restore.requested`)
  await startAction(ts, 'restore', time)
  const rollbacks: RollbackDone[] = []
  const files = await ListedFiles.of(ts)
  for (const target of plan.instants) rollbacks.push(await takeBack(ts, files, target, time))
  const done = { time, elapsedMs: ts.clock.now() - began, rollbacks }
  // Before it completes: nobody would carry on behind that, and others take the number of buckets as it is recorded.
  await settleBucketChanges(ts)
  await completeAction(ts, 'restore', time, printRestoreMetadata(done, ts.sync()))
  const gone = rollbacks.reduce((n, r) => n + [...r.deleted.values()].flat().length, 0)
  return { instant: time, savepoint: plan.savepoint, instants: plan.instants, files: gone }
}

/** One write: it no longer counts before its files go, and it leaves the timeline after them. */
async function takeBack(ts: TimelineStore, files: ListedFiles, target: InstantInfo, by: string): Promise<RollbackDone> {
  const began = ts.clock.now()
  const at = ts.timeline.instants.find((i) => i.time === target.time && WRITES.has(i.action))
  const head = { time: by, target }
  if (at === undefined) return { ...head, elapsedMs: 0, deleted: new Map() }
  const plan = await planRollback(ts, at.time, at.action, files)
  if (at.state === 'completed') await ts.perform({ event: 'undo', action: at.action, time: at.time })
  const undone = await carryOut(ts, plan, by, files)
  await ts.perform({ event: 'remove', action: at.action, time: at.time })
  const deleted = new Map([...undone].map(([partition, u]) => [partition, u.deleted]))
  return { ...head, elapsedMs: ts.clock.now() - began, deleted, logs: undone }
}

/** False: the process died before the plan was whole, so nothing has been done. */
async function planIsThere(ts: TimelineStore, i: Instant): Promise<boolean> {
  return (await planOf(ts, 'restore', i.time)).length > 0
}

/** As Hudi names it in a plan. */
function nameOf(i: Instant): string {
  return i.state === 'completed' ? completedAction(i.action) : i.action
}
