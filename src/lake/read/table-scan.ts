import { effectiveTime } from '../../../timeline/timeline.ts'
import { completedWrites } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, RowChunk } from '../../contract/slice.ts'
import type { View } from '../../contract/table-reader.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { archivedCompletions, archivedInstants } from '../archived-timeline.ts'
import { checkHistory, checkReadable, storedColumns } from '../layout/table-properties.ts'
import { TimelineStore } from '../timeline-store.ts'
import { baseRows } from './base-rows.ts'
import { type DeltaLimit, type DeltaRequest, mergedRows, writtenRows } from './delta.ts'
import { type CommitRange, rowsOfCommits, sliceInRange, writtenInRange } from './incremental.ts'
import { META } from './log-columns.ts'
import { mergeRulesOf } from './merge-rules.ts'
import { LakeTableReader } from './table-reader.ts'

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
  /** What the reader should know of the answer; null: nothing. */
  readonly note: string | null
  rows(): AsyncGenerator<RowChunk>
  /** The rows of one of the slices, with these columns (meta columns first) in place of the scan's own. */
  slice(slice: FileSlice, columns: readonly LakeColumn[]): AsyncGenerator<RowChunk>
}

/** Of a table without logs: its merge rules, which may be some that only a Java class knows, are not needed. */
const NO_RULES: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }
const NOTHING_HIDDEN = new Int32Array(0)

/**
 * Plans a read of the table at `table` ('' = the root of the store), whoever wrote it. Fails with TRB-LAKE-018 for an instant before the
 * first one that is whole. `limit`: memory for the logs of a slice; absent: as much as they take.
 */
export async function scanTable(
  store: ObjectStore,
  table: string,
  clock: Clock,
  request: ScanRequest,
  limit?: DeltaLimit,
): Promise<TableScan> {
  const ts = new TimelineStore(store, table, clock)
  const properties = await ts.properties()
  checkReadable(properties, table)
  if (request.kind === 'incremental') checkHistory(properties, table)
  await ts.refresh()
  const asOf = request.kind === 'incremental' ? asOfRange(ts, request) : request.asOf
  const view: View = asOf === null ? { kind: 'latest' } : { kind: 'asOf', instant: asOf }
  const kind = request.kind === 'read-optimized' ? request.kind : 'snapshot'
  const plan = await new LakeTableReader(store, table, clock).plan(view, kind)
  const schema = storedColumns({ ...plan.spec, columns: plan.columns })
  const wanted = request.columns === undefined ? schema : schema.filter((c) => request.columns!.includes(c.name))
  const columns = [...META, ...wanted]
  const commits = request.kind === 'incremental' ? await commitsOf(ts, request, properties.get('hoodie.table.type')) : null
  const counts = commits?.counts ?? null
  const mayHold = commits?.mayHold ?? ((): boolean => true)
  const rules = plan.slices.some((s) => s.logs.length > 0) ? mergeRulesOf(properties, table) : NO_RULES
  // A placeholder for a value that was not in the source's log is only resolved with the stored row.
  const part = request.kind === 'incremental' && request.lost === 'shown' && rules.unavailable === null ? counts : null
  const { layout } = ts.timeline
  const visible = part === null ? plan.counts : (instant: string): boolean => plan.counts(instant) && part(instant)
  const slices =
    part !== null
      ? plan.slices.flatMap((s) => sliceInRange(s, mayHold) ?? [])
      : counts === null
        ? plan.slices
        : plan.slices.filter((s) => writtenInRange(s, counts, mayHold, layout))
  const bounded = limit === undefined ? undefined : { ...limit, name: `scan-${clock.uuid()}` }
  const merge = { store, table, schema, columns: wanted.map((c) => c.name), rules, visible, limit: bounded }
  return {
    columns,
    instant: plan.instant,
    slices,
    note: await noteOf(ts, request, properties.get('hoodie.table.type')),
    slice: (slice, as) =>
      sliceRows({ ...merge, schema: as.slice(META.length), columns: as.slice(META.length).map((c) => c.name), slice }, as),
    async *rows() {
      for (const slice of slices) {
        const since = part === null && slice.logs.length > 0 ? counts : null
        const based = slice.base !== null && mayHold(slice.base.instant)
        const found = since === null ? sliceRows({ ...merge, slice }, columns) : writtenRows({ ...merge, slice, since }, based)
        for await (const chunk of found) {
          const kept = counts === null ? chunk : rowsOfCommits(chunk, counts)
          if (kept !== null) yield kept
        }
      }
    },
  }
}

/** The newest instant that had taken effect by the end of a range. */
function asOfRange(ts: TimelineStore, { to }: CommitRange): string | null {
  if (to === null || ts.timeline.layout === 1) return to
  return completedWrites(ts.timeline, null).findLast((i) => effectiveTime(i) <= to)?.time ?? to
}

interface RangeCommits {
  readonly counts: (commit: string) => boolean
  /** Whether a base file of this instant may hold rows of the range: a compaction that was planned after a write has its rows, however late it completed. */
  readonly mayHold: (instant: string) => boolean
}

/**
 * Which commits an incremental read is about: by their own time on layout 1, by the time at which they completed on layout 2. A read of a
 * copy-on-write table of layout 1 from before all times begins with the active timeline, as Spark's does; one from an instant is complete.
 */
async function commitsOf(ts: TimelineStore, range: CommitRange, tableType: string | undefined): Promise<RangeCommits> {
  const effective = new Map(completedWrites(ts.timeline, null).map((i) => [i.time, effectiveTime(i)]))
  const activeOnly = beginsWithTimeline(ts, range, tableType)
  const oldest = [...effective.values()].reduce((a, b) => (a < b ? a : b), '9')
  if (ts.timeline.layout !== 1 && range.from < oldest) for (const [time, at] of await archivedCompletions(ts, '')) effective.set(time, at)
  const counts = (commit: string): boolean => {
    const time = effective.get(commit) ?? commit
    if (activeOnly && !effective.has(commit)) return false
    return time > range.from && (range.to === null || time <= range.to)
  }
  // Archived instants of layout 1 are not known; there an instant takes effect at its own time.
  if (ts.timeline.layout === 1) return { counts, mayHold: (instant) => instant > range.from }
  const first = [...effective.keys()].filter(counts).sort()[0] ?? '9'
  return { counts, mayHold: (instant) => instant >= first }
}

/** Not an instant that a reader remembers, but a number below all of them (`0`, `000`). */
function beginsWithTimeline(ts: TimelineStore, range: CommitRange, tableType: string | undefined): boolean {
  return ts.timeline.layout === 1 && tableType === 'COPY_ON_WRITE' && /^0{1,13}$/.test(range.from)
}

async function noteOf(ts: TimelineStore, request: ScanRequest, tableType: string | undefined): Promise<string | null> {
  if (request.kind !== 'incremental' || !beginsWithTimeline(ts, request, tableType)) return null
  for await (const { metadata } of archivedInstants(ts)) {
    if (metadata !== null)
      return 'rows of archived commits are not among these, as with Spark; --type snapshot has them, and so has --from an instant'
  }
  return null
}

async function* sliceRows(request: DeltaRequest, columns: readonly LakeColumn[]): AsyncGenerator<RowChunk> {
  const { store, slice } = request
  if (slice.logs.length > 0) yield* mergedRows(request)
  else if (slice.base !== null) yield* baseRows(await ParquetFile.open(store, slice.base.key, slice.base.bytes), columns, NOTHING_HIDDEN)
}
