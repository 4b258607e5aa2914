import { pendingInstants } from '../../../timeline/view.ts'
import type { FileSlice } from '../../contract/slice.ts'
import { fileSlices } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import type { Compacted, CompactionDeps } from './compaction.ts'
import { compactLogs, resumeLogCompactions } from './log-compaction.ts'

/** When the log files of a file group that is not due for a compaction become one log file. */
export interface LogCompactionPolicy {
  /** So many since the last time. */
  readonly logFiles: number
}

/**
 * Where log files stay small beside their base file, a reader has up to a hundred of them to open before a compaction is worth it. Thirty are read in about
 * the time of a scan, and putting them together costs a flush of their rows.
 */
export const DEFAULT_LOG_COMPACTION: LogCompactionPolicy = { logFiles: 30 }

/**
 * Log compaction of one table on the way, called between the commits of its writer, after the compactor. The first call carries out what a dead process
 * left pending. Later ones cost nothing until something is due: they look at the slices in memory only.
 */
export class LogCompactor {
  readonly #policy: LogCompactionPolicy
  readonly #deps: CompactionDeps
  /** Newest log file, by group, that was there when its logs were put together, or could not be. */
  readonly #until = new Map<string, string>()
  #resumed = false

  constructor(policy: LogCompactionPolicy, deps: CompactionDeps) {
    this.#policy = policy
    this.#deps = deps
  }

  /** `ts`: the timeline as the table's writer knows it just after a commit, or after it was opened. Returns what was compacted. */
  async run(ts: TimelineStore): Promise<readonly Compacted[]> {
    const out: Compacted[] = []
    if (!this.#resumed) {
      // Whoever has just looked, or written alone, knows what is pending.
      if (this.#deps.sharing != null || ts.timeline.instants.length === 0) await ts.refresh()
      out.push(...(await resumeLogCompactions(ts, this.#deps)))
      await this.#remember(ts)
      this.#resumed = true
    }
    if (ts.slices === null) return out
    // In layout 1 logs of an open delta commit would come between.
    if (ts.layout === 1 && pendingInstants(ts.timeline).some((i) => i.action === 'deltacommit')) return out
    const due = (await fileSlices(ts, null)).filter((s) => this.#since(s) >= this.#policy.logFiles)
    if (due.length === 0) return out
    for (const s of due) this.#until.set(groupOf(s), s.logs.at(-1)!.name)
    return [...out, ...(await compactLogs(ts, due, this.#deps))]
  }

  /** Log files since the last time. */
  #since(s: FileSlice): number {
    const until = this.#until.get(groupOf(s))
    return s.logs.length - 1 - (until === undefined ? -1 : s.logs.findIndex((l) => l.name === until))
  }

  /** What log compactions of the active timeline wrote: a group whose last one is archived is worked on again, once. */
  async #remember(ts: TimelineStore): Promise<void> {
    for (const i of ts.timeline.instants) {
      // In layout 1 a completed one is a deltacommit to the timeline: its operation tells.
      if (i.state !== 'completed' || (i.action !== 'deltacommit' && i.action !== 'logcompaction')) continue
      const metadata = await ts.commit(i.time, i.action)
      if (metadata.operation !== 'LOG_COMPACT') continue
      for (const [partition, stats] of metadata.stats) {
        for (const s of stats) if (s.path !== null) this.#until.set(`${partition}/${s.fileId}`, s.path.slice(s.path.lastIndexOf('/') + 1))
      }
    }
  }
}

function groupOf(s: FileSlice): string {
  return `${s.partition}/${s.fileId}`
}
