import type { ScanPlan } from '../../contract/table-reader.ts'
import { grid } from '../terminal/grid.ts'
import { sizeText } from '../terminal/units.ts'
import type { Outcome } from '../verb.ts'
import type { StateTable } from './lake-state.ts'

/** `lake query --explain`: the files that the query would read, by table; nothing is read but their footers. */
export function explainPlan(plans: ReadonlyMap<StateTable, ScanPlan>): Outcome {
  const tables = [...plans].map(([t, plan]) => {
    const files = plan.slices.flatMap((s) => [
      ...(s.base === null ? [] : [{ file: s.base.key, kind: 'base', bytes: s.base.bytes, rows: s.base.rows < 0 ? null : s.base.rows }]),
      ...s.logs.map((l) => ({ file: l.key, kind: 'log', bytes: l.bytes, rows: null })),
    ])
    const bytes = files.reduce((n, f) => n + f.bytes, 0)
    return { table: `${t.schema}.${t.table}`, instant: plan.instant, files, bytes, totalFiles: plan.totalFiles }
  })
  const cells = tables.flatMap((t) =>
    t.files.map((f) => [t.table, f.file, f.kind, sizeText(f.bytes), f.rows === null ? '?' : String(f.rows)]),
  )
  const read = tables.reduce((n, t) => n + t.files.length, 0)
  const total = tables.reduce((n, t) => n + t.totalFiles, 0)
  const bytes = tables.reduce((n, t) => n + t.bytes, 0)
  const summary = `would read ${read} of ${total} file${total === 1 ? '' : 's'}, ${sizeText(bytes)}`
  const text = grid(['table', 'file', 'kind', 'size', 'rows'], cells, ['left', 'left', 'left', 'right', 'right'])
  return { summary, result: { tables, files: read, totalFiles: total, bytes }, text: cells.length === 0 ? summary : `${text}\n${summary}` }
}
