/**
 * JSON text with the layout of Jackson's default pretty printer, which all version 6 instants have: `"key" : value`, two spaces per
 * nested object, arrays on one line, `{ }` and `[ ]` when empty.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export function printJackson(value: Json): string {
  return print(value, '\n')
}

function print(value: Json, line: string): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isArray(value)) return value.length === 0 ? '[ ]' : `[ ${value.map((v) => print(v, line)).join(', ')} ]`
  const keys = Object.keys(value)
  if (keys.length === 0) return '{ }'
  const inner = `${line}  `
  return `{${keys.map((k) => `${inner}${JSON.stringify(k)} : ${print(value[k], inner)}`).join(',')}${line}}`
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
