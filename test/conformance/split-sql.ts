/** Statements of an SQL script, in order: split at semicolons outside quotes, dollar quotes and comments. */
export function splitSql(script: string): string[] {
  const out: string[] = []
  // string, identifier, dollar quote, line comment, block comment, semicolon, anything else
  const token = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$[A-Za-z_]*\$)[\s\S]*?\1|--[^\n]*|\/\*[\s\S]*?\*\/|;|[\s\S]/g
  let statement = ''
  for (const m of script.matchAll(token)) {
    if (m[0] === ';') {
      if (statement.trim() !== '') out.push(statement.trim())
      statement = ''
    } else if (!m[0].startsWith('--')) statement += m[0]
  }
  if (statement.trim() !== '') out.push(statement.trim())
  return out
}
