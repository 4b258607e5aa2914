import { Failure } from '../../failure/failure.ts'
import { readContainer, writeContainer } from './avro-container.ts'

/** Contents of a rollback's requested (plan) and completed (metadata) files, version 6. */

/** Schema texts as Hudi writes them into the header of its files. */
const PLAN_SCHEMA =
  '{"type":"record","name":"HoodieRollbackPlan","namespace":"org.apache.hudi.avro.model","fields":[{"name":"instantToRoll' +
  'back","type":["null",{"type":"record","name":"HoodieInstantInfo","fields":[{"name":"commitTime","type":{"type":"string' +
  '","avro.java.string":"String"}},{"name":"action","type":{"type":"string","avro.java.string":"String"}}]}],"doc":"Hoodi' +
  'e instant that needs to be rolled back","default":null},{"name":"RollbackRequests","type":["null",{"type":"array","ite' +
  'ms":{"type":"record","name":"HoodieRollbackRequest","fields":[{"name":"partitionPath","type":{"type":"string","avro.ja' +
  'va.string":"String"}},{"name":"fileId","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{' +
  '"name":"latestBaseInstant","type":["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"file' +
  'sToBeDeleted","type":{"type":"array","items":{"type":"string","avro.java.string":"String"},"default":[]},"default":[]}' +
  ',{"name":"logBlocksToBeDeleted","type":["null",{"type":"map","values":"long","avro.java.string":"String"}],"default":n' +
  'ull}]}}],"default":null},{"name":"version","type":["int","null"],"default":1}]}'

/** Fields of HoodieRollbackMetadata, which the metadata of a restore and of archived instants holds too. */
export const ROLLBACK_METADATA_FIELDS =
  '"fields":[{"name":"startRoll' +
  'backTime","type":{"type":"string","avro.java.string":"String"}},{"name":"timeTakenInMillis","type":"long"},{"name":"to' +
  'talFilesDeleted","type":"int"},{"name":"commitsRollback","type":{"type":"array","items":{"type":"string","avro.java.st' +
  'ring":"String"}}},{"name":"partitionMetadata","type":{"type":"map","values":{"type":"record","name":"HoodieRollbackPar' +
  'titionMetadata","fields":[{"name":"partitionPath","type":{"type":"string","avro.java.string":"String"}},{"name":"succe' +
  'ssDeleteFiles","type":{"type":"array","items":{"type":"string","avro.java.string":"String"}}},{"name":"failedDeleteFil' +
  'es","type":{"type":"array","items":{"type":"string","avro.java.string":"String"}}},{"name":"rollbackLogFiles","type":[' +
  '"null",{"type":"map","values":"long","avro.java.string":"String"}],"default":null},{"name":"logFilesFromFailedCommit",' +
  '"type":["null",{"type":"map","values":"long","avro.java.string":"String"}],"default":null}]},"avro.java.string":"Strin' +
  'g"}},{"name":"version","type":["int","null"],"default":1},{"name":"instantsRollback","type":{"type":"array","items":{"' +
  'type":"record","name":"HoodieInstantInfo","fields":[{"name":"commitTime","type":{"type":"string","avro.java.string":"S' +
  'tring"}},{"name":"action","type":{"type":"string","avro.java.string":"String"}}]},"default":[]},"default":[]}]'

const METADATA_SCHEMA = `{"type":"record","name":"HoodieRollbackMetadata","namespace":"org.apache.hudi.avro.model",${ROLLBACK_METADATA_FIELDS}}`

export interface RollbackRequest {
  readonly partitionPath: string
  readonly fileId: string
  /** Null: as that of the target. */
  readonly latestBaseInstant: string | null
  /** Absolute paths. */
  readonly filesToBeDeleted: readonly string[]
  /** Layout 1: log files (names, or absolute paths) that hold blocks of the target → their size, or 1. */
  readonly logBlocksToBeDeleted: ReadonlyMap<string, number>
}

export interface RollbackPlan {
  readonly target: { readonly time: string; readonly action: string }
  readonly requests: readonly RollbackRequest[]
}

/** Bytes of `T.rollback.requested`. */
export function printRollbackPlan(p: RollbackPlan, sync: Uint8Array): Buffer {
  const requests = p.requests.map((r) => ({
    partitionPath: r.partitionPath,
    fileId: r.fileId,
    latestBaseInstant: r.latestBaseInstant ?? p.target.time,
    filesToBeDeleted: r.filesToBeDeleted,
    logBlocksToBeDeleted: Object.fromEntries(r.logBlocksToBeDeleted),
  }))
  const instant = { commitTime: p.target.time, action: p.target.action }
  return writeContainer(PLAN_SCHEMA, { instantToRollback: instant, RollbackRequests: requests, version: 1 }, sync)
}

/** Reads a plan of ours or of Hudi. */
export function parseRollbackPlan(bytes: Buffer, file: string): RollbackPlan {
  const r = readContainer(bytes, file) as {
    instantToRollback: { commitTime: string; action: string } | null
    RollbackRequests:
      | {
          partitionPath: string
          fileId: string | null
          latestBaseInstant: string | null
          filesToBeDeleted: string[]
          logBlocksToBeDeleted: Record<string, number | bigint> | null
        }[]
      | null
  }
  if (r.instantToRollback === null || r.instantToRollback === undefined) throw new Failure('TRB-LAKE-004', { file })
  const requests = (r.RollbackRequests ?? []).map((q) => ({
    partitionPath: q.partitionPath,
    fileId: q.fileId ?? '',
    latestBaseInstant: q.latestBaseInstant,
    filesToBeDeleted: q.filesToBeDeleted,
    logBlocksToBeDeleted: new Map(Object.entries(q.logBlocksToBeDeleted ?? {}).map(([name, size]) => [name, Number(size)])),
  }))
  return { target: { time: r.instantToRollback.commitTime, action: r.instantToRollback.action }, requests }
}

export interface RollbackDone {
  readonly time: string
  readonly elapsedMs: number
  readonly target: { readonly time: string; readonly action: string }
  /** Partition → absolute paths that are gone. */
  readonly deleted: ReadonlyMap<string, readonly string[]>
  /** Partition → log files with a rollback block (absolute path → bytes), and names of those whose blocks no longer count. */
  readonly logs?: ReadonlyMap<string, { readonly appended: ReadonlyMap<string, number>; readonly undone: readonly string[] }>
}

/** Bytes of `T.rollback`. */
export function printRollbackMetadata(d: RollbackDone, sync: Uint8Array): Buffer {
  return writeContainer(METADATA_SCHEMA, rollbackRecord(d), sync)
}

/** The HoodieRollbackMetadata of a rollback, as a record of Avro. */
export function rollbackRecord(d: RollbackDone): Record<string, unknown> {
  const partitions = [...d.deleted].map(([partitionPath, successDeleteFiles]) => {
    const logs = d.logs?.get(partitionPath)
    const rollbackLogFiles = Object.fromEntries(logs?.appended ?? [])
    const logFilesFromFailedCommit = Object.fromEntries((logs?.undone ?? []).map((name) => [name, 1]))
    return [partitionPath, { partitionPath, successDeleteFiles, failedDeleteFiles: [], rollbackLogFiles, logFilesFromFailedCommit }]
  })
  return {
    startRollbackTime: d.time,
    timeTakenInMillis: d.elapsedMs,
    totalFilesDeleted: [...d.deleted.values()].reduce((n, files) => n + files.length, 0),
    commitsRollback: [d.target.time],
    partitionMetadata: Object.fromEntries(partitions),
    version: 1,
    instantsRollback: [{ commitTime: d.target.time, action: d.target.action }],
  }
}

/** Reads `T.rollback`: what was rolled back, and the paths that it took away. */
export function parseRollbackMetadata(bytes: Buffer, file: string): RollbackDone {
  const r = readContainer(bytes, file) as {
    startRollbackTime: string
    timeTakenInMillis: number
    partitionMetadata: Record<string, PartitionDone>
    instantsRollback: { commitTime: string; action: string }[]
  }
  const target = r.instantsRollback[0]
  if (target === undefined) throw new Failure('TRB-LAKE-004', { file })
  return {
    time: r.startRollbackTime,
    elapsedMs: r.timeTakenInMillis,
    target: { time: target.commitTime, action: target.action },
    deleted: new Map(Object.entries(r.partitionMetadata).map(([p, m]) => [p, m.successDeleteFiles])),
    logs: new Map(Object.entries(r.partitionMetadata).map(([p, m]) => [p, logsOf(m)])),
  }
}

interface PartitionDone {
  readonly successDeleteFiles: string[]
  readonly rollbackLogFiles: Record<string, number | bigint> | null
  readonly logFilesFromFailedCommit: Record<string, number | bigint> | null
}

function logsOf(m: PartitionDone): { appended: ReadonlyMap<string, number>; undone: readonly string[] } {
  const appended = new Map(Object.entries(m.rollbackLogFiles ?? {}).map(([path, bytes]) => [path, Number(bytes)]))
  return { appended, undone: Object.keys(m.logFilesFromFailedCommit ?? {}) }
}
