import mysql from 'mysql2/promise'

/** Statements of a MySQL script, in order: split at semicolons outside quotes and comments. */
export function splitMysql(script: string): string[] {
  const out: string[] = []
  // string with doubled or escaped quotes, quoted name, line comment, block comment, semicolon, anything else
  const token = /'(?:[^'\\]|''|\\[\s\S])*'|"(?:[^"\\]|""|\\[\s\S])*"|`[^`]*`|--\s[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|;|[\s\S]/g
  let statement = ''
  const end = (): void => {
    if (statement.trim() !== '') out.push(statement.trim())
    statement = ''
  }
  for (const m of script.matchAll(token)) {
    if (m[0] === ';') end()
    else if (!/^(--\s|#)/.test(m[0])) statement += m[0]
  }
  end()
  return out
}

export async function connectTest(url: string): Promise<mysql.Connection> {
  const connection = await mysql.createConnection({ uri: url, charset: 'utf8mb4_general_ci', timezone: 'Z' })
  connection.on('error', () => undefined)
  await connection.query("SET time_zone = '+00:00'")
  return connection
}

/** Every statement by itself, as a client in autocommit sends them; before DDL comes a pause, because defaults are read as they are then. */
export async function runMysql(connection: mysql.Connection, script: string | null, pauseMs = 0): Promise<void> {
  for (const statement of splitMysql(script ?? '')) {
    if (pauseMs > 0 && /^(alter|create|drop|rename)\b/i.test(statement)) await new Promise((done) => setTimeout(done, pauseMs))
    await connection.query(statement)
  }
}
