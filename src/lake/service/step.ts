import { Failure } from '../../failure/failure.ts'
import type { TimelineStore } from '../timeline-store.ts'

/** Performs one event of a service; TRB-LAKE-011 when somebody else was faster. */
export async function perform(ts: TimelineStore, event: Parameters<TimelineStore['perform']>[0], body?: Uint8Array): Promise<void> {
  if ((await ts.perform(event, body)) === 'exists') {
    throw new Failure('TRB-LAKE-011', { table: ts.table, refusal: `${event.event} ${event.time} ${event.action}: somebody else did it` })
  }
}

/** Refuses (TRB-LAKE-010) while a restore of the table has begun: it must be finished first. */
export function refuseDuringRestore(ts: TimelineStore): void {
  const restore = ts.timeline.instants.find((i) => i.action === 'restore' && i.state !== 'completed')
  if (restore === undefined) return
  const why = 'a restore of this table has begun'
  throw new Failure('TRB-LAKE-010', { table: ts.table, action: 'restore', instant: restore.time, why })
}
