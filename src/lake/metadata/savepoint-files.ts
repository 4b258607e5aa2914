import { readContainer, writeContainer } from './avro-container.ts'

/** Content of `S.savepoint`: names of the files that the state at S is made of. Its inflight file is empty. */

const STR = '{"type":"string","avro.java.string":"String"}'

/** Fields of HoodieSavepointMetadata, as Hudi writes them into the header of its files. */
export const SAVEPOINT_FIELDS =
  `"fields":[{"name":"savepointedBy","type":${STR}},{"name":"savepointedAt","type":"long"},{"name":"comments","type":${STR}},` +
  '{"name":"partitionMetadata","type":{"type":"map","values":{"type":"record","name":"HoodieSavepointPartitionMetadata","fields":[' +
  `{"name":"partitionPath","type":${STR}},{"name":"savepointDataFile","type":{"type":"array","items":${STR}}}]},` +
  '"avro.java.string":"String"}},{"name":"version","type":["int","null"],"default":1}]'

const SCHEMA = `{"type":"record","name":"HoodieSavepointMetadata","namespace":"org.apache.hudi.avro.model",${SAVEPOINT_FIELDS}}`

export interface Savepoint {
  readonly by: string
  readonly atMs: number
  readonly comments: string
  /** Partition → names of base and log files. */
  readonly files: ReadonlyMap<string, readonly string[]>
}

/** Bytes of `S.savepoint`. `sync`: 16 bytes. */
export function printSavepoint(s: Savepoint, sync: Uint8Array): Buffer {
  const partitions = [...s.files].map(([partitionPath, savepointDataFile]) => [partitionPath, { partitionPath, savepointDataFile }])
  const record = {
    savepointedBy: s.by,
    savepointedAt: s.atMs,
    comments: s.comments,
    partitionMetadata: Object.fromEntries(partitions),
    version: 1,
  }
  return writeContainer(SCHEMA, record, sync)
}

/** Reads a savepoint of ours or of Hudi. */
export function parseSavepoint(bytes: Buffer, file: string): Savepoint {
  const r = readContainer(bytes, file) as {
    savepointedBy: string
    savepointedAt: number
    comments: string
    partitionMetadata: Record<string, { savepointDataFile: string[] }>
  }
  const files = new Map(Object.entries(r.partitionMetadata).map(([p, m]) => [p, m.savepointDataFile]))
  return { by: r.savepointedBy, atMs: r.savepointedAt, comments: r.comments, files }
}
