import { pendingInstants } from '../../../timeline/view.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { FileSlice, SliceDelta } from '../../contract/slice.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { parseBaseFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import { specOf, storedColumns } from '../layout/table-properties.ts'
import { guarded, type TableConcurrency } from '../lock/table-concurrency.ts'
import type { BaseGroup } from '../merge/join.ts'
import { SOURCE_KEY } from '../metadata/checkpoint.ts'
import { commitMetadata, type WriteStat } from '../metadata/commit-metadata.ts'
import { type CompactionOperation, type CompactionPlan, printCompactionPlan } from '../metadata/compaction-plan.ts'
import { columnsAt, tableSchemaText } from '../open-table.ts'
import { completeAction, pendingActions, requestAction, startAction } from '../planned-action.ts'
import { readDelta } from '../read/delta.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility, fileSlices, listDataFiles, slicesOf } from '../read/slices.ts'
import { refuseLiveWriter } from '../rollback.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { GroupFiles, type WriteContext } from '../write/group-files.ts'
import { writeSlice } from './compact-slice.ts'

/** What a compaction works with. */
export interface CompactionDeps {
  /** A directory on local disk for logs that do not fit into memory. */
  readonly scratchDir: string
  /** Bytes of log rows held in memory at most. */
  readonly memoryBudget: number
  /** Row groups are cut at about this many bytes, uncompressed. */
  readonly rowGroupBytes: number
  /** This process alone writes to the table: whatever is pending is a dead one's. Else a plan that somebody is at work on is left alone. */
  readonly sole?: boolean
  /** How the table is shared with other writers; null or absent: it is not. */
  readonly sharing?: TableConcurrency | null
}

/** A compaction that has been completed. */
export interface Compacted {
  readonly instant: string
  /** File groups that have a new base file. */
  readonly fileGroups: number
  readonly rows: number
  readonly bytes: number
  /** True: it had been planned before, by this or another engine. */
  readonly resumed: boolean
}

/** One plan holds file groups of about this many bytes, so that readers who ignore logs of a pending compaction do so for seconds only. */
const PLAN_BYTES = 1 << 30
const MB = 1 << 20
/** What Hudi assumes of the base file of a slice that has none. */
const NEW_FILE_MB = 120

/** Slices that could be compacted now: with logs, and not part of anything pending. The timeline must be fresh. */
export async function compactable(ts: TimelineStore): Promise<readonly FileSlice[]> {
  return freeSlices(ts, await fileSlices(ts, null)).filter((s) => s.logs.length > 0)
}

/** Those of the slices that no pending plan is about. */
export function freeSlices(ts: TimelineStore, slices: readonly FileSlice[]): readonly FileSlice[] {
  const taken = new Set<string>()
  for (const i of pendingInstants(ts.timeline)) {
    if (i.action === 'compaction' || i.action === 'logcompaction' || i.action === 'clustering') {
      if (i.claims === 'all') return []
      for (const group of i.claims) taken.add(group)
    }
  }
  return slices.filter((s) => !taken.has(`${s.partition}/${s.fileId}`))
}

/**
 * Puts a plan to compact these slices on the timeline (largest logs first, as Hudi orders them). Returns its time. TRB-LAKE-011 when another
 * pending instant has one of their file groups; in layout 1 also while any delta commit is open.
 */
export async function scheduleCompaction(ts: TimelineStore, slices: readonly FileSlice[]): Promise<string> {
  const operations = slices.map(operationOf).sort((a, b) => b.metrics.TOTAL_LOG_FILES_SIZE - a.metrics.TOTAL_LOG_FILES_SIZE)
  const plan: CompactionPlan = { operations, extra: new Map() }
  const claims = slices.map((s) => `${s.partition}/${s.fileId}`)
  const version = ts.layout === 1 ? 6 : 9
  const time = await requestAction(ts, 'compaction', () => printCompactionPlan(plan, version, ts.sync()), { claims })
  // slices of the groups begin anew at this time
  ts.slices = null
  return time
}

/** What a plan says of a slice. */
export function operationOf(s: FileSlice): CompactionOperation {
  const logBytes = logBytesOf(s)
  const baseBytes = s.base?.bytes ?? 0
  const read = Math.floor((baseBytes + logBytes) / MB)
  const write = s.base === null ? NEW_FILE_MB : Math.floor(baseBytes / MB)
  const metrics = {
    TOTAL_LOG_FILES: s.logs.length,
    TOTAL_IO_MB: read + write,
    TOTAL_IO_READ_MB: read,
    TOTAL_LOG_FILES_SIZE: logBytes,
    TOTAL_IO_WRITE_MB: write,
  }
  const { partition, fileId, baseInstant } = s
  const baseFile = s.base === null ? null : nameOf(s.base.key)
  return { partition, fileId, baseInstant, baseFile, logFiles: s.logs.map((l) => l.name), metrics }
}

/** Plans and carries out the compaction of these slices, some at a time. The timeline must be fresh. */
export async function compactSlices(ts: TimelineStore, slices: readonly FileSlice[], deps: CompactionDeps): Promise<readonly Compacted[]> {
  const out: Compacted[] = []
  let part: FileSlice[] = []
  let bytes = 0
  for (const [i, s] of slices.entries()) {
    part.push(s)
    bytes += bytesOf(s)
    if (bytes < PLAN_BYTES && i + 1 < slices.length) continue
    const planned = await planCompaction(ts, part, deps.sharing ?? null)
    if (planned !== null) out.push(await execute(ts, planned.time, planned.slices, deps, false))
    part = []
    bytes = 0
  }
  return out
}

/** As `scheduleCompaction`; among several writers the slices are looked at again under their lock. Null: none of them is free (any more). */
export async function planCompaction(
  ts: TimelineStore,
  slices: readonly FileSlice[],
  sharing: TableConcurrency | null,
): Promise<{ readonly time: string; readonly slices: readonly FileSlice[] } | null> {
  if (slices.length === 0) return null
  if (sharing === null) return { time: await scheduleCompaction(ts, slices), slices }
  return sharing.exclusively(async (held) => {
    await ts.refresh()
    const wanted = new Set(slices.map((s) => `${s.partition}/${s.fileId}`))
    const now = (await compactable(ts)).filter((s) => wanted.has(`${s.partition}/${s.fileId}`))
    if (now.length === 0) return null
    return { time: await guarded(ts, held, () => scheduleCompaction(ts, now)), slices: now }
  })
}

/** Bytes that a compaction of the slice reads. */
export function bytesOf(s: FileSlice): number {
  return (s.base?.bytes ?? 0) + logBytesOf(s)
}

export function logBytesOf(s: FileSlice): number {
  return s.logs.reduce((n, l) => n + l.bytes, 0)
}

/** What the stat of a compaction says of the records of the logs: Hudi 0.x counts no keys of delete blocks. */
export function logRecords(ts: TimelineStore, { records, deletes }: Pick<SliceDelta, 'records' | 'deletes'>): number {
  return ts.layout === 1 ? records : records + deletes
}

/** Every slice that has logs, after what is pending has been carried out. Reads the timeline anew. */
export async function compactAll(ts: TimelineStore, deps: CompactionDeps): Promise<readonly Compacted[]> {
  await ts.refresh()
  const resumed = await resumeCompactions(ts, deps)
  return [...resumed, ...(await compactSlices(ts, await compactable(ts), deps))]
}

/**
 * Carries out compactions that are planned, or were begun by somebody who died: of this or another engine, oldest first. What an earlier try left
 * is deleted first. The timeline must be fresh. TRB-LAKE-090 when a file of the plan is gone, TRB-LAKE-012 when somebody is at work on it.
 */
export async function resumeCompactions(ts: TimelineStore, deps: CompactionDeps): Promise<readonly Compacted[]> {
  const out: Compacted[] = []
  for (const { time } of pendingActions(ts, 'compaction')) {
    if (deps.sole !== true) await refuseLiveWriter(ts, time)
    const plan = await ts.compactionPlan(time, 'compaction')
    const slices = await plannedSlices(ts, plan, time)
    await deleteLeftovers(ts, plan, time)
    out.push(await execute(ts, time, slices, deps, true))
  }
  return out
}

/** The slices that a plan names, found in the table. */
export async function plannedSlices(
  ts: TimelineStore,
  plan: CompactionPlan,
  time: string,
  action = 'compaction',
): Promise<readonly FileSlice[]> {
  const found = new Map<string, FileSlice>()
  for (const s of await slicesOf(ts, await listDataFiles(ts.store, ts.table), time)) found.set(`${s.partition}/${s.fileId}`, s)
  return plan.operations.map((o) => {
    const slice = found.get(`${o.partition}/${o.fileId}`)
    const names = new Set(o.logFiles)
    const logs = slice?.logs.filter((l) => names.has(l.name)) ?? []
    const missing =
      slice === undefined || (slice.base === null ? null : nameOf(slice.base.key)) !== o.baseFile
        ? (o.baseFile ?? o.fileId)
        : o.logFiles.find((name) => !logs.some((l) => l.name === name))
    if (missing !== undefined)
      throw new Failure('TRB-LAKE-090', { table: ts.table, action, instant: time, file: join(o.partition, missing) })
    return { ...slice!, logs }
  })
}

/** Base files of an earlier try: a second one of the same instant and group would be another truth. */
async function deleteLeftovers(ts: TimelineStore, plan: CompactionPlan, time: string): Promise<void> {
  const keys: string[] = []
  for (const o of plan.operations) {
    for await (const file of ts.store.list(join(join(ts.table, o.partition), `${o.fileId}_`))) {
      if (parseBaseFileName(nameOf(file.key))?.instant === time) keys.push(file.key)
    }
  }
  await ts.store.delete(keys)
  await ts.clearMarkers(time)
}

async function execute(
  ts: TimelineStore,
  time: string,
  slices: readonly FileSlice[],
  deps: CompactionDeps,
  resumed: boolean,
): Promise<Compacted> {
  return executePlan(ts, { action: 'compaction', operation: 'COMPACT', time, resumed }, deps, (spec, schema) =>
    new Work(ts, time, spec, schema, slices, deps).run(),
  )
}

/** Carries a plan out: `work` writes the files, and tells what they are. It beats by itself when it takes long. */
export async function executePlan(
  ts: TimelineStore,
  plan: {
    readonly action: 'compaction' | 'logcompaction'
    readonly operation: 'COMPACT' | 'LOG_COMPACT'
    readonly time: string
    readonly resumed: boolean
  },
  deps: CompactionDeps,
  work: (spec: TableSpec, schema: readonly LakeColumn[]) => Promise<readonly WriteStat[]>,
): Promise<Compacted> {
  const { action, operation, time, resumed } = plan
  await ts.beat(time)
  try {
    await startAction(ts, action, time)
    const schema = (await columnsAt(ts, null)) ?? []
    const spec = specOf(await ts.properties(), ts.table, schema)
    const stats = await work(spec, schema)
    const extra = [[SOURCE_KEY, action === 'compaction' ? 'compaction' : 'log compaction']] as const
    const metadata = commitMetadata({ operation: 'COMPACT', stats, schema: tableSchemaText(spec), extra })
    await completePlan(ts, action, time, ts.printCommit({ ...metadata, operation, compacted: true }), deps.sharing ?? null)
    return summaryOf(time, stats, resumed)
  } finally {
    await ts.endBeat(time)
  }
}

/** Under the table's lock where it is shared. */
async function completePlan(
  ts: TimelineStore,
  action: 'compaction' | 'logcompaction',
  time: string,
  body: Buffer,
  sharing: TableConcurrency | null,
): Promise<void> {
  const work = async (): Promise<void> => {
    await ts.refresh()
    await completeAction(ts, action, time, body)
  }
  if (sharing === null) await work()
  else await sharing.exclusively((held) => guarded(ts, held, work))
  await ts.clearMarkers(time)
}

/** What has been done, by the statistics of its files. */
function summaryOf(time: string, stats: readonly WriteStat[], resumed: boolean): Compacted {
  const total = (of: (s: WriteStat) => number): number => stats.reduce((n, s) => n + of(s), 0)
  return { instant: time, fileGroups: stats.length, rows: total((s) => s.numWrites), bytes: total((s) => s.fileSizeInBytes), resumed }
}

/** New base files for the slices of one compaction. */
class Work {
  readonly #ts: TimelineStore
  readonly #time: string
  readonly #schema: readonly LakeColumn[]
  readonly #slices: readonly FileSlice[]
  readonly #deps: CompactionDeps
  readonly #context: WriteContext
  readonly #partitions: readonly string[]
  readonly #output: GroupFiles

  constructor(
    ts: TimelineStore,
    time: string,
    spec: TableSpec,
    schema: readonly LakeColumn[],
    slices: readonly FileSlice[],
    deps: CompactionDeps,
  ) {
    this.#ts = ts
    this.#time = time
    this.#schema = schema
    this.#slices = slices
    this.#deps = deps
    const { store, clock } = ts
    const announce = (path: string, _partition: string, kind: 'CREATE' | 'MERGE' | 'APPEND'): Promise<void> => ts.mark(time, path, kind)
    const seed = Math.floor(clock.random() * 0x100000000)
    this.#context = { store, spec, instant: time, out: store, announce, seed, clock, ...deps, scratchName: `${time}-${clock.uuid()}` }
    this.#partitions = [...new Set(slices.map((s) => s.partition))]
    this.#output = new GroupFiles(this.#context, this.#partitions)
  }

  async run(): Promise<readonly WriteStat[]> {
    const rules = mergeRulesOf(await this.#ts.properties(), this.#ts.table)
    const counts = blockVisibility(this.#ts, null)
    const visible = (instant: string): boolean => instant < this.#time && counts(instant)
    const out: WriteStat[] = []
    try {
      for (const [i, slice] of this.#slices.entries()) {
        const limit = { bytes: this.#deps.memoryBudget, directory: this.#deps.scratchDir, name: `${this.#context.scratchName}-${i}` }
        const { store, table } = this.#ts
        const delta = await readDelta({ store, table, slice, schema: this.#schema, rules, visible, limit })
        try {
          out.push(await this.#write(slice, delta))
          await this.#ts.beat(this.#time)
        } finally {
          await delta.close()
        }
      }
    } catch (e) {
      await this.#output.abort()
      throw e
    }
    return out
  }

  async #write(slice: FileSlice, delta: Awaited<ReturnType<typeof readDelta>>): Promise<WriteStat> {
    const base = await this.#baseOf(slice)
    const partition = this.#partitions.indexOf(slice.partition)
    const group = { fileId: slice.fileId, instant: slice.baseInstant, rows: 0 }
    const file =
      base === null
        ? await this.#output.openNew(group, partition, 0, delta.count)
        : // of the base's keys its filter knows; most rows take the place of one
          await this.#output.open(base, partition, 0, false, Math.max(0, delta.count - delta.hidden.length))
    const columns = storedColumns(this.#context.spec)
    await writeSlice(file.writer, base, delta, columns, this.#deps.memoryBudget, this.#context.seed)
    await this.#output.close(file)
    const stat = this.#output.stats.at(-1)!
    return {
      ...stat,
      prevCommit: slice.baseInstant,
      totalLogRecords: logRecords(this.#ts, delta),
      totalLogFilesCompacted: slice.logs.length,
      totalLogSizeCompacted: logBytesOf(slice),
      totalUpdatedRecordsCompacted: stat.numUpdateWrites + stat.numInserts + stat.numDeletes,
      totalLogBlocks: delta.blocks,
    }
  }

  async #baseOf(slice: FileSlice): Promise<BaseGroup | null> {
    if (slice.base === null) return null
    const { fileId, partition, key, bytes, instant } = slice.base
    const file = await ParquetFile.open(this.#ts.store, key, bytes)
    return { info: { fileId, partition, key, name: nameOf(key), bytes, instant }, file, bucket: -1, partition: 0 }
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
