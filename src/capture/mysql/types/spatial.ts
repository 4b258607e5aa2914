import type { ValueEncoder } from '../../../contract/change.ts'
import { writeSlice } from '../../../format/bytes/growable-sink.ts'
import { writeVarint, writeZigzag32 } from '../../../format/bytes/varint.ts'
import { badValue } from '../../types/bad-value.ts'
import { pointSchema } from '../../types/geometry.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'

/**
 * Geometry as both servers store it, in binlog and text protocol alike:  geometry => srid:u32le WKB
 * An srid of 0 is shown as null. Rows from before an ADD COLUMN … NOT NULL have no bytes at all: that is null, or what stands for it.
 */

/** io.debezium.data.geometry.Geometry {wkb, srid}. @param nullable null may stand for no bytes; else an empty collection does */
export function geometryMapping(nullable: boolean): TypeMapping {
  const schema: TypeMapping['schema'] = {
    type: 'struct',
    name: 'io.debezium.data.geometry.Geometry',
    version: 1,
    doc: 'Geometry',
    fields: [
      { name: 'wkb', schema: { type: 'bytes', optional: false } },
      { name: 'srid', schema: { type: 'int32', optional: true } },
    ],
  }
  // an empty collection: little-endian, type 7, no members
  const empty = Buffer.from([18, 1, 7, 0, 0, 0, 0, 0, 0, 0, 0])
  const encode: ValueEncoder = (src, start, length, out) => {
    if (length === 0) return !nullable && writeWhole(out, empty)
    if (length < 9) throw badValue('geometry', src, start, length)
    writeVarint(out, (length - 4) * 2)
    writeSlice(out, src, start + 4, length - 4)
    writeSrid(src, start, out)
    return true
  }
  return { schema, encode, fallback: empty, unavailable: null }
}

/** io.debezium.data.geometry.Point {x, y, wkb, srid}. @param nullable null may stand for no bytes; else the origin does */
export function pointMapping(nullable: boolean): TypeMapping {
  const { optional: _, ...schema } = pointSchema(false)
  const zero = Buffer.concat([Buffer.alloc(16), Buffer.from([2, 42, 1, 1, 0, 0, 0]), Buffer.alloc(16), Buffer.from([0])])
  const encode: ValueEncoder = (src, start, length, out) => {
    if (length === 0) return !nullable && writeWhole(out, zero)
    if (length !== 25 || src[start + 4] !== 1) throw badValue('point', src, start, length)
    writeSlice(out, src, start + 9, 16)
    out.reserve(2)
    out.buf[out.pos++] = 2
    out.buf[out.pos++] = 42
    writeSlice(out, src, start + 4, 21)
    writeSrid(src, start, out)
    return true
  }
  return { schema, encode, fallback: zero, unavailable: null }
}

function writeWhole(out: Parameters<ValueEncoder>[3], bytes: Buffer): true {
  writeSlice(out, bytes, 0, bytes.length)
  return true
}

function writeSrid(src: Buffer, start: number, out: Parameters<ValueEncoder>[3]): void {
  const srid = src.readUInt32LE(start)
  out.reserve(6)
  out.buf[out.pos++] = srid === 0 ? 0 : 2
  if (srid !== 0) writeZigzag32(out, srid | 0)
}

/** VECTOR: floats, little-endian; io.debezium.data.FloatVector. */
export function vectorMapping(): TypeMapping {
  const schema: TypeMapping['schema'] = {
    type: 'array',
    name: 'io.debezium.data.FloatVector',
    version: 1,
    items: { type: 'float32', optional: false },
  }
  const encode: ValueEncoder = (src, start, length, out) => {
    if (length % 4 !== 0) throw badValue('vector', src, start, length)
    if (length > 0) {
      writeZigzag32(out, length / 4)
      writeSlice(out, src, start, length)
    }
    out.reserve(1)
    out.buf[out.pos++] = 0
    return true
  }
  return { schema, encode, fallback: Buffer.from([0]), unavailable: null }
}
