import type { Needed } from '../../../timeline/retention.ts'
import type { Instant } from '../../../timeline/timeline.ts'
import { pendingInstants } from '../../../timeline/view.ts'
import { parseSavepoint } from '../metadata/savepoint-files.ts'
import type { TimelineStore } from '../timeline-store.ts'

/** Savepoints of a table, begun ones too, oldest first. */
export function savepoints(ts: TimelineStore): readonly Instant[] {
  return ts.timeline.instants.filter((i) => i.action === 'savepoint')
}

/** What savepoints and the plans of pending instants need (I7). The timeline must be fresh. */
export async function neededBy(ts: TimelineStore): Promise<Needed> {
  const files = new Set<string>()
  const need = (partition: string, path: string): unknown => files.add(`${partition}/${path.slice(path.lastIndexOf('/') + 1)}`)
  const kept = savepoints(ts)
  for (const s of kept) {
    if (s.state !== 'completed') continue
    const { files: named } = parseSavepoint(await ts.store.get(ts.keyOf(s)), ts.keyOf(s))
    for (const [partition, names] of named) for (const name of names) need(partition, name)
  }
  for (const i of pendingInstants(ts.timeline)) {
    if (i.action === 'compaction' || i.action === 'logcompaction') {
      for (const o of (await ts.compactionPlan(i.time, i.action)).operations) {
        for (const name of [o.baseFile ?? '', ...o.logFiles]) need(o.partition, name)
      }
    } else if (i.action === 'clustering') {
      for (const s of (await ts.clusteringPlan(i.time))?.groups.flatMap((g) => g.slices) ?? []) {
        for (const path of [s.baseFile, ...s.logFiles]) need(s.partition, path)
      }
    }
  }
  return { moments: kept.map((s) => s.time), files }
}
