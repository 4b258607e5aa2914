import { completedWrites, newestWrite } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { checkReadable } from '../layout/table-properties.ts'
import { META_COLUMNS } from '../metadata/avro-schema.ts'
import { columnsAt } from '../open-table.ts'
import { TimelineStore } from '../timeline-store.ts'
import { baseRows } from './base-rows.ts'
import { type CommitRange, rowsOfCommits, writtenAfter } from './incremental.ts'
import { latestOf, listBaseFiles } from './slices.ts'

/** What to read. Instants are inclusive; null: now. `incremental`: rows of the commits after `from`, in their state as of `to`. */
export type ScanRequest =
  | { readonly kind: 'snapshot' | 'read-optimized'; readonly asOf: string | null }
  | ({ readonly kind: 'incremental' } & CommitRange)

/** The rows of a table in one state, as any reader of Hudi tables sees them. */
export interface TableScan {
  /** Meta columns first, then the table's in the order of its schema. */
  readonly columns: readonly LakeColumn[]
  /** Newest completed write in the view; null: the table is empty. */
  readonly instant: string | null
  readonly slices: readonly FileSlice[]
  rows(): AsyncGenerator<RowChunk>
}

const NOTHING_HIDDEN = new Int32Array(0)

/** The meta columns as a reader sees them. */
export const META: readonly LakeColumn[] = META_COLUMNS.map((name) => ({ name, type: { kind: 'string' } }))

/**
 * Plans a read of the table at `table` ('' = the root of the store), whoever wrote it. Fails with TRB-LAKE-018 for an instant before the
 * first one on the timeline.
 */
export async function scanTable(store: ObjectStore, table: string, clock: Clock, request: ScanRequest): Promise<TableScan> {
  const ts = new TimelineStore(store, table, clock)
  checkReadable(await ts.properties(), table)
  await ts.refresh()
  const asOf = request.kind === 'incremental' ? request.to : request.asOf
  const at = newestWrite(ts.timeline, asOf)
  const first = completedWrites(ts.timeline, null).at(0)
  if (at === null && asOf !== null && first !== undefined && request.kind !== 'incremental') {
    throw new Failure('TRB-LAKE-018', { table, instant: asOf, first: first.time })
  }
  const columns = [...META, ...((await columnsAt(ts, asOf)) ?? [])]
  const all = at === null ? [] : await slicesOf(ts, asOf)
  const counts = request.kind === 'incremental' ? commitsOf(ts, request) : null
  const slices = request.kind === 'incremental' ? all.filter((s) => writtenAfter(s, request.from)) : all
  return {
    columns,
    instant: at?.time ?? null,
    slices,
    async *rows() {
      for (const slice of slices) {
        for await (const chunk of sliceRows(store, slice, columns)) {
          const kept = counts === null ? chunk : rowsOfCommits(chunk, counts)
          if (kept !== null) yield kept
        }
      }
    },
  }
}

/**
 * Which commits an incremental read is about. Of a copy-on-write table, as Spark does it, only those on the active timeline: a row whose
 * commit has been archived is not new to anybody who reads in steps.
 */
function commitsOf(ts: TimelineStore, range: CommitRange): (commit: string) => boolean {
  const first = completedWrites(ts.timeline, null).at(0)?.time ?? ''
  return (commit) => commit > range.from && (range.to === null || commit <= range.to) && commit >= first
}

async function slicesOf(ts: TimelineStore, asOf: string | null): Promise<FileSlice[]> {
  const files = await latestOf(ts, await listBaseFiles(ts.store, ts.table), asOf)
  return files
    .map((f): FileSlice => {
      const base = { fileId: f.fileId, partition: f.partition, key: f.key, bytes: f.bytes, rows: -1, instant: f.instant }
      return { partition: f.partition, fileId: f.fileId, baseInstant: f.instant, base, logs: [] }
    })
    .sort((a, b) => (a.partition === b.partition ? (a.fileId < b.fileId ? -1 : 1) : a.partition < b.partition ? -1 : 1))
}

async function* sliceRows(store: ObjectStore, slice: FileSlice, columns: readonly LakeColumn[]): AsyncGenerator<RowChunk> {
  if (slice.base === null) return
  yield* baseRows(await ParquetFile.open(store, slice.base.key, slice.base.bytes), columns, NOTHING_HIDDEN)
}
