import type { LakeColumn, LakeType } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import { GrowableSink, writeSlice } from '../bytes/growable-sink.ts'
import { writeZigzag32, writeZigzag64 } from '../bytes/varint.ts'
import { type Column, toVector } from '../parquet/column.ts'
import { CONTENT_VERSION } from './writer.ts'

/** Writes the value of one row. */
type Put = (row: number, out: GrowableSink) => void

/** Largest content of one block. */
const LARGEST = 1 << 30

/**
 * Content of an Avro block from columns, by the schema that lake tables have (metadata/avro-schema.ts: every field, list element and map value is
 * ["null", T], decimals are fixed): version:i32 count:i32 (length:i32 datum)*. No object is made per row.
 */
export function avroRowsContent(columns: readonly LakeColumn[], values: readonly Column[], count: number): Buffer {
  const puts = columns.map((c, i) => putColumn(values[i], c.type))
  const out = new GrowableSink(1 << 16, LARGEST)
  out.reserve(8)
  out.buf.writeInt32BE(CONTENT_VERSION, 0)
  out.buf.writeInt32BE(count, 4)
  out.pos = 8
  for (let row = 0; row < count; row++) {
    const at = out.pos
    out.reserve(4)
    out.pos += 4
    for (let c = 0; c < puts.length; c++) puts[c](row, out)
    out.buf.writeInt32BE(out.pos - at - 4, at)
  }
  return out.take()
}

/** ["null", T]: branch 0 or 1, then the value. */
function putColumn(column: Column, type: LakeType): Put {
  const v = toVector(column)
  const put = putValue(column, type)
  return (row, out) => {
    if (v.valid !== null && v.valid[row] === 0) {
      writeZigzag32(out, 0)
      return
    }
    writeZigzag32(out, 1)
    put(row, out)
  }
}

function putValue(column: Column, type: LakeType): Put {
  const v = toVector(column)
  if (v.kind === 'bytes') {
    return (row, out) => {
      const from = v.offsets[row]
      const length = v.offsets[row + 1] - from
      writeZigzag32(out, length)
      writeSlice(out, v.data, from, length)
    }
  }
  if (v.kind === 'list') {
    assert(type.kind === 'list', 'a list column has a list type')
    return putBlocks(v.offsets, putColumn(v.element, type.element))
  }
  if (v.kind === 'map') {
    assert(type.kind === 'map', 'a map column has a map type')
    const key = putValue(v.key, { kind: 'string' })
    const value = putColumn(v.value, type.value)
    return putBlocks(v.offsets, (row, out) => {
      key(row, out)
      value(row, out)
    })
  }
  if (v.kind === 'struct') {
    assert(type.kind === 'struct', 'a struct column has a struct type')
    const puts = type.fields.map((f, i) => putColumn(v.fields[i], f.type))
    return (row, out) => {
      for (let i = 0; i < puts.length; i++) puts[i](row, out)
    }
  }
  const { data, width } = v
  switch (type.kind) {
    case 'int':
    case 'date':
      return (row, out) => writeZigzag32(out, data.readInt32LE(row * 4))
    case 'long':
    case 'time-micros':
    case 'timestamp-micros':
      return (row, out) => writeZigzag64(out, data.readInt32LE(row * 8 + 4), data.readUInt32LE(row * 8))
    default:
      // booleans, floats, doubles and decimals lie in Avro as they do here
      return (row, out) => writeSlice(out, data, row * width, width)
  }
}

/** An array or map: one block of all entries, then the end. */
function putBlocks(offsets: Int32Array, entry: Put): Put {
  return (row, out) => {
    const from = offsets[row]
    const to = offsets[row + 1]
    if (to > from) {
      writeZigzag32(out, to - from)
      for (let i = from; i < to; i++) entry(i, out)
    }
    writeZigzag32(out, 0)
  }
}
