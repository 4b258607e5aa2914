import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'

/**
 * Postgres for `.pg.test.ts` suites. vitest starts one server per run (test/support/postgres-server.ts), or takes the one that
 * TRIBUTARY_TEST_PG_URL names (superuser, wal_level=logical). Each suite works in databases of its own.
 */

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

/** URL of the server's maintenance database, superuser, without a password. */
export function postgresUrl(): string {
  const url = process.env['TRIBUTARY_TEST_PG_URL'] ?? inject('postgresUrl')
  if (!url) throw new Error('no Postgres for this suite: its file name must end in .pg.test.ts')
  return url
}

/** A database of its own. `sql` uses one connection; `connect` opens more, closed by drop(). */
export interface TestDatabase {
  readonly name: string
  readonly url: string
  /** Runs one or several statements and returns the rows of the last one. Values as pg's default parsers give them. */
  sql<Row extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>
  connect(): Promise<pg.Client>
  /** Ends every session, drops the slots of this database and the database itself. */
  drop(): Promise<void>
}

let counter = 0

/** `prefix` makes names tell who they belong to; slots a test creates must be in this database to be cleaned up. */
export async function freshDatabase(prefix = 't'): Promise<TestDatabase> {
  const server = postgresUrl()
  const name = `${prefix}_${process.pid}_${process.hrtime.bigint().toString(36)}_${++counter}`.toLowerCase()
  await onServer(server, (c) => c.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`))
  const url = new URL(server)
  url.pathname = `/${name}`
  const clients: pg.Client[] = []
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url.href })
    client.on('error', () => undefined) // drop() and tests of lost connections end it from the server's side
    await client.connect()
    clients.push(client)
    return client
  }
  let first: Promise<pg.Client> | undefined
  return {
    name,
    url: url.href,
    connect,
    async sql<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> {
      first ??= connect()
      const r: pg.QueryResult | pg.QueryResult[] = await (await first).query(text, values as unknown[] | undefined)
      return (Array.isArray(r) ? r[r.length - 1] : r).rows as Row[]
    },
    async drop() {
      for (const c of clients) await c.end()
      await onServer(server, (c) => dropDatabase(c, name))
    },
  }
}

/** A database for a whole suite: call at the top level of the file or of a describe. Valid from beforeAll to afterAll. */
export function useDatabase(prefix?: string): () => TestDatabase {
  let db: TestDatabase | undefined
  beforeAll(async () => {
    db = await freshDatabase(prefix)
  })
  afterAll(async () => {
    await db?.drop()
  })
  return () => {
    if (db === undefined) throw new Error('the database exists from beforeAll on')
    return db
  }
}

async function onServer<T>(url: string, work: (c: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function dropDatabase(c: pg.Client, name: string): Promise<void> {
  for (let i = 0; i < 50; i++) {
    await c.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
    await c.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active', [name])
    const left = await c.query('SELECT 1 FROM pg_replication_slots WHERE database = $1', [name])
    if (left.rowCount === 0) break
    await new Promise((done) => setTimeout(done, 100))
  }
  await c.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`)
}
