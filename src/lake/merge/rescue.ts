import type { LakeColumn, Vector } from '../../contract/columns.ts'
import { toVector } from '../../format/parquet/column.ts'
import { gather, nullColumn } from './gather.ts'
import { IntList } from './int-list.ts'
import type { BaseGroup, Edits, Inserts, StoredRows } from './join.ts'
import { NOWHERE, type Outcomes, STORED } from './outcomes.ts'

/**
 * Stored rows whose values are needed at another place than their own: a row that moves to another partition or whose key changes, while the
 * source's log does not repeat its large values.
 */
export interface RescuedRows {
  /** Row of `columns` by key number; −1 not rescued. */
  readonly rowOf: Int32Array
  readonly columns: readonly Vector[]
}

/** Reads those rows; null: none are needed. `columns` are the columns that chunks have. */
export async function rescue(
  outcomes: Outcomes,
  groups: readonly BaseGroup[],
  edits: readonly Edits[],
  inserts: readonly Inserts[],
  stored: StoredRows | null,
  columns: readonly LakeColumn[],
): Promise<RescuedRows | null> {
  if (stored === null) return null
  const lacking = columns.flatMap((_, c) => (outcomes.lacks(c) ? [c] : []))
  const rowOf = new Int32Array(outcomes.keys.size).fill(-1)
  const wanted = new IntList()
  const want = (j: number, inPlace: boolean): void => {
    for (const c of lacking) {
      const from = outcomes.origin(c, j)
      if (from >= NOWHERE) continue
      const k = STORED - from
      if (stored.group[k] < 0 || rowOf[k] >= 0 || (inPlace && k === outcomes.keyOf[j])) continue
      rowOf[k] = wanted.length
      wanted.push(k)
    }
  }
  for (const e of edits) for (const j of e.entry.view()) if (j >= 0) want(j, true)
  for (const i of inserts) for (const j of i.entry.view()) want(j, false)
  if (wanted.length === 0) return null
  const out: Vector[] = []
  for (const column of columns) out.push(await storedValues(column, wanted.view(), groups, stored))
  return { rowOf, columns: out }
}

/** The column's values in the stored rows of keys `wanted`, row group by row group. */
async function storedValues(column: LakeColumn, wanted: Int32Array, groups: readonly BaseGroup[], stored: StoredRows): Promise<Vector> {
  const n = wanted.length
  const sources = []
  const number = new Map<string, number>()
  const source = new Int32Array(n)
  const row = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const k = wanted[i]
    const place = `${stored.group[k]}/${stored.rowGroup[k]}`
    let at = number.get(place)
    if (at === undefined) {
      const { file } = groups[stored.group[k]]
      const found = await file.read(stored.rowGroup[k], column.name, column.type)
      at = sources.push(found ?? nullColumn(column.type, file.meta.rowGroups[stored.rowGroup[k]].rows)) - 1
      number.set(place, at)
    }
    source[i] = at
    row[i] = stored.row[k]
  }
  return toVector(gather(column.type, sources, { source, row, count: n }))
}
