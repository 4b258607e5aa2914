import { tablePath } from '../../lake/layout/paths.ts'
import type { SortingPolicy } from '../../lake/service/clusterer.ts'
import { DEFAULT_COMPACTION } from '../../lake/service/compactor.ts'
import type { LakePolicy } from './run-lake.ts'
import type { Sorting } from './run-sorting.ts'

/** What the flags say of the services that run between commits; 0 turns one off. */
export interface ServiceSettings {
  /** `--compact-logs` and `--compact-share` (percent). */
  readonly compactLogs: number
  readonly compactShare: number
  /** `--compact-age`, in ms; absent or 0: no matter. */
  readonly compactAgeMs?: number
  /** `--compact-log-files`. */
  readonly compactLogFiles: number
  /** `--cluster-sort`, by `schema.table`, and `--cluster-every`, in ms. */
  readonly clusterSort: Sorting
  readonly clusterEveryMs: number
  /** `--bucket-size`, in bytes. */
  readonly bucketBytes: number
  /** `--keep-history`, in ms. */
  readonly keepHistoryMs: number
  readonly keepCommits: number
}

/** Commits that gather beyond `--keep-commits` before they are archived together: an archival reads and writes once for all of them. */
const ARCHIVE_TOGETHER = 10
const HOUR_MS = 3_600_000

/** For the lake thread: the other one need not load the lake's code. */
export function lakePolicy(settings: ServiceSettings): LakePolicy {
  const { compactLogs, compactShare, compactLogFiles, clusterSort, clusterEveryMs, bucketBytes, keepHistoryMs, keepCommits } = settings
  const sorted = new Map(Object.entries(clusterSort).map(([name, sort]) => [pathEnd(name), { sort, everyMs: clusterEveryMs }]))
  const sortingOf = (path: string): SortingPolicy | null => {
    for (const [end, sorting] of sorted) if (path === end || path.endsWith(`/${end}`)) return sorting
    return null
  }
  const ageMs = (settings.compactAgeMs ?? 0) === 0 ? null : settings.compactAgeMs!
  return {
    logCompaction: compactLogFiles === 0 ? null : { logFiles: compactLogFiles },
    clustering: (path) => ({ sorting: clusterEveryMs === 0 ? null : sortingOf(path), bucketBytes: bucketBytes === 0 ? null : bucketBytes }),
    compaction: compactLogs === 0 ? null : { ...DEFAULT_COMPACTION, logs: compactLogs, share: compactShare / 100, ageMs },
    clean: keepHistoryMs === 0 ? null : { kind: 'hours', retain: keepHistoryMs / HOUR_MS },
    archive: keepCommits === 0 ? null : { min: keepCommits, max: keepCommits + ARCHIVE_TOGETHER },
  }
}

/** How the path of the table in the lake ends. */
function pathEnd(name: string): string {
  const dot = name.indexOf('.')
  return tablePath('', name.slice(0, dot), name.slice(dot + 1))
}
