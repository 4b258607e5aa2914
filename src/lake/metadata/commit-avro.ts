import { readContainer, writeContainer } from './avro-container.ts'
import { type CommitMetadata, parseCommitMetadata, type WriteStat } from './commit-metadata.ts'
import { COMMIT_METADATA, REPLACE_COMMIT_METADATA } from './schemas/commit-metadata.ts'

/** What table versions 8 and 9 record of a write: the fields of the JSON of version 6, and a few more, in Avro. */

/** Fields of a stat that only some files have. */
export interface StatExtras {
  readonly logVersion?: number | null
  readonly logOffset?: number | null
  readonly baseFile?: string | null
  readonly logFiles?: readonly string[] | null
}

type AvroStat = { [K in keyof WriteStat]: WriteStat[K] | null } & StatExtras

interface AvroCommit {
  partitionToWriteStats: Record<string, AvroStat[]> | null
  compacted: boolean | null
  extraMetadata: Record<string, string> | null
  operationType: string | null
  partitionToReplaceFileIds?: Record<string, string[]> | null
}

/** Bytes of a completed write, or of the profile of an inflight one, of table version 9. `sync`: 16 random bytes. */
export function printCommitAvro(m: CommitMetadata, sync: Uint8Array): Buffer {
  const record = {
    partitionToWriteStats: Object.fromEntries([...m.stats].map(([p, list]) => [p, list.map(avroStat)])),
    compacted: m.compacted,
    extraMetadata: Object.fromEntries(m.extra),
    version: null,
    operationType: m.operation,
  }
  if (m.replaced === null) return writeContainer(COMMIT_METADATA, record, sync)
  const partitionToReplaceFileIds = Object.fromEntries([...m.replaced].map(([p, ids]) => [p, [...ids]]))
  return writeContainer(REPLACE_COMMIT_METADATA, { ...record, partitionToReplaceFileIds }, sync)
}

function avroStat(s: WriteStat & StatExtras): Record<string, unknown> {
  const { runtimeStats: r, ...rest } = s
  return {
    ...rest,
    cdcStats: s.cdcStats === null ? null : { ...s.cdcStats },
    totalLogFiles: null,
    logVersion: s.logVersion ?? null,
    logOffset: s.logOffset ?? null,
    baseFile: s.baseFile ?? null,
    logFiles: s.logFiles === undefined || s.logFiles === null ? null : [...s.logFiles],
    prevBaseFile: s.prevBaseFile ?? null,
    runtimeStats: r === null ? null : { ...r },
    totalLogReadTimeMs: 0,
    numUpdates: 0,
  }
}

/** Reads what a completed write recorded, in JSON or in Avro, whichever it is. Anything else fails with TRB-LAKE-004. */
export function parseCommit(body: Buffer, file: string): CommitMetadata {
  // 'Obj\x01' begins an Avro container; JSON begins with '{'.
  if (body.length < 4 || body.readUInt32BE(0) !== 0x4f626a01) return parseCommitMetadata(body, file)
  return commitOfRecord(readContainer(body, file))
}

/** The same of a decoded record; also of the records in archives of layout 1, which lack some fields. */
export function commitOfRecord(record: unknown): CommitMetadata {
  const r = record as AvroCommit
  const replaced = r.partitionToReplaceFileIds ?? null
  return {
    stats: new Map(Object.entries(r.partitionToWriteStats ?? {}).map(([p, list]) => [p, list.map(statOf)])),
    compacted: r.compacted === true,
    extra: new Map(Object.entries(r.extraMetadata ?? {})),
    operation: r.operationType,
    replaced: replaced === null ? null : new Map(Object.entries(replaced)),
  }
}

function statOf(s: AvroStat): WriteStat & StatExtras {
  const n = (v: number | null | undefined): number => v ?? 0
  const stat: WriteStat = {
    fileId: s.fileId ?? '',
    path: s.path,
    cdcStats: s.cdcStats == null ? null : { ...s.cdcStats },
    prevCommit: s.prevCommit ?? 'null',
    numWrites: n(s.numWrites),
    numDeletes: n(s.numDeletes),
    numUpdateWrites: n(s.numUpdateWrites),
    numInserts: n(s.numInserts),
    totalWriteBytes: n(s.totalWriteBytes),
    totalWriteErrors: n(s.totalWriteErrors),
    tempPath: null,
    partitionPath: s.partitionPath,
    totalLogRecords: n(s.totalLogRecords),
    totalLogFilesCompacted: n(s.totalLogFilesCompacted),
    totalLogSizeCompacted: n(s.totalLogSizeCompacted),
    totalUpdatedRecordsCompacted: n(s.totalUpdatedRecordsCompacted),
    totalLogBlocks: n(s.totalLogBlocks),
    totalCorruptLogBlock: n(s.totalCorruptLogBlock),
    totalRollbackBlocks: n(s.totalRollbackBlocks),
    fileSizeInBytes: n(s.fileSizeInBytes),
    minEventTime: s.minEventTime ?? null,
    maxEventTime: s.maxEventTime ?? null,
    runtimeStats: s.runtimeStats == null ? null : { ...s.runtimeStats },
  }
  const base = s.prevBaseFile == null ? {} : { prevBaseFile: s.prevBaseFile }
  if (s.logVersion == null) return { ...stat, ...base }
  return { ...stat, ...base, logVersion: s.logVersion, logOffset: s.logOffset ?? 0, baseFile: s.baseFile ?? '', logFiles: s.logFiles ?? [] }
}
