import type { Column, TableSchema } from '../../contract/change.ts'
import { isLeftOut, messageKeyOf, ruledColumn, withSourceType } from '../columns/apply-rules.ts'
import { type ColumnRules, NO_COLUMN_RULES } from '../columns/column-rules.ts'
import type { CatalogColumn, CatalogType } from './catalog-column.ts'
import type { CatalogTable } from './catalogue.ts'
import type { TypeOptions } from './types/options.ts'
import { hasTwoSizes, sourceTypeParameters } from './types/source-type.ts'
import { maskLength } from './types/text-length.ts'
import { connectColumn, omittedColumn } from './types.ts'
import type { RelationMessage } from './wire/relation.ts'

/** A table's shape as the envelope sees it, and what it was made from. */
export interface Shape {
  readonly schema: TableSchema
  /** What the catalogue said, column by column as in `schema.columns`. */
  readonly columns: readonly CatalogColumn[]
  /** Ordinals of the table's own key, by which its rows can be told apart and read in order; it may differ from the record's. */
  readonly rowKey: readonly number[]
  /** Made for rows of the stream where that makes a difference. */
  readonly stream: boolean
  /** Columns without a type mapping, as `schema.table.column type`. */
  readonly unsupported: readonly string[]
}

export interface ShapeOptions {
  readonly types: TypeOptions
  readonly debeziumQuirks: boolean
  readonly rules?: ColumnRules
  /** Columns are read that no record has: of a signal table. */
  readonly readsAll?: boolean
  /** The shape is for rows of the stream, not of a snapshot. */
  readonly stream: boolean
}

const IDENTITY: Readonly<Record<string, TableSchema['identity']>> = { d: 'default', f: 'full', i: 'index', n: 'nothing' }

/**
 * Names of the key columns: the primary key, else the first unique NOT NULL index by name. With REPLICA IDENTITY USING INDEX that
 * index comes first, because old rows carry only its columns; Debezium takes the primary key even then (and makes keys of it that
 * hold placeholders), which `debeziumQuirks` imitates.
 */
export function keyNames(table: CatalogTable, debeziumQuirks: boolean): readonly string[] {
  const choices = [table.primaryKey, table.uniqueIndex]
  if (table.identity === 'i' && !debeziumQuirks) choices.unshift(table.identityIndex)
  return choices.find((c) => c.length > 0) ?? []
}

/** Shape of a table whose tuples have the columns `wire`. A column without a type mapping keeps its place but is not in the record. */
export function shapeOf(table: CatalogTable, wire: readonly CatalogColumn[], version: number, options: ShapeOptions): Shape {
  const rules = options.rules ?? NO_COLUMN_RULES
  const names = wire.map((c) => c.name)
  const own = keyNames(table, options.debeziumQuirks).filter((k) => names.includes(k))
  const id = `${table.schema}.${table.table}`
  const key = messageKeyOf(id, names, own, rules)
  const catalog = wire.map((c) => ({ ...c, isKey: key.includes(c.name) }))
  const unsupported: string[] = []
  const unmapped = new Set<number>()
  let twoSizes = false
  const columns = catalog.map((c, i): Column => {
    const path = `${id}.${c.name}`
    const mapped = isLeftOut(path, options.readsAll === true || c.isKey || own.includes(c.name), rules)
      ? omittedColumn(c)
      : connectColumn(c, options.types)
    if (mapped === null) {
      unsupported.push(`${path} ${c.type.formatted}`)
      unmapped.add(i)
      return omittedColumn(c)
    }
    const told = rules.propagate?.(path, typeNames(table, c)) === true
    twoSizes ||= told && hasTwoSizes(c.type, c.typmod)
    const ruled = ruledColumn(mapped, { path, characters: maskLength(c.type, c.typmod), isKey: c.isKey }, rules)
    return told ? withSourceType(ruled, sourceTypeParameters(c.name, c.type, c.typmod, options.stream)) : ruled
  })
  const ordinals = (list: readonly string[]): number[] => {
    const found = list.map((k) => names.indexOf(k))
    // A key of which a part cannot be mapped is none.
    return found.some((i) => unmapped.has(i)) ? [] : found
  }
  const schema: TableSchema = {
    id: { schema: table.schema, table: table.table },
    version,
    columns,
    key: ordinals(key),
    identity: IDENTITY[table.identity] ?? 'default',
    rowEstimate: table.rowEstimate,
  }
  return { schema, columns: catalog, rowKey: ordinals(own), stream: twoSizes && options.stream, unsupported }
}

/** Forms of a type's name that datatype.propagate.source.type may mean. */
function typeNames(table: CatalogTable, c: CatalogColumn): string[] {
  const type = c.type.name
  return [type, `${table.schema}.${type}`, `${table.schema}.${table.table}.${type}`]
}

/**
 * Columns of a Relation message with what the catalogue adds (default, NOT NULL, type). The message is what the tuples look like; the
 * catalogue is read now, so after several quick DDLs it may be ahead: a column is matched by name and type, in the catalogue first,
 * else in the shape known before, else it is taken as nullable without a default.
 */
export function wireColumns(
  relation: RelationMessage,
  now: CatalogTable | null,
  before: CatalogTable | null,
  types: ReadonlyMap<number, CatalogType>,
): CatalogColumn[] {
  return relation.columns.map((c, i) => {
    const same = (known: CatalogColumn): boolean => isColumn(known, c)
    const known = now?.columns.find(same) ?? before?.columns.find(same)
    // The server sends a generated column only when the publication asks for it (18 and newer): then it is data like any other.
    if (known !== undefined) return { ...known, generated: false }
    return {
      name: c.name,
      attnum: i + 1,
      notNull: false,
      defaultExpr: null,
      generated: false,
      identity: false,
      typmod: c.typmod,
      type: types.get(c.typeOid) ?? droppedType(c.typeOid),
      isKey: false,
    }
  })
}

/** Whether the catalogue's column is the one of a Relation message: same name, same type with the same modifier. */
export function isColumn(known: CatalogColumn, sent: RelationMessage['columns'][number]): boolean {
  return known.name === sent.name && known.type.oid === sent.typeOid && known.typmod === sent.typmod
}

/** True when nothing that a TableSchema is made from differs: then the old object stays. */
export function sameShape(a: Shape, b: Shape): boolean {
  const { key, identity } = a.schema
  if (a.stream !== b.stream || a.rowKey.join() !== b.rowKey.join()) return false
  return identity === b.schema.identity && key.join() === b.schema.key.join() && JSON.stringify(a.columns) === JSON.stringify(b.columns)
}

function droppedType(oid: number): CatalogType {
  return { oid, schema: '', name: `oid ${oid}`, formatted: `dropped type ${oid}`, typtype: 'b', element: null, base: null, labels: null }
}
