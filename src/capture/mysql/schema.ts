import type { Column, TableId, TableSchema } from '../../contract/change.ts'
import { isLeftOut, messageKeyOf, ruledColumn } from '../columns/apply-rules.ts'
import { type ColumnRules, NO_COLUMN_RULES } from '../columns/column-rules.ts'
import type { CatalogTable } from './catalogue.ts'
import { type CharsetTable, decodeCharset } from './types/charset.ts'
import type { BinlogField, MysqlColumn } from './types/column.ts'
import { characterLimit, connectColumn, omittedColumn } from './types/connect-column.ts'
import type { MappingContext } from './types/mapping.ts'
import type { MysqlTypeOptions } from './types/options.ts'
import { T } from './wire/column-type.ts'
import type { TableMap } from './wire/table-map.ts'

/** What is known of the server beside the table. */
export interface ServerFacts {
  readonly mariadb: boolean
  /** Collation id → character set. */
  readonly collations: ReadonlyMap<number, string>
  readonly charsets: ReadonlyMap<string, CharsetTable>
}

/** A table's shape as the envelope sees it, and what it was made from. */
export interface Shape {
  readonly schema: TableSchema
  readonly columns: readonly MysqlColumn[]
  /** Names of the table's own key. */
  readonly ownKey: readonly string[]
  /** Ordinals of it, by which rows can be told apart and read in order; it may differ from the record's. */
  readonly rowKey: readonly number[]
  /** Columns without a type mapping, as `db.table.column type`. */
  readonly unsupported: readonly string[]
}

export interface ShapeInput {
  readonly id: TableId
  readonly version: number
  readonly columns: readonly MysqlColumn[]
  /** How the columns lie in the binlog; null: for a snapshot. */
  readonly fields: readonly BinlogField[] | null
  /** The table's own. */
  readonly key: readonly string[]
  readonly rowEstimate: number
  /** Columns are read that no record has: of a signal table. */
  readonly readsAll?: boolean
}

/** Shape of a table; a column without a type mapping keeps its place but is not in the record. */
export function shapeOf(input: ShapeInput, facts: ServerFacts, options: MysqlTypeOptions, rules: ColumnRules = NO_COLUMN_RULES): Shape {
  const { id, columns: known, fields } = input
  const names = known.map((c) => c.name)
  const key = messageKeyOf(`${id.schema}.${id.table}`, names, input.key, rules)
  const unsupported: string[] = []
  const unmapped = new Set<number>()
  const columns = known.map((c, i): Column => {
    const path = `${id.schema}.${id.table}.${c.name}`
    const isKey = key.includes(c.name)
    const context: MappingContext = { options, mariadb: facts.mariadb, charsets: facts.charsets, path, propagate: rules.propagate }
    const mapped = isLeftOut(path, input.readsAll === true || isKey || input.key.includes(c.name), rules)
      ? omittedColumn(c)
      : connectColumn(c, fields?.[i] ?? null, context)
    if (mapped !== null) return ruledColumn(mapped, { path, characters: characterLimit(c), isKey }, rules)
    unsupported.push(`${path} ${c.columnType}`)
    unmapped.add(i)
    return omittedColumn(c)
  })
  const ordinals = (list: readonly string[]): number[] => {
    const found = list.map((k) => names.indexOf(k))
    // A key of which a part cannot be mapped is none.
    return found.some((i) => i < 0 || unmapped.has(i)) ? [] : found
  }
  const schema: TableSchema = {
    id: { schema: id.schema, table: id.table },
    version: input.version,
    columns,
    key: ordinals(key),
    identity: 'full',
    rowEstimate: input.rowEstimate,
  }
  return { schema, columns: known, ownKey: input.key, rowKey: ordinals(input.key), unsupported }
}

/** The key of a table: its primary key, else the first unique index without nullable columns. */
export function keyOf(table: CatalogTable): readonly string[] {
  return table.primaryKey.length > 0 ? table.primaryKey : table.uniqueIndex
}

/**
 * Columns of a TABLE_MAP. The event is what the rows look like; INFORMATION_SCHEMA adds what it leaves out (defaults, lengths, comments) but is
 * read now, so after several quick DDLs it may be ahead: a column of it counts when its name and everything that the event tells agree, else
 * the one known before, else the event alone.
 */
export function columnsOf(
  map: TableMap,
  now: CatalogTable | null,
  before: readonly MysqlColumn[] | null,
  facts: ServerFacts,
): MysqlColumn[] {
  return Array.from({ length: map.count }, (_, i) => {
    const name = map.names?.[i] ?? now?.columns[i]?.name ?? `@${i + 1}`
    const alone = fromEvent(map, i, name, facts)
    const same = (c: MysqlColumn): boolean => c.name === name && agrees(c, alone, map, i)
    const known = now?.columns.find(same) ?? before?.find(same)
    return known === undefined ? alone : { ...known, notNull: alone.notNull, values: alone.values ?? known.values }
  })
}

export function fieldsOf(map: TableMap): BinlogField[] {
  return Array.from({ length: map.count }, (_, i) => ({ type: map.types[i], meta: map.meta[i] }))
}

/** Key columns by the event; null: it does not tell. */
export function keyOfEvent(map: TableMap): readonly string[] | null {
  return map.primaryKey === null || map.names === null ? null : map.primaryKey.map((k) => map.names![k.column])
}

const PLAIN: Readonly<Record<number, string>> = {
  [T.TINY]: 'tinyint',
  [T.SHORT]: 'smallint',
  [T.INT24]: 'mediumint',
  [T.LONG]: 'int',
  [T.LONGLONG]: 'bigint',
  [T.FLOAT]: 'float',
  [T.DOUBLE]: 'double',
  [T.NEWDECIMAL]: 'decimal',
  [T.BIT]: 'bit',
  [T.YEAR]: 'year',
  [T.DATE]: 'date',
  [T.NEWDATE]: 'date',
  [T.TIME]: 'time',
  [T.TIME2]: 'time',
  [T.DATETIME]: 'datetime',
  [T.DATETIME2]: 'datetime',
  [T.TIMESTAMP]: 'timestamp',
  [T.TIMESTAMP2]: 'timestamp',
  [T.JSON]: 'json',
  [T.VECTOR]: 'vector',
  [T.ENUM]: 'enum',
  [T.SET]: 'set',
}

const GEOMETRY = ['geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection']

/** By the bytes of its length: TINYBLOB …, TINYTEXT …. */
const SIZES = ['', 'tiny', '', 'medium', 'long']

function dataTypeOf(map: TableMap, i: number, charset: string | null): string {
  const type = map.types[i]
  const binary = charset === 'binary'
  switch (type) {
    case T.VARCHAR:
    case T.VAR_STRING:
    case T.VARCHAR_COMPRESSED:
      return binary ? 'varbinary' : 'varchar'
    case T.STRING:
      return binary ? 'binary' : 'char'
    case T.GEOMETRY:
      return GEOMETRY[map.geometry?.[i] ?? 0] ?? 'geometry'
    case T.BLOB:
    case T.BLOB_COMPRESSED:
      return `${SIZES[map.meta[i]] ?? ''}${binary ? 'blob' : 'text'}`
    default:
      return PLAIN[type] ?? `type ${type}`
  }
}

/** What the event alone tells of a column. */
function fromEvent(map: TableMap, i: number, name: string, facts: ServerFacts): MysqlColumn {
  const type = map.types[i]
  const meta = map.meta[i]
  const collation = map.collations?.[i] ?? 0
  const charset = collation === 0 ? null : collation === 63 ? 'binary' : (facts.collations.get(collation) ?? `collation ${collation}`)
  const dataType = dataTypeOf(map, i, charset)
  // A YEAR has the bit, too.
  const unsigned = map.unsigned?.[i] === 1 && type !== T.YEAR
  const decimal = type === T.NEWDECIMAL
  const labels = map.labels?.[i] ?? null
  return {
    name,
    dataType,
    columnType: unsigned ? `${dataType} unsigned` : dataType,
    unsigned,
    notNull: map.nullable[i] === 0,
    length: type === T.STRING || type === T.VARCHAR ? meta : null,
    precision: decimal ? meta >> 8 : type === T.BIT ? meta : null,
    scale: decimal ? meta & 0xff : null,
    fraction: type === T.TIME2 || type === T.DATETIME2 || type === T.TIMESTAMP2 ? meta : 0,
    charset,
    values: labels === null ? null : labels.map((l) => decodeCharset(charset ?? 'utf8mb4', l, facts.charsets)),
    defaultText: null,
    defaultExpression: false,
    generated: false,
    autoIncrement: false,
    comment: '',
  }
}

/** Types of MariaDB that its binlog shows as fixed strings. */
const HIDDEN: Readonly<Record<string, number>> = { uuid: 16, inet6: 16, inet4: 4 }

/** Whether a column of INFORMATION_SCHEMA can be the one of the event. */
function agrees(known: MysqlColumn, event: MysqlColumn, map: TableMap, i: number): boolean {
  const type = map.types[i]
  const hidden = HIDDEN[known.dataType]
  if (hidden !== undefined) return type === T.STRING && map.meta[i] === hidden
  if (type === T.GEOMETRY) return GEOMETRY.includes(known.dataType) || known.dataType === 'geomcollection'
  if (known.dataType !== event.dataType) return false
  if (map.unsigned !== null && known.unsigned !== event.unsigned) return false
  if (map.collations !== null && known.charset !== null && event.charset !== null && known.charset !== event.charset) return false
  if (event.values !== null && event.values.join('\0') !== known.values?.join('\0')) return false
  if (type === T.NEWDECIMAL || type === T.BIT) return known.precision === event.precision && (known.scale ?? 0) === (event.scale ?? 0)
  return known.fraction === event.fraction
}

/** True when nothing that a TableSchema is made from differs. */
export function sameShape(a: Shape, b: Shape): boolean {
  return (
    a.schema.key.join() === b.schema.key.join() &&
    a.rowKey.join() === b.rowKey.join() &&
    JSON.stringify(a.columns) === JSON.stringify(b.columns)
  )
}
