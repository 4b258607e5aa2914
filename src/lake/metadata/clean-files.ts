import type { CleanPolicy } from '../../../timeline/retention.ts'
import { Failure } from '../../failure/failure.ts'
import { readContainer, writeContainer } from './avro-container.ts'

/** Contents of a clean's requested and inflight files (the same plan) and of its completed file, in every table version. */

const STR = '{"type":"string","avro.java.string":"String"}'
const LIST = `{"type":"array","items":${STR}}`
const EXTRA = `{"name":"extraMetadata","type":["null",{"type":"map","values":${STR},"avro.java.string":"String","default":null}],"default":null}`

/** Fields of HoodieCleanerPlan, as Hudi writes them into the header of its files. */
export const CLEAN_PLAN_FIELDS =
  '"fields":[{"name":"earliestInstantToRetain","type":["null",{"type":"record","name":"HoodieActionInstant","fields":[{"name":' +
  `"timestamp","type":${STR}},{"name":"action","type":${STR}},{"name":"state","type":${STR}}]}],"default":null},{"name":` +
  `"lastCompletedCommitTimestamp","type":${STR},"default":""},{"name":"policy","type":${STR}},{"name":` +
  `"filesToBeDeletedPerPartition","type":["null",{"type":"map","values":${LIST},"avro.java.string":"String"}],"default":null},` +
  '{"name":"version","type":["int","null"],"default":1},{"name":"filePathsToBeDeletedPerPartition","type":["null",{"type":"map",' +
  '"values":{"type":"array","items":{"type":"record","name":"HoodieCleanFileInfo","fields":[{"name":"filePath","type":["null",' +
  `${STR}],"default":null},{"name":"isBootstrapBaseFile","type":["null","boolean"],"default":null}]}},"avro.java.string":"String"}],` +
  '"doc":"This field replaces the field filesToBeDeletedPerPartition","default":null},{"name":"partitionsToBeDeleted","type":' +
  `["null",${LIST}],"doc":"partitions to be deleted","default":null},${EXTRA}]`

/** Fields of HoodieCleanMetadata. */
export const CLEAN_METADATA_FIELDS =
  `"fields":[{"name":"startCleanTime","type":${STR}},{"name":"timeTakenInMillis","type":"long"},{"name":"totalFilesDeleted",` +
  `"type":"int"},{"name":"earliestCommitToRetain","type":${STR}},{"name":"lastCompletedCommitTimestamp","type":${STR},"default":""},` +
  '{"name":"partitionMetadata","type":{"type":"map","values":{"type":"record","name":"HoodieCleanPartitionMetadata","fields":[' +
  `{"name":"partitionPath","type":${STR}},{"name":"policy","type":${STR}},{"name":"deletePathPatterns","type":${LIST}},` +
  `{"name":"successDeleteFiles","type":${LIST}},{"name":"failedDeleteFiles","type":${LIST}},{"name":"isPartitionDeleted","type":` +
  '["null","boolean"],"default":null}]},"avro.java.string":"String"}},{"name":"version","type":["int","null"],"default":1},{"name":' +
  '"bootstrapPartitionMetadata","type":["null",{"type":"map","values":"HoodieCleanPartitionMetadata","avro.java.string":"String",' +
  `"default":null}],"default":null},${EXTRA}]`

const NAMESPACE = '"namespace":"org.apache.hudi.avro.model"'
const PLAN_SCHEMA = `{"type":"record","name":"HoodieCleanerPlan",${NAMESPACE},${CLEAN_PLAN_FIELDS}}`
const METADATA_SCHEMA = `{"type":"record","name":"HoodieCleanMetadata",${NAMESPACE},${CLEAN_METADATA_FIELDS}}`

/** Hudi's names of the policies. */
export const CLEAN_POLICIES: Readonly<Record<CleanPolicy['kind'], string>> = {
  commits: 'KEEP_LATEST_COMMITS',
  versions: 'KEEP_LATEST_FILE_VERSIONS',
  hours: 'KEEP_LATEST_BY_HOURS',
}

export interface CleanPlan {
  /** The instant from which on every state stays readable; null: a policy that keeps versions. */
  readonly earliest: { readonly time: string; readonly action: string } | null
  /** Newest completed write when the plan was made; '' when there was none. */
  readonly newest: string
  /** Hudi's name. */
  readonly policy: string
  /** Partition → full URIs. */
  readonly files: ReadonlyMap<string, readonly string[]>
  /** Partitions that go as a whole; ours have none. */
  readonly partitions?: readonly string[]
}

/** Bytes of `T.clean.requested`, and of `T.clean.inflight`. `sync`: 16 bytes. */
export function printCleanPlan(p: CleanPlan, sync: Uint8Array): Buffer {
  const paths = [...p.files].map(([partition, uris]) => [partition, uris.map((filePath) => ({ filePath, isBootstrapBaseFile: false }))])
  const record = {
    earliestInstantToRetain: p.earliest === null ? null : { timestamp: p.earliest.time, action: p.earliest.action, state: 'COMPLETED' },
    lastCompletedCommitTimestamp: p.newest,
    policy: p.policy,
    filesToBeDeletedPerPartition: {},
    version: 2,
    filePathsToBeDeletedPerPartition: Object.fromEntries(paths),
    partitionsToBeDeleted: [...(p.partitions ?? [])],
    extraMetadata: {},
  }
  return writeContainer(PLAN_SCHEMA, record, sync)
}

/** Reads a plan of ours or of Hudi. One of bootstrap files fails with TRB-LAKE-004. */
export function parseCleanPlan(bytes: Buffer, file: string): CleanPlan {
  const r = readContainer(bytes, file) as {
    earliestInstantToRetain: { timestamp: string; action: string } | null
    lastCompletedCommitTimestamp?: string
    policy: string
    filesToBeDeletedPerPartition: Record<string, string[]> | null
    filePathsToBeDeletedPerPartition?: Record<string, { filePath: string | null; isBootstrapBaseFile: boolean | null }[]> | null
    partitionsToBeDeleted?: string[] | null
  }
  const files = new Map<string, readonly string[]>(Object.entries(r.filesToBeDeletedPerPartition ?? {}))
  for (const [partition, list] of Object.entries(r.filePathsToBeDeletedPerPartition ?? {})) {
    const paths = list.map((f) => f.filePath)
    if (paths.includes(null) || list.some((f) => f.isBootstrapBaseFile === true)) throw new Failure('TRB-LAKE-004', { file })
    files.set(partition, paths as string[])
  }
  const at = r.earliestInstantToRetain
  const earliest = at === null ? null : { time: at.timestamp, action: at.action }
  return { earliest, newest: r.lastCompletedCommitTimestamp ?? '', policy: r.policy, files, partitions: r.partitionsToBeDeleted ?? [] }
}

export interface CleanDone {
  readonly time: string
  readonly elapsedMs: number
  /** '' without one. */
  readonly earliest: string
  readonly newest: string
  readonly policy: string
  /** Partition → bare file names. */
  readonly files: ReadonlyMap<string, readonly string[]>
  /** Partitions of which nothing is left. */
  readonly partitions?: ReadonlySet<string>
}

/** Bytes of the completed clean. */
export function printCleanMetadata(d: CleanDone, sync: Uint8Array): Buffer {
  const partitions = [...d.files].map(([partitionPath, names]) => [
    partitionPath,
    {
      partitionPath,
      policy: d.policy,
      deletePathPatterns: names,
      successDeleteFiles: names,
      failedDeleteFiles: [],
      isPartitionDeleted: d.partitions?.has(partitionPath) ?? false,
    },
  ])
  const record = {
    startCleanTime: d.time,
    timeTakenInMillis: d.elapsedMs,
    totalFilesDeleted: [...d.files.values()].reduce((n, names) => n + names.length, 0),
    earliestCommitToRetain: d.earliest,
    lastCompletedCommitTimestamp: d.newest,
    partitionMetadata: Object.fromEntries(partitions),
    version: 2,
    bootstrapPartitionMetadata: {},
    extraMetadata: {},
  }
  return writeContainer(METADATA_SCHEMA, record, sync)
}

/** Reads a completed clean of ours or of Hudi. */
export function parseCleanMetadata(bytes: Buffer, file: string): CleanDone {
  const r = readContainer(bytes, file) as {
    startCleanTime: string
    timeTakenInMillis: number
    earliestCommitToRetain: string
    lastCompletedCommitTimestamp?: string
    partitionMetadata: Record<string, { policy: string; successDeleteFiles: string[] }>
  }
  const partitions = Object.entries(r.partitionMetadata)
  return {
    time: r.startCleanTime,
    elapsedMs: r.timeTakenInMillis,
    earliest: r.earliestCommitToRetain,
    newest: r.lastCompletedCommitTimestamp ?? '',
    policy: partitions.at(0)?.[1].policy ?? '',
    files: new Map(partitions.map(([p, m]) => [p, m.successDeleteFiles])),
  }
}

/** From when on a clean has left every state whole. One that keeps versions promises that only of the newest. */
export function wholeFrom(d: CleanDone): string {
  return d.policy === CLEAN_POLICIES.versions || d.earliest === '' ? d.newest : d.earliest
}

/**
 * The same as a bound for time travel, which goes on to the newest write before it, as a clean by time keeps what that state is made of, too. One that
 * keeps versions doesn't: its bound lies just behind the newest write.
 */
export function readableFrom(d: CleanDone): string {
  return d.policy === CLEAN_POLICIES.versions ? `${d.newest}0` : wholeFrom(d)
}
