import { instantToMs } from '../../timeline/instant.ts'
import type { Action } from '../../timeline/name.ts'
import { type RecoveryStep, recoveryPlan } from '../../timeline/rollback-plan.ts'
import { Failure } from '../failure/failure.ts'
import { settleBucketChanges } from './bucket-change.ts'
import { parseRollbackPlan, printRollbackMetadata, printRollbackPlan } from './metadata/rollback-files.ts'
import type { TimelineStore } from './timeline-store.ts'
import { carryOut, planRollback } from './undo-files.ts'

/** An instant that is gone, and the rollback that took it away. */
export interface RolledBack {
  readonly time: string
  readonly action: Action
  readonly by: string
  readonly files: number
}

/** A heartbeat younger than this belongs to a writer that is alive (Hudi: twice the interval of 60 s). */
const HEARTBEAT_MS = 120_000
/** A rollback that another writer began less than this ago is its own to finish: Spark does it without holding the lock. */
const ROLLBACK_MS = 600_000

/**
 * Takes away whatever dead writers left, before a new instant is taken: on version 6 leftovers become visible once the timeline moves past them.
 * Fails with TRB-LAKE-010 when an instant must first be finished by its owner, TRB-LAKE-012 when a writer is alive (where writers share the
 * table, what a living one does is left alone). The timeline must be fresh.
 * `next`: the action that is to begin afterwards; null: none.
 */
export async function recover(ts: TimelineStore, next: Action | null = null): Promise<readonly RolledBack[]> {
  const all = recoveryPlan(ts.timeline, next)
  const plan = ts.optimistic ? await withoutLive(ts, all) : all
  const done: RolledBack[] = []
  for (const s of plan) await refuseOrPass(ts, s)
  for (const s of plan) {
    if (s.do === 'finish') done.push(await finish(ts, s.instant.time, s.instant.state === 'requested'))
    else if (s.do === 'discard') await ts.perform({ event: 'remove', action: 'rollback', time: s.instant.time })
    else if (s.do === 'roll-back') done.push(await rollBack(ts, s.instant.time, s.instant.action))
  }
  return done
}

/** Without the writes of living writers, and the rollbacks that one of them may be at work on. */
async function withoutLive(ts: TimelineStore, plan: readonly RecoveryStep[]): Promise<readonly RecoveryStep[]> {
  const out: RecoveryStep[] = []
  for (const s of plan) {
    const age = s.do === 'roll-back' ? await ts.heartbeatAge(s.instant.time) : null
    const begun = s.do === 'finish' || s.do === 'discard' ? instantToMs(s.instant.time) : null
    const alive = (age !== null && age < HEARTBEAT_MS) || (begun !== null && ts.clock.now() - begun < ROLLBACK_MS)
    if (!alive) out.push(s)
  }
  return out
}

/** Carries rollbacks through that had begun, and leaves everything else as it is. The timeline must be fresh. */
export async function finishRollbacks(ts: TimelineStore): Promise<readonly RolledBack[]> {
  const done: RolledBack[] = []
  for (const s of recoveryPlan(ts.timeline)) {
    if (s.do === 'finish') done.push(await finish(ts, s.instant.time, s.instant.state === 'requested'))
    else if (s.do === 'discard') await ts.perform({ event: 'remove', action: 'rollback', time: s.instant.time })
    else if (s.do === 'refuse' && s.instant.action === 'rollback') await refuseOrPass(ts, s)
  }
  return done
}

/** Fails with TRB-LAKE-012 while a writer that keeps a heartbeat for its instant is alive; the heartbeat of a dead one is taken away. */
export async function refuseLiveWriter(ts: TimelineStore, time: string): Promise<void> {
  const age = await ts.heartbeatAge(time)
  if (age !== null && age < HEARTBEAT_MS) {
    throw new Failure('TRB-LAKE-012', { table: ts.table, instant: time, age: Math.round(age / 1000) })
  }
  if (age !== null) await ts.clearHeartbeat(time)
}

/** Takes a pending instant and all its files away. Invariant I8: the table is as if it had never begun. */
export async function rollBack(ts: TimelineStore, time: string, action: Action): Promise<RolledBack> {
  const by = ts.nextTime()
  const plan = await planRollback(ts, time, action)
  await create(ts, { event: 'request', action: 'rollback', time: by, target: time }, printRollbackPlan(plan, sync(ts)))
  return finish(ts, by, true)
}

async function refuseOrPass(ts: TimelineStore, s: RecoveryStep): Promise<void> {
  const { time, action } = s.instant
  if (s.do === 'refuse') throw new Failure('TRB-LAKE-010', { table: ts.table, action, instant: time, why: s.why })
  if (s.do === 'roll-back') await refuseLiveWriter(ts, time)
}

/** Carries a rollback through from its plan. Every part may have been done before: files that are gone are no error. */
async function finish(ts: TimelineStore, by: string, start: boolean): Promise<RolledBack> {
  const name = `${by}.rollback.requested`
  const plan = parseRollbackPlan(await ts.read(name), name)
  const began = ts.clock.now()
  const { time, action } = plan.target
  if (start) await create(ts, { event: 'start', action: 'rollback', time: by })
  const target = ts.timeline.instants.find((i) => i.time === time && i.action !== 'savepoint')
  // a completed one no longer counts before its files go
  if (target?.state === 'completed') await ts.perform({ event: 'undo', action: target.action, time })
  const undone = await carryOut(ts, plan, by)
  ts.latest = null
  ts.slices = null
  if (target !== undefined) await ts.perform({ event: 'remove', action: target.action, time })
  const deleted = new Map([...undone].map(([partition, u]) => [partition, u.deleted]))
  const done = { time: by, elapsedMs: ts.clock.now() - began, target: plan.target, deleted, logs: undone }
  const metadata = printRollbackMetadata(done, sync(ts))
  // Before it completes: nobody would carry on behind that, and others take the number of buckets as it is recorded.
  await settleBucketChanges(ts)
  await create(ts, { event: 'complete', action: 'rollback', time: by }, metadata)
  return { time, action: target?.action ?? (action as Action), by, files: [...deleted.values()].reduce((n, f) => n + f.length, 0) }
}

async function create(ts: TimelineStore, event: Parameters<TimelineStore['perform']>[0], body?: Uint8Array): Promise<void> {
  if ((await ts.perform(event, body)) === 'exists') {
    throw new Failure('TRB-LAKE-011', { table: ts.table, refusal: `${event.event} ${event.time} ${event.action}: somebody else did it` })
  }
}

function sync(ts: TimelineStore): Buffer {
  return Buffer.from(ts.clock.uuid().replaceAll('-', ''), 'hex')
}
