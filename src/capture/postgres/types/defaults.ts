import { isFailure } from '../../../failure/failure.ts'
import { GrowableSink } from '../../../format/bytes/growable-sink.ts'
import { connectDefault, type SchemaDefault } from '../../types/connect-default.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import type { CatalogColumn } from '../catalog-column.ts'

/**
 * What Debezium puts for a default that is a function call, by type; types that are not here never have a default in the schema
 * (spec debezium §2.2 "Defaults", B.12).
 */
const PLACEHOLDER: Readonly<Record<string, string>> = {
  bit: '00',
  varbit: '00',
  bool: 'false',
  bpchar: '',
  varchar: '',
  text: '',
  xml: '',
  numeric: '0.0',
  float4: '0.0',
  float8: '0.0',
  int2: '0',
  int4: '0',
  int8: '0',
  json: '{}',
  jsonb: '{}',
  uuid: '00000000-0000-0000-0000-000000000000',
  date: '1970-01-01',
  time: '00:00:00',
  timestamp: '1970-01-01 00:00:00',
  timestamptz: '1970-01-01 00:00:00+00',
  interval: '00:00:00',
}

const FUNCTION = /^[(]?[A-Za-z0-9_.]+\((?:.+(?:, ?.+)*)?\)/
const SQL_VALUE = /^\(*(CURRENT_|LOCALTIME|SESSION_USER|USER\b)/i
const LITERAL = /'(.*?)'/s

/** The default of a column for its schema, or null. Literals are cut at the first quote, even an escaped one, as Debezium does. */
export function schemaDefault(column: CatalogColumn, mapping: TypeMapping): SchemaDefault | null {
  const { type } = column
  const expr = column.defaultExpr
  if (expr === null || column.generated || type.base !== null || type.element !== null) return null
  if (mapping.schema.type === 'struct' || /^NULL(::|$)/i.test(expr)) return null
  const placeholder = type.labels !== null ? null : PLACEHOLDER[type.name]
  if (placeholder === undefined) return null
  const text = FUNCTION.test(expr) || SQL_VALUE.test(expr) ? placeholder : (LITERAL.exec(expr)?.[1] ?? expr)
  if (text === null) return null
  const bytes = encodeDefault(type.name === 'bool' ? text.slice(0, 1) : text, mapping)
  return bytes === null ? null : { value: connectDefault(bytes, mapping.schema.type), bytes }
}

/** Null when the text is no value of the type (an expression): Debezium then warns and has no default. */
function encodeDefault(text: string, mapping: TypeMapping): Uint8Array | null {
  const src = Buffer.from(text, 'utf8')
  const out = new GrowableSink(src.length + 64)
  try {
    const encode = mapping.encodeSnapshot ?? mapping.encode
    return encode(src, 0, src.length, out) ? out.copy() : null
  } catch (e) {
    if (isFailure(e, 'TRB-ENV-001')) return null
    throw e
  }
}
