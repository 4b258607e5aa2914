import type { Watermark } from '../../contract/table.ts'
import type { ScanPlan, TableReader, View } from '../../contract/table-reader.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { type AsOf, parseAsOf } from '../../query/as-of.ts'
import { type Base, resolveBase } from '../../query/resolve.ts'
import { nameOfPath, type OpenLake } from './open-lake.ts'

/** A table of the lake in one state of it. */
export interface StateTable {
  readonly path: string
  readonly schema: string
  readonly table: string
  /** How to read it; null: it is there, but had no commit in this state. */
  readonly view: View | null
  /** The newest state is wanted: commits of other writers (Spark …) after `view` belong to it. */
  readonly newest: boolean
  /** Where the log goes on after this state; null without a watermark. */
  readonly topic: string | null
  readonly nextOffset: number
}

export interface LakeState {
  readonly base: Base
  readonly tables: readonly StateTable[]
}

/** Resolves `--as-of` (null: the newest state) to the tables that exist in that state and how each is read. */
export async function lakeState(lake: OpenLake, asOf: string | null, nowMs: number): Promise<LakeState> {
  return await stateAt(lake, asOf === null ? { kind: 'latest' } : parseAsOf(asOf, nowMs))
}

export async function stateAt(lake: OpenLake, asOf: AsOf): Promise<LakeState> {
  const base = await resolveBase(asOf, lake.watermarks.list())
  if (base.watermark !== null) return { base, tables: fromWatermark(base.watermark, asOf.kind === 'latest') }
  const view: View = base.instant === null ? { kind: 'latest' } : { kind: 'asOf', instant: base.instant }
  const tables: StateTable[] = []
  for await (const path of lake.catalog.paths()) tables.push({ path, ...nameOfPath(path), view, newest: false, topic: null, nextOffset: 0 })
  return { base, tables }
}

function fromWatermark(w: Watermark, newest: boolean): StateTable[] {
  return w.tables.map(({ path, schema, table, instant, topic, nextOffset }) => {
    const view: View | null = instant === null ? null : { kind: 'asOf', instant }
    return { path, schema, table, view, newest, topic, nextOffset }
  })
}

/** Columns that Hudi and the capture add to the source's own; shown with --meta. */
const ADDED =
  /^(_hoodie_(commit_time|commit_seqno|record_key|partition_path|file_name)|_change_operation_type|_event_(origin_ts_ms|tx_id|lsn|seq)|_tributary_row_id)$/

export function isAddedColumn(name: string): boolean {
  return ADDED.test(name)
}

export const HUDI_COLUMNS = [
  '_hoodie_commit_time',
  '_hoodie_commit_seqno',
  '_hoodie_record_key',
  '_hoodie_partition_path',
  '_hoodie_file_name',
]

/** The files of a table in a state. A table that had no commit then is an empty one; null: it did not exist yet. */
export async function planTable(lake: OpenLake, t: StateTable): Promise<ScanPlan | null> {
  const reader = lake.reader(t.path)
  if (t.newest) return await planNewest(reader, t.view)
  if (t.view === null) return emptied(await reader.plan({ kind: 'latest' }, 'snapshot'))
  try {
    return await reader.plan(t.view, 'snapshot')
  } catch (e) {
    // Asked for an instant before this table's first: at that time there was no such table.
    if (isFailure(e, 'TRB-LAKE-018') && t.topic === null) return null
    throw e
  }
}

/**
 * The newest state of a table that no watermark beyond `view` speaks for: other writers' commits carry no checkpoint, so a table whose
 * newest checkpoint is still that of `view` is read with all its commits. Our own later ones wait for their watermark.
 */
async function planNewest(reader: TableReader, view: View | null): Promise<ScanPlan> {
  const latest = await reader.plan({ kind: 'latest' }, 'snapshot')
  if (latest.instant === null || (view?.kind === 'asOf' && view.instant === latest.instant)) return latest
  const newest = await reader.checkpointAt({ kind: 'asOf', instant: latest.instant })
  const known = view === null ? null : await reader.checkpointAt(view)
  if (newest?.topic === known?.topic && newest?.nextOffset === known?.nextOffset) return latest
  return view === null ? emptied(latest) : await reader.plan(view, 'snapshot')
}

function emptied(plan: ScanPlan): ScanPlan {
  return { ...plan, files: [], slices: [], instant: null }
}

/** Finds a table by `schema.table`, by its path or by a bare name that is unique. */
export function findTable(tables: readonly StateTable[], name: string, lake: OpenLake): StateTable {
  const matches = tables.filter((t) => name === `${t.schema}.${t.table}` || name === t.path)
  const found = matches.length > 0 ? matches : tables.filter((t) => name === t.table)
  if (found.length === 1) return found[0]!
  const names = tables.map((t) => `${t.schema}.${t.table}`)
  const hint =
    found.length > 1 ? `Several have that name: ${found.map((t) => t.path).join(', ')}.` : `Tables: ${names.slice(0, 20).join(', ')}.`
  if (tables.length === 0) throw new Failure('TRB-QUERY-008', { lake: lake.store.root })
  throw new Failure('TRB-QUERY-009', { table: name, hint, lake: lake.store.root })
}
