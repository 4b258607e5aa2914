import type { ConnectField, ConnectSchema, ConnectType } from '../contract/connect-schema.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './exact-json.ts'

const TYPES: Readonly<Record<string, ConnectType>> = {
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  float: 'float32',
  double: 'float64',
  float32: 'float32',
  float64: 'float64',
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
  array: 'array',
  map: 'map',
  struct: 'struct',
}

/**
 * The "schema" part of a record of JsonConverter with schemas.enable=true (spec debezium §1.7). Defaults are left out: the converter
 * shows them in the payload. Null: it is none.
 */
export function parseConnectSchema(json: JsonValue): ConnectSchema | null {
  if (!isJsonObject(json)) return null
  const type = TYPES[String(json['type'])]
  if (type === undefined) return null
  const base = { type, optional: json['optional'] === true, ...nameOf(json) }
  if (type === 'struct') {
    const fields = Array.isArray(json['fields']) ? json['fields'].map(fieldOf) : []
    return fields.includes(null) ? null : { ...base, fields: fields as ConnectField[] }
  }
  if (type !== 'array' && type !== 'map') return base
  const items = parseConnectSchema(type === 'array' ? (json['items'] ?? null) : (json['values'] ?? json['items'] ?? null))
  const keys = type === 'map' ? parseConnectSchema(json['keys'] ?? null) : null
  if (items === null || (type === 'map' && keys === null)) return null
  return { ...base, items, ...(keys === null ? {} : { keys }) }
}

function fieldOf(json: JsonValue): ConnectField | null {
  const schema = parseConnectSchema(json)
  return schema === null || !isJsonObject(json) ? null : { name: String(json['field']), schema }
}

function nameOf(json: JsonObject): Pick<ConnectSchema, 'name' | 'version' | 'parameters'> {
  const { name, version, parameters } = json
  return {
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof version === 'bigint' ? { version: Number(version) } : {}),
    ...(isJsonObject(parameters ?? null)
      ? { parameters: Object.entries(parameters as JsonObject).map(([k, v]) => [k, String(v)] as const) }
      : {}),
  }
}
