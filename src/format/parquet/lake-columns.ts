import type { LakeColumn, LakeType } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { CONVERTED, PHYSICAL, type SchemaElement } from './metadata.ts'
import type { FileColumn, LeafNode, Node } from './schema.ts'

/**
 * The lake's types for the columns of a Parquet file that anybody wrote. Unsigned 32- and 64-bit numbers, which no lake type
 * holds, fail with TRB-LAKE-402. Times finer than microseconds are rounded down when they are read.
 */
export function lakeColumnsOf(columns: readonly FileColumn[], file: string): LakeColumn[] {
  return columns.map((c) => ({ name: c.name, type: typeOf(c.node, c.name, file) }))
}

function typeOf(node: Node, column: string, file: string): LakeType {
  if (node.kind === 'leaf') return leafType(node, column, file)
  if (node.kind === 'list') return { kind: 'list', element: typeOf(node.item, column, file) }
  if (node.kind === 'map') {
    const key = typeOf(node.key, column, file)
    if (key.kind !== 'string') throw unknown(file, `column ${column}, a map with keys that are no texts`)
    return { kind: 'map', value: typeOf(node.value, column, file) }
  }
  return { kind: 'struct', fields: node.fields.map((f) => ({ name: f.name, type: typeOf(f.node, `${column}.${f.name}`, file) })) }
}

function leafType({ element: e }: LeafNode, column: string, file: string): LakeType {
  const l = e.logical
  if (l?.kind === 'decimal') return { kind: 'decimal', precision: l.precision, scale: l.scale }
  if (e.converted === CONVERTED.decimal) return { kind: 'decimal', precision: e.precision, scale: e.scale }
  switch (e.type) {
    case PHYSICAL.boolean:
      return { kind: 'boolean' }
    case PHYSICAL.int32:
      return int32Type(e, column, file)
    case PHYSICAL.int64:
      return int64Type(e, column, file)
    case PHYSICAL.int96:
      return { kind: 'timestamp-micros' }
    case PHYSICAL.float:
      return { kind: 'float' }
    case PHYSICAL.double:
      return { kind: 'double' }
    case PHYSICAL.bytes:
      return { kind: l?.kind === 'string' || e.converted === CONVERTED.utf8 ? 'string' : 'bytes' }
    default:
      throw unknown(file, `column ${column}, fixed-length bytes`)
  }
}

/** Converted types: times of day in milliseconds, and unsigned numbers that the signed reading of their bytes would make negative. */
const TIME_MILLIS = 7
const UINT32 = 13
const UINT64 = 14

function int32Type(e: SchemaElement, column: string, file: string): LakeType {
  if (e.converted === UINT32) throw unknown(file, `column ${column}, unsigned 32-bit numbers`)
  if (e.logical?.kind === 'time' || e.converted === TIME_MILLIS) return { kind: 'time-micros' }
  return { kind: e.logical?.kind === 'date' || e.converted === CONVERTED.date ? 'date' : 'int' }
}

function int64Type(e: SchemaElement, column: string, file: string): LakeType {
  const l = e.logical
  if (e.converted === UINT64) throw unknown(file, `column ${column}, unsigned 64-bit numbers`)
  if (l?.kind === 'timestamp' || e.converted === CONVERTED.timestampMicros || e.converted === CONVERTED.timestampMillis) {
    return { kind: 'timestamp-micros' }
  }
  return { kind: l?.kind === 'time' || e.converted === CONVERTED.timeMicros ? 'time-micros' : 'long' }
}

function unknown(file: string, feature: string): Failure {
  return new Failure('TRB-LAKE-402', { file, feature })
}
