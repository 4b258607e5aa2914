import { readContainer, writeContainer } from './avro-container.ts'
import { COMPACTION_PLAN_V6, COMPACTION_PLAN_V9 } from './schemas/compaction-plan.ts'

/** Contents of `T.compaction.requested` and `T.logcompaction.requested`. */

/** One file slice to be compacted. File names are bare, without directory. */
export interface CompactionOperation {
  readonly partition: string
  readonly fileId: string
  /** Instant of the slice. */
  readonly baseInstant: string
  /** Name of the base file; null: the slice has none. */
  readonly baseFile: string | null
  readonly logFiles: readonly string[]
  /** What the planner knew, e.g. `TOTAL_LOG_FILES`; sizes in MB under `TOTAL_IO_*_MB`. */
  readonly metrics: { readonly [name: string]: number }
}

export interface CompactionPlan {
  readonly operations: readonly CompactionOperation[]
  /** Class that an engine executes the plan by: log compactions name one. */
  readonly executor?: string
  readonly extra: ReadonlyMap<string, string>
}

interface Operation {
  baseInstantTime: string | null
  deltaFilePaths: string[] | null
  dataFilePath: string | null
  fileId: string | null
  partitionPath: string | null
  metrics: Record<string, number> | null
}

/** Bytes of a plan. `sync`: 16 random bytes. */
export function printCompactionPlan(p: CompactionPlan, tableVersion: 6 | 9, sync: Uint8Array): Buffer {
  const operations = p.operations.map((o) => ({
    baseInstantTime: o.baseInstant,
    deltaFilePaths: [...o.logFiles],
    dataFilePath: o.baseFile,
    fileId: o.fileId,
    partitionPath: o.partition,
    metrics: { ...o.metrics },
    bootstrapFilePath: null,
  }))
  const isLog = p.executor !== undefined
  const extra = p.extra.size === 0 && tableVersion === 6 && !isLog ? null : Object.fromEntries(p.extra)
  const strategy = isLog ? { compactorClassName: p.executor, strategyParams: {}, version: 1 } : null
  const record = { operations, extraMetadata: extra, version: 2, strategy, preserveHoodieMetadata: isLog }
  if (tableVersion === 6) return writeContainer(COMPACTION_PLAN_V6, record, sync)
  return writeContainer(COMPACTION_PLAN_V9, { ...record, missingSchedulePartitions: [] }, sync)
}

/** Reads a plan of any engine. Version 1 plans hold whole paths: names are cut out. TRB-LAKE-004 for anything else. */
export function parseCompactionPlan(bytes: Buffer, file: string): CompactionPlan {
  const r = readContainer(bytes, file) as {
    operations: Operation[] | null
    extraMetadata: Record<string, string> | null
    strategy?: { compactorClassName: string | null } | null
  }
  const operations = (r.operations ?? []).map((o) => ({
    partition: o.partitionPath ?? '',
    fileId: o.fileId ?? '',
    baseInstant: o.baseInstantTime ?? '',
    baseFile: o.dataFilePath === null || o.dataFilePath === '' ? null : bare(o.dataFilePath),
    logFiles: (o.deltaFilePaths ?? []).map(bare),
    metrics: { ...o.metrics },
  }))
  const executor = r.strategy?.compactorClassName ?? undefined
  return { operations, extra: new Map(Object.entries(r.extraMetadata ?? {})), ...(executor === undefined ? {} : { executor }) }
}

function bare(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
