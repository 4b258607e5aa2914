import { completedAction } from '../../../timeline/name.ts'
import type { Instant, Timeline } from '../../../timeline/timeline.ts'
import { completedWrites, pendingInstants } from '../../../timeline/view.ts'
import { SOURCE_KEY } from '../metadata/checkpoint.ts'
import type { CommitMetadata } from '../metadata/commit-metadata.ts'

/** What a writer saw when it began: everything else that is there when it completes came in between. */
export interface Seen {
  readonly completed: ReadonlySet<string>
  /** Planned actions that were pending: what begins after a compaction's plan goes on top of what it will write, and nothing crosses it. */
  readonly planned: ReadonlySet<string>
}

/** Where one instant wrote: names of file groups (`groupKey`). */
export type Touched = ReadonlySet<string>

/** Actions that rewrite file groups by a plan which others must not cross. */
const PLANNED: ReadonlySet<string> = new Set(['compaction', 'logcompaction', 'clustering'])

export function seenNow(t: Timeline): Seen {
  return {
    completed: new Set(completedWrites(t, null).map(idOf)),
    planned: new Set(pendingInstants(t).filter(isPlanned).map(idOf)),
  }
}

/** Stands for the partition of inserts: no partition has such a path. */
const INSERTS = '\n'

/**
 * The file groups that a commit wrote or took out. With `buckets`, the number at the front of a file id stands for the group: two writers that
 * each made a file for the same bucket would hold the same keys twice. So would two of ours that each put a new key into another partition: which keys
 * they were no commit tells, so that inserts into one bucket number are in each other's way, whatever their partitions.
 */
export function touchedBy(m: CommitMetadata, buckets: boolean): Touched {
  const out = new Set<string>()
  const unique = buckets && m.extra.has(SOURCE_KEY) && !m.compacted && m.operation !== 'COMPACT' && m.operation !== 'CLUSTER'
  for (const [partition, stats] of m.stats) {
    for (const s of stats) {
      if (s.path === null) continue
      out.add(groupKey(partition, s.fileId, buckets))
      if (unique && s.numInserts > 0) out.add(groupKey(INSERTS, s.fileId, buckets))
    }
  }
  for (const [partition, ids] of m.replaced ?? []) for (const id of ids) out.add(groupKey(partition, id, buckets))
  return out
}

/** The instants that were completed, or planned, since `seen`, and clusterings that are pending, without our own: those to compare with. */
export function cameSince(
  t: Timeline,
  seen: Seen,
  own: string,
): { readonly completed: readonly Instant[]; readonly planned: readonly Instant[] } {
  return {
    completed: completedWrites(t, null).filter(
      (i) => i.time !== own && !seen.completed.has(idOf(i)) && !(seen.planned.has(idOf(i)) && i.action !== 'clustering'),
    ),
    // A clustering takes file groups out with whatever was written to them meanwhile: it is in the way also of who has seen it.
    planned: pendingInstants(t).filter((i) => isPlanned(i) && i.time !== own && (i.action === 'clustering' || !seen.planned.has(idOf(i)))),
  }
}

/** Whether a write that was seen is gone without having been archived: rolled back or restored away under the writer's feet. */
export function lostGround(t: Timeline, seen: Seen): boolean {
  const now = new Set(completedWrites(t, null).map(idOf))
  const first = completedWrites(t, null).at(0)?.time ?? null
  if (first === null) return seen.completed.size > 0
  return [...seen.completed].some((id) => id.slice(0, id.indexOf('.')) >= first && !now.has(id))
}

/** Whether a plan (by its claims) crosses these groups. */
export function crosses(i: Instant, touched: Touched, buckets: boolean): boolean {
  if (i.claims === 'all') return true
  return i.claims.some((claim) => {
    const slash = claim.lastIndexOf('/')
    return touched.has(groupKey(claim.slice(0, Math.max(0, slash)), claim.slice(slash + 1), buckets))
  })
}

export function overlap(a: Touched, b: Touched): boolean {
  for (const g of a) if (b.has(g)) return true
  return false
}

function groupKey(partition: string, fileId: string, buckets: boolean): string {
  return `${partition}/${buckets ? fileId.slice(0, 8) : fileId}`
}

function isPlanned(i: Instant): boolean {
  return PLANNED.has(i.action)
}

function idOf(i: Instant): string {
  return `${i.time}.${completedAction(i.action)}`
}
