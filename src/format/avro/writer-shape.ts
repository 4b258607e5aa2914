/**
 * An Avro schema as another writer made it, names resolved: every kind of type, because a value that nobody wants must be skipped too.
 */
export type WriterShape =
  | { readonly kind: 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'string' | 'bytes'; readonly logical: Logical | null }
  | { readonly kind: 'fixed'; readonly size: number; readonly logical: Logical | null }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'array' | 'map'; readonly items: WriterShape }
  | { readonly kind: 'union'; readonly branches: readonly WriterShape[] }
  | { readonly kind: 'record'; readonly name: string; readonly fields: readonly { readonly name: string; readonly shape: WriterShape }[] }

export interface Logical {
  readonly name: string
  readonly scale: number
}

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'string', 'bytes'] as const

type Json = { readonly [key: string]: unknown }

/** Parses a schema text. Throws a plain Error for what is no Avro schema: the caller knows where it came from. */
export function parseWriterSchema(text: string): WriterShape {
  return parse(JSON.parse(text), '', new Map())
}

function parse(schema: unknown, space: string, names: Map<string, WriterShape>): WriterShape {
  if (typeof schema === 'string') {
    const primitive = PRIMITIVES.find((p) => p === schema)
    if (primitive !== undefined) return { kind: primitive, logical: null }
    const known = names.get(schema) ?? names.get(`${space}.${schema}`)
    if (known === undefined) throw new Error(`the Avro type ${schema} is not defined`)
    return known
  }
  if (Array.isArray(schema)) return { kind: 'union', branches: schema.map((s) => parse(s, space, names)) }
  if (typeof schema !== 'object' || schema === null) throw new Error('an Avro type is no object')
  const s = schema as Json
  const type = s['type']
  if (typeof type === 'object') return parse(type, space, names)
  if (type === 'array') return { kind: 'array', items: parse(s['items'], space, names) }
  if (type === 'map') return { kind: 'map', items: parse(s['values'], space, names) }
  const primitive = PRIMITIVES.find((p) => p === type)
  if (primitive !== undefined) return { kind: primitive, logical: logicalOf(s) }
  return parseNamed(s, space, names)
}

function parseNamed(s: Json, space: string, names: Map<string, WriterShape>): WriterShape {
  const name = String(s['name'])
  const namespace = typeof s['namespace'] === 'string' ? s['namespace'] : space
  const full = name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
  if (s['type'] === 'fixed') {
    const size = Number(s['size'])
    if (!Number.isInteger(size) || size < 0) throw new Error(`the Avro type ${full} has no size`)
    return define(names, full, { kind: 'fixed', size, logical: logicalOf(s) })
  }
  if (s['type'] === 'enum') return define(names, full, { kind: 'enum', symbols: (s['symbols'] as unknown[]).map(String) })
  if (s['type'] !== 'record' && s['type'] !== 'error') {
    const known = names.get(String(s['type'])) ?? names.get(`${space}.${String(s['type'])}`)
    if (known === undefined) throw new Error(`the Avro type ${String(s['type'])} is not defined`)
    return known
  }
  const fields: { name: string; shape: WriterShape }[] = []
  const record = define(names, full, { kind: 'record', name: full, fields })
  const inner = full.includes('.') ? full.slice(0, full.lastIndexOf('.')) : ''
  for (const f of s['fields'] as Json[]) fields.push({ name: String(f['name']), shape: parse(f['type'], inner, names) })
  return record
}

function define(names: Map<string, WriterShape>, full: string, shape: WriterShape): WriterShape {
  names.set(full, shape)
  return shape
}

function logicalOf(s: Json): Logical | null {
  const name = s['logicalType']
  return typeof name === 'string' ? { name, scale: Number(s['scale'] ?? 0) } : null
}
