import type { ConnectField, ConnectSchema, ConnectType } from '../contract/connect-schema.ts'
import { isJsonObject, type JsonObject, type JsonValue, NumberText } from './exact-json.ts'
import { NotOfSchema } from './json-to-avro.ts'

type Guess = Extract<ConnectType, 'int64' | 'float64' | 'boolean' | 'string'>

/**
 * Types of JSON without schemas (schemas.enable=false), from the values met so far: integers are 64-bit, other numbers doubles, structures
 * their JSON text. A field that was always null is left out until it has a value. What changes its kind is refused (NotOfSchema): numbers
 * may become doubles, nothing else.
 */
export class GuessedSchemas {
  readonly #row = new Map<string, Guess>()
  readonly #key = new Map<string, Guess>()
  #version = 0
  #schemas: { readonly version: number; readonly value: ConnectSchema; readonly flat: ConnectSchema; readonly key: ConnectSchema } | null =
    null

  /** Looks at a key; the result fits the schema. */
  key(json: JsonValue): JsonValue {
    if (!isJsonObject(json)) throw new NotOfSchema('a key that is no object')
    return this.#fit(json, this.#key)
  }

  /** Looks at an envelope, or at a row that stands by itself; the result fits the schema. */
  value(json: JsonObject): { readonly json: JsonObject; readonly envelope: boolean } {
    const payload = json
    const envelope = 'op' in payload && 'source' in payload && ('after' in payload || 'before' in payload)
    if (!envelope) return { json: this.#fit(payload, this.#row), envelope }
    const { before, after, source } = payload
    const row = (v: JsonValue | undefined): JsonValue => (isJsonObject(v) ? this.#fit(v, this.#row) : null)
    return {
      json: { before: row(before), after: row(after), source: source ?? null, transaction: null, op: payload['op'] ?? null },
      envelope,
    }
  }

  /** Schemas that fit everything looked at so far; new objects when they have changed. */
  get schemas(): { readonly value: ConnectSchema; readonly flat: ConnectSchema; readonly key: ConnectSchema } {
    if (this.#schemas?.version === this.#version) return this.#schemas
    const row: ConnectSchema = { type: 'struct', optional: true, name: 'json.Value', fields: fieldsOf(this.#row, true) }
    const key: ConnectSchema = { type: 'struct', optional: false, name: 'json.Key', fields: fieldsOf(this.#key, false) }
    const value: ConnectSchema = {
      ...{ type: 'struct', optional: false, name: 'json.Envelope' },
      fields: [
        { name: 'before', schema: row },
        { name: 'after', schema: row },
        { name: 'source', schema: SOURCE },
        { name: 'transaction', schema: { type: 'string', optional: true } },
        { name: 'op', schema: { type: 'string', optional: false } },
      ],
    }
    this.#schemas = { version: this.#version, value, flat: { ...row, optional: false }, key }
    return this.#schemas
  }

  #fit(json: JsonObject, into: Map<string, Guess>): JsonObject {
    const out: Record<string, JsonValue> = {}
    for (const [name, value] of Object.entries(json)) {
      if (value === null) continue
      const structure = typeof value === 'object' && !(value instanceof NumberText)
      out[name] = structure ? jsonText(value) : value
      this.#learn(name, kindOf(value), into)
    }
    return out
  }

  #learn(name: string, kind: Guess, into: Map<string, Guess>): void {
    const known = into.get(name)
    if (known === kind || (known === 'float64' && kind === 'int64')) return
    if (known !== undefined && !(known === 'int64' && kind === 'float64'))
      throw new NotOfSchema(`${name} is ${kind}, before it was ${known}`)
    into.set(name, kind)
    this.#version++
  }
}

const optional = (type: ConnectType): ConnectSchema => ({ type, optional: true })

const SOURCE: ConnectSchema = {
  ...{ type: 'struct', optional: false, name: 'json.Source' },
  fields: [
    { name: 'ts_ms', schema: { type: 'int64', optional: false } },
    { name: 'txId', schema: optional('int64') },
    { name: 'lsn', schema: optional('int64') },
    { name: 'file', schema: optional('string') },
    { name: 'pos', schema: optional('int64') },
  ],
}

function fieldsOf(guesses: ReadonlyMap<string, Guess>, nullable: boolean): ConnectField[] {
  return [...guesses].map(([name, type]) => ({ name, schema: { type, optional: nullable } }))
}

function kindOf(value: Exclude<JsonValue, null>): Guess {
  if (typeof value === 'bigint') return 'int64'
  if (value instanceof NumberText) return 'float64'
  return typeof value === 'boolean' ? 'boolean' : 'string'
}

function jsonText(value: JsonValue): string {
  if (value instanceof NumberText) return value.text
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  if (isJsonObject(value))
    return `{${Object.entries(value)
      .map(([k, v]) => `${JSON.stringify(k)}:${jsonText(v)}`)
      .join(',')}}`
  return JSON.stringify(value)
}
