import type { Action } from './name.ts'
import type { Instant, Timeline } from './timeline.ts'

/** Actions whose completion changes which rows a reader sees, or where it finds them. */
const WRITES: ReadonlySet<Action> = new Set(['commit', 'deltacommit', 'replacecommit', 'compaction', 'logcompaction', 'clustering'])

/** Completed writes with a time ≤ asOf (null: all), oldest first. */
export function completedWrites(t: Timeline, asOf: string | null): readonly Instant[] {
  return t.instants.filter((i) => i.state === 'completed' && WRITES.has(i.action) && (asOf === null || i.time <= asOf))
}

/** The newest completed write ≤ asOf; null when there is none. */
export function newestWrite(t: Timeline, asOf: string | null): Instant | null {
  return completedWrites(t, asOf).at(-1) ?? null
}

/** Instants that are not completed, oldest first. */
export function pendingInstants(t: Timeline): readonly Instant[] {
  return t.instants.filter((i) => i.state !== 'completed')
}

/**
 * The first instant of the active history: whatever is older and not on the timeline has been archived. Savepointed writes stay behind when
 * their neighbours are archived, so they are no beginning unless there is nothing else. Null: no completed write.
 */
export function historyStart(t: Timeline): string | null {
  const saved = new Set(t.instants.filter((i) => i.action === 'savepoint').map((i) => i.time))
  const writes = completedWrites(t, null)
  return (writes.find((i) => !saved.has(i.time)) ?? writes.at(0))?.time ?? null
}

/**
 * Tells whether what an instant wrote (a file, or a block of a log) counts for a reader as of `asOf` (null: now). Invariant I4: only what
 * completed instants wrote does; one that is older than the first completed write has been archived, and only completed ones are archived.
 * What a rollback block of a log takes away is told by the log alone.
 */
export function visibility(t: Timeline, asOf: string | null): (instant: string) => boolean {
  const completed = new Set(completedWrites(t, null).map((i) => i.time))
  const pending = new Set(pendingInstants(t).map((i) => i.time))
  const first = historyStart(t)
  return (instant) => {
    if (first === null || (asOf !== null && instant > asOf)) return false
    return completed.has(instant) || (instant < first && !pending.has(instant))
  }
}

/** A base file, as its name and directory describe it. */
export interface FileVersion {
  readonly partition: string
  readonly fileId: string
  readonly instant: string
}

/** A file group that a replacecommit took out of the table. */
export interface ReplacedGroup {
  readonly partition: string
  readonly fileId: string
  /** Time of the replacecommit. */
  readonly by: string
}

/**
 * The newest committed file of each file group as of `asOf`, without the groups that a replacecommit ≤ asOf took out.
 * Order of `files` is kept within the answer's groups (first seen group first).
 */
export function latestFiles<F extends FileVersion>(
  t: Timeline,
  files: Iterable<F>,
  replaced: Iterable<ReplacedGroup>,
  asOf: string | null,
): readonly F[] {
  const counts = visibility(t, asOf)
  const gone = new Map<string, string>()
  for (const r of replaced) {
    if (counts(r.by)) gone.set(groupKey(r), r.by)
  }
  const newest = new Map<string, F>()
  for (const f of files) {
    if (!counts(f.instant)) continue
    const key = groupKey(f)
    const by = gone.get(key)
    if (by !== undefined && f.instant < by) continue
    const known = newest.get(key)
    if (known === undefined || f.instant > known.instant) newest.set(key, f)
  }
  return [...newest.values()]
}

function groupKey(g: { readonly partition: string; readonly fileId: string }): string {
  return `${g.partition}/${g.fileId}`
}
