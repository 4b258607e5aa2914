import type { LakeColumn } from '../../contract/columns.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import type { TableSpec } from '../../contract/table.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { bucketHash } from '../index/bucket.ts'
import { bucketFileId, bucketOfFileId } from '../layout/file-name.ts'
import { recordKeyFields, storedColumns } from '../layout/table-properties.ts'
import { bytesOfChunk, ChunkRows } from '../merge/chunk-rows.ts'
import type { WriteStat } from '../metadata/commit-metadata.ts'
import { type DeltaRequest, mergedRows } from '../read/delta.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { GroupFiles, type OpenGroup, type WriteContext } from '../write/group-files.ts'
import { bytesOf, type CompactionDeps } from './compaction.ts'
import { sortedChunks } from './sort-chunks.ts'
import { sortedRows } from './sort-rows.ts'
import { spreadOverBuckets } from './spread-rows.ts'

/** What a clustering makes of the rows of its file groups. */
export interface ClusterShape {
  readonly spec: TableSpec
  /** Columns as they are stored, meta columns left out. */
  readonly schema: readonly LakeColumn[]
  readonly by: readonly LakeColumn[]
  readonly targetBytes: number
  /** The number at the front of a file id is the bucket of its keys. */
  readonly bucketed: boolean
  /** Number of buckets that rows are spread over anew; null: they stay in theirs. */
  readonly buckets: number | null
}

/** Rows of old file groups on their way into new ones. */
export class ClusterWork {
  readonly #ts: TimelineStore
  readonly #time: string
  readonly #shape: ClusterShape
  readonly #deps: CompactionDeps
  #scratchFiles = 0

  constructor(ts: TimelineStore, time: string, shape: ClusterShape, deps: CompactionDeps) {
    this.#ts = ts
    this.#time = time
    this.#shape = shape
    this.#deps = deps
  }

  async run(groups: readonly (readonly FileSlice[])[]): Promise<readonly WriteStat[]> {
    const { store, clock, table } = this.#ts
    const { spec, schema } = this.#shape
    const announce = (path: string): Promise<void> => this.#ts.mark(this.#time, path, 'CREATE')
    const scratchName = `${this.#time}-${clock.uuid()}`
    const context: WriteContext = { store, spec, instant: this.#time, out: store, announce, seed: 0, clock, ...this.#deps, scratchName }
    const partitions = [...new Set(groups.flat().map((s) => s.partition))]
    const output = new GroupFiles(context, partitions)
    const rules = groups.flat().some((s) => s.logs.length > 0) ? mergeRulesOf(await this.#ts.properties(), table) : NO_RULES
    const counts = blockVisibility(this.#ts, null)
    const limit = { bytes: this.#deps.memoryBudget, directory: this.#deps.scratchDir, name: scratchName }
    const visible = (instant: string): boolean => instant < this.#time && counts(instant)
    const request = { store, table, schema, rules, visible, limit }
    try {
      for (const slices of groups) await this.#rewrite(slices, request, output, partitions.indexOf(slices[0].partition))
    } catch (e) {
      await output.abort()
      throw e
    }
    return output.stats.map((s) => ({ ...s, numInserts: s.numWrites, numUpdateWrites: 0 }))
  }

  async #rewrite(slices: readonly FileSlice[], request: Request, output: GroupFiles, partition: number): Promise<void> {
    const { spec, buckets, bucketed, targetBytes } = this.#shape
    const uuid = (): string => this.#ts.clock.uuid()
    const rows = this.#rowsOf(slices, request)
    if (buckets !== null) {
      const hash = bucketHash(recordKeyFields(spec), buckets)
      for await (const of of spreadOverBuckets(rows, hash, spec.key.length === 0, this.#limit(request.limit.bytes / 2))) {
        await this.#write(of.rows, new Target(output, partition, of.bucket, targetBytes, of.count, uuid))
      }
      return
    }
    let count = 0
    for (const s of slices) if (s.base !== null) count += (await ParquetFile.open(request.store, s.base.key, s.base.bytes)).meta.rows
    const bytes = slices.reduce((n, s) => n + bytesOf(s), 0)
    const perFile = bucketed || bytes <= targetBytes ? count : Math.ceil((count * targetBytes) / bytes)
    const bucket = bucketed ? bucketOfFileId(slices[0].fileId) : null
    await this.#write(rows, new Target(output, partition, bucket, targetBytes, perFile, uuid))
  }

  async *#rowsOf(slices: readonly FileSlice[], request: Request): AsyncGenerator<RowChunk> {
    for (const slice of slices) {
      yield* mergedRows({ ...request, slice })
      await this.#ts.beat(this.#time)
    }
  }

  #limit(bytes: number): Required<DeltaRequest>['limit'] & { readonly name: string } {
    const name = `${this.#time}-${this.#ts.clock.uuid()}-${this.#scratchFiles++}`
    return { bytes, directory: this.#deps.scratchDir, name }
  }

  /** Sorted as a whole; row groups of about the usual size. */
  async #write(rows: AsyncIterable<RowChunk>, to: Target): Promise<void> {
    const { by } = this.#shape
    let chunks: RowChunk[] = []
    let bytes = 0
    for await (const chunk of by.length === 0 ? rows : sortedChunks(rows, by, this.#limit(this.#deps.memoryBudget / 2))) {
      chunks.push(chunk)
      bytes += bytesOfChunk(chunk)
      if (bytes < this.#deps.rowGroupBytes) continue
      await this.#insert(chunks, bytes, to)
      chunks = []
      bytes = 0
    }
    if (chunks.length > 0) await this.#insert(chunks, bytes, to)
    await to.close()
    await this.#ts.beat(this.#time)
  }

  async #insert(chunks: readonly RowChunk[], bytes: number, to: Target): Promise<void> {
    const { chunk, row } = sortedRows(chunks, [])
    const columns = storedColumns(this.#shape.spec)
    for (let at = 0; at < row.length; ) {
      const file = await to.file()
      const n = Math.min(row.length - at, file.writer.rowsPerGroup(bytes / row.length, row.length - at))
      await file.writer.insertRows(new ChunkRows(chunks, columns, chunk.subarray(at, at + n), row.subarray(at, at + n)))
      at += n
    }
  }
}

type Request = Omit<DeltaRequest, 'slice'> & { readonly limit: { readonly bytes: number } }

/** New file groups of one partition, each begun when the last one is large enough; of a bucket there is only one. */
class Target {
  readonly #output: GroupFiles
  readonly #partition: number
  readonly #bucket: number | null
  readonly #most: number
  readonly #rows: number
  readonly #uuid: () => string
  #open: OpenGroup | null = null

  /** `rows`: expected in each file. */
  constructor(output: GroupFiles, partition: number, bucket: number | null, most: number, rows: number, uuid: () => string) {
    this.#output = output
    this.#partition = partition
    this.#bucket = bucket
    this.#most = most
    this.#rows = rows
    this.#uuid = uuid
  }

  async file(): Promise<OpenGroup> {
    if (this.#open !== null && this.#bucket === null && this.#open.writer.size >= this.#most) await this.close()
    if (this.#open === null) {
      const fileId = this.#bucket === null ? `${this.#uuid()}-0` : bucketFileId(this.#bucket, this.#uuid())
      this.#open = await this.#output.openNew({ fileId, instant: 'null', rows: 0 }, this.#partition, this.#bucket ?? 0, this.#rows)
    }
    return this.#open
  }

  async close(): Promise<void> {
    if (this.#open !== null) await this.#output.close(this.#open)
    this.#open = null
  }
}

const NO_RULES = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null } as const
