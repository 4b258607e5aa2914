import { type Json, JsonNumber, jsonText, quote } from './json.ts'
import { type AvroField, type AvroName, type AvroSchema, isNamed, type NamedSchema, type Props } from './schema.ts'

/**
 * The text that Java's Schema.toString gives: what Confluent's registry stores and tells schemas apart by. White space, the order of members and
 * needless namespaces don't count; doc, defaults, aliases and properties do. `known` are full names declared elsewhere (references).
 */
export function schemaText(schema: AvroSchema, known: Iterable<string> = []): string {
  return new Writer(new Set(known), false).schema(schema, '')
}

/** The same for one who asks to be lenient (`normalize=true`): full names instead of namespaces, properties in order of their names. */
export function normalizedText(schema: AvroSchema, known: Iterable<string> = []): string {
  return new Writer(new Set(known), true).schema(schema, '')
}

class Writer {
  readonly #declared: Set<string>
  readonly #normalized: boolean

  constructor(declared: Set<string>, normalized: boolean) {
    this.#declared = declared
    this.#normalized = normalized
  }

  schema(schema: AvroSchema, space: string): string {
    if (isNamed(schema)) return this.#named(schema, space)
    switch (schema.kind) {
      case 'union':
        return `[${schema.branches.map((b) => this.schema(b, space)).join(',')}]`
      case 'array':
        return `{"type":"array","items":${this.schema(schema.items, space)}${this.#props(schema.props)}}`
      case 'map':
        return `{"type":"map","values":${this.schema(schema.values, space)}${this.#props(schema.props)}}`
      default:
        return schema.props.size === 0 ? `"${schema.kind}"` : `{"type":"${schema.kind}"${this.#props(schema.props)}}`
    }
  }

  #named(schema: NamedSchema, space: string): string {
    const { name } = schema
    if (this.#declared.has(name.full)) return quote(this.#normalized ? name.full : qualified(name, space))
    this.#declared.add(name.full)
    const type = schema.kind === 'record' && schema.error ? 'error' : schema.kind
    const doc = schema.doc === null ? '' : `,"doc":${quote(schema.doc)}`
    return `{"type":"${type}"${this.#name(name, space)}${doc}${this.#body(schema)}${this.#props(schema.props)}${aliases(schema)}}`
  }

  #name(name: AvroName, space: string): string {
    if (this.#normalized) return `,"name":${quote(name.full)}`
    return `,"name":${quote(name.name)}${name.space === space ? '' : `,"namespace":${quote(name.space)}`}`
  }

  #body(schema: NamedSchema): string {
    if (schema.kind === 'fixed') return `,"size":${schema.size}`
    if (schema.kind === 'enum') {
      const fallback = schema.default === null ? '' : `,"default":${quote(schema.default)}`
      return `,"symbols":[${schema.symbols.map(quote).join(',')}]${fallback}`
    }
    return `,"fields":[${schema.fields.map((f) => this.#field(f, schema.name.space)).join(',')}]`
  }

  #field(f: AvroField, space: string): string {
    const doc = f.doc === null ? '' : `,"doc":${quote(f.doc)}`
    const fallback = f.default === undefined ? '' : `,"default":${defaultText(f.type, f.default)}`
    const order = f.order === 'ascending' ? '' : `,"order":"${f.order}"`
    const names = f.aliases === null || f.aliases.length === 0 ? '' : `,"aliases":[${f.aliases.map(quote).join(',')}]`
    return `{"name":${quote(f.name)},"type":${this.schema(f.type, space)}${doc}${fallback}${order}${names}${this.#props(f.props)}}`
  }

  #props(props: Props): string {
    const list = [...props]
    if (this.#normalized) list.sort(([a], [b]) => (a < b ? -1 : 1))
    return list.map(([k, v]) => `,${quote(k)}:${jsonText(v)}`).join('')
  }
}

/** A number that was given as a text to a float or double is a number from then on. */
function defaultText(type: AvroSchema, value: Json): string {
  if (typeof value !== 'string' || (type.kind !== 'float' && type.kind !== 'double')) return jsonText(value)
  const x = Number(value.trim().replace(/[fFdD]$/, ''))
  return Number.isNaN(x) ? '"NaN"' : jsonText(new JsonNumber(String(x)))
}

function qualified(name: AvroName, space: string): string {
  return name.space === '' || name.space === space ? name.name : name.full
}

function aliases(schema: NamedSchema): string {
  if (schema.aliases === null || schema.aliases.length === 0) return ''
  return `,"aliases":[${schema.aliases.map((a) => quote(qualified(a, schema.name.space))).join(',')}]`
}
