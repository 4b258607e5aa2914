import { type Json, JsonNumber, type JsonObject, jsonText, parseJson, SchemaError } from './json.ts'
import { sameSchema } from './same-schema.ts'
import { type AvroField, type AvroName, type AvroSchema, isNamed, type NamedSchema, PRIMITIVES, type Props } from './schema.ts'

const SCHEMA_MEMBERS = ['doc', 'fields', 'items', 'name', 'namespace', 'size', 'symbols', 'values', 'type', 'aliases']
const ENUM_MEMBERS = [...SCHEMA_MEMBERS, 'default']
const FIELD_MEMBERS = ['default', 'doc', 'name', 'order', 'type', 'aliases']
const NO_PROPS: Props = new Map()
const NAME = /^[\p{L}_][\p{L}\p{Nd}_]*$/u

/**
 * Parses a schema text by the rules of Java's parser, which is stricter than the specification in some places and more lenient in others.
 * `known` are named types that the text may use without declaring them (references). Fails with SchemaError.
 */
export function parseSchema(text: string, known: ReadonlyMap<string, NamedSchema> = new Map()): AvroSchema {
  return new SchemaParser(known).schema(parseJson(text), '')
}

/** Every named type that is declared in a schema, by full name. */
export function namedTypes(schema: AvroSchema, into = new Map<string, NamedSchema>()): Map<string, NamedSchema> {
  if (isNamed(schema)) {
    if (into.has(schema.name.full)) return into
    into.set(schema.name.full, schema)
    if (schema.kind === 'record') for (const f of schema.fields) namedTypes(f.type, into)
  } else if (schema.kind === 'array') namedTypes(schema.items, into)
  else if (schema.kind === 'map') namedTypes(schema.values, into)
  else if (schema.kind === 'union') for (const b of schema.branches) namedTypes(b, into)
  return into
}

class SchemaParser {
  readonly #names: Map<string, NamedSchema>
  /** Records whose fields are being read. */
  readonly #open = new Set<AvroSchema>()

  constructor(known: ReadonlyMap<string, NamedSchema>) {
    this.#names = new Map(known)
  }

  schema(json: Json, space: string): AvroSchema {
    if (typeof json === 'string') return this.#reference(json, space)
    if (Array.isArray(json)) return this.#union(json, space)
    if (!(json instanceof Map)) throw new SchemaError(`no schema: ${jsonText(json)}`)
    const type = json.get('type')
    if (typeof type !== 'string') throw new SchemaError(`no type: ${jsonText(json)}`)
    const primitive = PRIMITIVES.find((p) => p === type)
    if (primitive !== undefined) return { kind: primitive, props: propsOf(json, SCHEMA_MEMBERS) }
    switch (type) {
      case 'record':
      case 'error':
        return this.#record(json, space, type === 'error')
      case 'enum':
        return this.#enum(json, space)
      case 'fixed':
        return this.#fixed(json, space)
      case 'array':
        return { kind: 'array', items: this.schema(required(json, 'items', 'array'), space), props: propsOf(json, SCHEMA_MEMBERS) }
      case 'map':
        return { kind: 'map', values: this.schema(required(json, 'values', 'map'), space), props: propsOf(json, SCHEMA_MEMBERS) }
      default:
        return this.#reference(type, space)
    }
  }

  #reference(text: string, space: string): AvroSchema {
    const primitive = PRIMITIVES.find((p) => p === text)
    if (primitive !== undefined) return { kind: primitive, props: NO_PROPS }
    const found = this.#names.get(nameOf(text, space).full) ?? this.#names.get(text)
    if (found === undefined) throw new SchemaError(`undefined name: "${text}"`)
    return found
  }

  #union(json: readonly Json[], space: string): AvroSchema {
    const branches = json.map((b) => this.schema(b, space))
    const seen = new Set<string>()
    for (const b of branches) {
      if (b.kind === 'union') throw new SchemaError('a union directly in a union')
      const key = isNamed(b) ? b.name.full : b.kind
      if (seen.has(key)) throw new SchemaError(`duplicate in union: ${key}`)
      seen.add(key)
    }
    return { kind: 'union', branches }
  }

  #record(json: JsonObject, space: string, error: boolean): AvroSchema {
    const name = this.#declare(json, space)
    const list = json.get('fields')
    if (!Array.isArray(list)) throw new SchemaError(`record ${name.full} has no fields`)
    const fields: AvroField[] = []
    const aliases = aliasesOf(json, name.space)
    const record = { kind: 'record' as const, name, doc: textOf(json, 'doc'), aliases, error, fields, props: propsOf(json, SCHEMA_MEMBERS) }
    const known = this.#names.get(name.full)
    this.#names.set(name.full, record)
    this.#open.add(record)
    for (const f of list as readonly Json[]) fields.push(this.#field(f, name, fields))
    this.#open.delete(record)
    return this.#put(record, known)
  }

  #field(json: Json, record: AvroName, before: readonly AvroField[]): AvroField {
    if (!(json instanceof Map)) throw new SchemaError(`a field of ${record.full} is no object`)
    const name = textOf(json, 'name')
    if (name === null) throw new SchemaError(`a field of ${record.full} has no name`)
    if (!NAME.test(name)) throw new SchemaError(`illegal name of a field of ${record.full}: ${name}`)
    if (before.some((f) => f.name === name)) throw new SchemaError(`duplicate field ${name} in record ${record.full}`)
    const type = json.get('type')
    if (type === undefined) throw new SchemaError(`field ${name} of ${record.full} has no type`)
    const given = json.get('order')
    const order = typeof given === 'string' ? given.toLowerCase() : 'ascending'
    if (order !== 'ascending' && order !== 'descending' && order !== 'ignore') throw new SchemaError(`order of field ${name}: ${order}`)
    const schema = this.schema(type, record.space)
    const fallback = json.get('default')
    if (fallback !== undefined && !fits(schema, fallback, this.#open)) {
      throw new SchemaError(`invalid default for field ${name} of ${record.full}: ${jsonText(fallback)} is not of its type`)
    }
    return {
      name,
      type: schema,
      doc: textOf(json, 'doc'),
      default: fallback,
      order,
      aliases: textsOf(json, 'aliases'),
      props: propsOf(json, FIELD_MEMBERS),
    }
  }

  #enum(json: JsonObject, space: string): AvroSchema {
    const name = this.#declare(json, space)
    const symbols = textsOf(json, 'symbols')
    if (symbols === null) throw new SchemaError(`enum ${name.full} has no symbols`)
    for (const [i, s] of symbols.entries()) {
      if (!NAME.test(s)) throw new SchemaError(`illegal symbol of enum ${name.full}: ${s}`)
      if (symbols.indexOf(s) !== i) throw new SchemaError(`duplicate enum symbol: ${s}`)
    }
    const fallback = textOf(json, 'default')
    if (fallback !== null && !symbols.includes(fallback)) {
      throw new SchemaError(`the default ${fallback} of enum ${name.full} is not one of its symbols`)
    }
    const aliases = aliasesOf(json, name.space)
    const props = propsOf(json, ENUM_MEMBERS)
    return this.#put({ kind: 'enum', name, doc: textOf(json, 'doc'), aliases, symbols, default: fallback, props })
  }

  #fixed(json: JsonObject, space: string): AvroSchema {
    const name = this.#declare(json, space)
    const size = json.get('size')
    if (!(size instanceof JsonNumber) || !/^\d+$/.test(size.text) || Number(size.text) > 0x7fffffff) {
      throw new SchemaError(`fixed ${name.full} has no size, or an invalid one`)
    }
    const aliases = aliasesOf(json, name.space)
    const props = propsOf(json, SCHEMA_MEMBERS)
    return this.#put({ kind: 'fixed', name, doc: textOf(json, 'doc'), aliases, size: Number(size.text), props })
  }

  /** A type may be declared again when it is the same, as in Java since 1.12. */
  #put(schema: NamedSchema, known = this.#names.get(schema.name.full)): NamedSchema {
    const kept = known ?? schema
    if (this.#open.has(kept) || !sameSchema(kept, schema)) throw new SchemaError(`can't redefine: ${schema.name.full}`)
    this.#names.set(schema.name.full, kept)
    return kept
  }

  #declare(json: JsonObject, space: string): AvroName {
    const text = textOf(json, 'name')
    if (text === null) throw new SchemaError(`no name in schema: ${jsonText(json)}`)
    const name = nameOf(text, textOf(json, 'namespace') ?? space)
    // Namespaces may hold anything, as in Java before 1.12: Debezium's are made of names of schemas and tables.
    if (!NAME.test(name.name)) throw new SchemaError(`illegal name: ${name.full}`)
    if (PRIMITIVES.some((p) => p === name.full)) throw new SchemaError(`schemas may not be named after primitives: ${name.full}`)
    return name
  }
}

/** A name with a dot is a full one; else it is in `space`. */
export function nameOf(text: string, space: string): AvroName {
  const dot = text.lastIndexOf('.')
  if (dot >= 0) {
    const own = text.slice(0, dot)
    return { name: text.slice(dot + 1), space: own, full: own === '' ? text.slice(1) : text }
  }
  return { name: text, space, full: space === '' ? text : `${space}.${text}` }
}

/**
 * Whether a JSON value is a default of this type; for a union any branch counts, as in Java since 1.12. A record that is still being declared (`open`) has
 * no default: so no default contains itself.
 */
function fits(type: AvroSchema, value: Json | undefined, open: ReadonlySet<AvroSchema>): boolean {
  if (value === undefined) return false
  switch (type.kind) {
    case 'string':
    case 'bytes':
    case 'enum':
    case 'fixed':
      return typeof value === 'string'
    case 'int':
      return value instanceof JsonNumber && within(value, 31n)
    case 'long':
      return value instanceof JsonNumber && within(value, 63n)
    case 'float':
    case 'double':
      return value instanceof JsonNumber || javaNumber(value)
    case 'boolean':
      return typeof value === 'boolean'
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value) && value.every((v: Json) => fits(type.items, v, open))
    case 'map':
      return value instanceof Map && [...value.values()].every((v: Json) => fits(type.values, v, open))
    case 'union':
      return type.branches.some((b) => fits(b, value, open))
    case 'record':
      return value instanceof Map && !open.has(type) && type.fields.every((f) => fits(f.type, value.get(f.name) ?? f.default, open))
  }
}

function within(value: JsonNumber, bits: bigint): boolean {
  if (!value.integral) return false
  const n = BigInt(value.text)
  return n >= -(1n << bits) && n < 1n << bits
}

/** Java reads a text as the default of a float or double when Double.valueOf does. */
function javaNumber(value: Json): boolean {
  return typeof value === 'string' && /^\s*[+-]?(NaN|Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[fFdD]?)\s*$/.test(value)
}

function required(json: JsonObject, member: string, kind: string): Json {
  const value = json.get(member)
  if (value === undefined) throw new SchemaError(`${kind} has no ${member}`)
  return value
}

function textOf(json: JsonObject, member: string): string | null {
  const value = json.get(member)
  return typeof value === 'string' ? value : null
}

function textsOf(json: JsonObject, member: string): readonly string[] | null {
  const value = json.get(member)
  if (value === undefined || (value === null && member === 'aliases')) return null
  if (!Array.isArray(value) || !value.every((v) => typeof v === 'string')) throw new SchemaError(`${member} is no list of texts`)
  return value as readonly string[]
}

function aliasesOf(json: JsonObject, space: string): readonly AvroName[] | null {
  const names = textsOf(json, 'aliases')?.map((a) => nameOf(a, space))
  return names?.filter((a, i) => names.findIndex((b) => b.full === a.full) === i) ?? null
}

function propsOf(json: JsonObject, members: readonly string[]): Props {
  const own = [...json].filter(([k]) => !members.includes(k))
  return own.length === 0 ? NO_PROPS : new Map(own)
}
