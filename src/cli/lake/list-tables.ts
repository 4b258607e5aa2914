import type { ScanPlan } from '../../contract/table-reader.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { formatMicros } from '../../query/as-of.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { grid } from '../terminal/grid.ts'
import { countOf, sizeText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { type LakeState, lakeState, planTable, type StateTable } from './lake-state.ts'
import { openLake } from './open-lake.ts'

/** `lake tables`. */
export async function listTables(
  context: ContextWith<{ readonly lake: string; readonly 'as-of': string | null } & S3FlagValues>,
): Promise<Outcome> {
  const { flags, clock } = context
  const lake = openLake(flags.lake, context)
  const state = await lakeState(lake, flags['as-of'], clock.now())
  if (state.tables.length === 0) throw new Failure('TRB-QUERY-008', { lake: lake.store.root })
  const rows: { table: StateTable; plan: ScanPlan }[] = []
  const damaged: { table: StateTable; failure: Failure }[] = []
  for (const table of state.tables) {
    context.signal.throwIfAborted()
    try {
      const plan = await planTable(lake, table)
      if (plan !== null) rows.push({ table, plan })
    } catch (e) {
      // The others are whole: they are listed, and the status says that one is not.
      if (!isFailure(e) || !e.code.startsWith('TRB-LAKE-')) throw e
      damaged.push({ table, failure: e })
    }
  }
  rows.sort((a, b) => (nameOf(a.table) < nameOf(b.table) ? -1 : 1))
  const tables = rows.map(({ table, plan }) => ({
    schema: table.schema,
    table: table.table,
    path: table.path,
    rows: rowCount(plan),
    files: dataFiles(plan).length,
    bytes: dataFiles(plan).reduce((n, f) => n + f.bytes, 0),
    instant: plan.instant,
    key: plan.spec.key,
    columns: plan.columns.length,
  }))
  const watermark = watermarkOf(state)
  const at = watermark === null ? 'no common position yet' : `${watermark.commit} (${watermark.commitTime})`
  const summary = `${countOf(tables.length, 'table')} in ${lake.store.root} at ${at}`
  const text = grid(
    ['table', 'rows', 'files', 'size', 'key', 'newest commit'],
    tables.map((t) => [
      `${t.schema}.${t.table}`,
      t.rows === null ? '?' : String(t.rows),
      String(t.files),
      sizeText(t.bytes),
      t.key.length === 0 ? '(none)' : t.key.join(', '),
      t.instant ?? '-',
    ]),
    ['left', 'right', 'right', 'right', 'left', 'left'],
  )
  const unreadable = damaged.map(({ table, failure }) => ({
    schema: table.schema,
    table: table.table,
    path: table.path,
    ...failure.explain(),
  }))
  const lines = unreadable.map((d) => `✗ ${d.schema}.${d.table}  ${d.code}  ${d.what}`)
  const result = { lake: lake.store.root, watermark, tables, unreadable }
  const answer = { summary, result, text: [...(tables.length === 0 ? [] : [text]), ...lines, summary].join('\n') }
  if (unreadable.length === 0) return answer
  const first = unreadable[0]!
  const details = { count: unreadable.length, lake: lake.store.root, first: first.path, why: first.what }
  return { ...answer, failure: new Failure('TRB-LAKE-029', details, damaged[0]!.failure) }
}

/** Base files and logs. */
function dataFiles(plan: ScanPlan): readonly { readonly bytes: number }[] {
  return [...plan.files, ...plan.slices.flatMap((s) => s.logs)]
}

/** Rows by the commits' own counts; null: there are logs to be merged, or a file's commit has been archived, so nobody counted. */
function rowCount(plan: ScanPlan): number | null {
  return plan.files.some((f) => f.rows < 0) || plan.slices.some((s) => s.logs.length > 0)
    ? null
    : plan.files.reduce((n, f) => n + f.rows, 0)
}

function watermarkOf(state: LakeState): { commit: string; commitTime: string; seq: number; source: string } | null {
  const w = state.base.watermark
  return w === null ? null : { commit: w.commit, commitTime: formatMicros(w.commitUs), seq: w.seq, source: w.source }
}

function nameOf(t: StateTable): string {
  return `${t.schema}.${t.table}`
}
