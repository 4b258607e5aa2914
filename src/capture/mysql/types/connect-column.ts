import type { Column } from '../../../contract/change.ts'
import type { ConnectSchema } from '../../../contract/connect-schema.ts'
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
  const parameters = [...(mapping.schema.parameters ?? []), ...extra]
  const connect: ConnectSchema = {
    ...mapping.schema,
    ...doc,
    ...(parameters.length === 0 ? {} : { parameters }),
    optional: !column.notNull,
    ...(dflt === null ? {} : { default: dflt.value }),
  }
  return {
    name: column.name,
    sourceType: column.columnType,
    connect,
    ...(extra.length === 0 ? {} : { connectKey: { ...connect, parameters: mapping.schema.parameters } }),
    encode: mapping.encode,
    ...(mapping.encodeSnapshot === undefined ? {} : { encodeSnapshot: mapping.encodeSnapshot }),
    unavailable: mapping.unavailable,
    fallback: dflt !== null ? dflt.bytes : column.notNull ? mapping.fallback : null,
  }
}

/** `column.propagate.source.type`: type, length, scale, comment and name as parameters (spec debezium B.24). */
function propagated(column: MysqlColumn, context: MappingContext): (readonly [string, string])[] {
  const { options, path, mariadb } = context
  const type = typeName(column)
  if (options.propagate?.(path, `${path.slice(0, path.indexOf('.'))}.${type}`) !== true) return []
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
