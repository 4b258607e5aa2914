import { DEFAULT_COMPACTION } from '../../lake/service/compactor.ts'
import type { LakePolicy } from './run-lake.ts'

/** What the flags say of the services that run between commits; 0 turns one off. */
export interface ServiceSettings {
  /** `--compact-logs` and `--compact-share` (percent). */
  readonly compactLogs: number
  readonly compactShare: number
  /** `--keep-history`, in ms. */
  readonly keepHistoryMs: number
  readonly keepCommits: number
}

/** Commits that gather beyond `--keep-commits` before they are archived together: an archival reads and writes once for all of them. */
const ARCHIVE_TOGETHER = 10
const HOUR_MS = 3_600_000

/** For the lake thread: the other one need not load the lake's code. */
export function lakePolicy({ compactLogs, compactShare, keepHistoryMs, keepCommits }: ServiceSettings): LakePolicy {
  return {
    compaction: compactLogs === 0 ? null : { ...DEFAULT_COMPACTION, logs: compactLogs, share: compactShare / 100 },
    clean: keepHistoryMs === 0 ? null : { kind: 'hours', retain: keepHistoryMs / HOUR_MS },
    archive: keepCommits === 0 ? null : { min: keepCommits, max: keepCommits + ARCHIVE_TOGETHER },
  }
}
