import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec, TableWriter } from '../../contract/table.ts'
import { assert, Failure, isFailure } from '../../failure/failure.ts'
import type { OwnerProbe } from '../../lake/lake-lock.ts'
import { tablePath } from '../../lake/layout/paths.ts'
import { type ConcurrencySettings, guarded, type TableConcurrency, tableConcurrency } from '../../lake/lock/table-concurrency.ts'
import { openTable } from '../../lake/open-table.ts'
import { Clusterer, type ClustererPolicy } from '../../lake/service/clusterer.ts'
import { type CompactionPolicy, Compactor } from '../../lake/service/compactor.ts'
import { type LogCompactionPolicy, LogCompactor } from '../../lake/service/log-compactor.ts'
import { type ServicePolicy, type ServicesDone, TableServices } from '../../lake/service/run-services.ts'
import { LakeWatermarkStore } from '../../lake/watermark-store.ts'
import { openTableWriter } from '../../lake/write/open-table.ts'
import type { LakeTableWriter } from '../../lake/write/table-writer.ts'
import type { FeedLake } from '../../pipeline/feed-lake.ts'

/**
 * Changes held in memory while a commit is staged, unless the place says otherwise: half of it is for rows, which is what the 50,000 of a flush
 * take. More goes to the scratch directory, which costs two to three times as much, and in the end no less memory.
 */
const WRITE_BUDGET = 40 << 20
/** The same for services that write base files anew. */
const SERVICE_BUDGET = 12 << 20
/** The same for a log compaction: logs of a quarter of it at most, which is about when a base file of 100 MiB is worth a compaction. */
const LOG_COMPACTION_BUDGET = 48 << 20
/** Rows of a base file held in memory, uncompressed, before a row group is written. */
const ROW_GROUP_BYTES = 12 << 20

/** Which services run between the commits of a table; null: that one does not. */
export interface LakePolicy extends ServicePolicy {
  readonly compaction: CompactionPolicy | null
  readonly logCompaction: LogCompactionPolicy | null
  /** Of the table at this path. */
  readonly clustering: (path: string) => ClustererPolicy
}

/** What services did in one go. */
export interface LakeServicesDone extends ServicesDone {
  /** File groups with a new base file. */
  readonly compacted: number
  /** File groups whose logs were put together. */
  readonly logsCompacted: number
  /** File groups that a clustering took the place of. */
  readonly clustered: number
  /** Number of buckets that the table has got; null: as before. */
  readonly buckets: number | null
}

/** What a table's writer and services did besides, for whoever watches. */
export interface LakeTell {
  warning(text: string): void
  service(path: string, done: LakeServicesDone): void
}

interface OpenTable {
  readonly writer: LakeTableWriter
  readonly services: TableServices
  readonly compactor: Compactor | null
  readonly logCompactor: LogCompactor | null
  readonly clusterer: Clusterer
  /** Null: nobody else writes the table. */
  readonly sharing: TableConcurrency | null
}

/** Where the lake is, and how its tables are shared with other writers. */
export interface LakePlace {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly scratchDir: string
  readonly concurrency: ConcurrencySettings
  /** Who this process is. */
  readonly owner: OwnerProbe
  /** Bytes of changes held in memory while a commit is staged; default: what a process that captures can spare beside it. */
  readonly memoryBudget?: number
}

/** The lake of a `cdc run`: Hudi tables in an object store, written by our own writer, with services between its commits. */
export function feedLake(place: LakePlace, policy: LakePolicy, tell: LakeTell): FeedLake {
  const { store, clock, scratchDir, concurrency, owner } = place
  const deps = { clock, scratchDir, concurrency, memoryBudget: place.memoryBudget ?? WRITE_BUDGET, rowGroupBytes: ROW_GROUP_BYTES }
  const tables = new Map<string, OpenTable>()
  const write = async (spec: TableSpec): Promise<TableWriter> => {
    const writer = await openTableWriter(store, spec, deps)
    writer.timeline.onNotice = tell.warning
    writer.timeline.owner = owner
    const merges = writer.spec.tableType === 'MERGE_ON_READ'
    const sharing = await tableConcurrency(store, spec.path, clock, concurrency)
    const work = { ...deps, memoryBudget: SERVICE_BUDGET, sharing, sole: sharing === null }
    const compactor = merges && policy.compaction !== null ? new Compactor(policy.compaction, work) : null
    const logCompactor =
      merges && policy.logCompaction !== null
        ? new LogCompactor(policy.logCompaction, { ...work, memoryBudget: LOG_COMPACTION_BUDGET })
        : null
    const clusterer = new Clusterer(policy.clustering(spec.path), work)
    tables.set(spec.path, { writer, services: new TableServices(policy), compactor, logCompactor, clusterer, sharing })
    return writer
  }
  return {
    root: store.root,
    watermarks: new LakeWatermarkStore(store, clock),
    pathOf: (t) => tablePath(t.database, t.table.schema, t.table.table),
    async open(path) {
      const spec = await specOrNull(store, path, clock)
      return spec === null ? null : await write(spec)
    },
    async create(spec) {
      checkPartition(spec)
      return await write(spec)
    },
    async maintain(path) {
      const table = tables.get(path)
      assert(table !== undefined, 'services are for tables that are open')
      const { timeline } = table.writer
      const rewritten = await rewrite(table)
      const takeAway = async (): Promise<ServicesDone> => {
        // Others may have changed the table since our commit.
        if (table.sharing !== null) await timeline.refresh()
        return await table.services.run(timeline)
      }
      const taken = table.sharing === null ? await takeAway() : await table.sharing.exclusively((held) => guarded(timeline, held, takeAway))
      const done = { ...taken, ...rewritten }
      const { compacted, logsCompacted, clustered, filesCleaned, instantsArchived } = done
      if (compacted + logsCompacted + clustered + filesCleaned + instantsArchived > 0 || done.buckets !== null) tell.service(path, done)
    },
  }
}

/** The services that write files anew: first what rests on nothing else. */
async function rewrite({ writer, compactor, logCompactor, clusterer }: OpenTable): Promise<Omit<LakeServicesDone, keyof ServicesDone>> {
  const { timeline } = writer
  const done = { compacted: 0, logsCompacted: 0, clustered: 0, buckets: null as number | null }
  for (const c of (await compactor?.run(timeline)) ?? []) done.compacted += c.fileGroups
  for (const c of (await logCompactor?.run(timeline)) ?? []) done.logsCompacted += c.fileGroups
  for (const c of await clusterer.run(timeline)) {
    done.clustered += c.replaced
    done.buckets = c.buckets ?? done.buckets
  }
  return done
}

/** Before the table is there: it would keep what it was created with. Fails with TRB-LAKE-404, -405. */
function checkPartition({ path, partition, columns }: TableSpec): void {
  if (partition === null) return
  const { column, truncate } = partition
  const type = columns.find((c) => c.name === column)?.type.kind
  if (type === undefined) throw new Failure('TRB-LAKE-405', { table: path, column })
  if (truncate !== 'none' && type !== 'date' && type !== 'timestamp-micros') {
    throw new Failure('TRB-LAKE-404', { table: path, column, type: `${type}, which has no ${truncate}` })
  }
}

async function specOrNull(store: ObjectStore, path: string, clock: Clock): Promise<TableSpec | null> {
  try {
    return await openTable(store, path, clock)
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-001')) return null
    throw e
  }
}
