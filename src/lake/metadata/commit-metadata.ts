import { Failure } from '../../failure/failure.ts'
import { type Json, printJackson } from './jackson-json.ts'

/** What Hudi calls the operation of a commit. */
export type Operation =
  | 'INSERT'
  | 'UPSERT'
  | 'BULK_INSERT'
  | 'DELETE'
  | 'INSERT_OVERWRITE'
  | 'INSERT_OVERWRITE_TABLE'
  | 'DELETE_PARTITION'
  | 'CLUSTER'
  | 'COMPACT'

export interface RuntimeStats {
  readonly totalScanTime: number
  readonly totalUpsertTime: number
  readonly totalCreateTime: number
}

/** One base file that an instant wrote. Counts are rows, sizes bytes, times milliseconds. Property order is that of the file. */
export interface WriteStat {
  readonly fileId: string
  /** Relative to the table. Null only in the profile of an inflight instant. */
  readonly path: string | null
  readonly cdcStats: { readonly [path: string]: number } | null
  /** Instant of the file that this one replaces; the text `null` for a new file group. */
  readonly prevCommit: string
  /** Rows in the file. */
  readonly numWrites: number
  readonly numDeletes: number
  readonly numUpdateWrites: number
  readonly numInserts: number
  readonly totalWriteBytes: number
  readonly totalWriteErrors: number
  readonly tempPath: null
  readonly partitionPath: string | null
  readonly totalLogRecords: number
  readonly totalLogFilesCompacted: number
  readonly totalLogSizeCompacted: number
  readonly totalUpdatedRecordsCompacted: number
  readonly totalLogBlocks: number
  readonly totalCorruptLogBlock: number
  readonly totalRollbackBlocks: number
  readonly fileSizeInBytes: number
  readonly minEventTime: number | null
  readonly maxEventTime: number | null
  readonly runtimeStats: RuntimeStats | null
  /** Name of the base file that this one takes the place of; recorded from version 8 on. */
  readonly prevBaseFile?: string | null
  /** Of log files only, from here on. `log.<N>`; offset of the first block in the file. */
  readonly logVersion?: number
  readonly logOffset?: number
  /** Name of the slice's base file; empty when it has none. */
  readonly baseFile?: string
  /** Names of the slice's log files, this one last. */
  readonly logFiles?: readonly string[]
  readonly recordsStats?: { readonly val: null }
}

export interface CommitMetadata {
  /** Partition path ('' when the table has no partitions) → files. */
  readonly stats: ReadonlyMap<string, readonly WriteStat[]>
  readonly compacted: boolean
  /** `schema` (Avro text without meta columns), checkpoints, whatever other writers add. */
  readonly extra: ReadonlyMap<string, string>
  readonly operation: string | null
  /** Replacecommits: partition → file ids that are taken out. */
  readonly replaced: ReadonlyMap<string, readonly string[]> | null
}

/** What a writer knows of a base file that it has written. */
export interface BaseFileFacts {
  readonly fileId: string
  readonly path: string
  readonly partition: string
  /** Instant of the previous file of this group; null: the group is new. */
  readonly previous: string | null
  readonly rows: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly bytes: number
  /** Milliseconds spent, for `runtimeStats`. */
  readonly elapsedMs: number
}

export function baseFileStat(f: BaseFileFacts): WriteStat {
  return {
    fileId: f.fileId,
    path: f.path,
    cdcStats: null,
    prevCommit: f.previous ?? 'null',
    numWrites: f.rows,
    numDeletes: f.deleted,
    numUpdateWrites: f.updated,
    numInserts: f.inserted,
    totalWriteBytes: f.bytes,
    totalWriteErrors: 0,
    tempPath: null,
    partitionPath: f.partition,
    ...NO_LOGS,
    fileSizeInBytes: f.bytes,
    minEventTime: null,
    maxEventTime: null,
    runtimeStats: {
      totalScanTime: 0,
      totalUpsertTime: f.previous === null ? 0 : f.elapsedMs,
      totalCreateTime: f.previous === null ? f.elapsedMs : 0,
    },
  }
}

/** What a writer knows of a log file that it has written. */
export interface LogFileFacts {
  readonly fileId: string
  readonly path: string
  readonly partition: string
  /** Base instant of the slice. */
  readonly previous: string
  /** Rows in data blocks that are new, that take the place of others, and keys in delete blocks. */
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly bytes: number
  readonly version: number
  readonly baseFile: string
  readonly logFiles: readonly string[]
  readonly elapsedMs: number
}

export function logFileStat(f: LogFileFacts): WriteStat {
  const { fileId, path, partition, previous, inserted, updated, deleted, bytes, elapsedMs } = f
  const base = baseFileStat({ fileId, path, partition, previous, rows: inserted + updated, inserted, updated, deleted, bytes, elapsedMs })
  return { ...base, logVersion: f.version, logOffset: 0, baseFile: f.baseFile, logFiles: f.logFiles, recordsStats: { val: null } }
}

const NO_LOGS = {
  totalLogRecords: 0,
  totalLogFilesCompacted: 0,
  totalLogSizeCompacted: 0,
  totalUpdatedRecordsCompacted: 0,
  totalLogBlocks: 0,
  totalCorruptLogBlock: 0,
  totalRollbackBlocks: 0,
} as const

export interface CommitParts {
  readonly operation: Operation
  readonly stats: readonly WriteStat[]
  /** Avro schema text of the table, without meta columns (avro-schema.ts). */
  readonly schema: string
  /** Further entries of extraMetadata, e.g. those of `checkpointExtra`. */
  readonly extra?: Iterable<readonly [string, string]>
  readonly replaced?: ReadonlyMap<string, readonly string[]>
}

/** Assembles the metadata of a completed write. */
export function commitMetadata(p: CommitParts): CommitMetadata {
  const stats = new Map<string, WriteStat[]>()
  for (const s of p.stats) {
    const partition = s.partitionPath ?? ''
    const list = stats.get(partition)
    if (list === undefined) stats.set(partition, [s])
    else list.push(s)
  }
  const extra = new Map<string, string>([['schema', p.schema], ...(p.extra ?? [])])
  return { stats, compacted: false, extra, operation: p.operation, replaced: p.replaced ?? null }
}

/** The JSON of a version 6 instant, byte for byte as Java prints it. */
export function printCommitMetadata(m: CommitMetadata): Buffer {
  const body: Record<string, Json> = {
    partitionToWriteStats: Object.fromEntries([...m.stats].map(([p, list]) => [p, list.map(({ prevBaseFile: _, ...s }) => s as Json)])),
    compacted: m.compacted,
    extraMetadata: Object.fromEntries(m.extra),
    operationType: m.operation,
  }
  if (m.replaced !== null) body.partitionToReplaceFileIds = Object.fromEntries(m.replaced)
  return Buffer.from(printJackson(body), 'utf8')
}

/** Reads the JSON of a completed version 6 write. Anything that isn't one fails with TRB-LAKE-004. */
export function parseCommitMetadata(body: Uint8Array, file: string): CommitMetadata {
  const json = parseObject(body, file)
  const stats = json.partitionToWriteStats ?? {}
  const extra = json.extraMetadata ?? {}
  const replaced = json.partitionToReplaceFileIds
  if (!isObject(stats) || !isObject(extra) || (replaced !== undefined && replaced !== null && !isObject(replaced))) throw broken(file)
  return {
    stats: new Map(Object.entries(stats).map(([p, list]) => [p, statList(list, file)])),
    compacted: json.compacted === true,
    extra: new Map(Object.entries(extra).filter((e): e is [string, string] => typeof e[1] === 'string')),
    operation: typeof json.operationType === 'string' ? json.operationType : null,
    replaced: isObject(replaced) ? new Map(Object.entries(replaced).map(([p, ids]) => [p, idList(ids, file)])) : null,
  }
}

function parseObject(body: Uint8Array, file: string): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (e) {
    throw new Failure('TRB-LAKE-004', { file }, e)
  }
  if (!isObject(json)) throw broken(file)
  return json
}

function statList(list: unknown, file: string): readonly WriteStat[] {
  if (!Array.isArray(list)) throw broken(file)
  for (const s of list) {
    const good = isObject(s) && typeof s.fileId === 'string' && typeof s.numWrites === 'number' && typeof s.fileSizeInBytes === 'number'
    if (!good || !(typeof s.path === 'string' || s.path === null)) throw broken(file)
  }
  return list as readonly WriteStat[]
}

function idList(ids: unknown, file: string): readonly string[] {
  if (!Array.isArray(ids) || ids.some((id) => typeof id !== 'string')) throw broken(file)
  return ids as readonly string[]
}

function isObject(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v)
}

function broken(file: string): Failure {
  return new Failure('TRB-LAKE-004', { file })
}
