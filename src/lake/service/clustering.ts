import type { LakeColumn } from '../../contract/columns.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { bucketFileId, bucketOfFileId, parseBaseFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import { specOf, storedColumns } from '../layout/table-properties.ts'
import type { TableConcurrency } from '../lock/table-concurrency.ts'
import { bytesOfChunk, ChunkRows } from '../merge/chunk-rows.ts'
import { SOURCE_KEY } from '../metadata/checkpoint.ts'
import { type ClusteringGroup, type ClusteringPlan, printClusteringPlan, RETRACTABLE } from '../metadata/clustering-plan.ts'
import { commitMetadata, type WriteStat } from '../metadata/commit-metadata.ts'
import { columnsAt, tableSchemaText } from '../open-table.ts'
import { completeAction, pendingActions, requestAction, startAction } from '../planned-action.ts'
import { type DeltaRequest, mergedRows } from '../read/delta.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility, fileSlices, listDataFiles, slicesOf } from '../read/slices.ts'
import { refuseLiveWriter } from '../rollback.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { GroupFiles, type OpenGroup, type WriteContext } from '../write/group-files.ts'
import { bytesOf, type CompactionDeps, freeSlices } from './compaction.ts'
import { sortColumns, sortedRows } from './sort-rows.ts'

/** How rows are to lie in new file groups. */
export interface ClusteringPolicy {
  /** Columns to sort by; none: file groups are only put together. */
  readonly sort: readonly string[]
  /** New base files are about this large, stored. */
  readonly targetBytes: number
  /** Without sort columns: file groups smaller than this are put together. */
  readonly smallBytes: number
  /** Partition paths; null: all. */
  readonly partitions: readonly string[] | null
}

export const DEFAULT_CLUSTERING: ClusteringPolicy = { sort: [], targetBytes: 128 << 20, smallBytes: 64 << 20, partitions: null }

/** A clustering that has been completed. */
export interface Clustered {
  readonly instant: string
  readonly replaced: number
  readonly written: number
  readonly rows: number
  readonly bytes: number
  readonly resumed: boolean
}

const STRATEGY = 'org.apache.hudi.client.clustering.run.strategy.SparkSortAndSizeExecutionStrategy'
const SORT_KEY = 'hoodie.clustering.plan.strategy.sort.columns'
const TARGET_KEY = 'hoodie.clustering.plan.strategy.target.file.max.bytes'

/**
 * File groups that belong together by the policy: those of one partition up to about `memoryBudget` bytes, as rows are sorted in memory. The group of a
 * bucket stays one of its own, because its number says where keys are looked for. The timeline must be fresh.
 */
export async function clusterable(
  ts: TimelineStore,
  policy: ClusteringPolicy,
  mostBytes: number,
): Promise<readonly (readonly FileSlice[])[]> {
  const free = freeSlices(ts, await fileSlices(ts, null)).filter((s) => policy.partitions?.includes(s.partition) ?? true)
  const bucketed = await hasBuckets(ts)
  const sorted = policy.sort.length > 0
  const out: FileSlice[][] = []
  for (const slices of Map.groupBy(free, (s) => s.partition).values()) {
    if (bucketed) {
      if (sorted) out.push(...slices.map((s) => [s]))
      continue
    }
    let part: FileSlice[] = []
    let bytes = 0
    for (const s of sorted ? slices : slices.filter((x) => bytesOf(x) < policy.smallBytes)) {
      if (part.length > 0 && bytes + bytesOf(s) > mostBytes) {
        out.push(part)
        part = []
        bytes = 0
      }
      part.push(s)
      bytes += bytesOf(s)
    }
    if (part.length > 0) out.push(part)
  }
  return sorted ? out : out.filter((g) => g.length > 1)
}

/**
 * Plans and carries out a clustering. While it is pending nobody may write to its file groups: a writer that comes is refused (TRB-LAKE-012) as long as
 * this is at work; when this has died, the writer takes it back (RETRACTABLE). Null: nothing is due. The timeline must be fresh.
 */
export async function cluster(ts: TimelineStore, policy: ClusteringPolicy, deps: CompactionDeps): Promise<Clustered | null> {
  const columns = (await columnsAt(ts, null)) ?? []
  sortColumns(ts.table, columns, policy.sort)
  const plan = async (): Promise<{ time: string; groups: readonly (readonly FileSlice[])[] } | null> => {
    const groups = await clusterable(ts, policy, deps.memoryBudget)
    return groups.length === 0 ? null : { time: await scheduleClustering(ts, policy, groups), groups }
  }
  const planned = await underLock(ts, deps.sharing ?? null, plan)
  if (planned === null) return null
  return execute(ts, planned.time, planned.groups, policy.sort, policy.targetBytes, deps, false)
}

/** Puts the plan on the timeline. Returns its time. TRB-LAKE-011 when a pending instant has one of the file groups. */
async function scheduleClustering(ts: TimelineStore, policy: ClusteringPolicy, groups: readonly (readonly FileSlice[])[]): Promise<string> {
  const plan: ClusteringPlan = {
    groups: groups.map((slices) => groupOf(ts, slices, policy.targetBytes)),
    strategy: { name: STRATEGY, parameters: { [SORT_KEY]: policy.sort.join(','), [TARGET_KEY]: String(policy.targetBytes) } },
    extra: { [RETRACTABLE]: 'true' },
  }
  const claims = groups.flat().map((s) => `${s.partition}/${s.fileId}`)
  const version = ts.layout === 1 ? 6 : 9
  const body = printClusteringPlan(plan, version, ts.sync())
  return requestAction(ts, 'clustering', () => body, { claims, clustering: true, retractable: true })
}

function groupOf(ts: TimelineStore, slices: readonly FileSlice[], targetBytes: number): ClusteringGroup {
  const absolute = (key: string): string => `${ts.store.root.includes('://') ? '' : 'file:'}${ts.store.root}/${key}`
  const bytes = slices.reduce((n, s) => n + bytesOf(s), 0)
  const logs = slices.flatMap((s) => s.logs)
  const mb = Math.floor(bytes / (1 << 20))
  return {
    slices: slices.map((s) => ({
      partition: s.partition,
      fileId: s.fileId,
      baseFile: s.base === null ? '' : absolute(s.base.key),
      logFiles: s.logs.map((l) => absolute(l.key)),
    })),
    outputGroups: Math.max(1, Math.ceil(bytes / targetBytes)),
    metrics: {
      TOTAL_LOG_FILES: logs.length,
      TOTAL_IO_MB: mb * 2,
      TOTAL_IO_READ_MB: mb,
      TOTAL_LOG_FILES_SIZE: logs.reduce((n, l) => n + l.bytes, 0),
      TOTAL_IO_WRITE_MB: mb,
    },
  }
}

/**
 * Carries out clusterings that are planned, or were begun by somebody who died, of this or another engine. What an earlier try left is deleted first.
 * The timeline must be fresh. TRB-LAKE-090 when a file of the plan is gone, TRB-LAKE-012 when somebody is at work on it.
 */
export async function resumeClusterings(ts: TimelineStore, deps: CompactionDeps): Promise<readonly Clustered[]> {
  const out: Clustered[] = []
  for (const { time } of pendingActions(ts, 'clustering')) {
    if (deps.sole !== true) await refuseLiveWriter(ts, time)
    const plan = await ts.clusteringPlan(time)
    if (plan === null) continue
    const groups = await plannedGroups(ts, plan, time)
    await deleteLeftovers(ts, time)
    const parameters = plan.strategy?.parameters ?? {}
    const sort = (parameters[SORT_KEY] ?? '')
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== '')
    const target = Number(parameters[TARGET_KEY] ?? DEFAULT_CLUSTERING.targetBytes)
    out.push(await execute(ts, time, groups, sort, target, deps, true))
  }
  return out
}

async function plannedGroups(ts: TimelineStore, plan: ClusteringPlan, time: string): Promise<readonly (readonly FileSlice[])[]> {
  const found = new Map<string, FileSlice>()
  for (const s of await slicesOf(ts, await listDataFiles(ts.store, ts.table), time)) found.set(`${s.partition}/${s.fileId}`, s)
  return plan.groups.map((g) =>
    g.slices.map((s) => {
      const slice = found.get(`${s.partition}/${s.fileId}`)
      const names = new Set(s.logFiles.map(nameOf))
      const logs = slice?.logs.filter((l) => names.has(l.name)) ?? []
      const base = slice === undefined || slice.base === null ? '' : nameOf(slice.base.key)
      const missing = base !== nameOf(s.baseFile) ? nameOf(s.baseFile) : [...names].find((name) => !logs.some((l) => l.name === name))
      if (slice !== undefined && missing === undefined) return { ...slice, logs }
      throw new Failure('TRB-LAKE-090', {
        table: ts.table,
        action: 'clustering',
        instant: time,
        file: join(s.partition, missing ?? s.fileId),
      })
    }),
  )
}

/** New file groups of an earlier try. */
async function deleteLeftovers(ts: TimelineStore, time: string): Promise<void> {
  const { bases } = await listDataFiles(ts.store, ts.table)
  await ts.store.delete(bases.filter((b) => parseBaseFileName(b.name)?.instant === time).map((b) => b.key))
  await ts.clearMarkers(time)
}

async function execute(
  ts: TimelineStore,
  time: string,
  groups: readonly (readonly FileSlice[])[],
  sort: readonly string[],
  targetBytes: number,
  deps: CompactionDeps,
  resumed: boolean,
): Promise<Clustered> {
  await ts.beat(time)
  try {
    await startAction(ts, 'clustering', time)
    const columns = (await columnsAt(ts, null)) ?? []
    const spec = specOf(await ts.properties(), ts.table, columns)
    const by = sortColumns(ts.table, columns, sort)
    const stats = await new Work(ts, time, spec, columns, by, targetBytes, deps).run(groups)
    const replaced = new Map<string, string[]>()
    for (const s of groups.flat()) replaced.set(s.partition, [...(replaced.get(s.partition) ?? []), s.fileId])
    const extra = [[SOURCE_KEY, 'clustering']] as const
    const metadata = commitMetadata({ operation: 'CLUSTER', stats, schema: tableSchemaText(spec), extra, replaced })
    await underLock(ts, deps.sharing ?? null, () => completeAction(ts, 'clustering', time, ts.printCommit(metadata)))
    await ts.clearMarkers(time)
    const total = (of: (s: WriteStat) => number): number => stats.reduce((n, s) => n + of(s), 0)
    const sizes = { rows: total((s) => s.numWrites), bytes: total((s) => s.fileSizeInBytes) }
    return { instant: time, replaced: groups.flat().length, written: stats.length, ...sizes, resumed }
  } finally {
    await ts.endBeat(time)
  }
}

/** With the timeline read anew, and nobody else changing it where the table is shared. */
async function underLock<R>(ts: TimelineStore, sharing: TableConcurrency | null, work: () => Promise<R>): Promise<R> {
  const fresh = async (): Promise<R> => {
    await ts.refresh()
    return work()
  }
  return sharing === null ? fresh() : sharing.exclusively(fresh)
}

/** Rows of old file groups on their way into new ones. */
class Work {
  readonly #ts: TimelineStore
  readonly #time: string
  readonly #spec: TableSpec
  readonly #schema: readonly LakeColumn[]
  readonly #by: readonly LakeColumn[]
  readonly #targetBytes: number
  readonly #deps: CompactionDeps

  constructor(
    ts: TimelineStore,
    time: string,
    spec: TableSpec,
    schema: readonly LakeColumn[],
    by: readonly LakeColumn[],
    targetBytes: number,
    deps: CompactionDeps,
  ) {
    this.#ts = ts
    this.#time = time
    this.#spec = spec
    this.#schema = schema
    this.#by = by
    this.#targetBytes = targetBytes
    this.#deps = deps
  }

  async run(groups: readonly (readonly FileSlice[])[]): Promise<readonly WriteStat[]> {
    const { store, clock, table } = this.#ts
    const announce = (path: string): Promise<void> => this.#ts.mark(this.#time, path, 'CREATE')
    const scratchName = `${this.#time}-${clock.uuid()}`
    const context: WriteContext = {
      ...{ store, spec: this.#spec, instant: this.#time, out: store, announce, seed: 0, clock },
      ...this.#deps,
      scratchName,
    }
    const partitions = [...new Set(groups.flat().map((s) => s.partition))]
    const output = new GroupFiles(context, partitions)
    const bucketed = await hasBuckets(this.#ts)
    const rules = groups.flat().some((s) => s.logs.length > 0) ? mergeRulesOf(await this.#ts.properties(), table) : NO_RULES
    const counts = blockVisibility(this.#ts, null)
    const limit = { bytes: this.#deps.memoryBudget, directory: this.#deps.scratchDir, name: scratchName }
    const visible = (instant: string): boolean => instant < this.#time && counts(instant)
    const request = { store, table, schema: this.#schema, rules, visible, limit }
    try {
      for (const slices of groups) {
        const bucket = bucketed ? bucketOfFileId(slices[0].fileId) : null
        const to = new Target(output, partitions.indexOf(slices[0].partition), bucket, this.#targetBytes, () => clock.uuid())
        await this.#rewrite(slices, request, to)
      }
    } catch (e) {
      await output.abort()
      throw e
    }
    return output.stats.map((s) => ({ ...s, numInserts: s.numWrites, numUpdateWrites: 0 }))
  }

  /** Sorted as far as rows fit into memory together: a plan's groups are cut so that mostly all do. */
  async #rewrite(slices: readonly FileSlice[], request: Omit<DeltaRequest, 'slice'>, to: Target): Promise<void> {
    let chunks: RowChunk[] = []
    let bytes = 0
    for (const slice of slices) {
      for await (const chunk of mergedRows({ ...request, slice })) {
        chunks.push(chunk)
        bytes += bytesOfChunk(chunk)
        if (bytes < this.#deps.memoryBudget) continue
        await this.#write(chunks, bytes, to)
        chunks = []
        bytes = 0
      }
      await this.#ts.beat(this.#time)
    }
    if (chunks.length > 0) await this.#write(chunks, bytes, to)
    await to.close()
  }

  async #write(chunks: readonly RowChunk[], bytes: number, to: Target): Promise<void> {
    const { chunk, row } = sortedRows(chunks, this.#by)
    const columns = storedColumns(this.#spec)
    for (let at = 0; at < row.length; ) {
      const file = await to.file(row.length - at)
      const n = Math.min(row.length - at, file.writer.rowsPerGroup(bytes / row.length, row.length - at))
      await file.writer.insertRows(new ChunkRows(chunks, columns, chunk.subarray(at, at + n), row.subarray(at, at + n)))
      at += n
    }
  }
}

/** New file groups of one partition, each begun when the last one is large enough; of a bucket there is only one. */
class Target {
  readonly #output: GroupFiles
  readonly #partition: number
  readonly #bucket: number | null
  readonly #most: number
  readonly #uuid: () => string
  #open: OpenGroup | null = null

  constructor(output: GroupFiles, partition: number, bucket: number | null, most: number, uuid: () => string) {
    this.#output = output
    this.#partition = partition
    this.#bucket = bucket
    this.#most = most
    this.#uuid = uuid
  }

  async file(rows: number): Promise<OpenGroup> {
    if (this.#open !== null && this.#bucket === null && this.#open.writer.size >= this.#most) await this.close()
    if (this.#open === null) {
      const fileId = this.#bucket === null ? `${this.#uuid()}-0` : bucketFileId(this.#bucket, this.#uuid())
      this.#open = await this.#output.openNew({ fileId, instant: 'null', rows: 0 }, this.#partition, this.#bucket ?? 0, rows)
    }
    return this.#open
  }

  async close(): Promise<void> {
    if (this.#open !== null) await this.#output.close(this.#open)
    this.#open = null
  }
}

/** Whether keys are looked for by the number of a file group: of this or another engine's bucket index. */
async function hasBuckets(ts: TimelineStore): Promise<boolean> {
  const p = await ts.properties()
  return (
    Number(p.get('tributary.buckets') ?? '0') > 0 || p.get('hoodie.index.type') === 'BUCKET' || p.has('hoodie.bucket.index.num.buckets')
  )
}

const NO_RULES = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null } as const

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
