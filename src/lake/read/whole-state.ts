import { completedWrites, newestWrite } from '../../../timeline/view.ts'
import { Failure } from '../../failure/failure.ts'
import { archivedInstants } from '../archived-timeline.ts'
import { parseCleanMetadata, readableFrom } from '../metadata/clean-files.ts'
import type { TimelineStore } from '../timeline-store.ts'

/**
 * The newest completed write ≤ asOf (null: now), archived or not, whose state is whole; null: nothing has been committed. A time whose state
 * has been cleaned away, or before the first commit, fails with TRB-LAKE-018, which names the first state that is there.
 */
export async function writeAt(ts: TimelineStore, asOf: string | null): Promise<string | null> {
  const writes = completedWrites(ts.timeline, null)
  if (asOf === null || writes.length === 0) return writes.at(-1)?.time ?? null
  const none = (first: string): Failure => new Failure('TRB-LAKE-018', { table: ts.table, instant: asOf, first })
  const retained = await retainedFrom(ts)
  // Every file of the last write before the retained ones has been kept as well: it is what they began from.
  if (writes.some((i) => i.time > asOf && i.time < retained)) throw none(writes.findLast((i) => i.time < retained)?.time ?? retained)
  return newestWrite(ts.timeline, asOf)?.time ?? (await archivedAt(ts, asOf, retained, none))
}

/**
 * The oldest time that `writeAt` answers, so far as the active timeline and the newest clean tell without reading the whole archive: states of
 * tables that were never cleaned may reach back further. Null: nothing has been committed.
 */
export async function firstWholeState(ts: TimelineStore): Promise<string | null> {
  const writes = completedWrites(ts.timeline, null)
  if (writes.length === 0) return null
  const retained = await retainedFrom(ts)
  if (retained === '') return writes[0].time
  const active = writes.findLast((i) => i.time < retained)?.time
  if (active !== undefined) return active
  for await (const { time, metadata } of archivedInstants(ts, retained)) if (metadata !== null && time < retained) return time
  return writes[0].time
}

/** The instant from which on the newest clean has kept every state; '' when none tells. */
async function retainedFrom(ts: TimelineStore): Promise<string> {
  const clean = ts.timeline.instants.findLast((i) => i.action === 'clean' && i.state === 'completed')
  if (clean === undefined) return ''
  const key = ts.keyOf(clean)
  return readableFrom(parseCleanMetadata(await ts.store.get(key), key))
}

/** The newest archived write ≤ asOf, when nothing that was cleaned after it can be missing. */
async function archivedAt(ts: TimelineStore, asOf: string, retained: string, none: (first: string) => Failure): Promise<string> {
  let first = completedWrites(ts.timeline, null)[0].time
  for await (const { time, action, metadata } of archivedInstants(ts)) {
    if (metadata !== null && time <= asOf) return time
    if (metadata !== null && time < retained) throw none(time)
    // An archived clean may have gone as far as to the newest write before it.
    if (action === 'clean' && retained === '' && time > asOf) throw none(first)
    if (metadata !== null) first = time
  }
  throw none(first)
}
