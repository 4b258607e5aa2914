import type { Column } from '../../../contract/change.ts'
import type { ConnectSchema } from '../../../contract/connect-schema.ts'
import { withSourceType } from '../../columns/apply-rules.ts'
import type { BinlogField, MysqlColumn } from './column.ts'
import { mysqlDefault } from './defaults.ts'
import { type MappingContext, mapColumn } from './mapping.ts'

/** The column of the change record, or null for a type without a mapping; put `omittedColumn` in its place. */
export function connectColumn(column: MysqlColumn, field: BinlogField | null, context: MappingContext): Column | null {
  const mapping = mapColumn(column, field, context)
  if (mapping === null) return null
  const dflt = mysqlDefault(column, mapping, context.options)
  const extra = propagated(column, context)
  // The MariaDB connector does not read comments.
  const doc = context.options.comments && column.comment !== '' && !context.mariadb ? { doc: column.comment } : {}
  const connect: ConnectSchema = {
    ...mapping.schema,
    ...doc,
    optional: !column.notNull || (context.options.quirks && isGeometry(column)),
    ...(dflt === null ? {} : { default: dflt.value }),
  }
  const plain: Column = {
    name: column.name,
    sourceType: column.columnType,
    connect,
    encode: mapping.encode,
    ...(mapping.encodeSnapshot === undefined ? {} : { encodeSnapshot: mapping.encodeSnapshot }),
    unavailable: mapping.unavailable,
    fallback: dflt !== null ? dflt.bytes : column.notNull ? mapping.fallback : null,
  }
  return withSourceType(plain, extra)
}

/** What Debezium's parsers of DDL read no NOT NULL of: every geometry but POINT. */
function isGeometry(column: MysqlColumn): boolean {
  return /^geom|linestring$|polygon$|^multipoint$/.test(column.dataType)
}

/** Character types, which masks change: what Debezium calls CHAR or VARCHAR. */
const TEXTS = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set']

/** Characters that a text type allows (null: no limit); undefined: no text. */
export function characterLimit(column: MysqlColumn): number | null | undefined {
  if (!TEXTS.includes(column.dataType) || column.charset === 'binary') return undefined
  return column.dataType === 'char' || column.dataType === 'varchar' ? column.length : null
}

/** `column.propagate.source.type`: type, length, scale, comment and name as parameters (spec debezium B.24). */
function propagated(column: MysqlColumn, context: MappingContext): (readonly [string, string])[] {
  const { options, path, mariadb, propagate } = context
  const type = typeName(column)
  if (propagate?.(path, [`${path.slice(0, path.indexOf('.'))}.${type}`]) !== true) return []
  const of = (what: string): string => `__debezium.source.column.${what}`
  const [length, scale] = sizes(column)
  const out: [string, string][] = [[of('type'), type]]
  if (length !== null) out.push([of('length'), length])
  if (scale !== null) out.push([of('scale'), scale])
  if (options.comments && column.comment !== '' && !mariadb) out.push([of('comment'), column.comment])
  out.push([of('name'), column.name])
  return out
}

function typeName(column: MysqlColumn): string {
  const suffix = /\)?((?: unsigned| zerofill)*)$/.exec(column.columnType)?.[1] ?? ''
  return `${column.dataType}${suffix}`.toUpperCase()
}

/** Length and scale as the DDL gives them. */
function sizes(column: MysqlColumn): [string | null, string | null] {
  if (column.dataType === 'enum') return ['1', null]
  if (column.values !== null) return [String(column.values.length), null]
  const m = /^\w+\((\d+)(?:,(\d+))?\)/.exec(column.columnType)
  return [m?.[1] ?? null, m?.[2] ?? null]
}

/** Keeps the place of a column that tuples hold but records do not. */
export function omittedColumn(column: MysqlColumn): Column {
  return {
    name: column.name,
    sourceType: column.columnType,
    connect: { type: 'string', optional: true },
    encode: () => false,
    omitted: true,
    unavailable: null,
    fallback: null,
  }
}
