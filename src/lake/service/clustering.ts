import type { FileSlice } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { announceBuckets, settleBucketChanges } from '../bucket-change.ts'
import { parseBaseFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import { specOf } from '../layout/table-properties.ts'
import { guarded, type TableConcurrency } from '../lock/table-concurrency.ts'
import { SOURCE_KEY } from '../metadata/checkpoint.ts'
import { type ClusteringGroup, type ClusteringPlan, printClusteringPlan, REBUCKETED, RETRACTABLE } from '../metadata/clustering-plan.ts'
import { commitMetadata, type WriteStat } from '../metadata/commit-metadata.ts'
import { columnsAt, tableSchemaText } from '../open-table.ts'
import { completeAction, pendingActions, requestAction, startAction } from '../planned-action.ts'
import { fileSlices, listDataFiles, slicesOf } from '../read/slices.ts'
import { refuseLiveWriter } from '../rollback.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { ClusterWork } from './cluster-work.ts'
import { bytesOf, type CompactionDeps, freeSlices } from './compaction.ts'
import { rebucketable } from './rebucket.ts'
import { sortColumns } from './sort-rows.ts'

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
  /** Only file groups that have been written to after this instant; null or absent: all. */
  readonly since?: string | null
  /** Number of buckets that the table is to have: all of its rows are spread over them anew. Null or absent: rows stay in theirs. */
  readonly buckets?: number | null
}

export const DEFAULT_CLUSTERING: ClusteringPolicy = { sort: [], targetBytes: 128 << 20, smallBytes: 64 << 20, partitions: null }

/** A clustering that has been completed. */
export interface Clustered {
  readonly instant: string
  /** The number of buckets that the table has now, where it was changed. */
  readonly buckets: number | null
  readonly replaced: number
  readonly written: number
  readonly rows: number
  readonly bytes: number
  readonly resumed: boolean
}

const STRATEGY = 'org.apache.hudi.client.clustering.run.strategy.SparkSortAndSizeExecutionStrategy'
/** Of tables with buckets: Hudi's strategy would put their rows into file groups without one, so that a plan of ours is nothing for Spark to carry out. */
const WITHIN_BUCKETS = 'tributary.ClusterWithinBuckets'
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
  const since = policy.since ?? ''
  const wanted = (s: FileSlice): boolean =>
    (policy.partitions?.includes(s.partition) ?? true) && (s.logs.length > 0 || s.baseInstant > since)
  const free = freeSlices(ts, await fileSlices(ts, null)).filter(wanted)
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
  const { sort, targetBytes, buckets = null } = policy
  const plan = async (): Promise<{ time: string; groups: readonly (readonly FileSlice[])[] } | null> => {
    if (buckets !== null) await settleBucketChanges(ts)
    const groups = buckets === null ? await clusterable(ts, policy, deps.memoryBudget) : await rebucketable(ts, buckets)
    return groups === null || (groups.length === 0 && buckets === null)
      ? null
      : { time: await scheduleClustering(ts, policy, groups), groups }
  }
  const planned = await underLock(ts, deps.sharing ?? null, plan)
  if (planned === null) return null
  return execute(ts, { ...planned, sort, targetBytes, buckets, resumed: false }, deps)
}

/** Puts the plan on the timeline. Returns its time. TRB-LAKE-011 when a pending instant has one of the file groups. */
async function scheduleClustering(ts: TimelineStore, policy: ClusteringPolicy, groups: readonly (readonly FileSlice[])[]): Promise<string> {
  const { buckets = null } = policy
  const plan: ClusteringPlan = {
    groups: groups.map((slices) => groupOf(ts, slices, policy.targetBytes)),
    strategy: {
      name: (await hasBuckets(ts)) ? WITHIN_BUCKETS : STRATEGY,
      parameters: { [SORT_KEY]: policy.sort.join(','), [TARGET_KEY]: String(policy.targetBytes) },
    },
    extra: { [RETRACTABLE]: 'true', ...(buckets === null ? {} : { [REBUCKETED]: String(buckets) }) },
  }
  const version = ts.layout === 1 ? 6 : 9
  const body = printClusteringPlan(plan, version, ts.sync())
  // A bucket that has no file group yet is not free to be written either, when its number is about to mean something else.
  const claims = buckets === null ? groups.flat().map((s) => `${s.partition}/${s.fileId}`) : 'all'
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
    const targetBytes = Number(parameters[TARGET_KEY] ?? DEFAULT_CLUSTERING.targetBytes)
    const buckets = plan.extra[REBUCKETED] === undefined ? null : Number(plan.extra[REBUCKETED])
    out.push(await execute(ts, { time, groups, sort, targetBytes, buckets, resumed: true }, deps))
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

/** A clustering that is on the timeline. */
interface Planned {
  readonly time: string
  readonly groups: readonly (readonly FileSlice[])[]
  readonly sort: readonly string[]
  readonly targetBytes: number
  /** Number of buckets that it spreads rows over; null: they stay in theirs. */
  readonly buckets: number | null
  readonly resumed: boolean
}

async function execute(ts: TimelineStore, planned: Planned, deps: CompactionDeps): Promise<Clustered> {
  const { time, groups, buckets, targetBytes, resumed } = planned
  await ts.beat(time)
  try {
    await startAction(ts, 'clustering', time)
    const schema = (await columnsAt(ts, null)) ?? []
    const spec = specOf(await ts.properties(), ts.table, schema)
    const by = sortColumns(ts.table, schema, planned.sort)
    const bucketed = await hasBuckets(ts)
    const stats = await new ClusterWork(ts, time, { spec, schema, by, targetBytes, bucketed, buckets }, deps).run(groups)
    const replaced = new Map<string, string[]>()
    for (const s of groups.flat()) replaced.set(s.partition, [...(replaced.get(s.partition) ?? []), s.fileId])
    const extra: [string, string][] = [[SOURCE_KEY, 'clustering']]
    if (buckets !== null) extra.push([REBUCKETED, String(buckets)])
    const metadata = commitMetadata({ operation: 'CLUSTER', stats, schema: tableSchemaText(spec), extra, replaced })
    await underLock(ts, deps.sharing ?? null, async () => {
      if (buckets !== null) await announceBuckets(ts, time, buckets)
      await completeAction(ts, 'clustering', time, ts.printCommit(metadata))
    })
    await ts.clearMarkers(time)
    const total = (of: (s: WriteStat) => number): number => stats.reduce((n, s) => n + of(s), 0)
    const sizes = { rows: total((s) => s.numWrites), bytes: total((s) => s.fileSizeInBytes) }
    return { instant: time, buckets, replaced: groups.flat().length, written: stats.length, ...sizes, resumed }
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
  return sharing === null ? fresh() : sharing.exclusively((held) => guarded(ts, held, fresh))
}

/** Whether keys are looked for by the number of a file group: of this or another engine's bucket index. */
async function hasBuckets(ts: TimelineStore): Promise<boolean> {
  const p = await ts.properties()
  return (
    Number(p.get('tributary.buckets') ?? '0') > 0 || p.get('hoodie.index.type') === 'BUCKET' || p.has('hoodie.bucket.index.num.buckets')
  )
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
