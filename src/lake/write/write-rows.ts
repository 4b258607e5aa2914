import type { LakeColumn } from '../../contract/columns.ts'
import { UnitRows } from '../merge/changed-rows.ts'
import type { BaseGroup, Edits, Inserts } from '../merge/join.ts'
import type { Outcomes } from '../merge/outcomes.ts'
import type { RescuedRows } from '../merge/rescue.ts'
import type { BaseFileWriter } from './base-file.ts'

/**
 * The rows of a new base file: those of `base` with their edits, row group by row group, then the inserted ones. Few inserts
 * join the last row group, so that many small flushes don't leave many small row groups.
 */
export async function writeRows(
  writer: BaseFileWriter,
  base: BaseGroup | null,
  columns: readonly LakeColumn[],
  outcomes: Outcomes,
  edits: Edits | null,
  inserts: Inserts | null,
  rescued: RescuedRows | null,
): Promise<void> {
  const entries = inserts?.entry.view() ?? new Int32Array(0)
  const ordinals = inserts === null || outcomes.net === null ? null : inserts.ordinal.view()
  const perRow = bytesPerEntry(outcomes)
  const perGroup = writer.rowsPerGroup(perRow, entries.length)
  let left = 0
  if (base !== null) {
    const groups = base.file.meta.rowGroups
    const last = groups.findLastIndex((g) => g.rows > 0)
    const joins = entries.length > 0 && last >= 0 && writer.fitsOneGroup(perRow, groups[last].rows + entries.length)
    let at = 0
    for (let g = 0; g < groups.length; g++) {
      const from = at
      while (edits !== null && at < edits.row.length && edits.rowGroup.at(at) === g) at++
      const appended = joins && g === last ? entries : null
      if (from === at && appended === null) await writer.copyRowGroup(g)
      else await mergeOne(writer, g, columns, outcomes, edits, from, at, appended, ordinals, rescued)
    }
    if (joins) left = entries.length
  }
  for (; left < entries.length; left += perGroup) {
    const end = Math.min(entries.length, left + perGroup)
    await writer.insertRows(new UnitRows(outcomes, columns, entries.slice(left, end), 0, ordinals?.slice(left, end) ?? null, rescued))
  }
}

async function mergeOne(
  writer: BaseFileWriter,
  g: number,
  columns: readonly LakeColumn[],
  outcomes: Outcomes,
  edits: Edits | null,
  from: number,
  to: number,
  appended: Int32Array | null,
  ordinals: Int32Array | null,
  rescued: RescuedRows | null,
): Promise<void> {
  const n = to - from
  const row = new Int32Array(n)
  const changed = new Int32Array(n)
  const entry = new Int32Array(n + (appended?.length ?? 0))
  let updates = 0
  for (let i = 0; i < n; i++) {
    row[i] = edits!.row.at(from + i)
    const j = edits!.entry.at(from + i)
    changed[i] = j < 0 ? -1 : updates
    if (j >= 0) entry[updates++] = j
  }
  if (appended !== null) entry.set(appended, updates)
  const used = entry.subarray(0, updates + (appended?.length ?? 0))
  const rows = used.length === 0 ? null : new UnitRows(outcomes, columns, used, updates, appended === null ? null : ordinals, rescued)
  await writer.mergeRowGroup(g, { row, changed, rows }, updates)
}

function bytesPerEntry(outcomes: Outcomes): number {
  let bytes = 0
  for (const c of outcomes.unit.chunks) bytes += c.bytes
  return outcomes.unit.count === 0 ? 1 : bytes / outcomes.unit.count
}
