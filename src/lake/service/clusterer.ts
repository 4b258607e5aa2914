import { formatInstant, instantToMs } from '../../../timeline/instant.ts'
import { pendingInstants } from '../../../timeline/view.ts'
import { isFailure } from '../../failure/failure.ts'
import { columnsAt } from '../open-table.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { type Clustered, cluster, DEFAULT_CLUSTERING, resumeClusterings } from './clustering.ts'
import type { CompactionDeps } from './compaction.ts'
import { dueBuckets } from './rebucket.ts'
import { sortColumns } from './sort-rows.ts'

/** How a table's file groups are kept in order. */
export interface SortingPolicy {
  /** Columns to sort by. */
  readonly sort: readonly string[]
  /** Time between two clusterings. */
  readonly everyMs: number
}

/**
 * Size of the base files of a bucket that is wanted: when they are twice as large on average (in the fullest partition), the table gets twice as many
 * buckets, or four times …
 */
export const BUCKET_BYTES = 100 << 20

/** A sort rewrites what has changed since the last one: a day's changes at a time. */
export const CLUSTER_EVERY_MS = 24 * 3_600_000

/** Property of a table: instant up to which its file groups have been sorted, or from which on the time to the first clustering counts. */
export const CLUSTERED = 'tributary.clustered'

/** While one of these is open, file groups are not all there, or not free. */
const BUSY: ReadonlySet<string> = new Set(['commit', 'deltacommit', 'replacecommit', 'clustering', 'compaction', 'logcompaction'])

/** Null: not done. */
export interface ClustererPolicy {
  readonly sorting: SortingPolicy | null
  /** Bytes of a base file that are wanted, see BUCKET_BYTES. */
  readonly bucketBytes: number | null
}

/**
 * Clustering of one table on the way, called between the commits of its writer: a table whose buckets have outgrown their size gets more of them, and once in
 * `everyMs` the file groups that were written to since the last time are sorted anew. The first call carries out what a dead process left pending; others cost
 * nothing until something is due.
 */
export class Clusterer {
  readonly #policy: ClustererPolicy
  readonly #deps: CompactionDeps
  #resumed = false
  /** The table does not have the columns (any more). */
  #unsortable = false

  constructor(policy: ClustererPolicy, deps: CompactionDeps) {
    this.#policy = policy
    this.#deps = deps
  }

  /** `ts`: the timeline as the table's writer knows it just after a commit, or after it was opened. Returns what was done. */
  async run(ts: TimelineStore): Promise<readonly Clustered[]> {
    const out: Clustered[] = []
    if (!this.#resumed) {
      // Whoever has just looked, or written alone, knows what is pending.
      if (this.#deps.sharing != null || ts.timeline.instants.length === 0) await ts.refresh()
      out.push(...(await this.#resume(ts)))
      this.#resumed = true
    }
    const { sorting, bucketBytes } = this.#policy
    if (pendingInstants(ts.timeline).some((i) => BUSY.has(i.action))) return out
    const buckets = bucketBytes === null ? null : dueBuckets(ts, bucketBytes)
    if (buckets !== null) {
      await ts.refresh()
      const sort = sorting !== null && (await this.#canSort(ts, sorting.sort)) ? sorting.sort : []
      const done = await cluster(ts, { ...DEFAULT_CLUSTERING, sort, buckets }, this.#deps)
      return done === null ? out : [...out, done]
    }
    const sorted = sorting === null || this.#unsortable ? null : await this.#sort(ts, sorting)
    return sorted === null ? out : [...out, sorted]
  }

  async #sort(ts: TimelineStore, policy: SortingPolicy): Promise<Clustered | null> {
    const since = ts.configuration.get(CLUSTERED) ?? null
    const now = ts.clock.now()
    if (since === null) {
      await ts.updateProperties((p) => p.set(CLUSTERED, formatInstant(now)))
      await ts.properties()
      return null
    }
    if (now - (instantToMs(since) ?? 0) < policy.everyMs) return null
    await ts.refresh()
    if (!(await this.#canSort(ts, policy.sort))) return null
    // Rows that come while it is at work belong to the next time.
    const until = ts.nextTime()
    const done = await cluster(ts, { ...DEFAULT_CLUSTERING, sort: policy.sort, since }, this.#deps)
    await ts.updateProperties((p) => p.set(CLUSTERED, done?.instant ?? until))
    await ts.properties()
    return done
  }

  async #resume(ts: TimelineStore): Promise<readonly Clustered[]> {
    try {
      return await resumeClusterings(ts, this.#deps)
    } catch (e) {
      // Somebody else is at work on it.
      if (isFailure(e, 'TRB-LAKE-012')) return []
      throw e
    }
  }

  /** A column may have been dropped, or never been there: the table's rows are written all the same. */
  async #canSort(ts: TimelineStore, sort: readonly string[]): Promise<boolean> {
    try {
      sortColumns(ts.table, (await columnsAt(ts, null)) ?? [], sort)
      return true
    } catch (e) {
      if (!isFailure(e, 'TRB-LAKE-091')) throw e
      this.#unsortable = true
      ts.onNotice?.(`${ts.table}: not clustered: ${e.message}`)
      return false
    }
  }
}
