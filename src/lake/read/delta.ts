import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, RowChunk, SliceDelta } from '../../contract/slice.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { baseRows } from './base-rows.ts'
import { matchKeys, meet, nothingMet } from './delta-base.ts'
import { Reduced } from './delta-reduce.ts'
import { DeltaRows } from './delta-rows.ts'
import type { LogChunk } from './log-chunk.ts'
import { LogColumns } from './log-columns.ts'
import { blockRows } from './log-rows.ts'
import { countingBlocks } from './log-scan.ts'

/** What to merge, and how. */
export interface DeltaRequest {
  readonly store: ObjectStore
  /** Name of the table in messages. */
  readonly table: string
  readonly slice: FileSlice
  /** All columns of the table in the state that is read, without meta columns. */
  readonly schema: readonly LakeColumn[]
  /** Columns that `rows` gives beside the meta columns, by name; absent: all. */
  readonly columns?: readonly string[]
  readonly rules: MergeRules
  /** Whether blocks of an instant count: it is completed (or older than the timeline), and not after the moment that is read. */
  readonly visible: (instant: string) => boolean
}

/**
 * What the log files of a slice make of its base file. The records of the logs are reduced among themselves first, and what survives is then compared
 * with the stored row (spec hudi, correction to 4.5). Of the base file only the keys are read, and the ordering fields where the log has a key;
 * rows that no log touches never become anything. Failures: TRB-LAKE-020 … 024 (log files), 401 and 402 (Parquet).
 */
export async function readDelta(request: DeltaRequest): Promise<SliceDelta> {
  const { store, slice, rules } = request
  const of = new LogColumns(request.table, request.schema, request.columns ?? null, rules)
  const chunks: LogChunk[] = []
  for (const block of await countingBlocks(store, slice.logs, request.visible)) {
    for await (const chunk of blockRows(block, of)) if (chunk.count > 0) chunks.push(chunk)
  }
  const reduced = new Reduced(chunks, rules)
  const file = slice.base === null || chunks.length === 0 ? null : await ParquetFile.open(store, slice.base.key, slice.base.bytes)
  const met = file === null ? nothingMet(reduced.keys.size) : await meet(file, matchKeys(file, reduced), reduced, of)
  const rows = new DeltaRows(reduced, met, of.wanted)
  await rows.load(file)
  return {
    hidden: met.hidden.view().slice(),
    count: rows.keys.length,
    async *rows() {
      yield* rows.rows()
    },
    async close() {
      return
    },
  }
}

/** The rows of a slice, base and logs merged, meta columns first: base rows that stay in their order, then the log's. */
export async function* mergedRows(request: DeltaRequest): AsyncGenerator<RowChunk> {
  const { store, slice } = request
  const columns = new LogColumns(request.table, request.schema, request.columns ?? null, request.rules).wanted
  const delta = await readDelta(request)
  try {
    if (slice.base !== null) yield* baseRows(await ParquetFile.open(store, slice.base.key, slice.base.bytes), columns, delta.hidden)
    yield* delta.rows()
  } finally {
    await delta.close()
  }
}
