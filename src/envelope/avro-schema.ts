import type { ConnectSchema, ConnectValue } from '../contract/connect-schema.ts'
import { javaDouble, javaFloat } from '../format/text/java-number.ts'
import { jsonString } from './json-text.ts'

/**
 * The Avro schema text that Confluent's AvroData derives from a Connect schema (default settings), byte for byte: a registry then gives
 * the id it already has (spec debezium §1.6, correction A.1).
 * Property order of a type: type, fields|items|values, scale, precision, connect.doc, connect.version, connect.parameters,
 * connect.default, connect.name, connect.type, logicalType. A record that was printed before is a name, short inside its own namespace.
 */
export function avroSchemaText(schema: ConnectSchema): string {
  return unionText(schema, '', new Map())
}

const PRIMITIVES: Readonly<Record<string, string>> = {
  int8: 'int',
  int16: 'int',
  int32: 'int',
  int64: 'long',
  float32: 'float',
  float64: 'double',
  boolean: 'boolean',
  string: 'string',
  bytes: 'bytes',
}

const DECIMAL = 'org.apache.kafka.connect.data.Decimal'

const LOGICAL: Readonly<Record<string, string>> = {
  [DECIMAL]: 'decimal',
  'org.apache.kafka.connect.data.Date': 'date',
  'org.apache.kafka.connect.data.Time': 'time-millis',
  'org.apache.kafka.connect.data.Timestamp': 'timestamp-millis',
}

/** Optional: a union with null, whose first branch is that of the default. */
function unionText(schema: ConnectSchema, space: string, seen: Map<string, string>): string {
  const text = typeText(schema, space, seen)
  if (!schema.optional) return text
  return schema.default === undefined ? `["null",${text}]` : `[${text},"null"]`
}

function typeText(schema: ConnectSchema, space: string, seen: Map<string, string>): string {
  if (schema.type === 'struct') return recordText(schema, space, seen)
  const inner: string[] = []
  if (schema.type === 'array') inner.push(`"type":"array","items":${unionText(schema.items!, space, seen)}`)
  else if (schema.type === 'map') inner.push(`"type":"map","values":${unionText(schema.items!, space, seen)}`)
  else inner.push(`"type":"${PRIMITIVES[schema.type]}"`)
  const props = connectProps(schema)
  if (props.length === 0 && inner[0] === `"type":"${PRIMITIVES[schema.type]}"`) return `"${PRIMITIVES[schema.type]}"`
  return `{${[...inner, ...props].join(',')}}`
}

function recordText(schema: ConnectSchema, space: string, seen: Map<string, string>): string {
  const full = schema.name ?? 'io.confluent.connect.avro.ConnectDefault'
  const dot = full.lastIndexOf('.')
  const namespace = dot < 0 ? '' : full.slice(0, dot)
  const name = full.slice(dot + 1)
  const known = seen.get(full)
  if (known !== undefined && known === identity(schema)) return jsonString(namespace === space ? name : full)
  seen.set(full, identity(schema))
  const fields = schema.fields!.map((f) => {
    const type = unionText(f.schema, namespace, seen)
    const dflt = f.schema.default !== undefined ? `,"default":${defaultText(f.schema)}` : f.schema.optional ? ',"default":null' : ''
    return `{"name":${jsonString(f.name)},"type":${type}${dflt}}`
  })
  const head = [`"type":"record"`, `"name":${jsonString(name)}`]
  if (namespace !== space) head.push(`"namespace":${jsonString(namespace)}`)
  return `{${[...head, `"fields":[${fields.join(',')}]`, ...connectProps(schema)].join(',')}}`
}

/** What makes two records of one name the same definition; optionality is a matter of the union around it. */
function identity(schema: ConnectSchema): string {
  return JSON.stringify({ ...schema, optional: false }, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))
}

function connectProps(schema: ConnectSchema): string[] {
  const props: string[] = []
  const parameters = schema.parameters ?? []
  if (schema.name === DECIMAL) {
    const parameter = (key: string): string | undefined => parameters.find((p) => p[0] === key)?.[1]
    props.push(`"scale":${parameter('scale') ?? '0'}`, `"precision":${parameter('connect.decimal.precision') ?? '64'}`)
  }
  if (schema.doc !== undefined) props.push(`"connect.doc":${jsonString(schema.doc)}`)
  if (schema.version !== undefined) props.push(`"connect.version":${schema.version}`)
  if (parameters.length > 0) {
    props.push(`"connect.parameters":{${parameters.map(([k, v]) => `${jsonString(k)}:${jsonString(v)}`).join(',')}}`)
  }
  if (schema.default !== undefined) props.push(`"connect.default":${defaultText(schema)}`)
  if (schema.name !== undefined) props.push(`"connect.name":${jsonString(schema.name)}`)
  if (schema.type === 'int8' || schema.type === 'int16') props.push(`"connect.type":"${schema.type}"`)
  const logical = schema.name === undefined ? undefined : LOGICAL[schema.name]
  if (logical !== undefined) props.push(`"logicalType":"${logical}"`)
  return props
}

/** Defaults as Avro's own text: bytes are ISO-8859-1 text, floats in Java's form. */
function defaultText(schema: ConnectSchema): string {
  const v = schema.default as ConnectValue
  if (v === null) return 'null'
  if (typeof v === 'boolean' || typeof v === 'bigint') return String(v)
  if (typeof v === 'number') return schema.type === 'float32' ? javaFloat(v) : schema.type === 'float64' ? javaDouble(v) : String(v)
  if (typeof v === 'string') return jsonString(v)
  if (v instanceof Uint8Array) return jsonString(Buffer.from(v).toString('latin1'))
  if (Array.isArray(v)) return `[${v.map((e: ConnectValue) => defaultText({ ...schema.items!, default: e })).join(',')}]`
  const struct = v as { readonly [field: string]: ConnectValue }
  return `{${schema.fields!.map((f) => `${jsonString(f.name)}:${defaultText({ ...f.schema, default: struct[f.name] })}`).join(',')}}`
}
