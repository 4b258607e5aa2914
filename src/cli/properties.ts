/**
 * Java's .properties format: `key=value`, `key:value` or `key value` per logical line; # and ! start comment lines; a backslash at the
 * end of a line continues it; \t \n \r \f \uXXXX and \x are escapes.
 */
export function parseProperties(text: string): Map<string, string> {
  const out = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const m = /^((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)$/s.exec(line)
    if (m !== null && m[1] !== '') out.set(unescapeJava(m[1]), unescapeJava(m[2]))
  }
  return out
}

function logicalLines(text: string): string[] {
  const out: string[] = []
  let open = ''
  for (const raw of text.split(/\r\n|\n|\r/)) {
    const line = open + raw.replace(/^\s+/, '')
    if (open === '' && (line === '' || /^[#!]/.test(line))) continue
    const backslashes = /\\*$/.exec(line)![0].length
    if (backslashes % 2 === 1) open = line.slice(0, -1)
    else {
      out.push(line)
      open = ''
    }
  }
  if (open !== '') out.push(open)
  return out
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescapeJava(s: string): string {
  return s.replace(/\\(u[0-9a-fA-F]{4}|.)/gs, (_, e: string) =>
    e.length === 5 ? String.fromCharCode(Number.parseInt(e.slice(1), 16)) : (ESCAPES[e] ?? e),
  )
}
