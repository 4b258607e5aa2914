import type { RowChanges } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec, WriteCounts } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { CommitProtocol } from '../commit-protocol.ts'
import { ensurePartition } from '../layout/partition-metadata.ts'
import { DEFAULT_CONCURRENCY, type TableConcurrency, tableConcurrency } from '../lock/table-concurrency.ts'
import { sameType } from '../merge/fit.ts'
import { SOURCE_KEY } from '../metadata/checkpoint.ts'
import { commitMetadata, type WriteStat } from '../metadata/commit-metadata.ts'
import { columnsAt, tableSchemaText } from '../open-table.ts'
import { fileSlices } from '../read/slices.ts'
import { compactAll } from '../service/compaction.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { mergeFlush } from './merge-flush.ts'
import { DEFAULT_BUDGET, DEFAULT_ROW_GROUP, type OpenTableDeps } from './open-table.ts'

/** What an operation that replaces file groups has done. */
export interface Replaced {
  /** Null: there was nothing to replace and nothing to write, so no commit was made. */
  readonly instant: string | null
  readonly counts: WriteCounts
  /** File groups that were taken out, over all partitions. */
  readonly groups: number
  readonly partitions: readonly string[]
}

type Groups = ReadonlyMap<string, readonly string[]>

/**
 * Writes rows into new file groups, and with the same commit takes the old ones out: of the partitions that the rows touch
 * (INSERT_OVERWRITE), or of the whole table (INSERT_OVERWRITE_TABLE). `rows`: each key once or the last one counts.
 * TRB-LAKE-011 when another writer came in between: nothing has been changed then.
 */
export async function overwrite(
  store: ObjectStore,
  spec: TableSpec,
  rows: AsyncIterable<RowChanges>,
  operation: 'INSERT_OVERWRITE' | 'INSERT_OVERWRITE_TABLE',
  deps: OpenTableDeps,
): Promise<Replaced> {
  const { protocol, sharing } = await protocolOf(store, spec, deps)
  // of the table's groups none stays that would have narrower logs
  if (operation === 'INSERT_OVERWRITE') await compactNarrower(protocol, spec, deps, sharing)
  const instant = await protocol.begin('replacecommit', operation)
  return await orAbandon(protocol, instant, async () => {
    const announce = async (path: string, partition: string): Promise<void> => {
      await protocol.mark(instant, path, 'CREATE')
      await ensurePartition(store, spec.path, partition, instant, deps.clock.now())
    }
    const { clock, scratchDir, memoryBudget = DEFAULT_BUDGET, rowGroupBytes = DEFAULT_ROW_GROUP } = deps
    const seed = Math.floor(clock.random() * 0x100000000)
    const scratch = { scratchDir, scratchName: `${instant}-${clock.uuid()}`, memoryBudget, rowGroupBytes }
    const { stats, counts } = await mergeFlush({ store, out: store, spec, instant, announce, seed, clock, ...scratch }, [], rows)
    const touched = new Set(stats.map((s) => s.partitionPath ?? ''))
    const old = await groupsOf(protocol.timeline, (p) => operation === 'INSERT_OVERWRITE_TABLE' || touched.has(p))
    await commit(protocol, instant, spec, operation, stats, old)
    return { instant, counts, groups: sizeOf(old), partitions: [...touched].sort() }
  })
}

/**
 * Takes every file group of these partitions out. A partition is named by its directory; TRB-LAKE-066 for one that the table does not have.
 */
export async function deletePartitions(
  store: ObjectStore,
  spec: TableSpec,
  partitions: readonly string[],
  deps: OpenTableDeps,
): Promise<Replaced> {
  const { protocol } = await protocolOf(store, spec, deps)
  await protocol.recover()
  const present = await groupsOf(protocol.timeline, () => true)
  for (const partition of partitions) {
    if (present.has(partition)) continue
    const found = [...present.keys()].sort()
    const list = found.length > 20 ? `${found.slice(0, 20).join(', ')}, …` : found.join(', ') || 'none'
    throw new Failure('TRB-LAKE-066', { table: spec.path || store.root, partition, found: list })
  }
  const instant = await protocol.begin('replacecommit', 'DELETE_PARTITION')
  return await orAbandon(protocol, instant, async () => {
    const old = await groupsOf(protocol.timeline, (p) => partitions.includes(p))
    await commit(protocol, instant, spec, 'DELETE_PARTITION', [], old)
    return { instant, counts: { inserted: 0, updated: 0, deleted: 0 }, groups: sizeOf(old), partitions: [...partitions].sort() }
  })
}

async function protocolOf(
  store: ObjectStore,
  spec: TableSpec,
  deps: OpenTableDeps,
): Promise<{ readonly protocol: CommitProtocol; readonly sharing: TableConcurrency | null }> {
  const sharing = await tableConcurrency(store, spec.path, deps.clock, deps.concurrency ?? DEFAULT_CONCURRENCY)
  return { protocol: new CommitProtocol(store, spec.path, deps.clock, sharing), sharing }
}

/** Logs whose types are narrower than those of `spec` are compacted where Hudi 0.x reads the table: it cannot read them (MorTableWriter). */
async function compactNarrower(
  protocol: CommitProtocol,
  spec: TableSpec,
  deps: OpenTableDeps,
  sharing: TableConcurrency | null,
): Promise<void> {
  if (spec.tableType !== 'MERGE_ON_READ') return
  await protocol.recover()
  const ts = protocol.timeline
  const types = new Map(spec.columns.map((c) => [c.name, c.type]))
  const stored = (await columnsAt(ts, null)) ?? []
  if (ts.layout !== 1 || stored.every((c) => sameType(c.type, types.get(c.name) ?? c.type))) return
  const { scratchDir, memoryBudget = DEFAULT_BUDGET, rowGroupBytes = DEFAULT_ROW_GROUP } = deps
  await compactAll(ts, { scratchDir, memoryBudget, rowGroupBytes, sharing })
}

async function orAbandon<R>(protocol: CommitProtocol, instant: string, work: () => Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (e) {
    await protocol.abandon(instant)
    throw e
  }
}

async function commit(
  protocol: CommitProtocol,
  instant: string,
  spec: TableSpec,
  operation: 'INSERT_OVERWRITE' | 'INSERT_OVERWRITE_TABLE' | 'DELETE_PARTITION',
  stats: readonly WriteStat[],
  replaced: Groups,
): Promise<void> {
  const metadata = commitMetadata({ operation, stats, schema: tableSchemaText(spec), extra: [[SOURCE_KEY, 'none']], replaced })
  if ((await protocol.complete(instant, metadata)) === 'committed') return
  throw new Failure('TRB-LAKE-011', { table: spec.path, refusal: `another writer completed a commit after ${instant} began` })
}

/** File groups as of now in the partitions that are asked for. */
async function groupsOf(ts: TimelineStore, wanted: (partition: string) => boolean): Promise<Groups> {
  const out = new Map<string, string[]>()
  for (const s of await fileSlices(ts, null)) {
    if (!wanted(s.partition)) continue
    const ids = out.get(s.partition)
    if (ids === undefined) out.set(s.partition, [s.fileId])
    else ids.push(s.fileId)
  }
  return out
}

function sizeOf(groups: Groups): number {
  let n = 0
  for (const ids of groups.values()) n += ids.length
  return n
}
