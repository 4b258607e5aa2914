import { instantToMs } from '../../../timeline/instant.ts'
import { pendingInstants } from '../../../timeline/view.ts'
import type { FileSlice } from '../../contract/slice.ts'
import { fileSlices } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { type Compacted, type CompactionDeps, compactable, compactSlices, logBytesOf, resumeCompactions } from './compaction.ts'

/** When the logs of a file group are merged into its base file. Any of the rules is enough. */
export interface CompactionPolicy {
  /** So many log files, if they come to `leastShare` of the base file. */
  readonly logs: number
  readonly leastShare: number
  /** So many log files, however small: readers open each of them. */
  readonly mostLogs: number
  /** Log files as large as this share of the base file, however few. A group without a base file has any share. */
  readonly share: number
  /** The oldest log file (in version 6, whose logs are named after their slice: the base file) is older than this; null: no matter. */
  readonly ageMs: number | null
}

/**
 * A rewrite of a base file costs the same whatever the logs bring, and reading beside a few small logs costs next to nothing: so ten logs are not enough
 * while they are small against it.
 */
export const DEFAULT_COMPACTION: CompactionPolicy = { logs: 10, leastShare: 0.1, mostLogs: 100, share: 0.5, ageMs: null }

/** Whether a slice is due by the policy. */
export function isDue(s: FileSlice, policy: CompactionPolicy, nowMs: number): boolean {
  if (s.logs.length === 0) return false
  const share = s.base === null ? Number.POSITIVE_INFINITY : logBytesOf(s) / s.base.bytes
  if (s.logs.length >= policy.mostLogs || share >= policy.share || (s.logs.length >= policy.logs && share >= policy.leastShare)) return true
  return policy.ageMs !== null && ageOfLogs(s, nowMs) >= policy.ageMs
}

/** Age in ms of the oldest log file of a slice (in version 6, whose logs are named after their slice, of its base file); -Infinity: it has none. */
export function ageOfLogs(s: FileSlice, nowMs: number): number {
  const times = s.logs.map((l) => instantToMs(l.instant)).filter((t) => t !== null)
  return nowMs - Math.min(...times)
}

/**
 * Compaction of one table on the way, called between the commits of its writer. The first call carries out what a dead process left pending. Later
 * ones cost nothing until something is due: what is there the slices in memory tell, or, while they are not known, the number of delta commits.
 */
export class Compactor {
  readonly #policy: CompactionPolicy
  readonly #deps: CompactionDeps
  #resumed = false
  /** Newest delta commit that was looked at while the slices were not in memory. */
  #looked = ''
  /** When that was, in ms. */
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(policy: CompactionPolicy, deps: CompactionDeps) {
    this.#policy = policy
    this.#deps = deps
  }

  /** `ts`: the timeline as the table's writer knows it just after a commit, or after it was opened. Returns what was compacted. */
  async run(ts: TimelineStore): Promise<readonly Compacted[]> {
    const out: Compacted[] = []
    if (!this.#resumed) {
      await ts.refresh()
      out.push(...(await resumeCompactions(ts, this.#deps)))
      this.#resumed = true
    }
    if (ts.slices === null && !this.#worthALook(ts)) return out
    // In layout 1 logs of an open delta commit are named after the old base file.
    if (ts.layout === 1 && pendingInstants(ts.timeline).some((i) => i.action === 'deltacommit')) return out
    const now = ts.clock.now()
    const due = (await fileSlices(ts, null)).filter((s) => isDue(s, this.#policy, now))
    if (due.length === 0) return out
    const wanted = new Set(due.map((s) => `${s.partition}/${s.fileId}`))
    const free = (await compactable(ts)).filter((s) => wanted.has(`${s.partition}/${s.fileId}`))
    return [...out, ...(await compactSlices(ts, free, this.#deps))]
  }

  /** Enough delta commits, or time, since the last look that some group may be due. */
  #worthALook(ts: TimelineStore): boolean {
    const { ageMs } = this.#policy
    if (ageMs !== null && ts.clock.now() - this.#lookedMs >= ageMs) {
      this.#lookedMs = ts.clock.now()
      return true
    }
    const since = ts.timeline.instants.filter((i) => i.action === 'deltacommit' && i.state === 'completed' && i.time > this.#looked)
    if (since.length < this.#policy.logs) return false
    this.#looked = since[since.length - 1].time
    return true
  }
}
