import type { LakeColumn } from '../../contract/columns.ts'
import type { FileSlice, MergeRules, RowChunk, SliceDelta } from '../../contract/slice.ts'
import type { TableSpec } from '../../contract/table.ts'
import { readDeleteContent } from '../../format/hudi-log/delete-content.ts'
import type { PlainVector } from '../../format/parquet/column.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { printLogFileName, writeToken } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import { BAG_KEY_COLUMN, storedColumns } from '../layout/table-properties.ts'
import { guarded } from '../lock/table-concurrency.ts'
import { ChunkRows, vectorOf } from '../merge/chunk-rows.ts'
import { RECORD_KEY, recordKeys } from '../merge/join.ts'
import { logFileStat, type WriteStat } from '../metadata/commit-metadata.ts'
import { printCompactionPlan } from '../metadata/compaction-plan.ts'
import { columnsAt } from '../open-table.ts'
import { pendingActions, requestAction } from '../planned-action.ts'
import { readDelta } from '../read/delta.ts'
import { type CountingBlock, countingBlocks } from '../read/log-scan.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility, fileSlices } from '../read/slices.ts'
import { refuseLiveWriter } from '../rollback.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { LogFileWriter, logTarget } from '../write/log-file.ts'
import {
  type Compacted,
  type CompactionDeps,
  executePlan,
  freeSlices,
  logBytesOf,
  logRecords,
  operationOf,
  plannedSlices,
} from './compaction.ts'

const EXECUTOR = 'org.apache.hudi.table.action.compact.LogCompactionExecutionHelper'

/**
 * Puts the log files of each of these slices together into one, which says whose blocks it stands for; base files stay as they are. Rows keep
 * their commit times and sequence numbers. Left out are slices whose logs would not mean the same afterwards (see `isPlain`), or don't fit into
 * memory. The timeline must be fresh. TRB-LAKE-011 when a pending instant has one of the file groups.
 */
export async function compactLogs(ts: TimelineStore, slices: readonly FileSlice[], deps: CompactionDeps): Promise<readonly Compacted[]> {
  const rules = mergeRulesOf(await ts.properties(), ts.table)
  const schema = (await columnsAt(ts, null)) ?? []
  const wanted: FileSlice[] = []
  for (const s of freeSlices(ts, slices)) {
    if (s.logs.length < 2 || logBytesOf(s) > deps.memoryBudget / 4) continue
    if (await isPlain(ts, s, schema, rules)) wanted.push(s)
  }
  if (wanted.length === 0) return []
  const plan = { operations: wanted.map(operationOf), extra: new Map<string, string>(), executor: EXECUTOR }
  const claims = wanted.map((s) => `${s.partition}/${s.fileId}`)
  const version = ts.layout === 1 ? 6 : 9
  const schedule = (): Promise<string> =>
    requestAction(ts, 'logcompaction', () => printCompactionPlan(plan, version, ts.sync()), { claims })
  const fresh = (): Promise<string | null> => stillFree(ts, wanted, schedule)
  const time = deps.sharing == null ? await schedule() : await deps.sharing.exclusively((held) => guarded(ts, held, fresh))
  if (time === null) return []
  return [await execute(ts, time, wanted, deps, false)]
}

/** Among several writers the slices are looked at again under their lock. Null: they are not what they were. */
async function stillFree(ts: TimelineStore, slices: readonly FileSlice[], schedule: () => Promise<string>): Promise<string | null> {
  await ts.refresh()
  const now = new Map(freeSlices(ts, await fileSlices(ts, null)).map((s) => [`${s.partition}/${s.fileId}`, s]))
  const same = slices.every((s) => now.get(`${s.partition}/${s.fileId}`)?.logs.at(-1)?.name === s.logs.at(-1)?.name)
  return same ? await schedule() : null
}

/** Carries out log compactions that are pending, of this or another engine. The timeline must be fresh. */
export async function resumeLogCompactions(ts: TimelineStore, deps: CompactionDeps): Promise<readonly Compacted[]> {
  const out: Compacted[] = []
  for (const { time } of pendingActions(ts, 'logcompaction')) {
    if (deps.sole !== true) await refuseLiveWriter(ts, time)
    const slices = await plannedSlices(ts, await ts.compactionPlan(time, 'logcompaction'), time, 'logcompaction')
    // what an earlier try announced would say the same twice
    const left = (await ts.markers(time)).flatMap((m) => (m.path === null ? [] : [join(ts.table, m.path)]))
    await ts.store.delete(left)
    await ts.clearMarkers(time)
    out.push(await execute(ts, time, slices, deps, true))
  }
  return out
}

/**
 * Whether a delete takes away whatever was stored, so that it means the same after it has been weighed against the base row. One with an ordering value
 * (in a delete block, or as a row with a mark) may lose against a log record that is still to come.
 */
async function isPlain(ts: TimelineStore, slice: FileSlice, schema: readonly LakeColumn[], rules: MergeRules): Promise<boolean> {
  // What a null stands for is known only with the base row.
  if (rules.nulls !== undefined) return false
  if (rules.mode === 'commit-time') return true
  if (rules.deleteMarker !== null || schema.some((c) => c.name === '_hoodie_is_deleted')) return false
  for (const { reader, block } of await countingBlocks(ts.store, slice.logs, blockVisibility(ts, null))) {
    if (block.type !== 'delete') continue
    if (readDeleteContent(await reader.content(block), reader.key, block.at).ordering !== null) return false
  }
  return true
}

async function execute(
  ts: TimelineStore,
  time: string,
  slices: readonly FileSlice[],
  deps: CompactionDeps,
  resumed: boolean,
): Promise<Compacted> {
  return executePlan(ts, { action: 'logcompaction', operation: 'LOG_COMPACT', time, resumed }, deps, async (spec, schema) => {
    const stats: WriteStat[] = []
    for (const slice of slices) {
      const stat = await new SliceWork(ts, time, spec, schema, slice, deps, stats.length).run()
      if (stat !== null) stats.push(stat)
      await ts.beat(time)
    }
    return stats
  })
}

/** One new log file for the logs of a slice. */
class SliceWork {
  readonly #ts: TimelineStore
  readonly #time: string
  readonly #spec: TableSpec
  readonly #schema: readonly LakeColumn[]
  readonly #slice: FileSlice
  readonly #deps: CompactionDeps
  readonly #ordinal: number

  constructor(
    ts: TimelineStore,
    time: string,
    spec: TableSpec,
    schema: readonly LakeColumn[],
    slice: FileSlice,
    deps: CompactionDeps,
    ordinal: number,
  ) {
    this.#ts = ts
    this.#time = time
    this.#spec = spec
    this.#schema = schema
    this.#slice = slice
    this.#deps = deps
    this.#ordinal = ordinal
  }

  /** Null: the logs come to nothing beside the base file; they stay as they are. */
  async run(): Promise<WriteStat | null> {
    const { store, table } = this.#ts
    const slice = this.#slice
    const counts = blockVisibility(this.#ts, null)
    const visible = (instant: string): boolean => instant < this.#time && counts(instant)
    const blocks = await countingBlocks(store, slice.logs, visible)
    const rules = mergeRulesOf(await this.#ts.properties(), table)
    const name = `${this.#time}-${this.#ts.clock.uuid()}`
    const limit = { bytes: this.#deps.memoryBudget, directory: this.#deps.scratchDir, name }
    const delta = await readDelta({ store, table, slice, schema: this.#schema, rules, visible, limit })
    try {
      return await this.#write(delta, blocks)
    } finally {
      await delta.close()
    }
  }

  async #write(delta: SliceDelta, blocks: readonly CountingBlock[]): Promise<WriteStat | null> {
    const { clock, layout, store, table } = this.#ts
    const slice = this.#slice
    const started = clock.now()
    const version = layout === 1 ? slice.logs.reduce((n, l) => Math.max(n, l.version), 0) + 1 : 1
    const previous = layout === 1 ? slice.baseInstant : this.#time
    const token = writeToken(this.#ordinal, Number(this.#time.slice(8)), 0)
    const name = printLogFileName({ fileId: slice.fileId, baseInstant: previous, version, token })
    const path = join(slice.partition, name)
    await this.#ts.mark(this.#time, path, layout === 1 ? 'APPEND' : 'CREATE')
    const at = { key: join(table, path), fileId: slice.fileId, partition: slice.partition, ordinal: this.#ordinal }
    const columns = storedColumns(this.#spec)
    const rowIdColumn = columns.findIndex((c) => c.name === BAG_KEY_COLUMN)
    const form = { codec: 'snappy', blocks: 'parquet' } as const
    const target = logTarget({ store, table: this.#spec.name, columns, rowIdColumn, instant: this.#time, ...form })
    const writer = await LogFileWriter.create({ ...target, compacted: instantsOf(blocks) }, at)
    const chunks: RowChunk[] = []
    try {
      for await (const chunk of delta.rows()) {
        await writer.data(ChunkRows.whole(chunk, columns))
        chunks.push({
          columns: [{ name: RECORD_KEY, type: { kind: 'string' } }],
          count: chunk.count,
          vectors: [vectorOf(chunk, RECORD_KEY)!],
        })
      }
      await writer.delete(await this.#deleted(delta, chunks))
    } catch (e) {
      await writer.abort()
      throw e
    }
    if (writer.records + writer.deletes === 0) {
      await writer.abort()
      return null
    }
    const bytes = await writer.close()
    const base = slice.base === null || layout === 2 ? '' : slice.base.key.slice(slice.base.key.lastIndexOf('/') + 1)
    const logFiles = layout === 1 ? [...slice.logs.map((l) => l.name), name] : [name]
    const facts = {
      fileId: slice.fileId,
      path,
      partition: slice.partition,
      previous,
      inserted: 0,
      bytes,
      version,
      baseFile: base,
      logFiles,
    }
    const stat = logFileStat({ ...facts, updated: writer.records, deleted: writer.deletes, elapsedMs: clock.now() - started })
    const compacted = { totalLogFilesCompacted: slice.logs.length, totalLogSizeCompacted: logBytesOf(slice), totalLogBlocks: delta.blocks }
    return {
      ...stat,
      ...compacted,
      totalLogRecords: logRecords(this.#ts, delta),
      totalUpdatedRecordsCompacted: writer.records + writer.deletes,
    }
  }

  /** Keys of base rows that are hidden and that no row replaces. */
  async #deleted(delta: SliceDelta, chunks: readonly RowChunk[]): Promise<PlainVector> {
    const { base } = this.#slice
    const replaced = new Set<string>()
    for (const c of chunks) {
      const v = c.vectors[0]
      if (v.kind === 'bytes') for (let i = 0; i < c.count; i++) replaced.add(v.data.toString('latin1', v.offsets[i], v.offsets[i + 1]))
    }
    const parts: Buffer[] = []
    const file = base === null ? null : await ParquetFile.open(this.#ts.store, base.key, base.bytes)
    let first = 0
    let h = 0
    for (const [g, { rows }] of (file?.meta.rowGroups ?? []).entries()) {
      const from = h
      while (h < delta.hidden.length && delta.hidden[h] < first + rows) h++
      if (h > from) {
        const { data, starts } = await recordKeys(file!, g)
        for (let i = from; i < h; i++) {
          const r = delta.hidden[i] - first
          const key = data.subarray(starts[r] + 4, starts[r + 1])
          if (!replaced.has(key.toString('latin1'))) parts.push(Buffer.from(key))
        }
      }
      first += rows
    }
    return plainOf(parts)
  }
}

/** Instants of blocks, newest first. */
function instantsOf(blocks: readonly CountingBlock[]): string {
  return [...new Set(blocks.map((b) => b.instant))].sort().reverse().join(',')
}

function plainOf(parts: readonly Buffer[]): PlainVector {
  const starts = new Int32Array(parts.length + 1)
  for (const [i, p] of parts.entries()) starts[i + 1] = starts[i] + 4 + p.length
  const data = Buffer.alloc(starts[parts.length])
  for (const [i, p] of parts.entries()) {
    data.writeInt32LE(p.length, starts[i])
    p.copy(data, starts[i] + 4)
  }
  return { kind: 'plain', data, starts }
}
