import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { ConnectOptions } from '../capture/mysql/options.ts'
import { Failure } from '../failure/failure.ts'
import { suggestion } from './nearest.ts'
import { urlPassword } from './secrets.ts'

/** Everything needed to connect, and the database that table names without one belong to. */
export interface MysqlConnection extends ConnectOptions {
  /** Null: none was named. */
  readonly database: string | null
}

interface Parts {
  host?: string
  port?: string
  user?: string
  password?: string
  database?: string
  socket?: string
  'ssl-mode'?: string
  'ssl-ca'?: string
  'ssl-cert'?: string
  'ssl-key'?: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Connection parameters: the URL (the flag, else DATABASE_URL), then MYSQL_HOST, MYSQL_TCP_PORT, MYSQL_USER, MYSQL_PWD, MYSQL_DATABASE and
 * MYSQL_UNIX_PORT for what it leaves open, then port 3306, localhost and the system user's name. No ssl-mode means no TLS. Failure TRB-CLI-011
 * names what is wrong without quoting the URL.
 */
export function resolveMysql(url: string | null, env: Environment): MysqlConnection {
  const text = url ?? (env['DATABASE_URL'] || null)
  const p: Parts = { ...fromEnvironment(env), ...(text === null ? {} : parseUrl(text, url === null ? 'DATABASE_URL' : '--url')) }
  const host = p.socket ?? p.host ?? 'localhost'
  if (host.includes(',')) throw bad('the host', 'Several hosts in one setting are not supported; name one.')
  return {
    host,
    port: parsePort(p.port ?? '3306'),
    user: p.user ?? userInfo().username,
    password: p.password ?? null,
    database: p.database ?? null,
    ssl: host.startsWith('/') ? false : tls(p),
  }
}

/** `user@host:port`, for people. */
export function describeMysql(o: ConnectOptions): string {
  return o.host.startsWith('/') ? `${o.user}@${o.host}` : `${o.user}@${o.host}:${o.port}`
}

function fromEnvironment(env: Environment): Parts {
  const names = {
    host: 'MYSQL_HOST',
    port: 'MYSQL_TCP_PORT',
    user: 'MYSQL_USER',
    password: 'MYSQL_PWD',
    database: 'MYSQL_DATABASE',
    socket: 'MYSQL_UNIX_PORT',
  } as const
  const parts: Parts = {}
  for (const [part, name] of Object.entries(names) as [keyof Parts, string][]) {
    const value = env[name]
    if (value !== undefined && value !== '') parts[part] = value
  }
  // A host names another way to connect than the socket of this machine.
  if (parts.host !== undefined && parts.host !== 'localhost') delete parts.socket
  return parts
}

const PARAMETERS = ['socket', 'ssl-mode', 'ssl-ca', 'ssl-cert', 'ssl-key'] as const

// url => ('mysql' | 'mariadb') '://' [user [':' password] '@'] [host [':' port]] ['/' database] ['?' name=value & …]
const URL_GRAMMAR =
  /^(?:mysql|mariadb):\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(\[[0-9a-f:.]+\]|[^:/?#@]*)(?::(\d*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i

function parseUrl(text: string, where: string): Parts {
  const m = URL_GRAMMAR.exec(text.trim())
  if (m === null) {
    const encoded =
      urlPassword(text) === null ? '' : ' In user and password, : / ? # @ and % must be percent-encoded (%3A %2F %3F %23 %40 %25).'
    throw bad(where, `It is not of the form mysql://user:password@host:port/database.${encoded}`)
  }
  const parts: Parts = {}
  const set = (name: keyof Parts, value: string | undefined): void => {
    if (value !== undefined && value !== '') parts[name] = decode(value, where)
  }
  set('user', m[1])
  set('password', m[2])
  set('host', m[3]?.replace(/^\[(.*)\]$/, '$1'))
  set('port', m[4])
  set('database', m[5])
  for (const pair of (m[6] ?? '').split('&').filter((x) => x !== '')) {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at), where)
    const known = PARAMETERS.find((k) => k === name)
    if (known === undefined) throw bad(where, `The parameter "${name}" is not supported. ${suggestion(name, PARAMETERS)}`)
    set(known, at < 0 ? '' : pair.slice(at + 1))
  }
  return parts
}

function decode(text: string, where: string): string {
  try {
    return decodeURIComponent(text)
  } catch (e) {
    if (!(e instanceof URIError)) throw e
    throw bad(where, 'A percent sign is not followed by two hexadecimal digits; a literal one is written %25.')
  }
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) throw bad('the port', 'A port is a number from 1 to 65535.')
  return port
}

/** As the clients of MySQL name the modes; `preferred` would fall back to plain text unnoticed. */
export function mysqlTls(
  mode: string,
  files: { readonly ca?: string; readonly cert?: string; readonly key?: string },
): ConnectOptions['ssl'] {
  switch (mode.toLowerCase().replace('-', '_')) {
    case 'disabled':
    case 'disable':
      return false
    case 'required':
      return { rejectUnauthorized: false, ...files }
    case 'verify_ca':
      return { rejectUnauthorized: true, verifyName: false, ...files }
    case 'verify_identity':
      return { rejectUnauthorized: true, verifyName: true, ...files }
    default:
      throw bad('ssl-mode', `"${mode}" is none of disabled, required, verify_ca, verify_identity.`)
  }
}

function tls(p: Parts): ConnectOptions['ssl'] {
  const file = (name: 'ssl-ca' | 'ssl-cert' | 'ssl-key', as: string): Record<string, string> =>
    p[name] === undefined ? {} : { [as]: readPem(p[name], name) }
  return mysqlTls(p['ssl-mode'] ?? 'disabled', { ...file('ssl-ca', 'ca'), ...file('ssl-cert', 'cert'), ...file('ssl-key', 'key') })
}

function readPem(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (e) {
    throw bad(name, `Cannot read ${file}: the system answered ${(e as NodeJS.ErrnoException).code ?? 'an error'}.`)
  }
}

function bad(where: string, reason: string): Failure {
  return new Failure('TRB-CLI-011', { where, reason })
}
