/** A number that is no integer, as its text stands. */
export class NumberText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export interface JsonObject {
  readonly [name: string]: JsonValue
}

/** JSON without loss: integers are bigints, other numbers keep their text. */
export type JsonValue = null | boolean | string | bigint | NumberText | readonly JsonValue[] | JsonObject

export function isJsonObject(v: JsonValue | undefined): v is JsonObject {
  return typeof v === 'object' && v !== null && !Array.isArray(v) && !(v instanceof NumberText)
}

type Reviver = (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown

const exact: Reviver = (_key, value, context) => {
  if (typeof value !== 'number') return value
  const text = context.source ?? String(value)
  return /^-?\d+$/.test(text) ? BigInt(text) : new NumberText(text)
}

/** Undefined: the text is no JSON. */
export function parseExactJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text, exact as (this: unknown, key: string, value: unknown) => unknown) as JsonValue
  } catch (e) {
    if (e instanceof SyntaxError) return undefined
    throw e
  }
}
