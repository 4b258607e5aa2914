/**
 * Java `Properties` text, as java.util.Properties loads and stores it:
 *
 *   line    => [ws] ('#' | '!') comment | [ws] key [ws] ('=' | ':' | ws) [ws] value
 *   escapes => '\t' '\n' '\r' '\f' '\uXXXX' '\' any      a '\' at the end of a line continues it on the next one
 *
 * Stored text is ISO-8859-1 with everything else as \uXXXX; here text is read as UTF-8 when it is given as such, which agrees on ASCII.
 */

/** Parses; later keys win. */
export function parseProperties(text: string): Map<string, string> {
  const out = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const [key, value] = splitLine(line)
    out.set(unescapeText(key), unescapeText(value))
  }
  return out
}

/** Prints with `\n`, comments first, keys in the given order, escaped as Java does it. */
export function printProperties(comments: readonly string[], properties: Iterable<readonly [string, string]>): string {
  let out = ''
  for (const c of comments) out += `#${c}\n`
  for (const [key, value] of properties) out += `${escapeText(key, true)}=${escapeText(value, false)}\n`
  return out
}

/** Java's Date.toString in UTC: `Sat Nov 21 03:14:21 UTC 2026`. */
export function javaDate(ms: number): string {
  const [week, day, month, year, time] = new Date(ms).toUTCString().replace(',', '').split(' ')
  return `${week} ${month} ${day} ${time} UTC ${year}`
}

function* logicalLines(text: string): Generator<string> {
  let pending: string | null = null
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const trimmed: string = natural.replace(/^[ \t\f]+/, '')
    // A comment line never continues, and a continued line may start with '#'.
    if (pending === null && (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith('!'))) continue
    const line: string = (pending ?? '') + trimmed
    const slashes = line.endsWith('\\') ? (/\\*$/.exec(line)?.[0].length ?? 0) : 0
    if (slashes % 2 === 1) pending = line.slice(0, -1)
    else {
      pending = null
      yield line
    }
  }
  if (pending !== null) yield pending
}

const SEPARATOR = /[=: \t\f]/

function splitLine(line: string): [string, string] {
  let i = line.includes('\\') ? 0 : line.search(SEPARATOR)
  if (i < 0) i = line.length
  while (i < line.length && !SEPARATOR.test(line[i])) i += line[i] === '\\' ? 2 : 1
  const key = line.slice(0, i)
  const rest = /^[ \t\f]*[=:]?[ \t\f]*/.exec(line.slice(i))?.[0].length ?? 0
  return [key, line.slice(i + rest)]
}

const UNESCAPED: Record<string, string> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescapeText(s: string): string {
  if (!s.includes('\\')) return s
  return s.replace(/\\u([0-9a-fA-F]{4})|\\(.)/g, (_m, hex: string | undefined, c: string) =>
    hex === undefined ? (UNESCAPED[c] ?? c) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

const ESCAPES: Record<string, string> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\f': '\\f' }

function escapeText(s: string, isKey: boolean): string {
  if (/^[\w.\-/+]*$/.test(s)) return s
  let out = ''
  for (let i = 0; i < s.length; i++) {
    const c = s[i]
    const code = s.charCodeAt(i)
    if (c === ' ') out += isKey || i === 0 ? '\\ ' : ' '
    else if ('\\=:#!'.includes(c)) out += `\\${c}`
    else if (ESCAPES[c] !== undefined) out += ESCAPES[c]
    else if (code < 0x20 || code > 0x7e) out += `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`
    else out += c
  }
  return out
}
