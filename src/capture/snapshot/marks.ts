import type { SnapshotMark } from '../../contract/change.ts'

export const MARK_TRUE: SnapshotMark = 1
export const MARK_FIRST: SnapshotMark = 2
export const MARK_FIRST_IN_TABLE: SnapshotMark = 3
export const MARK_LAST_IN_TABLE: SnapshotMark = 4
export const MARK_LAST: SnapshotMark = 5

/**
 * Debezium's mark of a snapshot row when it is read. `first` is only given to the first row of the first table of the order: when that
 * table is empty no row has it (golden replica_identity).
 */
export function markOfRow(rowInTable: number, firstTable: boolean): SnapshotMark {
  if (rowInTable > 0) return MARK_TRUE
  return firstTable ? MARK_FIRST : MARK_FIRST_IN_TABLE
}

/** The mark of a table's last row: last, then first, then last_in_data_collection, then first_in_data_collection (spec §1.2). */
export function markOfLastRow(mark: SnapshotMark, lastTable: boolean): SnapshotMark {
  if (lastTable) return MARK_LAST
  return mark === MARK_FIRST ? MARK_FIRST : MARK_LAST_IN_TABLE
}
