import avsc from 'avsc'
import { Failure } from '../../failure/failure.ts'

/**
 * Avro object container files with one record, which all plans and service metadata of a table are:
 *
 *   file  => 'Obj' 0x01 meta:map<bytes> sync:16 block*
 *   block => count:long size:long records sync:16          longs are zigzag varints
 *
 * Hudi writes one block, no codec, and the schema text of its own classes.
 */

const MAGIC = Buffer.from('Obj\x01', 'latin1')
const MAP = avsc.Type.forSchema({ type: 'map', values: 'bytes' })
const LONG = avsc.Type.forSchema('long')
/** avsc reads a type from the schema text; Hudi's `avro.java.string` attributes are ignored by it but kept in the text. */
const types = new Map<string, avsc.Type>()

/** A file that holds `record`. `schema` is written as given. `sync`: 16 bytes that tell blocks apart. */
export function writeContainer(schema: string, record: unknown, sync: Uint8Array): Buffer {
  const body = typeOf(schema).toBuffer(record)
  const meta = MAP.toBuffer({ 'avro.schema': Buffer.from(schema, 'utf8') })
  return Buffer.concat([MAGIC, meta, sync, LONG.toBuffer(1), LONG.toBuffer(body.length), body, sync])
}

/** The single record of a file, by the schema that the file carries. TRB-LAKE-004 for anything else. */
export function readContainer(bytes: Buffer, file: string): unknown {
  try {
    if (!bytes.subarray(0, 4).equals(MAGIC)) throw new Error('no Avro container')
    const meta = MAP.decode(bytes, 4)
    const codec: Buffer | undefined = meta.value['avro.codec']
    if (codec !== undefined && codec.toString() !== 'null') throw new Error(`codec ${codec.toString()}`)
    const sync = bytes.subarray(meta.offset, meta.offset + 16)
    const count = LONG.decode(bytes, meta.offset + 16)
    const size = LONG.decode(bytes, count.offset)
    const end = size.offset + size.value
    if (count.value !== 1 || !bytes.subarray(end, end + 16).equals(sync)) throw new Error('not one whole record')
    return typeOf(meta.value['avro.schema'].toString('utf8')).fromBuffer(bytes.subarray(size.offset, end))
  } catch (e) {
    throw new Failure('TRB-LAKE-004', { file }, e)
  }
}

/** One record without a frame, as log blocks hold them. */
export function encodeRecord(schema: string, record: unknown): Buffer {
  return typeOf(schema).toBuffer(record)
}

/** The reverse. TRB-LAKE-004 when the bytes are no such record. */
export function decodeRecord(schema: string, bytes: Buffer, file: string): unknown {
  try {
    return typeOf(schema).fromBuffer(bytes)
  } catch (e) {
    throw new Failure('TRB-LAKE-004', { file }, e)
  }
}

function typeOf(schema: string): avsc.Type {
  let type = types.get(schema)
  if (type === undefined) {
    type = avsc.Type.forSchema(JSON.parse(schema), { wrapUnions: false })
    types.set(schema, type)
  }
  return type
}
