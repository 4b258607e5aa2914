import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { type ComparedColumn, type CompareLimits, type ComparisonResult, compareTable } from '../../query/compare.ts'
import type { TableFiles } from '../../query/table-source.ts'
import { isAddedColumn } from '../lake/lake-state.ts'
import type { SourceColumn, SourceSnapshot } from './source-snapshot.ts'

export interface TableReport {
  readonly schema: string
  readonly table: string
  readonly verdict: 'equal' | 'different' | 'not in the lake' | 'not in the database'
  readonly comparison: ComparisonResult | null
  /** Columns that both have, of a type whose values this comparison cannot put side by side. */
  readonly notCompared: readonly string[]
  /** Columns of the database that the lake lacks (generated ones are not captured and not expected). */
  readonly columnsMissing: readonly string[]
}

export interface LakeTable {
  readonly schema: string
  readonly table: string
  readonly plan: ScanPlan
  readonly files: TableFiles
}

/** Compares one table: every column that both sides have. */
export async function compareOne(
  snapshot: SourceSnapshot,
  lake: LakeTable,
  limits: CompareLimits,
  signal: AbortSignal,
): Promise<TableReport> {
  const { schema, table } = lake
  const source = await snapshot.columns(schema, table)
  if (source === null) return { schema, table, verdict: 'not in the database', comparison: null, notCompared: [], columnsMissing: [] }
  const { compared, notCompared, columnsMissing } = pairColumns(source, lake.plan)
  const sourceCsv = join(limits.spill, 'source.csv')
  try {
    const expressions = compared.map((c) => c.canonical.source(c.reference))
    await snapshot.copy(schema, table, expressions.length === 0 ? ['NULL'] : expressions, sourceCsv, signal)
    const comparison = await compareTable({ columns: compared, sourceCsv, files: lake.files }, limits)
    const equal = comparison.missing === 0n && comparison.extra === 0n && columnsMissing.length === 0
    return { schema, table, verdict: equal ? 'equal' : 'different', comparison, notCompared, columnsMissing }
  } finally {
    await rm(sourceCsv, { force: true })
  }
}

function pairColumns(
  source: readonly SourceColumn[],
  plan: ScanPlan,
): { compared: (ComparedColumn & { readonly reference: string })[]; notCompared: string[]; columnsMissing: string[] } {
  const compared: (ComparedColumn & { readonly reference: string })[] = []
  const notCompared: string[] = []
  const columnsMissing: string[] = []
  for (const s of source) {
    const l = plan.columns.find((c) => c.name === s.name && !isAddedColumn(c.name))
    if (l === undefined) {
      if (!s.generated) columnsMissing.push(s.name)
      continue
    }
    const how = s.canonical(l.type)
    if (how === null) notCompared.push(`${s.name} (${s.typeName})`)
    else compared.push({ name: s.name, type: l.type, canonical: how, key: s.key, reference: s.reference })
  }
  return { compared, notCompared, columnsMissing }
}
