import type { ConnectSchema, ConnectValue } from '../contract/connect-schema.ts'
import { assert } from '../failure/failure.ts'
import { ByteCursor } from '../format/bytes/cursor.ts'
import { javaDouble, javaFloat } from '../format/text/java-number.ts'
import { jsonStringAsBytes as jsonString } from './json-text.ts'

/**
 * The text of Kafka's JsonConverter with schemas.enable=true and otherwise its defaults (spec debezium §1.7), from the record's Avro
 * binary and its Connect schema: {"schema":…,"payload":…}. Null cells with a default are the default in the Avro binary already.
 */
export function connectJson(schema: ConnectSchema, avro: Buffer): string {
  return `{"schema":${schemaJson(schema)},"payload":${payloadJson(schema, avro)}}`
}

/** The payload alone, as with schemas.enable=false; nothing at all of an optional schema is a null that keeps it. */
export function payloadJson(schema: ConnectSchema, avro: Buffer): string {
  if (avro.length === 0 && schema.optional) return 'null'
  const c = new ByteCursor(avro)
  // A struct at the top is a plain record, also where its schema is optional (a row out of its envelope).
  const text = schema.type === 'struct' ? json(schema, c, jsonFloats) : optionalJson(schema, c, jsonFloats)
  assert(c.pos === avro.length, `a record of ${schema.name} ends with its schema`)
  return text
}

/** As Kafka Connect's SimpleHeaderConverter prints a struct: JSON without a schema, floats in their plain form. */
export function connectText(schema: ConnectSchema, avro: Buffer): string {
  return optionalJson(schema, new ByteCursor(avro), false)
}

const jsonFloats = true

const schemaTexts = new WeakMap<ConnectSchema, string>()

/** `"schema"` part; the text of a schema object is made once. */
export function schemaJson(schema: ConnectSchema): string {
  let text = schemaTexts.get(schema)
  if (text === undefined) {
    text = `{${schemaProps(schema).join(',')}}`
    schemaTexts.set(schema, text)
  }
  return text
}

const TYPE_NAMES: Readonly<Record<string, string>> = { float32: 'float', float64: 'double' }

function schemaProps(s: ConnectSchema): string[] {
  const props = [`"type":"${TYPE_NAMES[s.type] ?? s.type}"`]
  if (s.type === 'struct') {
    const fields = s.fields!.map((f) => `{${[...schemaProps(f.schema), `"field":${jsonString(f.name)}`].join(',')}}`)
    props.push(`"fields":[${fields.join(',')}]`)
  } else if (s.type === 'array') props.push(`"items":${schemaJson(s.items!)}`)
  else if (s.type === 'map') props.push(`"keys":${schemaJson(s.keys!)}`, `"values":${schemaJson(s.items!)}`)
  props.push(`"optional":${s.optional}`)
  if (s.name !== undefined) props.push(`"name":${jsonString(s.name)}`)
  if (s.version !== undefined) props.push(`"version":${s.version}`)
  if (s.doc !== undefined) props.push(`"doc":${jsonString(s.doc)}`)
  const parameters = s.parameters ?? []
  if (parameters.length > 0) props.push(`"parameters":{${parameters.map(([k, v]) => `${jsonString(k)}:${jsonString(v)}`).join(',')}}`)
  if (s.default !== undefined) props.push(`"default":${valueJson(s, s.default)}`)
  return props
}

/** A default in the schema part. */
function valueJson(s: ConnectSchema, v: ConnectValue): string {
  if (v === null) return 'null'
  if (typeof v === 'string') return jsonString(v)
  if (typeof v === 'number')
    return s.type === 'float32' ? floatJson(javaFloat(v)) : s.type === 'float64' ? floatJson(javaDouble(v)) : String(v)
  if (v instanceof Uint8Array) return `"${Buffer.from(v).toString('base64')}"`
  assert(typeof v === 'boolean' || typeof v === 'bigint', 'a schema default is a scalar')
  return String(v)
}

function optionalJson(s: ConnectSchema, c: ByteCursor, quoteSpecial: boolean): string {
  if (s.optional) {
    const branch = c.varint() >>> 1
    if (branch !== (s.default === undefined ? 1 : 0)) return 'null'
  }
  return json(s, c, quoteSpecial)
}

/** JSON has no NaN and Infinity: they are strings. */
function floatJson(text: string): string {
  return /[NI]/.test(text) ? `"${text}"` : text
}

function json(s: ConnectSchema, c: ByteCursor, quoteSpecial: boolean): string {
  switch (s.type) {
    case 'int8':
    case 'int16':
    case 'int32':
      return String(c.zigzag32())
    case 'int64':
      c.zigzag64()
      return c.hi === 0 ? String(c.lo) : String((BigInt(c.hi | 0) << 32n) | BigInt(c.lo))
    case 'boolean':
      c.skip(1)
      return c.buf[c.pos - 1] === 1 ? 'true' : 'false'
    case 'float32': {
      c.skip(4)
      const text = javaFloat(c.buf.readFloatLE(c.pos - 4))
      return quoteSpecial ? floatJson(text) : text
    }
    case 'float64': {
      c.skip(8)
      const text = javaDouble(c.buf.readDoubleLE(c.pos - 8))
      return quoteSpecial ? floatJson(text) : text
    }
    case 'string':
      return jsonString(text(c))
    case 'bytes': {
      const n = c.length()
      c.skip(n)
      return `"${c.buf.toString('base64', c.pos - n, c.pos)}"`
    }
    case 'struct':
      return `{${s.fields!.map((f) => `${jsonString(f.name)}:${optionalJson(f.schema, c, quoteSpecial)}`).join(',')}}`
    case 'array':
      return `[${blocks(c, () => optionalJson(s.items!, c, quoteSpecial)).join(',')}]`
    case 'map':
      return `{${blocks(c, () => `${jsonString(text(c))}:${optionalJson(s.items!, c, quoteSpecial)}`).join(',')}}`
  }
}

function text(c: ByteCursor): string {
  const n = c.length()
  c.skip(n)
  return c.buf.toString('utf8', c.pos - n, c.pos)
}

/** Avro blocks of arrays and maps: counts, negative ones followed by a size, up to 0. */
function blocks(c: ByteCursor, item: () => string): string[] {
  const out: string[] = []
  for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
    if (n < 0) c.zigzag32()
    for (let i = Math.abs(n); i > 0; i--) out.push(item())
  }
  return out
}
