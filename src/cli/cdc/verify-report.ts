import { Failure } from '../../failure/failure.ts'
import type { ComparisonResult } from '../../query/compare.ts'
import type { ReachedState } from '../lake/reach.ts'
import { grid } from '../terminal/grid.ts'
import type { Outcome } from '../verb.ts'
import type { TableReport } from './compare-one.ts'
import { type SlotState, slotReason } from './slot-probe.ts'
import type { SourceSnapshot } from './source-snapshot.ts'

/**
 * The verdict of `cdc verify`. Equal: exit 0. Different at a position that was certainly reached: TRB-QUERY-014 (exit 4). Different, but the lake
 * may only be late: TRB-QUERY-015 (exit 5).
 */
export function verdict(
  reports: readonly TableReport[],
  reached: ReachedState,
  snapshot: SourceSnapshot,
  certainty: 'certain' | SlotState,
): Outcome {
  const differing = reports.filter((r) => r.verdict !== 'equal')
  const rows = reports.reduce((n, r) => n + (r.comparison?.sourceRows ?? 0n), 0n)
  const at = snapshot.lsnText
  const summary =
    differing.length === 0
      ? `${reports.length} tables with ${rows} rows are equal at ${at}`
      : `${differing.length} of ${reports.length} tables differ at ${at}`
  const result = { lsn: at, lakeCommit: reached.commit, certain: certainty === 'certain', rows, tables: reports }
  const text = `${tableText(reports)}${detailText(reports)}\n${differing.length === 0 ? '✓' : '✗'} ${summary}`
  if (differing.length === 0) return { summary, result, text }
  const failure =
    certainty === 'certain'
      ? new Failure('TRB-QUERY-014', { differing: differing.length, tables: reports.length, position: at })
      : new Failure('TRB-QUERY-015', {
          seconds: 'the given',
          target: at,
          reached: reached.commit ?? 'nothing',
          reason: slotReason(certainty),
        })
  return { summary, result, text, failure }
}

function tableText(reports: readonly TableReport[]): string {
  const cells = reports.map((r) => {
    const c = r.comparison
    const digest = c === null ? '-' : c.sourceDigest === c.lakeDigest ? c.sourceDigest : `${c.sourceDigest} / ${c.lakeDigest}`
    return [r.verdict === 'equal' ? '✓' : '✗', `${r.schema}.${r.table}`, count(c?.sourceRows), count(c?.lakeRows), digest, verdictText(r)]
  })
  return grid(['', 'table', 'database', 'lake', 'digest', 'verdict'], cells, ['left', 'left', 'right', 'right', 'left', 'left'])
}

function verdictText(r: TableReport): string {
  const c = r.comparison
  if (r.verdict !== 'different' || c === null) return r.verdict
  const parts: string[] = []
  if (c.missing > 0n || c.extra > 0n) parts.push(`${c.missing} rows only in the database, ${c.extra} only in the lake`)
  if (r.columnsMissing.length > 0) parts.push(`columns not in the lake: ${r.columnsMissing.join(', ')}`)
  return parts.join('; ')
}

function detailText(reports: readonly TableReport[]): string {
  const lines: string[] = []
  for (const r of reports) {
    const name = `${r.schema}.${r.table}`
    if (r.comparison !== null) lines.push(...exampleLines(r.comparison).map((l) => `  ${name} ${l}`))
    if (r.notCompared.length > 0) lines.push(`  ${name} not compared (no common form): ${r.notCompared.join(', ')}`)
  }
  return lines.length === 0 ? '' : `\n${lines.join('\n')}`
}

/** Up to ten lines: rows of one key that differ show the columns that do; others whole, cut to a line. */
function exampleLines(c: ComparisonResult): string[] {
  const keyOf = (row: Row): string => JSON.stringify(c.key.map((k) => row[k]))
  const rows = (side: 'missing' | 'extra'): Row[] => c.examples.filter((e) => e.side === side).map((e) => e.row)
  const extra = new Map(c.key.length === 0 ? [] : rows('extra').map((r) => [keyOf(r), r]))
  const lines: string[] = []
  for (const row of rows('missing')) {
    const other = extra.get(keyOf(row))
    const key = c.key.map((k) => `${k}=${row[k]}`).join(' ')
    if (other === undefined) lines.push(`only in the database: ${shown(row)}`)
    else lines.push(`${key}: ${differences(row, other)}`)
    extra.delete(keyOf(row))
  }
  for (const row of c.key.length === 0 ? rows('extra') : extra.values()) lines.push(`only in the lake: ${shown(row)}`)
  return lines.slice(0, 10)
}

type Row = Readonly<Record<string, string | null>>

function differences(database: Row, lake: Row): string {
  const differing = Object.keys(database).filter((name) => database[name] !== lake[name])
  return differing.map((n) => `${n} is ${value(database[n])} in the database, ${value(lake[n])} in the lake`).join('; ')
}

function shown(row: Row): string {
  return cut(
    Object.entries(row)
      .map(([name, v]) => `${name}=${value(v)}`)
      .join(' '),
    400,
  )
}

function value(v: string | null | undefined): string {
  return v === null || v === undefined ? 'NULL' : cut(JSON.stringify(v), 80)
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`
}

function count(n: bigint | undefined): string {
  return n === undefined ? '-' : n.toString()
}
