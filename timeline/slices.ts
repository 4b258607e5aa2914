import { effectiveTime, type Timeline } from './timeline.ts'
import { completedWrites, type FileVersion, pendingInstants, type ReplacedGroup, visibility } from './view.ts'

/**
 * File slices of a merge-on-read table: a base file and the logs on top of it.
 *
 * Layout 1 names a log after the base instant of its slice: that of the base file, or, from the moment a compaction is requested, that of
 * the compaction. While the compaction C is pending, its slice has no base file: a reader takes the slice before it and the logs of both.
 *
 * Layout 2 names a log after the write that made it. It belongs to the slice with the newest base instant (of a base file, or of a pending
 * compaction) not later than the time at which that write completed. Logs of writes that have not completed belong to nothing.
 */

/** A log file, as its name and directory describe it. */
export interface LogVersion extends FileVersion {
  /** `log.<N>` */
  readonly version: number
  readonly token: string
}

/** A file group that a pending compaction is going to write. */
export interface PendingCompaction {
  readonly partition: string
  readonly fileId: string
  /** Time of the compaction. */
  readonly by: string
}

/** Everything outside the timeline that decides what the slices are. */
export interface TableFiles<B extends FileVersion, L extends LogVersion> {
  readonly bases: Iterable<B>
  /** Without change-data-capture logs. */
  readonly logs: Iterable<L>
  readonly replaced: Iterable<ReplacedGroup>
  /** Of compactions that are not completed, whether ≤ asOf or not. */
  readonly compactions: Iterable<PendingCompaction>
  /** Completion times of archived writes of layout 2, as far as known. */
  readonly archived?: ReadonlyMap<string, string>
}

export interface Slice<B, L> {
  readonly partition: string
  readonly fileId: string
  /** Instant of the base file; without one, that of the oldest log, or of the compaction that is to write it. */
  readonly baseInstant: string
  readonly base: B | null
  /** In the order in which they are merged. */
  readonly logs: readonly L[]
}

interface Group<B, L> {
  readonly partition: string
  readonly fileId: string
  readonly bases: B[]
  readonly logs: L[]
  /** Pending compactions of the group that count, oldest first. */
  readonly pending: string[]
}

/**
 * All slices of each file group as of `asOf` (null: now), oldest first within a group; the last one is what a snapshot reads. Groups that
 * a replacecommit ≤ asOf took out are not among them; a pending compaction makes no slice of its own. Groups are in the order of first sight.
 */
export function allSlices<B extends FileVersion, L extends LogVersion>(
  t: Timeline,
  files: TableFiles<B, L>,
  asOf: string | null,
): readonly (readonly Slice<B, L>[])[] {
  const counts = visibility(t, asOf)
  const gone = new Map<string, string>()
  for (const r of files.replaced) if (counts(r.by)) gone.set(groupKey(r), r.by)
  const logCounts = t.layout === 1 ? null : counts
  const completedAt = completions(t, files.archived)
  const out: (readonly Slice<B, L>[])[] = []
  for (const [key, group] of groupsOf(t, files, counts, logCounts, asOf)) {
    const slices = t.layout === 1 ? slicesByName(group, counts) : slicesByCompletion(group, completedAt)
    const by = gone.get(key)
    const left = by === undefined ? slices : slices.filter((s) => s.baseInstant >= by)
    if (left.length > 0) out.push(left)
  }
  return out
}

/** What a snapshot as of `asOf` reads: the newest slice of each file group. */
export function latestSlices<B extends FileVersion, L extends LogVersion>(
  t: Timeline,
  files: TableFiles<B, L>,
  asOf: string | null,
): readonly Slice<B, L>[] {
  return allSlices(t, files, asOf).map((slices) => slices[slices.length - 1])
}

/** What a read-optimized query reads: the newest base file of each file group, without logs. Groups that have none yet are left out. */
export function baseSlices<B, L>(slices: readonly Slice<B, L>[]): readonly Slice<B, L>[] {
  return slices.flatMap((s) => (s.base === null ? [] : [{ ...s, logs: [] }]))
}

function groupsOf<B extends FileVersion, L extends LogVersion>(
  t: Timeline,
  files: TableFiles<B, L>,
  counts: (instant: string) => boolean,
  logCounts: ((instant: string) => boolean) | null,
  asOf: string | null,
): Map<string, Group<B, L>> {
  const groups = new Map<string, Group<B, L>>()
  const groupOf = (f: { readonly partition: string; readonly fileId: string }): Group<B, L> => {
    const key = groupKey(f)
    let group = groups.get(key)
    if (group === undefined) {
      group = { partition: f.partition, fileId: f.fileId, bases: [], logs: [], pending: [] }
      groups.set(key, group)
    }
    return group
  }
  for (const b of files.bases) if (counts(b.instant)) groupOf(b).bases.push(b)
  for (const l of files.logs) if (logCounts === null || logCounts(l.instant)) groupOf(l).logs.push(l)
  const pending = new Set(pendingInstants(t).map((i) => i.time))
  for (const c of files.compactions) {
    const group = groups.get(groupKey(c))
    if (group !== undefined && pending.has(c.by) && (asOf === null || c.by <= asOf)) group.pending.push(c.by)
  }
  for (const g of groups.values()) {
    g.bases.sort((a, b) => compare(a.instant, b.instant))
    g.pending.sort()
  }
  return groups
}

/** Layout 1. */
function slicesByName<B extends FileVersion, L extends LogVersion>(
  group: Group<B, L>,
  counts: (instant: string) => boolean,
): Slice<B, L>[] {
  const { partition, fileId, pending } = group
  const out: { partition: string; fileId: string; baseInstant: string; base: B | null; logs: L[] }[] = []
  const named = Map.groupBy(group.logs, (l) => l.instant)
  for (const logs of named.values()) logs.sort(byVersion)
  const bases = newestPerInstant(group.bases)
  const starts = new Set([...bases.keys(), ...[...named.keys()].filter((i) => counts(i) && !pending.includes(i))])
  for (const baseInstant of [...starts].sort()) {
    // Without a base file a slice is the first of its group. Later ones that have none are what a rolled back compaction left: its base file
    // went, and the logs on top of it, rolled back before, stayed. Where old instants are archived they cannot be told from archived ones.
    if (!bases.has(baseInstant) && out.length > 0) continue
    out.push({ partition, fileId, baseInstant, base: bases.get(baseInstant) ?? null, logs: named.get(baseInstant) ?? [] })
  }
  for (const c of pending) {
    const logs = named.get(c) ?? []
    const before = out.findLast((s) => s.baseInstant < c)
    if (before !== undefined) before.logs = [...before.logs, ...logs]
    else if (logs.length > 0) out.unshift({ partition, fileId, baseInstant: c, base: null, logs })
  }
  return out
}

/** Layout 2. */
function slicesByCompletion<B extends FileVersion, L extends LogVersion>(
  group: Group<B, L>,
  completedAt: (instant: string) => string,
): Slice<B, L>[] {
  const { partition, fileId } = group
  const logs = group.logs.sort((a, b) => compare(completedAt(a.instant), completedAt(b.instant)) || byVersion(a, b))
  const out: { partition: string; fileId: string; baseInstant: string; base: B | null; logs: L[] }[] = []
  for (const [baseInstant, base] of newestPerInstant(group.bases)) out.push({ partition, fileId, baseInstant, base, logs: [] })
  for (const log of logs) {
    // A pending compaction starts a slice too, but is read with the one before it: so its logs go there.
    let slice = out.findLast((s) => s.baseInstant <= completedAt(log.instant))
    if (slice === undefined) {
      slice = { partition, fileId, baseInstant: log.instant, base: null, logs: [] }
      out.unshift(slice)
    }
    slice.logs.push(log)
  }
  return out
}

/** Of two base files of one instant (a task that was tried twice) the later token's stays; commits name only one, strays are swept. */
function newestPerInstant<B extends FileVersion>(bases: readonly B[]): Map<string, B> {
  return new Map(bases.map((b) => [b.instant, b]))
}

function completions(t: Timeline, archived: ReadonlyMap<string, string> | undefined): (instant: string) => string {
  const known = new Map(completedWrites(t, null).map((i) => [i.time, effectiveTime(i)]))
  return (instant) => known.get(instant) ?? archived?.get(instant) ?? instant
}

function byVersion(a: LogVersion, b: LogVersion): number {
  return a.version - b.version || compare(a.token, b.token) || compare(a.instant, b.instant)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function groupKey(g: { readonly partition: string; readonly fileId: string }): string {
  return `${g.partition}/${g.fileId}`
}
