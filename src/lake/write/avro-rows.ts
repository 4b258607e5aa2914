import type { LakeColumn, LakeType, Vector } from '../../contract/columns.ts'
import { type GrowableSink, writeSlice } from '../../format/bytes/growable-sink.ts'
import { writeZigzag32, writeZigzag64 } from '../../format/bytes/varint.ts'

/** Writes row `row` of `vectors` (parallel to `columns`) as the Avro datum of the record that `avroSchemaText` describes. */
export function writeAvroRow(columns: readonly LakeColumn[], vectors: readonly Vector[], row: number, out: GrowableSink): void {
  for (let c = 0; c < columns.length; c++) writeNullable(columns[c].type, vectors[c], row, out)
}

/** A union of null and the type, null first. */
function writeNullable(type: LakeType, v: Vector, row: number, out: GrowableSink): void {
  const present = v.valid === null || v.valid[row] === 1
  writeZigzag32(out, present ? 1 : 0)
  if (present) writeValue(type, v, row, out)
}

function writeValue(type: LakeType, v: Vector, row: number, out: GrowableSink): void {
  if (v.kind === 'bytes') {
    const length = v.offsets[row + 1] - v.offsets[row]
    writeZigzag32(out, length)
    writeSlice(out, v.data, v.offsets[row], length)
  } else if (v.kind === 'fixed') writeFixed(type, v.data, row * v.width, v.width, out)
  else if (v.kind === 'struct' && type.kind === 'struct') {
    for (let f = 0; f < v.fields.length; f++) writeNullable(type.fields[f].type, v.fields[f], row, out)
  } else if (v.kind === 'list' && type.kind === 'list') {
    writeBlocks(v.offsets, row, out, (i) => writeNullable(type.element, v.element, i, out))
  } else if (v.kind === 'map' && type.kind === 'map') {
    writeBlocks(v.offsets, row, out, (i) => {
      writeValue({ kind: 'string' }, v.key, i, out)
      writeNullable(type.value, v.value, i, out)
    })
  }
}

/** Entries of an array or map in one block; a block of none ends it. */
function writeBlocks(offsets: Int32Array, row: number, out: GrowableSink, each: (i: number) => void): void {
  const count = offsets[row + 1] - offsets[row]
  if (count > 0) writeZigzag32(out, count)
  for (let i = offsets[row]; i < offsets[row + 1]; i++) each(i)
  writeZigzag32(out, 0)
}

function writeFixed(type: LakeType, data: Buffer, at: number, width: number, out: GrowableSink): void {
  switch (type.kind) {
    case 'int':
    case 'date':
      writeZigzag32(out, data.readInt32LE(at))
      break
    case 'long':
    case 'time-micros':
    case 'timestamp-micros':
      writeZigzag64(out, data.readInt32LE(at + 4), data.readInt32LE(at))
      break
    default:
      // one byte of a boolean, IEEE numbers in little-endian order, a decimal as fixed: as they lie in the vector
      writeSlice(out, data, at, width)
  }
}
