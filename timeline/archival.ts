import type { Action } from './name.ts'
import type { Instant, Timeline } from './timeline.ts'
import { completedWrites, pendingInstants } from './view.ts'

/** Completed writes that stay on the active timeline: when there are more than `max`, all but the newest `min` go. */
export interface ArchivePolicy {
  readonly min: number
  readonly max: number
}

/** Neither change what a reader counts nor come often. */
const STAYING: ReadonlySet<Action> = new Set(['restore', 'savepoint', 'indexing'])

/**
 * The completed instants to archive now, oldest first; none: nothing is due. They are everything before a moment, so that archived ∪ active is the whole
 * history (I10) and a reader may count whatever is older than the first active write as completed (I4). The moment is never later than
 * the first pending instant, the first savepoint, nor a time in `held`: replacecommits whose replaced files are still there
 * (without them on the timeline those files would come back). The newest clean stays, as the next one goes on from it; so do
 * restores, savepoints and index builds, which Hudi has no archive for.
 */
export function archivable(t: Timeline, policy: ArchivePolicy, held: Iterable<string>): readonly Instant[] {
  const writes = completedWrites(t, null)
  if (writes.length <= policy.max) return []
  const first = writes[writes.length - Math.max(1, policy.min)].time
  const savepoint = t.instants.find((i) => i.action === 'savepoint')?.time
  const stops = [pendingInstants(t).at(0)?.time, savepoint, ...held]
  const before = stops.reduce<string>((min, time) => (time !== undefined && time < min ? time : min), first)
  const clean = t.instants.findLast((i) => i.action === 'clean' && i.state === 'completed')
  const due = t.instants.filter((i) => i.time < before && i !== clean && !STAYING.has(i.action))
  // Without a write among them the active timeline would not get shorter for a writer.
  return due.some((i) => writes.includes(i)) ? due : []
}
