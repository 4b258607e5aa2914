import type { ConnectField, ConnectSchema } from '../../contract/connect-schema.ts'
import { GrowableSink, writeAll } from '../../format/bytes/growable-sink.ts'
import { writeVarint, writeZigzagBigInt } from '../../format/bytes/varint.ts'
import { writeText } from '../transaction-tracker.ts'

/** What `table.expand.json.payload` makes of a JSON text: a value with a schema of its own. */
export interface ExpandedPayload {
  readonly schema: ConnectSchema
  /** Avro binary without union branch. */
  readonly avro: Buffer
}

/**
 * Null when the text is no JSON object or array, or holds what no schema can be told of: an array of different things, an integer beyond 64
 * bits. Members that are null, and empty arrays, are left out.
 */
export function expandedPayload(text: string): ExpandedPayload | null {
  if (!/^\s*[[{]/.test(text)) return null
  let value: unknown
  try {
    // Numbers keep their text: 1.0 is no integer, and 64 bits must survive.
    value = JSON.parse(text, (_, v: unknown, context?: { source: string }) => (typeof v === 'number' ? new JsonNumber(context!.source) : v))
  } catch (e) {
    if (!(e instanceof SyntaxError)) throw e
    return null
  }
  const schema = schemaOf('payload', value as Json)
  if (schema === 'none' || schema === 'unknown') return null
  const out = new GrowableSink(text.length + 64)
  write(schema, value as Json, out)
  return { schema, avro: out.copy() }
}

class JsonNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Json = null | boolean | string | JsonNumber | readonly Json[] | { readonly [name: string]: Json }

const MIN_LONG = -(1n << 63n)

function schemaOf(name: string, v: Json): ConnectSchema | 'none' | 'unknown' {
  if (v === null) return 'none'
  if (typeof v === 'boolean') return { type: 'boolean', optional: true }
  if (typeof v === 'string') return { type: 'string', optional: true }
  if (v instanceof JsonNumber) return numberSchema(v)
  if (Array.isArray(v)) return arraySchema(name, v as readonly Json[])
  const fields: ConnectField[] = []
  for (const [field, member] of Object.entries(v as { readonly [n: string]: Json })) {
    const schema = schemaOf(field, member)
    if (schema === 'unknown') return schema
    if (schema !== 'none') fields.push({ name: field, schema })
  }
  return { type: 'struct', optional: true, name, fields }
}

function numberSchema({ text }: JsonNumber): ConnectSchema | 'unknown' {
  if (!/^-?\d+$/.test(text)) return { type: 'float64', optional: true }
  const n = BigInt(text)
  if (n >= -2147483648n && n <= 2147483647n) return { type: 'int32', optional: true }
  return n >= MIN_LONG && n < -MIN_LONG ? { type: 'int64', optional: true } : 'unknown'
}

/** All elements have to be of one schema; nulls are of any. */
function arraySchema(name: string, v: readonly Json[]): ConnectSchema | 'none' | 'unknown' {
  let items: ConnectSchema | null = null
  for (const element of v) {
    const schema = schemaOf(name, element)
    if (schema === 'none') continue
    if (schema === 'unknown' || (items !== null && JSON.stringify(items) !== JSON.stringify(schema))) return 'unknown'
    items = schema
  }
  return items === null ? 'none' : { type: 'array', optional: true, items }
}

function write(schema: ConnectSchema, v: Json, out: GrowableSink): void {
  switch (schema.type) {
    case 'boolean':
      writeVarint(out, v === true ? 1 : 0)
      return
    case 'string':
      writeText(out, v as string)
      return
    case 'int32':
    case 'int64':
      writeZigzagBigInt(out, BigInt((v as JsonNumber).text))
      return
    case 'float64': {
      const bytes = Buffer.alloc(8)
      bytes.writeDoubleLE(Number((v as JsonNumber).text))
      writeAll(out, bytes)
      return
    }
    case 'array': {
      const items = v as readonly Json[]
      writeZigzagBigInt(out, BigInt(items.length))
      for (const i of items) writeOptional(schema.items!, i, out)
      writeVarint(out, 0)
      return
    }
    default:
      for (const f of schema.fields!) writeOptional(f.schema, (v as { readonly [n: string]: Json })[f.name] ?? null, out)
  }
}

function writeOptional(schema: ConnectSchema, v: Json, out: GrowableSink): void {
  writeVarint(out, v === null ? 0 : 2)
  if (v !== null) write(schema, v, out)
}
