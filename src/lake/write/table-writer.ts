import { newestWrite } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn, RowChanges } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { Checkpoint, CheckpointMerge, Staged, TableSpec, TableWriter, WriteCounts } from '../../contract/table.ts'
import { assert } from '../../failure/failure.ts'
import { recordedBuckets } from '../bucket-change.ts'
import { CommitProtocol } from '../commit-protocol.ts'
import { CHANGE_COLUMNS } from '../index/bag-key.ts'
import { parseBaseFileName } from '../layout/file-name.ts'
import { ensurePartition } from '../layout/partition-metadata.ts'
import type { MarkerKind } from '../layout/paths.ts'
import { hasBuckets, specOf } from '../layout/table-properties.ts'
import type { TableConcurrency } from '../lock/table-concurrency.ts'
import { evolvedColumns, sameType } from '../merge/fit.ts'
import { checkpointExtra, SOURCE_KEY } from '../metadata/checkpoint.ts'
import { type CommitMetadata, commitMetadata, type Operation, type WriteStat } from '../metadata/commit-metadata.ts'
import { columnsAt, tableSchemaText } from '../open-table.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility, fileSlices, latestBaseFiles, pendingCompactions } from '../read/slices.ts'
import { compactAll } from '../service/compaction.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { cdcModeOf } from './change-log.ts'
import type { WriteContext } from './group-files.ts'
import type { LogBlocks } from './log-file.ts'
import { mergeFlush } from './merge-flush.ts'
import { morFlush } from './mor-flush.ts'

export interface WriterDeps {
  readonly clock: Clock
  /** A directory on local disk for what does not fit into memory; emptied by the writer. */
  readonly scratchDir: string
  /** Bytes of changes held in memory at most. */
  readonly memoryBudget: number
  /** Row groups are cut at about this many bytes, uncompressed. */
  readonly rowGroupBytes: number
  /** What commits say that they did; default UPSERT. */
  readonly operation?: Operation
  /** Form of the data blocks of logs; default Parquet. */
  readonly logBlocks?: LogBlocks
  /** Size of a log file from which on the next block goes into the next version of it; default 1 GiB, as Hudi has it. */
  readonly logFileBytes?: number
  /** Of tables without buckets: base files smaller than this take new keys; default 100 MiB. */
  readonly smallFileBytes?: number
  /** No key comes twice in a flush, whatever its partition: new rows need not be held for that. */
  readonly uniqueKeys?: boolean
  /** How the table is shared with other writers; null or absent: it is not. */
  readonly sharing?: TableConcurrency | null
}

/** As `hoodie.parquet.small.file.limit`. */
const SMALL_FILE_BYTES = 104_857_600

interface OpenStage {
  readonly staged: Staged
  readonly stats: readonly WriteStat[]
  readonly spec: TableSpec
}

interface Flushed {
  readonly stats: readonly WriteStat[]
  readonly counts: WriteCounts
}

/** A writer of this lake: services work on the timeline as it knows it, between its commits. */
export interface LakeTableWriter extends TableWriter {
  readonly timeline: TimelineStore
}

/** What copy-on-write and merge-on-read have in common: one instant per flush, its schema and checkpoint, columns that grow. */
abstract class HudiTableWriter implements LakeTableWriter {
  readonly #store: ObjectStore
  readonly #deps: WriterDeps
  readonly #protocol: CommitProtocol
  readonly #action: 'commit' | 'deltacommit'
  #spec: TableSpec
  #open: OpenStage | null = null
  /** A column has got a wider type since the last flush. */
  #widened = false
  /** What this writer committed last. */
  #newest: string | null = null

  constructor(store: ObjectStore, spec: TableSpec, deps: WriterDeps, action: 'commit' | 'deltacommit') {
    this.#action = action
    this.#store = store
    this.#spec = spec
    this.#deps = deps
    this.#protocol = new CommitProtocol(store, spec.path, deps.clock, deps.sharing ?? null)
  }

  /** Writes the changes into data files that nobody sees yet. */
  protected abstract flush(
    protocol: CommitProtocol,
    context: WriteContext,
    changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  ): Promise<Flushed>

  /** Called before the first flush with wider column types. */
  protected abstract beforeWidening(protocol: CommitProtocol): Promise<void>

  get #operation(): Operation {
    return this.#deps.operation ?? 'UPSERT'
  }

  get spec(): TableSpec {
    return this.#spec
  }

  get timeline(): TimelineStore {
    return this.#protocol.timeline
  }

  async checkpoint(): Promise<Checkpoint | null> {
    return this.#protocol.checkpoint()
  }

  async instant(): Promise<string | null> {
    return this.#protocol.newest()
  }

  async evolve(columns: readonly LakeColumn[]): Promise<void> {
    const isChange = (name: string): boolean => CHANGE_COLUMNS.has(name)
    const before = this.#spec.columns
    this.#spec = { ...this.#spec, columns: evolvedColumns(this.#spec.path, before, columns, isChange) }
    const types = new Map(this.#spec.columns.map((c) => [c.name, c.type]))
    this.#widened ||= before.some((c) => !sameType(c.type, types.get(c.name) ?? c.type))
  }

  async stage(changes: Iterable<RowChanges> | AsyncIterable<RowChanges>, memoryBudget = this.#deps.memoryBudget): Promise<Staged> {
    assert(this.#open === null, 'a stage is committed or abandoned before the next one')
    if (this.#widened) await this.beforeWidening(this.#protocol)
    this.#widened = false
    const instant = await this.#protocol.begin(this.#action, this.#operation)
    try {
      await this.#followOthers()
      const buckets = recordedBuckets(this.#protocol.configuration)
      if (buckets !== null && buckets !== this.#spec.buckets) this.#spec = { ...this.#spec, buckets }
      const seed = Math.floor(this.#deps.clock.random() * 0x100000000)
      const announce = async (path: string, partition: string, kind: MarkerKind): Promise<void> => {
        await this.#protocol.mark(instant, path, kind)
        const isNew = kind === 'CREATE' && parseBaseFileName(path.slice(path.lastIndexOf('/') + 1)) !== null
        if (isNew) await ensurePartition(this.#store, this.#spec.path, partition, instant, this.#deps.clock.now())
      }
      const scratchName = `${instant}-${this.#deps.clock.uuid()}`
      const cdc = cdcModeOf(this.#protocol.configuration, this.#spec.path)
      const where = { store: this.#store, out: this.#store, spec: this.#spec, instant, announce, seed, scratchName, cdc }
      const { stats, counts } = await this.flush(this.#protocol, { ...where, ...this.#deps, memoryBudget }, changes)
      const staged = { instant, counts }
      this.#open = { staged, stats, spec: this.#spec }
      return staged
    } catch (e) {
      await this.#protocol.abandon(instant)
      throw e
    }
  }

  async commit(staged: Staged, checkpoint: Checkpoint | CheckpointMerge | null): Promise<'committed' | 'conflict'> {
    const open = this.#opened(staged)
    const metadataWith = (c: Checkpoint | null): CommitMetadata =>
      commitMetadata({
        operation: this.#operation,
        stats: open.stats,
        schema: tableSchemaText(open.spec),
        extra: c === null ? [[SOURCE_KEY, 'none']] : checkpointExtra(c),
      })
    const merge = typeof checkpoint === 'function' ? checkpoint : null
    const metadata = metadataWith(typeof checkpoint === 'function' ? null : checkpoint)
    const amend = (newest: Checkpoint | null): CommitMetadata | null => {
      const merged = merge?.(newest) ?? null
      return merged === null ? null : metadataWith(merged)
    }
    const result = await this.#protocol.complete(staged.instant, metadata, merge === null ? null : amend)
    if (result === 'committed') {
      this.#open = null
      this.#newest = staged.instant
    }
    return result
  }

  async abandon(staged: Staged): Promise<void> {
    this.#opened(staged)
    this.#open = null
    await this.#protocol.abandon(staged.instant)
  }

  #opened(staged: Staged): OpenStage {
    assert(this.#open !== null && this.#open.staged.instant === staged.instant, 'what is committed or abandoned is the open stage')
    return this.#open
  }

  /** Another engine may have added columns since, or made the table a newer version: its columns come first, ours are added. */
  async #followOthers(): Promise<void> {
    const ts = this.#protocol.timeline
    if (this.#newest !== null && newestWrite(ts.timeline, null)?.time === this.#newest) return
    const columns = await columnsAt(ts, null)
    if (columns === null) return
    const now = specOf(this.#protocol.configuration, this.#spec.path, columns)
    const isChange = (name: string): boolean => CHANGE_COLUMNS.has(name)
    const grown = evolvedColumns(this.#spec.path, now.columns, this.#spec.columns, isChange)
    this.#spec = { ...this.#spec, tableVersion: now.tableVersion, columns: grown }
  }
}

/** Each flush rewrites the base files of the file groups that its changes touch. */
export class CowTableWriter extends HudiTableWriter {
  constructor(store: ObjectStore, spec: TableSpec, deps: WriterDeps) {
    super(store, spec, deps, 'commit')
  }

  /** A base file of narrower types is read by everybody. */
  protected override async beforeWidening(): Promise<void> {
    return
  }

  protected override async flush(
    protocol: CommitProtocol,
    context: WriteContext,
    changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  ): Promise<Flushed> {
    const files = await latestBaseFiles(protocol.timeline, null)
    if (hasBuckets(protocol.configuration)) return mergeFlush({ ...context, smallFileBytes: undefined }, files, changes)
    return mergeFlush({ ...context, smallFileBytes: context.smallFileBytes ?? SMALL_FILE_BYTES }, files, changes)
  }
}

/** Each flush adds a log file to the file groups that its changes touch. */
export class MorTableWriter extends HudiTableWriter {
  readonly #deps: WriterDeps

  constructor(store: ObjectStore, spec: TableSpec, deps: WriterDeps) {
    super(store, spec, deps, 'deltacommit')
    this.#deps = deps
  }

  /** Hudi 0.x cannot read Parquet blocks of a log whose types are narrower than the table's, and so not compact them either: they go first. */
  protected override async beforeWidening(protocol: CommitProtocol): Promise<void> {
    await protocol.recover()
    if (protocol.timeline.layout === 1) await compactAll(protocol.timeline, this.#deps)
  }

  protected override async flush(
    protocol: CommitProtocol,
    context: WriteContext,
    changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  ): Promise<Flushed> {
    const ts = protocol.timeline
    const rules = mergeRulesOf(protocol.configuration, ts.table)
    const compacting = new Map((await pendingCompactions(ts)).map((c) => [`${c.partition}/${c.fileId}`, c.by]))
    // the table may have been upgraded since it was opened: names of logs follow what it is now
    const spec: TableSpec = { ...context.spec, tableVersion: ts.layout === 1 ? 6 : 9 }
    const bucketed = hasBuckets(protocol.configuration)
    return morFlush(
      { ...context, spec, rules, bucketed, visible: blockVisibility(ts, null), compacting },
      await fileSlices(ts, null),
      changes,
    )
  }
}
