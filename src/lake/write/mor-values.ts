import type { LakeColumn, Vector } from '../../contract/columns.ts'
import { type Column, toVector } from '../../format/parquet/column.ts'
import { gather, gatherVector } from '../merge/gather.ts'
import { IntList } from '../merge/int-list.ts'
import type { StoredRows } from '../merge/join.ts'
import { NOWHERE, type Outcomes, STORED } from '../merge/outcomes.ts'
import type { RescuedRows } from '../merge/rescue.ts'
import type { GroupWork } from './mor-plan.ts'
import type { StoredSlice } from './stored-slice.ts'

/** Values that the changes lack, taken from the stored rows of `slices`; null: none are needed. `columns` are those of the table. */
export async function storedValues(
  outcomes: Outcomes,
  works: readonly GroupWork[],
  stored: StoredRows,
  slices: readonly (StoredSlice | null)[],
  columns: readonly LakeColumn[],
): Promise<RescuedRows | null> {
  const lacking = columns.flatMap((_, c) => (outcomes.lacks(c) ? [c] : []))
  const rowOf = new Int32Array(outcomes.keys.size).fill(-1)
  const wanted = new IntList()
  for (const w of works) {
    for (const j of w.data.view()) {
      for (const c of lacking) {
        const from = outcomes.origin(c, j)
        if (from >= NOWHERE) continue
        const k = STORED - from
        if (stored.group[k] < 0 || rowOf[k] >= 0) continue
        rowOf[k] = wanted.length
        wanted.push(k)
      }
    }
  }
  if (wanted.length === 0) return null
  const names = lacking.map((c) => columns[c])
  const places = await valuesByPlace(wanted.view(), stored, slices, names)
  const out: Vector[] = []
  for (const [c, column] of columns.entries()) {
    const at = lacking.indexOf(c)
    if (at < 0) out.push(gatherVector(column.type, [null], { source: null, row: new Int32Array(0), count: 0 }))
    else out.push(toVector(gather(column.type, places.columns[at], { source: places.source, row: places.row, count: wanted.length })))
  }
  return { rowOf, columns: out }
}

/** The wanted rows' values: per column its sources, and for each wanted key the source and row in it. */
async function valuesByPlace(
  keys: Int32Array,
  stored: StoredRows,
  slices: readonly (StoredSlice | null)[],
  columns: readonly LakeColumn[],
): Promise<{ columns: Column[][]; source: Int32Array; row: Int32Array }> {
  const source = new Int32Array(keys.length)
  const row = new Int32Array(keys.length)
  const out: Column[][] = columns.map(() => [])
  let sources = 0
  for (const [n, slice] of slices.entries()) {
    if (slice === null) continue
    const byRowGroup = new Map<number, IntList>()
    for (let i = 0; i < keys.length; i++) {
      if (stored.group[keys[i]] !== n) continue
      const rowGroup = stored.rowGroup[keys[i]]
      const list = byRowGroup.get(rowGroup) ?? new IntList()
      byRowGroup.set(rowGroup, list)
      list.push(i)
    }
    const wanted = new Map([...byRowGroup].map(([g, list]) => [g, list.view().map((i) => stored.row[keys[i]])]))
    if (wanted.size === 0) continue
    const found = await slice.values(columns, wanted)
    for (const [g, list] of byRowGroup) {
      for (const [c, column] of found.get(g)!.entries()) out[c].push(column)
      list.view().forEach((i, at) => {
        source[i] = sources
        row[i] = at
      })
      sources++
    }
  }
  return { columns: out, source, row }
}
