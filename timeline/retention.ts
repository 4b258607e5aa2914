import { formatInstant } from './instant.ts'
import type { Timeline } from './timeline.ts'
import { completedWrites, pendingInstants, type ReplacedGroup } from './view.ts'

/**
 * How much of a table's past is kept. commits: every state from the `retain`-th newest write on. hours: every state of the last `retain` hours.
 * versions: the newest `retain` slices of each file group, whatever they are of.
 */
export interface CleanPolicy {
  readonly kind: 'commits' | 'hours' | 'versions'
  readonly retain: number
}

/** One version of a file group: a base file (or none yet) and its logs. */
export interface SliceVersion {
  readonly partition: string
  readonly fileId: string
  readonly baseInstant: string
  /** Names of its files, without directory. */
  readonly files: readonly string[]
}

/** They rewrite rows and change none. */
const SERVICES: ReadonlySet<string> = new Set(['compaction', 'logcompaction', 'clustering'])

/** What besides the policy must stay. */
export interface Needed {
  /** Times whose state must stay readable: savepoints, and whatever else somebody reads at. */
  readonly moments: readonly string[]
  /** `partition/name` of files that a savepoint or the plan of a pending instant names. */
  readonly files: ReadonlySet<string>
}

/**
 * The moment from which on every state stays readable; it need not be an instant. Null: nothing is due by time (a policy of versions, or too few writes).
 * Never later than a pending instant: whoever writes it may still read what was there when it began; nor, where a
 * compaction or clustering came last, than the newest write of rows: the same rows, but what names the write (a watermark) is read at its own time.
 */
export function retainedFrom(t: Timeline, policy: CleanPolicy, nowMs: number): string | null {
  const from = wantedFrom(t, policy, nowMs)
  if (from === null) return null
  const pending = pendingInstants(t).find((i) => i.action !== 'savepoint' && i.action !== 'clean')?.time
  const rows = SERVICES.has(completedWrites(t, null).at(-1)?.action ?? 'commit')
    ? completedWrites(t, null).findLast((i) => !SERVICES.has(i.action))?.time
    : undefined
  return [from, pending, rows].reduce<string>((min, time) => (time !== undefined && time < min ? time : min), from)
}

function wantedFrom(t: Timeline, policy: CleanPolicy, nowMs: number): string | null {
  if (policy.kind === 'versions') return null
  if (policy.kind === 'hours') return formatInstant(nowMs - policy.retain * 3_600_000)
  const writes = completedWrites(t, null)
  return writes.length > policy.retain ? writes[writes.length - policy.retain].time : null
}

/**
 * The slices that may go. `slices` are those of completed instants only, of all file groups. Invariant I7: every state at a moment ≥ `from`, and at
 * each needed moment, keeps the slices that it is made of; so does the newest state, and the one just before `from`, which a long query may be reading.
 */
export function dueSlices<S extends SliceVersion>(
  slices: Iterable<S>,
  replaced: Iterable<ReplacedGroup>,
  from: string | null,
  policy: CleanPolicy,
  needed: Needed,
): readonly S[] {
  const gone = new Map<string, string>()
  for (const r of replaced) {
    const key = groupKey(r)
    const known = gone.get(key)
    if (known === undefined || r.by < known) gone.set(key, r.by)
  }
  const due: S[] = []
  for (const [key, versions] of grouped(slices)) {
    const by = gone.get(key) ?? null
    versions.forEach((s, n) => {
      if (isDue(versions, n, by, from, policy) && !isNeeded(versions, n, by, needed)) due.push(s)
    })
  }
  return due
}

/** `versions` are in order of their instants. `by`: the replacecommit that took the group out, if any. */
function isDue(versions: readonly SliceVersion[], n: number, by: string | null, from: string | null, policy: CleanPolicy): boolean {
  // A group that was taken out and written again under the same id lives on.
  const out = by !== null && versions[n].baseInstant < by
  if (policy.kind === 'versions') return out || n < versions.length - Math.max(1, policy.retain)
  if (from === null) return false
  const next = versions.at(n + 1)
  return (out && by < from) || (next !== undefined && next.baseInstant < from)
}

function isNeeded(versions: readonly SliceVersion[], n: number, by: string | null, needed: Needed): boolean {
  const { partition, baseInstant, files } = versions[n]
  if (files.some((name) => needed.files.has(`${partition}/${name}`))) return true
  const next = versions.at(n + 1)?.baseInstant ?? null
  const last = (moment: string): boolean => baseInstant <= moment && (next === null || next > moment)
  return needed.moments.some((m) => last(m) && !(by !== null && by <= m && baseInstant < by))
}

function grouped<S extends SliceVersion>(slices: Iterable<S>): Map<string, S[]> {
  const groups = new Map<string, S[]>()
  for (const s of slices) {
    const key = groupKey(s)
    const list = groups.get(key)
    if (list === undefined) groups.set(key, [s])
    else list.push(s)
  }
  for (const list of groups.values()) list.sort((a, b) => (a.baseInstant < b.baseInstant ? -1 : a.baseInstant > b.baseInstant ? 1 : 0))
  return groups
}

function groupKey(g: { readonly partition: string; readonly fileId: string }): string {
  return `${g.partition}/${g.fileId}`
}
