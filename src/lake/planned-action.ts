import type { Action } from '../../timeline/name.ts'
import type { Facts, Instant } from '../../timeline/timeline.ts'
import { pendingInstants } from '../../timeline/view.ts'
import { Failure } from '../failure/failure.ts'
import type { TimelineStore } from './timeline-store.ts'

/**
 * Actions that are planned, then carried out, maybe by another process: request (the plan is durable) → start → complete.
 * Whoever finds one pending reads its plan and goes on: every part of the work may have been done before.
 * The timeline must be fresh (`ts.refresh()`); what is written by somebody else at the same time fails with TRB-LAKE-011.
 */
export type PlannedAction = Exclude<Action, 'commit' | 'deltacommit' | 'replacecommit'>

/**
 * Puts a plan on the timeline, at a new time (which it returns). `facts`: target of a rollback or restore; claims: file groups
 * (`partition/fileId`) that the action writes. A savepoint has no plan: `startAction` begins it, at the time of the commit it keeps.
 */
export async function requestAction(
  ts: TimelineStore,
  action: Exclude<PlannedAction, 'savepoint'>,
  plan: (time: string) => Uint8Array,
  facts: Facts = {},
): Promise<string> {
  const time = ts.nextTime()
  await make(ts, { ...facts, event: 'request', action, time }, plan(time))
  return time
}

/** requested → inflight. `body`: a clean repeats its plan; the others are empty. No effect when it has been started. */
export async function startAction(ts: TimelineStore, action: PlannedAction, time: string, body?: Uint8Array): Promise<void> {
  const at = find(ts, action, time)
  if (at?.state === 'inflight') return
  await make(ts, { event: 'start', action, time }, body)
}

/**
 * inflight → completed: the point from which readers see the effect. `body`: bytes of the metadata; of a compaction, log compaction or
 * clustering those of `ts.printCommit(metadata)`. What was remembered of the table's files is forgotten.
 */
export async function completeAction(ts: TimelineStore, action: PlannedAction, time: string, body: Uint8Array): Promise<void> {
  await make(ts, { event: 'complete', action, time }, body)
  ts.latest = null
  ts.slices = null
}

/** inflight → requested, to be tried again (compaction, log compaction, clustering, indexing). */
export async function undoAction(ts: TimelineStore, action: PlannedAction, time: string): Promise<void> {
  await make(ts, { event: 'undo', action, time })
}

/**
 * Takes an instant off the timeline. A clean, rollback or restore only while it is requested; a savepoint in any state; the others only under
 * an inflight rollback of them.
 */
export async function removeAction(ts: TimelineStore, action: PlannedAction, time: string): Promise<void> {
  await make(ts, { event: 'remove', action, time })
}

/** Pending instants of an action, oldest first: those to go on with, without what a rollback or restore that has begun is taking away. */
export function pendingActions(ts: TimelineStore, action: PlannedAction): readonly Instant[] {
  const pending = pendingInstants(ts.timeline)
  const gone = new Set(pending.flatMap((i) => (i.action === 'rollback' && i.target !== null ? [i.target] : [])))
  const restore = pending.find((i) => i.action === 'restore')?.time ?? ''
  return pending.filter((i) => i.action === action && !gone.has(i.time) && i.time >= restore)
}

/** Bytes of the plan of an instant. */
export async function planOf(ts: TimelineStore, action: Exclude<PlannedAction, 'savepoint'>, time: string): Promise<Buffer> {
  return ts.read(ts.fileName({ time, action, state: 'requested' }))
}

function find(ts: TimelineStore, action: PlannedAction, time: string): Instant | undefined {
  return ts.timeline.instants.find((i) => i.time === time && i.action === action)
}

async function make(ts: TimelineStore, event: Parameters<TimelineStore['perform']>[0], body?: Uint8Array): Promise<void> {
  if ((await ts.perform(event, body)) === 'exists') {
    throw new Failure('TRB-LAKE-011', { table: ts.table, refusal: `${event.event} ${event.time} ${event.action}: somebody else did it` })
  }
}
