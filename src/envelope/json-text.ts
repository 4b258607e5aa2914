/**
 * JSON text as Jackson writes it: no spaces, non-ASCII characters raw, control characters as \b \t \n \f \r or \u00XX with
 * upper-case digits.
 */
export function jsonString(s: string): string {
  const text = JSON.stringify(s)
  return /\\u[0-9a-f]/.test(text)
    ? text.replace(/\\u([0-9a-f]{4})|\\./g, (m, hex?: string) => (hex === undefined ? m : `\\u${hex.toUpperCase()}`))
    : text
}

/** The same as bytes of UTF-8 (JsonConverter): there Jackson writes characters beyond U+FFFF as two escapes. */
export function jsonStringAsBytes(s: string): string {
  const text = jsonString(s)
  return /[\ud800-\udfff]/.test(text) ? text.replace(/[\ud800-\udfff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase()}`) : text
}
