import { completedWrites } from '../../timeline/view.ts'
import { archivedInstants } from './archived-timeline.ts'
import type { CommitMetadata } from './metadata/commit-metadata.ts'
import type { TimelineStore } from './timeline-store.ts'

/** What a completed write recorded. */
export interface RecordedWrite extends CommitMetadata {
  readonly time: string
  readonly action: string
  readonly archived: boolean
}

/**
 * Completed writes with a time ≤ asOf (null: all), newest first, archived ones after those of the active timeline: read as far as the caller
 * asks for them, so that what is found on the active timeline costs no look at the archive. `actions`: only these; null: every write.
 */
export async function* writesBefore(
  ts: TimelineStore,
  asOf: string | null,
  actions: ReadonlySet<string> | null = null,
): AsyncGenerator<RecordedWrite> {
  for (const i of completedWrites(ts.timeline, asOf).toReversed()) {
    if (actions !== null && !actions.has(i.action)) continue
    yield { ...(await ts.commit(i.time, i.action)), time: i.time, action: i.action, archived: false }
  }
  for await (const { time, action, metadata } of archivedInstants(ts, asOf)) {
    if (metadata !== null && (actions === null || actions.has(action))) yield { ...metadata, time, action, archived: true }
  }
}
