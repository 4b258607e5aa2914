import type { LakeColumn, LakeType } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'

/**
 * Lake columns ⇄ the Avro schema text that Hudi keeps per commit and per table. As Spark derives it: record `<table>_record` in namespace
 * `hoodie.<table>` (names sanitised), every field `["null", T]` with default null, decimals as a `fixed` named after their field.
 * List elements and map values are nullable too.
 */

/** The five columns that Hudi puts before the row's own, in order. */
export const META_COLUMNS = [
  '_hoodie_commit_time',
  '_hoodie_commit_seqno',
  '_hoodie_record_key',
  '_hoodie_partition_path',
  '_hoodie_file_name',
] as const

type Avro = null | boolean | number | string | Avro[] | { [key: string]: Avro }

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Avro text of a table's schema. `meta`: with the five meta columns first, as base files carry it in their footer. */
export function avroSchemaText(table: string, columns: readonly LakeColumn[], meta: boolean): string {
  const name = sanitizeName(table)
  const record = `${name}_record`
  const namespace = `hoodie.${name}`
  const fields = columns.map((c) => field(c, `${namespace}.${record}`))
  const before = meta ? META_COLUMNS.map((n): Avro => ({ name: n, type: ['null', 'string'], doc: '', default: null })) : []
  return JSON.stringify({ type: 'record', name: record, namespace, fields: [...before, ...fields] })
}

/** Hudi's sanitizeName: what Avro does not allow in a name becomes two underscores. */
export function sanitizeName(name: string): string {
  const first = /^[^A-Za-z_]/.test(name) ? `__${name.slice(1)}` : name
  return first.replace(/[^A-Za-z0-9_]/g, '__')
}

/** Smallest number of bytes whose signed range holds `precision` decimal digits. */
export function decimalBytes(precision: number): number {
  const limit = 10n ** BigInt(precision) - 1n
  let bytes = 1
  while ((1n << BigInt(8 * bytes - 1)) - 1n < limit) bytes++
  return bytes
}

/** Columns of an Avro schema text, meta columns left out. Types that the lake has no column type for fail with TRB-LAKE-006. */
export function columnsOfAvro(text: string, table: string): LakeColumn[] {
  const schema = parse(text, table)
  if (!isRecord(schema) || schema.type !== 'record' || !Array.isArray(schema.fields)) throw unreadable(table, 'it is no record')
  const meta = new Set<string>(META_COLUMNS)
  const out: LakeColumn[] = []
  for (const f of schema.fields) {
    if (!isRecord(f) || typeof f.name !== 'string') throw unreadable(table, 'a field has no name')
    if (meta.has(f.name)) continue
    const type = lakeType(f.type, f.name, table)
    out.push(typeof f.doc === 'string' && f.doc !== '' ? { name: f.name, type, doc: f.doc } : { name: f.name, type })
  }
  return out
}

function field(c: LakeColumn, parent: string): Avro {
  if (!NAME.test(c.name)) throw new Failure('TRB-LAKE-005', { column: c.name })
  const type: Avro = ['null', avroType(c.type, c.name, parent)]
  return c.doc === undefined ? { name: c.name, type, default: null } : { name: c.name, type, doc: c.doc, default: null }
}

function avroType(t: LakeType, column: string, parent: string): Avro {
  switch (t.kind) {
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'time-micros':
    case 'timestamp-micros':
      return { type: 'long', logicalType: t.kind }
    case 'decimal':
      return {
        type: 'fixed',
        name: 'fixed',
        namespace: `${parent}.${column}`,
        size: decimalBytes(t.precision),
        logicalType: 'decimal',
        precision: t.precision,
        scale: t.scale,
      }
    case 'list':
      return { type: 'array', items: ['null', avroType(t.element, column, parent)] }
    case 'map':
      return { type: 'map', values: ['null', avroType(t.value, column, parent)] }
    case 'struct': {
      const fields = t.fields.map((f) => field(f, `${parent}.${column}`))
      return { type: 'record', name: column, namespace: parent, fields }
    }
    default:
      return t.kind
  }
}

const PLAIN = new Set(['boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'])

function lakeType(avro: unknown, column: string, table: string): LakeType {
  const type = branch(avro, column, table)
  if (typeof type === 'string') {
    if (PLAIN.has(type)) return { kind: type } as LakeType
    throw unknownType(column, table, type)
  }
  const inner = typeof type.type === 'string' ? type.type : ''
  const logical = type.logicalType
  if ((inner === 'fixed' || inner === 'bytes') && logical === 'decimal' && typeof type.precision === 'number') {
    return { kind: 'decimal', precision: type.precision, scale: typeof type.scale === 'number' ? type.scale : 0 }
  }
  if (inner === 'int' && logical === 'date') return { kind: 'date' }
  if (inner === 'long' && (logical === 'time-micros' || logical === 'timestamp-micros')) return { kind: logical }
  if (logical === undefined && PLAIN.has(inner)) return { kind: inner } as LakeType
  if (inner === 'string') return { kind: 'string' }
  if (inner === 'array') return { kind: 'list', element: lakeType(type.items, column, table) }
  if (inner === 'map') return { kind: 'map', value: lakeType(type.values, column, table) }
  if (inner === 'record' && Array.isArray(type.fields) && type.fields.length > 0) return structType(type.fields, column, table)
  throw unknownType(column, table, JSON.stringify(type))
}

function structType(fields: readonly unknown[], column: string, table: string): LakeType {
  return {
    kind: 'struct',
    fields: fields.map((f) => {
      if (!isRecord(f) || typeof f.name !== 'string') throw unreadable(table, `a field of ${column} has no name`)
      return { name: f.name, type: lakeType(f.type, `${column}.${f.name}`, table) }
    }),
  }
}

/** The one branch of a union that is not null. */
function branch(avro: unknown, column: string, table: string): string | Record<string, unknown> {
  const branches = (Array.isArray(avro) ? avro : [avro]).filter((b) => b !== 'null')
  const only: unknown = branches[0]
  if (branches.length === 1 && (typeof only === 'string' || isRecord(only))) return only
  throw unknownType(column, table, JSON.stringify(avro))
}

function parse(text: string, table: string): unknown {
  try {
    return JSON.parse(text)
  } catch (e) {
    throw new Failure('TRB-LAKE-007', { table, detail: 'it is no JSON' }, e)
  }
}

function isRecord(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v)
}

function unknownType(column: string, table: string, type: string): Failure {
  return new Failure('TRB-LAKE-006', { column, table, type })
}

function unreadable(table: string, detail: string): Failure {
  return new Failure('TRB-LAKE-007', { table, detail })
}
