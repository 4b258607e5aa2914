import type { Duplex } from 'node:stream'
import pg from 'pg'
import { Failure, isFailure } from '../../failure/failure.ts'
import { ByteSocket, type TakenSocket, takenPlain, takenStream } from '../byte-socket.ts'
import type { TlsOptions } from '../tls-options.ts'
import type { ConnectOptions } from './options.ts'
import { connectDetails, type FailureContext, serverFailure } from './server-failure.ts'

/** Rows of text: every value as the server printed it. */
export type TextRow = readonly (string | null)[]

/** A logged-in connection for SQL. Every value comes back as text; nothing is parsed into numbers or dates. */
export interface SqlConnection {
  query(sql: string, doing: string): Promise<TextRow[]>
  /** Server version as in server_version_num, e.g. 150018. */
  readonly version: number
  /** Ends the driver's part and hands over the socket: from now on all bytes belong to the caller. */
  takeSocket(): TakenSocket
  /** Resolves with the reason when the connection ends without being asked to. */
  readonly lost: Promise<Failure>
  close(): Promise<void>
  /** Leaves at once, whatever the server is busy with. */
  destroy(): void
}

/**
 * The text forms that everything downstream parses are fixed per session: ISO dates in UTC, hex bytea, shortest exact floats.
 * Works on a replication connection too (simple protocol).
 */
const SESSION = [
  "SET datestyle = 'ISO, MDY'",
  "SET intervalstyle = 'postgres'",
  "SET timezone = 'UTC'",
  'SET extra_float_digits = 3',
  "SET bytea_output = 'hex'",
  "SET lc_monetary = 'C'",
  'SET statement_timeout = 0',
  'SET lock_timeout = 0',
  'SET idle_in_transaction_session_timeout = 0',
  // A row-level policy would hide rows from the snapshot without a word; this makes it an error.
  'SET row_security = off',
]

/**
 * Connects over TCP, TLS or a Unix socket. Fails with TRB-PG-001 (not reachable or starting up), 002 (login), 003 (database), 004 (TLS),
 * 006 (no replication right), 012 (too many connections), 022 (too old).
 */
export async function connectSql(options: ConnectOptions, purpose: 'sql' | 'replication'): Promise<SqlConnection> {
  const context: FailureContext = { connect: options, doing: 'connecting' }
  let asked = false
  const bytes = options.ssl === false ? new ByteSocket() : null
  const client = new pg.Client({
    host: options.host,
    port: options.port,
    user: options.user,
    database: options.database,
    password: () => {
      asked = true
      if (options.password !== null && options.password !== '') return options.password
      throw new Failure('TRB-PG-002', { ...connectDetails(options), reason: 'The server asks for a password and none was given' })
    },
    ssl: options.ssl === false ? false : tlsConfig(options.ssl),
    application_name: 'tributary',
    connectionTimeoutMillis: 20_000,
    keepAlive: true,
    types: { getTypeParser: () => (text: string) => text },
    ...(bytes === null ? {} : { stream: () => bytes.socket }),
    ...(purpose === 'replication' ? { replication: 'database' } : {}),
  } as pg.ClientConfig)
  const lost = Promise.withResolvers<Failure>()
  let closing = false
  client.on('error', (e) => lost.resolve(serverFailure(e, { ...context, doing: 'waiting' })))
  client.on('end', () => {
    if (!closing) lost.resolve(serverFailure(new Error('the server closed the connection'), context))
  })
  try {
    await client.connect()
  } catch (e) {
    throw connectFailure(e, options, purpose, asked)
  }
  // One statement at a time: callers share the connection.
  let last: Promise<unknown> = Promise.resolve()
  const connection: SqlConnection = {
    version: 0,
    lost: lost.promise,
    query: async (sql, doing) => {
      const before = last
      const turn = Promise.withResolvers<void>()
      last = turn.promise
      await before
      try {
        const result = await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })
        // Several statements give several results: the last one counts.
        const final = Array.isArray(result) ? (result as unknown as pg.QueryArrayResult<(string | null)[]>[]).at(-1)! : result
        return final.rows
      } catch (e) {
        throw serverFailure(e, { ...context, doing })
      } finally {
        turn.resolve()
      }
    },
    takeSocket: () => {
      const socket = (client as unknown as { connection: { stream: Duplex } }).connection.stream
      socket.removeAllListeners('data')
      return bytes === null ? takenStream(socket) : takenPlain(bytes, options.host.startsWith('/'))
    },
    close: async () => {
      closing = true
      await client.end()
    },
    destroy: () => {
      closing = true
      ;(client as unknown as { connection: { stream: Duplex } }).connection.stream.destroy()
    },
  }
  return await prepareSession(connection, options)
}

async function prepareSession(connection: SqlConnection, options: ConnectOptions): Promise<SqlConnection> {
  try {
    const rows = await connection.query('SHOW server_version_num', 'reading the server version')
    const version = Number(rows[0][0])
    if (version < 120000) throw new Failure('TRB-PG-022', { ...connectDetails(options), version: (version / 10000).toFixed(1) })
    await connection.query(SESSION.join('; '), 'setting up the session')
    return { ...connection, version }
  } catch (e) {
    await connection.close()
    throw e
  }
}

function connectFailure(error: unknown, options: ConnectOptions, purpose: 'sql' | 'replication', asked: boolean): Failure {
  if (isFailure(error)) return error
  const coded = typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
  const reason = error instanceof Error ? error.message : String(error)
  const details = { ...connectDetails(options), reason }
  // The driver's own errors carry no code: before the login they are about TLS (the only negotiation), during it about the login.
  if (!coded && asked) return new Failure('TRB-PG-002', details, error)
  if (!coded && options.ssl !== false) return new Failure('TRB-PG-004', details, error)
  if (!coded) return new Failure('TRB-PG-001', details, error)
  const failure = serverFailure(error, { connect: options, doing: 'connecting' })
  if (failure.details['sqlstate'] === '42501' && purpose === 'replication') return new Failure('TRB-PG-006', connectDetails(options), error)
  if (failure.code === 'TRB-PG-021') return new Failure('TRB-PG-001', details, error)
  return failure
}

function tlsConfig(tls: TlsOptions): Record<string, unknown> {
  const { verifyName, ...rest } = tls
  return verifyName === false ? { ...rest, checkServerIdentity: () => undefined } : rest
}

/** `'it''s'`: a string literal, whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const body = text.replaceAll("'", "''")
  return text.includes('\\') ? `E'${body.replaceAll('\\', '\\\\')}'` : `'${body}'`
}

export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `"schema"."table"` */
export function quoteTable(id: { readonly schema: string; readonly table: string }): string {
  return `${quoteIdent(id.schema)}.${quoteIdent(id.table)}`
}
