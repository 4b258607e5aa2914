import type { Duplex } from 'node:stream'
import mysql from 'mysql2'
import { Failure } from '../../failure/failure.ts'
import { ByteSocket, type TakenSocket, takenPlain, takenStream } from '../byte-socket.ts'
import { signEd25519 } from './ed25519.ts'
import type { ConnectOptions, Flavor } from './options.ts'
import { connectDetails, type FailureContext, serverFailure } from './server-failure.ts'

/** Rows of text: every value as the server printed it. */
export type TextRow = readonly (string | null)[]

/** A logged-in connection for SQL. Every value comes back as text; nothing is parsed into numbers or dates. */
export interface SqlConnection {
  query(sql: string, doing: string): Promise<TextRow[]>
  /** 90704 for 9.7.4, 101118 for 10.11.18. */
  readonly version: number
  readonly versionText: string
  readonly flavor: Flavor
  /** The server's number for this connection. */
  readonly thread: number
  /** Ends the driver's part and hands over the socket: from now on all bytes belong to the caller. */
  takeSocket(): TakenSocket
  /** Resolves with the reason when the connection ends without being asked to. */
  readonly lost: Promise<Failure>
  close(): Promise<void>
  /** Leaves at once, whatever the server is busy with. */
  destroy(): void
}

/** What makes answers the same everywhere: texts in utf8, times in UTC, no limit on how long a statement or a pause lasts. */
const SESSION =
  "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', wait_timeout = 604800, net_write_timeout = 3600, net_read_timeout = 3600"

interface Driver {
  readonly stream: Duplex
  readonly threadId: number | null
}

/**
 * Connects over TCP, TLS or a Unix socket; the driver does the login with whatever method the server asks for. Fails with TRB-MY-001 (not
 * reachable, too many connections), 002 (login), 003 (TLS), 023 (too old).
 */
export async function connectMysql(options: ConnectOptions): Promise<SqlConnection> {
  const context: FailureContext = { connect: options, doing: 'connecting' }
  const unix = options.host.startsWith('/')
  const bytes = options.ssl === false ? new ByteSocket() : null
  const client = mysql.createConnection({
    user: options.user,
    password: options.password ?? '',
    connectTimeout: 20_000,
    charset: 'utf8mb4_general_ci',
    authPlugins: { client_ed25519: () => (challenge: Buffer) => signEd25519(options.password ?? '', challenge.subarray(0, 32)) },
    // With attributes a query has another form (wire/text-rows.ts), and nothing here has any.
    flags: ['-CLIENT_QUERY_ATTRIBUTES'],
    ...(unix ? { socketPath: options.host } : { host: options.host, port: options.port }),
    ...(options.ssl === false ? {} : { ssl: tlsOptions(options.ssl) }),
    ...(bytes === null ? {} : { stream: () => dial(bytes, options, unix) }),
  } as mysql.ConnectionOptions)
  const lost = Promise.withResolvers<Failure>()
  client.on('error', (e) => lost.resolve(serverFailure(e, { ...context, doing: 'waiting' })))
  try {
    await login(client)
  } catch (e) {
    client.destroy()
    throw serverFailure(e, context)
  }
  const driver = client as unknown as Driver
  const connection: SqlConnection = {
    version: 0,
    versionText: '',
    flavor: 'mysql',
    thread: driver.threadId ?? 0,
    lost: lost.promise,
    query: (sql, doing) => textQuery(client, sql, { ...context, doing }),
    takeSocket: () => {
      driver.stream.removeAllListeners('data')
      return bytes === null ? takenStream(driver.stream) : takenPlain(bytes, unix)
    },
    close: () => new Promise((resolve) => client.end(() => resolve())),
    destroy: () => client.destroy(),
  }
  try {
    return await prepared(connection, options)
  } catch (e) {
    client.destroy()
    throw e
  }
}

function dial(bytes: ByteSocket, options: ConnectOptions, unix: boolean): Duplex {
  const { socket } = bytes
  if (unix) return socket.connect(options.host)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  return socket.connect(options.port, options.host)
}

function login(client: mysql.Connection): Promise<void> {
  return new Promise((resolve, reject) => client.connect((e) => (e === null ? resolve() : reject(e))))
}

function textQuery(client: mysql.Connection, sql: string, context: FailureContext): Promise<TextRow[]> {
  return new Promise((resolve, reject) => {
    const done = (error: unknown, rows: unknown): void => {
      if (error !== null) reject(serverFailure(error, context))
      else resolve(Array.isArray(rows) ? (rows as TextRow[]) : [])
    }
    client.query({ sql, rowsAsArray: true, typeCast: (field) => field.string() }, done)
  })
}

async function prepared(connection: SqlConnection, options: ConnectOptions): Promise<SqlConnection> {
  const versionText = (await connection.query('SELECT VERSION()', 'reading the server version'))[0][0] ?? ''
  const m = /^(\d+)\.(\d+)\.(\d+)/.exec(versionText)
  const version = m === null ? 0 : Number(m[1]) * 10000 + Number(m[2]) * 100 + Number(m[3])
  const flavor = /mariadb/i.test(versionText) ? 'mariadb' : 'mysql'
  if (version < (flavor === 'mariadb' ? 100500 : 80001)) {
    throw new Failure('TRB-MY-023', { ...connectDetails(options), version: versionText })
  }
  await connection.query(SESSION, 'setting up the session')
  return { ...connection, version, versionText, flavor }
}

function tlsOptions(tls: Exclude<ConnectOptions['ssl'], false>): Record<string, unknown> {
  const { verifyName, ...rest } = tls
  return { ...rest, verifyIdentity: tls.rejectUnauthorized && verifyName !== false }
}

/** `` `na``me` `` */
export function quoteIdent(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

/** `'it''s'`: a string literal whatever sql_mode says of backslashes. */
export function quoteLiteral(text: string): string {
  return text.includes('\\') ? `CONVERT(X'${Buffer.from(text, 'utf8').toString('hex')}' USING utf8mb4)` : `'${text.replaceAll("'", "''")}'`
}
