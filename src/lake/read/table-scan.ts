import { effectiveTime } from '../../../timeline/timeline.ts'
import { completedWrites, historyStart, newestWrite } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { checkReadable, specOf } from '../layout/table-properties.ts'
import { META_COLUMNS } from '../metadata/avro-schema.ts'
import { columnsAt } from '../open-table.ts'
import { TimelineStore } from '../timeline-store.ts'
import { baseRows } from './base-rows.ts'
import { type DeltaRequest, mergedRows } from './delta.ts'
import { type CommitRange, rowsOfCommits, sliceInRange } from './incremental.ts'
import { mergeRulesOf } from './merge-rules.ts'
import { blockVisibility, listDataFiles, slicesOf } from './slices.ts'

/** What to read. Instants are inclusive; null: now. `incremental`: rows of the commits after `from`, in their state as of `to`. */
export type ScanRequest = (
  | { readonly kind: 'snapshot' | 'read-optimized'; readonly asOf: string | null }
  | ({ readonly kind: 'incremental' } & CommitRange)
) & {
  /** Columns wanted beside the meta columns, by name; absent: all. */
  readonly columns?: readonly string[]
}

/** The rows of a table in one state, as any reader of Hudi tables sees them. */
export interface TableScan {
  /** Meta columns first, then the table's in the order of its schema. */
  readonly columns: readonly LakeColumn[]
  /** Newest completed write in the view; null: the table is empty. */
  readonly instant: string | null
  readonly slices: readonly FileSlice[]
  rows(): AsyncGenerator<RowChunk>
}

/** Of a table without logs: its merge rules, which may be some that only a Java class knows, are not needed. */
const NO_RULES: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }
const NOTHING_HIDDEN = new Int32Array(0)

/** The meta columns as a reader sees them. */
export const META: readonly LakeColumn[] = META_COLUMNS.map((name) => ({ name, type: { kind: 'string' } }))

/**
 * Plans a read of the table at `table` ('' = the root of the store), whoever wrote it. Fails with TRB-LAKE-018 for an instant before the
 * first one on the timeline.
 */
export async function scanTable(store: ObjectStore, table: string, clock: Clock, request: ScanRequest): Promise<TableScan> {
  const ts = new TimelineStore(store, table, clock)
  const properties = await ts.properties()
  checkReadable(properties, table)
  await ts.refresh()
  const asOf = request.kind === 'incremental' ? asOfRange(ts, request) : request.asOf
  const at = asOf === '' ? null : newestWrite(ts.timeline, asOf)
  const first = historyStart(ts.timeline)
  if (at === null && asOf !== null && first !== null && request.kind !== 'incremental') {
    throw new Failure('TRB-LAKE-018', { table, instant: asOf, first })
  }
  const schema = (await columnsAt(ts, asOf)) ?? specOf(properties, table, null).columns
  const wanted = request.columns === undefined ? schema : schema.filter((c) => request.columns!.includes(c.name))
  const columns = [...META, ...wanted]
  const all = at === null ? [] : await slicesOf(ts, await listDataFiles(store, table), asOf)
  const counts = request.kind === 'incremental' ? commitsOf(ts, request, properties.get('hoodie.table.type')) : null
  const rules = all.some((s) => s.logs.length > 0) && request.kind !== 'read-optimized' ? mergeRulesOf(properties, table) : NO_RULES
  const committed = blockVisibility(ts, asOf)
  // A placeholder for a value that was not in the source's log is only resolved with the stored row.
  const whole = counts === null || rules.unavailable !== null
  const visible = whole ? committed : (instant: string): boolean => committed(instant) && counts(instant)
  const slices = all.flatMap((s) => sliceFor(s, request, whole ? () => true : counts) ?? []).sort(byPlace)
  const merge = { store, table, schema, columns: wanted.map((c) => c.name), rules, visible }
  return {
    columns,
    instant: at?.time ?? null,
    slices,
    async *rows() {
      for (const slice of slices) {
        for await (const chunk of sliceRows({ ...merge, slice }, columns)) {
          const kept = counts === null ? chunk : rowsOfCommits(chunk, counts)
          if (kept !== null) yield kept
        }
      }
    },
  }
}

/** The slice as the request reads it; null when it has nothing for it. */
function sliceFor(s: FileSlice, request: ScanRequest, inRange: (instant: string) => boolean): FileSlice | null {
  if (request.kind === 'incremental') return sliceInRange(s, inRange)
  if (request.kind === 'snapshot') return s
  return s.base === null ? null : { ...s, logs: [] }
}

/** The newest instant that had taken effect by the end of a range: '' when none had. */
function asOfRange(ts: TimelineStore, { to }: CommitRange): string | null {
  if (to === null || ts.timeline.layout === 1) return to
  return completedWrites(ts.timeline, null).findLast((i) => effectiveTime(i) <= to)?.time ?? ''
}

/**
 * Which commits an incremental read is about: by their own time on layout 1, by the time at which they completed on layout 2. A commit that
 * has been archived completed before the ones on the timeline; of a copy-on-write table of layout 1 its rows are left out, as Spark does.
 */
function commitsOf(ts: TimelineStore, range: CommitRange, tableType: string | undefined): (commit: string) => boolean {
  const effective = new Map(completedWrites(ts.timeline, null).map((i) => [i.time, effectiveTime(i)]))
  const activeOnly = ts.timeline.layout === 1 && tableType === 'COPY_ON_WRITE'
  return (commit) => {
    const time = effective.get(commit) ?? commit
    if (activeOnly && !effective.has(commit)) return false
    return time > range.from && (range.to === null || time <= range.to)
  }
}

function byPlace(a: FileSlice, b: FileSlice): number {
  if (a.partition !== b.partition) return a.partition < b.partition ? -1 : 1
  return a.fileId < b.fileId ? -1 : a.fileId > b.fileId ? 1 : 0
}

async function* sliceRows(request: DeltaRequest, columns: readonly LakeColumn[]): AsyncGenerator<RowChunk> {
  const { store, slice } = request
  if (slice.logs.length > 0) yield* mergedRows(request)
  else if (slice.base !== null) yield* baseRows(await ParquetFile.open(store, slice.base.key, slice.base.bytes), columns, NOTHING_HIDDEN)
}
