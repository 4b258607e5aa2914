import { Failure } from '../../failure/failure.ts'
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
    for (const e of r.comparison?.examples ?? []) {
      lines.push(`  ${name}: only in the ${e.side === 'missing' ? 'database' : 'lake'}: ${JSON.stringify(e.row)}`)
    }
    if (r.notCompared.length > 0) lines.push(`  ${name}: not compared (no common form): ${r.notCompared.join(', ')}`)
  }
  return lines.length === 0 ? '' : `\n${lines.join('\n')}`
}

function count(n: bigint | undefined): string {
  return n === undefined ? '-' : n.toString()
}
