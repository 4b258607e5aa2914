import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { Failure } from '../failure/failure.ts'
import { suggestion } from './nearest.ts'
import { urlPassword } from './secrets.ts'

/** TLS as node:tls and pg take it. */
export interface TlsOptions {
  readonly rejectUnauthorized: boolean
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** verify-ca: the chain is checked, the host name is not. */
  readonly checkServerIdentity?: () => undefined
}

/** Everything needed to connect. Never printed as a whole: `password`, `ssl.key`. */
export interface PostgresOptions {
  /** Host name or address; a directory (leading slash) means the Unix socket in it. */
  readonly host: string
  readonly port: number
  readonly user: string
  /** Undefined: pg looks into ~/.pgpass (PGPASSFILE); trust and peer need none. */
  readonly password: string | undefined
  readonly database: string
  readonly ssl: false | TlsOptions
}

interface Parts {
  host?: string
  port?: string
  user?: string
  password?: string
  dbname?: string
  sslmode?: string
  sslrootcert?: string
  sslcert?: string
  sslkey?: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Connection parameters as libpq resolves them: the URL (the flag, else DATABASE_URL), then PGHOST … for what it leaves open, then
 * libpq's defaults (port 5432, the system user's name, database = user), except that no host means localhost and that no sslmode
 * means no TLS. Failure TRB-CLI-011 names what is wrong without quoting the URL.
 */
export function resolvePostgres(url: string | null, env: Environment): PostgresOptions {
  const text = url ?? (env['DATABASE_URL'] || null)
  const fromUrl = text === null ? {} : parseUrl(text, url === null ? 'DATABASE_URL' : '--url')
  const p: Parts = { ...fromEnvironment(env), ...fromUrl }
  const user = p.user ?? userInfo().username
  const host = p.host ?? 'localhost'
  if (host.includes(',')) throw bad('the host', 'Several hosts in one setting are not supported; name the primary.')
  return {
    host,
    port: parsePort(p.port ?? '5432'),
    user,
    password: p.password,
    database: p.dbname ?? user,
    ssl: host.startsWith('/') ? false : tls(p),
  }
}

/** `user@host:port/database`, for people. */
export function describePostgres(o: PostgresOptions): string {
  return `${o.user}@${o.host}:${o.port}/${o.database}`
}

function fromEnvironment(env: Environment): Parts {
  const names = { host: 'PGHOST', port: 'PGPORT', user: 'PGUSER', password: 'PGPASSWORD', dbname: 'PGDATABASE' } as const
  const tlsNames = { sslmode: 'PGSSLMODE', sslrootcert: 'PGSSLROOTCERT', sslcert: 'PGSSLCERT', sslkey: 'PGSSLKEY' } as const
  const parts: Parts = {}
  for (const [part, name] of Object.entries({ ...names, ...tlsNames }) as [keyof Parts, string][]) {
    const value = env[name]
    if (value !== undefined && value !== '') parts[part] = value
  }
  return parts
}

const PARAMETERS = ['host', 'port', 'user', 'password', 'dbname', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const
/** Parameters of libpq that change nothing about which server is reached or how safely. */
const HARMLESS = [
  'application_name',
  'fallback_application_name',
  'connect_timeout',
  'keepalives',
  'client_encoding',
  'target_session_attrs',
]

// url => ('postgres' | 'postgresql') '://' [user [':' password] '@'] [host [':' port]] ['/' database] ['?' name=value & …]
const URL_GRAMMAR =
  /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(\[[0-9a-f:.]+\]|[^:/?#@]*)(?::(\d*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/i

function parseUrl(text: string, where: string): Parts {
  const m = URL_GRAMMAR.exec(text.trim())
  if (m === null) {
    const encoded =
      urlPassword(text) === null ? '' : ' In user and password, : / ? # @ and % must be percent-encoded (%3A %2F %3F %23 %40 %25).'
    throw bad(where, `It is not of the form postgres://user:password@host:port/database.${encoded}`)
  }
  const parts: Parts = {}
  const set = (name: keyof Parts, value: string | undefined): void => {
    if (value !== undefined && value !== '') parts[name] = decode(value, where)
  }
  set('user', m[1])
  set('password', m[2])
  set('host', m[3]?.replace(/^\[(.*)\]$/, '$1'))
  set('port', m[4])
  set('dbname', m[5])
  for (const pair of (m[6] ?? '').split('&').filter((x) => x !== '')) {
    const at = pair.indexOf('=')
    const name = decode(at < 0 ? pair : pair.slice(0, at), where)
    const known = PARAMETERS.find((k) => k === name)
    if (known !== undefined) set(known, at < 0 ? '' : pair.slice(at + 1))
    else if (!HARMLESS.includes(name)) throw bad(where, `The parameter "${name}" is not supported. ${suggestion(name, PARAMETERS)}`)
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

function tls(p: Parts): false | TlsOptions {
  const mode = p.sslmode ?? 'disable'
  const files = {
    ...(p.sslrootcert === undefined ? {} : { ca: readPem(p.sslrootcert, 'sslrootcert') }),
    ...(p.sslcert === undefined ? {} : { cert: readPem(p.sslcert, 'sslcert') }),
    ...(p.sslkey === undefined ? {} : { key: readPem(p.sslkey, 'sslkey') }),
  }
  switch (mode) {
    case 'disable':
    case 'allow':
      return false
    case 'require':
      // As libpq: a root certificate that is given is also used.
      return { rejectUnauthorized: files.ca !== undefined, checkServerIdentity: anyHost, ...files }
    case 'verify-ca':
      return { rejectUnauthorized: true, checkServerIdentity: anyHost, ...files }
    case 'verify-full':
      return { rejectUnauthorized: true, ...files }
    case 'prefer':
      throw bad('sslmode', 'sslmode=prefer would fall back to plain text unnoticed; say require (or stricter) or disable.')
    default:
      throw bad('sslmode', `"${mode}" is none of disable, allow, require, verify-ca, verify-full.`)
  }
}

function anyHost(): undefined {
  return undefined
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
