import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type Compressors, parquetReadObjects, type SchemaElement } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { type Json, printJackson } from './jackson-json.ts'

/**
 * The archived timeline of layout 2, in `.hoodie/timeline/history/`: Parquet files of instants, ordered by time, and the manifest that says which
 * of them count. `_version_` holds the number of the manifest.
 *
 *   data     => minTime '_' maxTime '_' level '.parquet'
 *   manifest => 'manifest_' number                        JSON: {"files": [{"fileName", "fileLen"}]}
 */
export interface HistoryInstant {
  readonly time: string
  readonly completion: string
  /** As the completed file was named. */
  readonly action: string
  /** The completed file. */
  readonly metadata: Uint8Array | null
  /** The requested file of an action that plans. */
  readonly plan: Uint8Array | null
}

export interface HistoryFile {
  readonly name: string
  readonly bytes: number
}

const RECORD =
  '{"type":"record","name":"HoodieLSMTimelineInstant","namespace":"org.apache.hudi.avro.model","fields":[{"name":"instantTime","type":' +
  '["null",{"type":"string","avro.java.string":"String"}],"default":null},{"name":"completionTime","type":["null",{"type":"string",' +
  '"avro.java.string":"String"}],"default":null},{"name":"action","type":["null",{"type":"string","avro.java.string":"String"}],' +
  '"default":null},{"name":"metadata","type":["null","bytes"],"default":null},{"name":"plan","type":["null","bytes"],"default":null},' +
  '{"name":"version","type":"int","default":1}]}'

/** Hudi writes these files with the codec that its base files have; hyparquet itself knows SNAPPY. */
const COMPRESSORS: Compressors = { GZIP: (input) => gunzipSync(input), ZSTD: (input) => zstdDecompressSync(input) }

const text = (name: string): SchemaElement => ({
  name,
  type: 'BYTE_ARRAY',
  repetition_type: 'OPTIONAL',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
})

const SCHEMA: SchemaElement[] = [
  { name: 'org.apache.hudi.avro.model.HoodieLSMTimelineInstant', num_children: 6 },
  text('instantTime'),
  text('completionTime'),
  text('action'),
  { name: 'metadata', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'plan', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'version', type: 'INT32', repetition_type: 'REQUIRED' },
]

/** A data file of these instants, which are in order of their times. */
export function printHistory(instants: readonly HistoryInstant[]): Buffer {
  const body = parquetWriteBuffer({
    schema: SCHEMA,
    columnData: [
      { name: 'instantTime', data: instants.map((i) => i.time) },
      { name: 'completionTime', data: instants.map((i) => i.completion) },
      { name: 'action', data: instants.map((i) => i.action) },
      { name: 'metadata', data: instants.map((i) => i.metadata) },
      { name: 'plan', data: instants.map((i) => i.plan) },
      { name: 'version', data: instants.map(() => 1) },
    ],
    codec: 'SNAPPY',
    statistics: false,
    kvMetadata: [
      { key: 'writer.model.name', value: 'avro' },
      { key: 'parquet.avro.schema', value: RECORD },
    ],
    createdBy: 'tributary version 0.1.0 (build 1)',
  })
  return Buffer.from(body)
}

/** The instants of a data file of ours or of Hudi. Anything that isn't one fails with TRB-LAKE-004. */
export async function readHistory(store: Pick<ObjectStore, 'get'>, key: string): Promise<readonly HistoryInstant[]> {
  const bytes = await store.get(key)
  const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
  try {
    const rows = await parquetReadObjects({ file: whole, utf8: false, compressors: COMPRESSORS })
    return rows.map((r) => {
      const { instantTime: time, completionTime: completion, action, metadata, plan } = r
      if (typeof time !== 'string' || typeof completion !== 'string' || typeof action !== 'string')
        throw new Failure('TRB-LAKE-004', { file: key })
      return { time, completion, action, metadata: bytesOf(metadata), plan: bytesOf(plan) }
    })
  } catch (e) {
    if (isFailure(e)) throw e
    throw new Failure('TRB-LAKE-004', { file: key }, e)
  }
}

function bytesOf(v: unknown): Uint8Array | null {
  return v instanceof Uint8Array ? v : null
}

export function historyFileName(min: string, max: string, level: number): string {
  return `${min}_${max}_${level}.parquet`
}

/** Null when the name is not that of a data file. */
export function parseHistoryFileName(name: string): { readonly min: string; readonly max: string; readonly level: number } | null {
  const m = /^(\d+)_(\d+)_(\d+)\.parquet$/.exec(name)
  return m === null ? null : { min: m[1], max: m[2], level: Number(m[3]) }
}

export function printManifest(files: readonly HistoryFile[]): Buffer {
  const list: Json = files.map((f) => ({ fileName: f.name, fileLen: f.bytes }))
  return Buffer.from(printJackson({ files: list }), 'utf8')
}

export function parseManifest(body: Uint8Array, key: string): readonly HistoryFile[] {
  try {
    const { files } = JSON.parse(Buffer.from(body).toString('utf8')) as { files?: { fileName?: unknown; fileLen?: unknown }[] }
    if (!Array.isArray(files)) throw new Failure('TRB-LAKE-004', { file: key })
    return files.map(({ fileName, fileLen }) => {
      if (typeof fileName !== 'string' || typeof fileLen !== 'number') throw new Failure('TRB-LAKE-004', { file: key })
      return { name: fileName, bytes: fileLen }
    })
  } catch (e) {
    if (isFailure(e)) throw e
    throw new Failure('TRB-LAKE-004', { file: key }, e)
  }
}
