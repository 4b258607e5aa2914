import type { BytesVector, Vector } from '../../contract/columns.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import { assert } from '../../failure/failure.ts'
import { selectRows } from './base-rows.ts'

/** A range of commits: after `from`, up to and including `to` (null: the newest). */
export interface CommitRange {
  readonly from: string
  readonly to: string | null
  /**
   * `shown`: of merge-on-read tables only what the range wrote is merged, as Spark does: a row that lost against an older commit's greater ordering
   * value is among the answer, and two ranges put together differ from the range over both. Absent: rows of the state at the end of the range.
   */
  readonly lost?: 'shown'
}

/**
 * What an incremental read looks at in a slice: a base file only when it may hold rows that were written in the range, and its logs (of which only
 * blocks written in the range are read). So a row that lost against an older stored one is shown, as Spark shows it: it was written in the range.
 * `mayHold`: whether a base file of an instant may. Null: nothing.
 */
export function sliceInRange(slice: FileSlice, mayHold: (instant: string) => boolean): FileSlice | null {
  const base = slice.base !== null && mayHold(slice.base.instant) ? slice.base : null
  return base === null && slice.logs.length === 0 ? null : { ...slice, base }
}

/** What is asked of a slice for the rows of its state at the end of a range: nothing when the range wrote neither its base file nor a log. */
export function writtenInRange(
  slice: FileSlice,
  inRange: (instant: string) => boolean,
  mayHold: (instant: string) => boolean,
  layout: 1 | 2,
): boolean {
  if (slice.base !== null && mayHold(slice.base.instant)) return true
  // In layout 1 the name of a log tells the slice, not the write.
  return layout === 1 ? slice.logs.length > 0 : slice.logs.some((l) => inRange(l.instant))
}

/** Rows whose commit counts; `chunk` has `_hoodie_commit_time` as its first column. Null: none. */
export function rowsOfCommits(chunk: RowChunk, counts: (commit: string) => boolean): RowChunk | null {
  const row = new Int32Array(chunk.count)
  const commits = commitTimes(chunk.vectors[0])
  let n = 0
  let last = ''
  let keep = false
  for (let i = 0; i < chunk.count; i++) {
    if (!sameBytes(commits, i, i - 1) || i === 0) {
      last = commits.data.toString('latin1', commits.offsets[i], commits.offsets[i + 1])
      keep = counts(last)
    }
    if (keep) row[n++] = i
  }
  if (n === 0) return null
  return n === chunk.count ? chunk : selectRows(chunk, row.subarray(0, n))
}

function commitTimes(v: Vector): BytesVector {
  assert(v.kind === 'bytes', 'the first column of a scan is the commit time')
  return v
}

/** Whether rows i and j hold the same bytes; false for j < 0. */
function sameBytes(v: BytesVector, i: number, j: number): boolean {
  if (j < 0) return false
  const a = v.offsets[i]
  const b = v.offsets[j]
  const length = v.offsets[i + 1] - a
  if (length !== v.offsets[j + 1] - b) return false
  for (let k = length - 1; k >= 0; k--) if (v.data[a + k] !== v.data[b + k]) return false
  return true
}
