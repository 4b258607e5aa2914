import type { Column, TableSchema } from '../../contract/change.ts'
import type { CatalogColumn, CatalogType } from './catalog-column.ts'
import type { CatalogTable } from './catalogue.ts'
import type { TypeOptions } from './types/options.ts'
import { connectColumn, omittedColumn } from './types.ts'
import type { RelationMessage } from './wire/relation.ts'

/** A table's shape as the envelope sees it, and what it was made from. */
export interface Shape {
  readonly schema: TableSchema
  /** What the catalogue said, column by column as in `schema.columns`. */
  readonly columns: readonly CatalogColumn[]
  /** Columns without a type mapping, as `schema.table.column type`. */
  readonly unsupported: readonly string[]
}

export interface ShapeOptions {
  readonly types: TypeOptions
  readonly debeziumQuirks: boolean
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
  const key = keyNames(table, options.debeziumQuirks).filter((k) => wire.some((c) => c.name === k))
  const catalog = wire.map((c) => ({ ...c, isKey: key.includes(c.name) }))
  const unsupported: string[] = []
  const columns = catalog.map((c): Column => {
    const mapped = connectColumn(c, options.types)
    if (mapped === null) unsupported.push(`${table.schema}.${table.table}.${c.name} ${c.type.formatted}`)
    return mapped ?? omittedColumn(c)
  })
  const ordinals = key.map((k) => wire.findIndex((c) => c.name === k))
  const schema: TableSchema = {
    id: { schema: table.schema, table: table.table },
    version,
    columns,
    // A key of which a part cannot be mapped is none.
    key: ordinals.some((i) => columns[i].omitted === true) ? [] : ordinals,
    identity: IDENTITY[table.identity] ?? 'default',
    rowEstimate: table.rowEstimate,
  }
  return { schema, columns: catalog, unsupported }
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
  return identity === b.schema.identity && key.join() === b.schema.key.join() && JSON.stringify(a.columns) === JSON.stringify(b.columns)
}

function droppedType(oid: number): CatalogType {
  return { oid, schema: '', name: `oid ${oid}`, formatted: `dropped type ${oid}`, typtype: 'b', element: null, base: null, labels: null }
}
