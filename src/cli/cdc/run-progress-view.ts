import type { RunProgress, SnapshotTable } from '../../observe/run-progress.ts'
import { bytes, count, duration } from '../terminal/quantity.ts'
import type { LakeServicesDone } from './run-lake.ts'

const BAR = 20

/** The live block: one line per table of the snapshot, then one for the stream. */
export function progressBlock(progress: RunProgress, nowMs: number): string[] {
  const tables = [...progress.tables.values()].filter((t) => !t.done)
  const width = Math.max(0, ...tables.map((t) => t.table.length))
  const snapshot = tables.map((t, i) => `${i === 0 ? 'snapshot' : '        '}  ${t.table.padEnd(width)}  ${bar(t)}`)
  return [...snapshot, `stream    ${streamText(progress, nowMs)}`]
}

/** One line, for logs that are not a terminal. */
export function progressLine(progress: RunProgress, nowMs: number): string {
  const open = [...progress.tables.values()].find((t) => !t.done)
  if (open !== undefined) return `snapshot  ${open.table}  ${counts(open)}`
  return `stream    ${streamText(progress, nowMs)}`
}

/** The line that stays when a table of the snapshot is done. */
export function tableDoneLine(t: SnapshotTable): string {
  // A small table is told of once, when it is done: nobody saw it begin.
  const took = t.tookMs === 0 ? '' : ` in ${duration(t.tookMs)}`
  return `snapshot  ${t.table}  done  ${count(t.rows)} rows${took}`
}

/** What the services of a table did. */
export function serviceLine(path: string, done: LakeServicesDone): string {
  const parts = [
    done.compacted > 0 ? `${count(done.compacted)} file groups compacted` : null,
    done.logsCompacted > 0 ? `logs of ${count(done.logsCompacted)} file groups put together` : null,
    done.buckets !== null ? `spread over ${count(done.buckets)} buckets` : null,
    done.clustered > 0 && done.buckets === null ? `${count(done.clustered)} file groups sorted` : null,
    done.filesCleaned > 0 ? `${count(done.filesCleaned)} files cleaned` : null,
    done.instantsArchived > 0 ? `${count(done.instantsArchived)} instants archived` : null,
  ]
  return `services  ${path}: ${parts.filter((p) => p !== null).join(', ')}`
}

function bar(t: SnapshotTable): string {
  if (t.estimate <= 0) return counts(t)
  const filled = Math.min(BAR, Math.round((t.rows / t.estimate) * BAR))
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}  ${counts(t)}`
}

function counts(t: SnapshotTable): string {
  const parts = [t.estimate > 0 ? `${count(t.rows)} / ${count(t.estimate)} rows` : `${count(t.rows)} rows`]
  if (t.estimate > 0) parts.push(`${Math.min(99, Math.floor((100 * t.rows) / t.estimate))}%`)
  if (t.rowsPerSecond > 0) parts.push(`${count(t.rowsPerSecond)}/s`)
  if (t.etaSeconds >= 0) parts.push(`ETA ${duration(t.etaSeconds * 1000)}`)
  return parts.join('  ')
}

function streamText(progress: RunProgress, nowMs: number): string {
  const lag = progress.lagMs()
  const parts = [
    lag === null ? null : `lag ${duration(Math.max(0, lag))}`,
    `${count(progress.changesPerSecond(nowMs))} changes/s`,
    `log ${bytes(progress.bytes)}`,
    progress.commit === null ? null : `at ${progress.commit}`,
  ]
  const commit = progress.lastCommit
  if (commit !== null) parts.push(`commit ${commit.instant} (${commit.path}, ${count(commit.records)} changes, ${duration(commit.tookMs)})`)
  return parts.filter((p) => p !== null).join(' · ')
}
