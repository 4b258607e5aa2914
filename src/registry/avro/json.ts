/**
 * JSON as schema texts need it: the order of members and the digits of numbers are kept, which JSON.parse does not do (members named like
 * integers move to the front, numbers become doubles).
 */
export type Json = null | boolean | string | JsonNumber | readonly Json[] | JsonObject
export type JsonObject = ReadonlyMap<string, Json>

export class JsonNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  /** Without fraction and exponent, as Jackson tells integers from doubles. */
  get integral(): boolean {
    return /^-?\d+$/.test(this.text)
  }
}

/** Why a text is no JSON, or no Avro schema. */
export class SchemaError extends Error {}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
/** What Avro's own parser passes over: comments too. */
const SPACE = /(?:[ \t\r\n]|\/\/[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/y
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y
/** Deeper than any schema; recursion stays within the stack. */
export const MAX_DEPTH = 500

/** Parses one JSON value that fills the whole text. Fails with SchemaError. */
export function parseJson(text: string): Json {
  const parser = new Parser(text)
  const value = parser.value(0)
  parser.end()
  return value
}

class Parser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw new SchemaError(`nested more than ${MAX_DEPTH} levels deep`)
    this.#space()
    const c = this.#text[this.#at]
    if (c === '{') return this.#object(depth)
    if (c === '[') return this.#array(depth)
    if (c === '"') return this.#string()
    for (const [word, value] of [
      ['null', null],
      ['true', true],
      ['false', false],
    ] as const) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    }
    const digits = this.#take(NUMBER)
    if (digits === null || digits === '') throw this.#unexpected()
    return new JsonNumber(digits)
  }

  end(): void {
    this.#space()
    if (this.#at < this.#text.length) throw this.#unexpected()
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, Json>()
    this.#at++
    this.#space()
    if (this.#skip('}')) return members
    for (;;) {
      this.#space()
      const key = this.#string()
      this.#space()
      if (!this.#skip(':')) throw this.#unexpected()
      members.set(key, this.value(depth + 1))
      this.#space()
      if (this.#skip('}')) return members
      if (!this.#skip(',')) throw this.#unexpected()
    }
  }

  #array(depth: number): readonly Json[] {
    const items: Json[] = []
    this.#at++
    this.#space()
    if (this.#skip(']')) return items
    for (;;) {
      items.push(this.value(depth + 1))
      this.#space()
      if (this.#skip(']')) return items
      if (!this.#skip(',')) throw this.#unexpected()
    }
  }

  #string(): string {
    const quoted = this.#take(STRING)
    if (quoted === null) throw this.#unexpected()
    return JSON.parse(quoted) as string
  }

  #skip(c: string): boolean {
    if (this.#text[this.#at] !== c) return false
    this.#at++
    return true
  }

  #space(): void {
    this.#take(SPACE)
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)
    if (found === null) return null
    this.#at += found[0].length
    return found[0]
  }

  #unexpected(): SchemaError {
    const c = this.#text[this.#at]
    return new SchemaError(
      c === undefined ? 'the JSON text ends too early' : `unexpected character '${c}' at offset ${this.#at} of the JSON text`,
    )
  }
}

/** The value as compact JSON, as Jackson writes its tree: integers digit for digit, other numbers as Java's double. */
export function jsonText(value: Json): string {
  if (value instanceof JsonNumber) return value.integral ? integerText(value.text) : javaDouble(Number(value.text))
  if (value instanceof Map) return `{${[...value].map(([k, v]) => `${quote(k)}:${jsonText(v)}`).join(',')}}`
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  return typeof value === 'string' ? quote(value) : String(value)
}

/** Jackson escapes what JSON demands and nothing else, control characters with upper-case digits. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(/\\u[0-9a-f]{4}/g, (m) => `\\u${m.slice(2).toUpperCase()}`)
}

function integerText(text: string): string {
  return text === '-0' ? '0' : text
}

/** Double.toString of Java: a fraction always, scientific outside [1e-3, 1e7). */
function javaDouble(x: number): string {
  if (!Number.isFinite(x)) return x > 0 ? '"Infinity"' : '"-Infinity"'
  if (x === 0) return Object.is(x, -0) ? '-0.0' : '0.0'
  const magnitude = Math.abs(x)
  if (magnitude >= 1e-3 && magnitude < 1e7) return Number.isInteger(x) ? `${x}.0` : String(x)
  const [mantissa, exponent] = x.toExponential().split('e') as [string, string]
  return `${mantissa.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`
}
