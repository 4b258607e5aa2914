import { readContainer, writeContainer } from './avro-container.ts'
import { ROLLBACK_METADATA_FIELDS, type RollbackDone, rollbackRecord } from './rollback-files.ts'

/** Contents of a restore's requested (plan) and completed (metadata) files. Its inflight file is empty. */

const STR = '{"type":"string","avro.java.string":"String"}'
const NAMESPACE = '"namespace":"org.apache.hudi.avro.model"'

const PLAN_SCHEMA =
  `{"type":"record","name":"HoodieRestorePlan",${NAMESPACE},"fields":[{"name":"instantsToRollback","type":{"type":"array","items":` +
  `{"type":"record","name":"HoodieInstantInfo","fields":[{"name":"commitTime","type":${STR}},{"name":"action","type":${STR}}]},` +
  '"default":null},"default":[]},{"name":"version","type":["int","null"],"default":2},{"name":"savepointToRestoreTimestamp","type":' +
  `["null",${STR}],"default":null}]}`

const METADATA_SCHEMA =
  `{"type":"record","name":"HoodieRestoreMetadata",${NAMESPACE},"fields":[{"name":"startRestoreTime","type":${STR}},{"name":` +
  `"timeTakenInMillis","type":"long"},{"name":"instantsToRollback","type":{"type":"array","items":${STR}}},{"name":` +
  '"hoodieRestoreMetadata","type":{"type":"map","values":{"type":"array","items":["null",{"type":"record","name":' +
  `"HoodieRollbackMetadata",${ROLLBACK_METADATA_FIELDS}}],"default":null},"avro.java.string":"String"}},{"name":"version","type":` +
  '["int","null"],"default":1},{"name":"restoreInstantInfo","type":{"type":"array","items":"HoodieInstantInfo","default":null},' +
  '"default":[]}]}'

export interface InstantInfo {
  readonly time: string
  readonly action: string
}

export interface RestorePlan {
  /** Newest first: the order in which they are taken away. */
  readonly instants: readonly InstantInfo[]
  /** The savepoint that the table goes back to. */
  readonly savepoint: string
}

/** Bytes of `T.restore.requested`. `sync`: 16 bytes. */
export function printRestorePlan(p: RestorePlan, sync: Uint8Array): Buffer {
  const instantsToRollback = p.instants.map((i) => ({ commitTime: i.time, action: i.action }))
  return writeContainer(PLAN_SCHEMA, { instantsToRollback, version: 2, savepointToRestoreTimestamp: p.savepoint }, sync)
}

/** Reads a plan of ours or of Hudi. `savepoint` is '' in plans of releases that did not record it. */
export function parseRestorePlan(bytes: Buffer, file: string): RestorePlan {
  const r = readContainer(bytes, file) as {
    instantsToRollback: { commitTime: string; action: string }[]
    savepointToRestoreTimestamp?: string | null
  }
  const instants = r.instantsToRollback.map((i) => ({ time: i.commitTime, action: i.action }))
  return { instants, savepoint: r.savepointToRestoreTimestamp ?? '' }
}

export interface RestoreDone {
  readonly time: string
  readonly elapsedMs: number
  /** What was taken away, newest first, each with what a rollback of it would have recorded. */
  readonly rollbacks: readonly RollbackDone[]
}

/** Bytes of the completed restore. */
export function printRestoreMetadata(d: RestoreDone, sync: Uint8Array): Buffer {
  const record = {
    startRestoreTime: d.time,
    timeTakenInMillis: d.elapsedMs,
    instantsToRollback: d.rollbacks.map((r) => r.target.time),
    hoodieRestoreMetadata: Object.fromEntries(d.rollbacks.map((r) => [r.target.time, [rollbackRecord(r)]])),
    version: 1,
    restoreInstantInfo: d.rollbacks.map((r) => ({ commitTime: r.target.time, action: r.target.action })),
  }
  return writeContainer(METADATA_SCHEMA, record, sync)
}

/** Reads what a completed restore took away. */
export function parseRestoreMetadata(bytes: Buffer, file: string): { readonly time: string; readonly instants: readonly InstantInfo[] } {
  const r = readContainer(bytes, file) as { startRestoreTime: string; restoreInstantInfo: { commitTime: string; action: string }[] }
  return { time: r.startRestoreTime, instants: r.restoreInstantInfo.map((i) => ({ time: i.commitTime, action: i.action })) }
}
