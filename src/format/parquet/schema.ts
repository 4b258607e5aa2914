import type { LakeColumn, LakeType } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { decimalWidth } from '../columns/decimal-width.ts'
import { CONVERTED, type Logical, PHYSICAL, REPETITION, type SchemaElement } from './metadata.ts'

/**
 * One column of a Parquet file as a tree. `definition` is the definition level at which the node is not null;
 * a list or map has an entry at `definition + 1` or more.
 */
export type Node = LeafNode | ListNode | MapNode | StructNode

export interface LeafNode {
  readonly kind: 'leaf'
  readonly element: SchemaElement
  /** Ordinal of the leaf in the file's row groups. */
  readonly leaf: number
  readonly path: readonly string[]
  readonly definition: number
  readonly repetition: number
}

export interface ListNode {
  readonly kind: 'list'
  readonly definition: number
  readonly repetition: number
  readonly item: Node
}

export interface MapNode {
  readonly kind: 'map'
  readonly definition: number
  readonly repetition: number
  readonly key: Node
  readonly value: Node
}

export interface StructNode {
  readonly kind: 'struct'
  readonly definition: number
  readonly repetition: number
  readonly fields: readonly { readonly name: string; readonly node: Node }[]
}

export interface FileColumn {
  readonly name: string
  readonly node: Node
  /** Leaves [first, end) of this column. */
  readonly firstLeaf: number
  readonly endLeaf: number
}

/** Schema elements of a table: every column optional, lists `list.element`, maps `key_value` (hudi writer rules). */
export function schemaOf(root: string, columns: readonly LakeColumn[]): SchemaElement[] {
  const out: SchemaElement[] = [group(root, -1, columns.length, null, null)]
  for (const c of columns) pushType(out, c.name, c.type, REPETITION.optional)
  return out
}

function pushType(out: SchemaElement[], name: string, type: LakeType, repetition: number): void {
  if (type.kind === 'list') {
    out.push(group(name, repetition, 1, CONVERTED.list, { kind: 'list' }))
    out.push(group('list', REPETITION.repeated, 1, null, null))
    pushType(out, 'element', type.element, REPETITION.optional)
    return
  }
  if (type.kind === 'map') {
    out.push(group(name, repetition, 1, CONVERTED.map, { kind: 'map' }))
    out.push(group('key_value', REPETITION.repeated, 2, null, null))
    pushType(out, 'key', { kind: 'string' }, REPETITION.required)
    pushType(out, 'value', type.value, REPETITION.optional)
    return
  }
  if (type.kind === 'struct') {
    out.push(group(name, repetition, type.fields.length, null, null))
    for (const f of type.fields) pushType(out, f.name, f.type, REPETITION.optional)
    return
  }
  out.push({ name, repetition, children: 0, ...physical(type) })
}

function group(name: string, repetition: number, children: number, converted: number | null, logical: Logical | null): SchemaElement {
  return { name, type: null, typeLength: 0, repetition, children, converted, scale: 0, precision: 0, logical }
}

type Physical = Pick<SchemaElement, 'type' | 'typeLength' | 'converted' | 'scale' | 'precision' | 'logical'>

function physical(type: LakeType): Physical {
  const of = (t: number, converted: number | null = null, logical: Logical | null = null): Physical => {
    return { type: t, typeLength: 0, converted, scale: 0, precision: 0, logical }
  }
  switch (type.kind) {
    case 'boolean':
      return of(PHYSICAL.boolean)
    case 'int':
      return of(PHYSICAL.int32)
    case 'long':
      return of(PHYSICAL.int64)
    case 'float':
      return of(PHYSICAL.float)
    case 'double':
      return of(PHYSICAL.double)
    case 'string':
      return of(PHYSICAL.bytes, CONVERTED.utf8, { kind: 'string' })
    case 'bytes':
      return of(PHYSICAL.bytes)
    case 'date':
      return of(PHYSICAL.int32, CONVERTED.date, { kind: 'date' })
    case 'time-micros':
      // Without its annotation: Spark refuses a whole file for one TIME column. What the number means is told by the table's Avro schema.
      return of(PHYSICAL.int64)
    case 'timestamp-micros':
      return of(PHYSICAL.int64, CONVERTED.timestampMicros, { kind: 'timestamp', utc: true, unit: 'us' })
    case 'decimal': {
      const { precision, scale } = type
      const typeLength = decimalWidth(precision)
      return {
        type: PHYSICAL.fixed,
        typeLength,
        converted: CONVERTED.decimal,
        scale,
        precision,
        logical: { kind: 'decimal', precision, scale },
      }
    }
    case 'list':
    case 'map':
    case 'struct':
      throw new Failure('TRB-INT-001', { invariant: `${type.kind} is not a primitive` })
  }
}

/** The columns of a file, with their levels. Accepts the two-level lists and the map forms of older writers. */
export function columnsOf(schema: readonly SchemaElement[], file: string): FileColumn[] {
  const cursor = { at: 1, leaf: 0, schema, file }
  const columns: FileColumn[] = []
  const root = schema[0]
  for (let i = 0; i < root.children; i++) {
    const name = schema[cursor.at].name
    const firstLeaf = cursor.leaf
    const node = readNode(cursor, [], 0, 0)
    columns.push({ name, node, firstLeaf, endLeaf: cursor.leaf })
  }
  return columns
}

interface Cursor {
  at: number
  leaf: number
  readonly schema: readonly SchemaElement[]
  readonly file: string
}

function readNode(c: Cursor, parents: readonly string[], definition: number, repetition: number): Node {
  const e = next(c)
  const path = [...parents, e.name]
  if (e.repetition === REPETITION.repeated) {
    // A bare repeated field: a list whose items are required.
    const item = readBody(c, e, path, definition + 1, repetition + 1)
    return { kind: 'list', definition, repetition: repetition + 1, item }
  }
  return readBody(c, e, path, definition + (e.repetition === REPETITION.optional ? 1 : 0), repetition)
}

/** The rest of `e`, given the definition level at which it is present. */
function readBody(c: Cursor, e: SchemaElement, path: readonly string[], definition: number, repetition: number): Node {
  if (e.type !== null) return { kind: 'leaf', element: e, leaf: c.leaf++, path, definition, repetition }
  const isList = e.logical?.kind === 'list' || e.converted === CONVERTED.list
  const isMap = e.logical?.kind === 'map' || e.converted === CONVERTED.map || e.converted === CONVERTED.mapKeyValue
  if (isList && e.children === 1 && c.schema[c.at]?.repetition === REPETITION.repeated) {
    return readList(c, e, path, definition, repetition)
  }
  if (isMap && e.children === 1 && c.schema[c.at]?.children === 2) {
    const entry = next(c)
    const at = [...path, entry.name]
    const key = readNode(c, at, definition + 1, repetition + 1)
    const value = readNode(c, at, definition + 1, repetition + 1)
    return { kind: 'map', definition, repetition: repetition + 1, key, value }
  }
  const fields: { name: string; node: Node }[] = []
  for (let i = 0; i < e.children; i++) fields.push({ name: c.schema[c.at]?.name ?? '', node: readNode(c, path, definition, repetition) })
  return { kind: 'struct', definition, repetition, fields }
}

function readList(c: Cursor, e: SchemaElement, path: readonly string[], definition: number, repetition: number): ListNode {
  const repeated = c.schema[c.at]
  const twoLevel = repeated.type !== null || repeated.children !== 1 || repeated.name === 'array' || repeated.name === `${e.name}_tuple`
  c.at++
  const at = [...path, repeated.name]
  const item = twoLevel ? readBody(c, repeated, at, definition + 1, repetition + 1) : readNode(c, at, definition + 1, repetition + 1)
  return { kind: 'list', definition, repetition: repetition + 1, item }
}

function next(c: Cursor): SchemaElement {
  const e = c.schema[c.at++]
  if (e === undefined) throw new Failure('TRB-LAKE-401', { file: c.file, problem: 'its schema ends too early' })
  return e
}
