import mysql from 'mysql2/promise'
import { afterAll, beforeAll, inject } from 'vitest'

/**
 * MySQL and MariaDB for `.mysql.test.ts` suites. vitest starts one server of each per run (test/support/mysql-server.ts), or takes those on the
 * ports that TRIBUTARY_TEST_MYSQL_PORT and TRIBUTARY_TEST_MARIADB_PORT name (root, no password). Each suite works in databases of its own.
 */

export type Flavor = 'mysql' | 'mariadb'

export const FLAVORS: readonly Flavor[] = ['mysql', 'mariadb']

/** How to reach the run's server, for the product's own connections. */
export function serverOptions(flavor: Flavor): { host: string; port: number; user: string; password: null; ssl: false } {
  const port = inject(flavor === 'mysql' ? 'mysqlPort' : 'mariadbPort')
  if (!port) throw new Error(`no ${flavor} for this suite: its file name must end in .mysql.test.ts`)
  return { host: '127.0.0.1', port, user: 'root', password: null, ssl: false }
}

export interface TestDatabase {
  readonly flavor: Flavor
  readonly name: string
  readonly port: number
  /** Runs one statement (or several) with this database chosen, and returns the rows of the last one; every value is text. */
  sql(text: string): Promise<(string | null)[][]>
  /** Another session, closed by drop(). */
  connect(): Promise<mysql.Connection>
  drop(): Promise<void>
}

let counter = 0

/** @param port another server than the run's */
export async function freshDatabase(flavor: Flavor, prefix = 't', port = serverOptions(flavor).port): Promise<TestDatabase> {
  const name = `${prefix}_${process.pid}_${process.hrtime.bigint().toString(36)}_${++counter}`.toLowerCase()
  const clients: mysql.Connection[] = []
  const open = async (database: string | undefined): Promise<mysql.Connection> => {
    const options = { host: '127.0.0.1', port, user: 'root', multipleStatements: true, charset: 'utf8mb4_general_ci', timezone: 'Z' }
    const client = await mysql.createConnection({ ...options, ...(database === undefined ? {} : { database }) })
    client.on('error', () => undefined) // servers are restarted under it
    clients.push(client)
    return client
  }
  const first = await open(undefined)
  await first.query(`CREATE DATABASE \`${name}\` CHARACTER SET utf8mb4`)
  await first.query(`USE \`${name}\``)
  return {
    flavor,
    name,
    port,
    connect: () => open(name),
    sql: async (text) => {
      const [rows] = await first.query({ sql: text, rowsAsArray: true, typeCast: (f) => f.string() })
      return rowsOf(rows)
    },
    async drop() {
      await first.query(`DROP DATABASE IF EXISTS \`${name}\``)
      for (const c of clients) c.destroy()
    },
  }
}

/** Of several statements the rows of the last one that gave any. */
function rowsOf(result: unknown): (string | null)[][] {
  if (!Array.isArray(result)) return []
  const several = result.some((r) => !Array.isArray(r) || r.some((cell) => Array.isArray(cell)))
  if (!several) return result as (string | null)[][]
  return (result.filter((r) => Array.isArray(r)).at(-1) ?? []) as (string | null)[][]
}

/** A database for a whole suite: call at the top level of the file or of a describe. Valid from beforeAll to afterAll. */
export function useDatabase(flavor: Flavor, prefix?: string): () => TestDatabase {
  let db: TestDatabase | undefined
  beforeAll(async () => {
    db = await freshDatabase(flavor, prefix)
  })
  afterAll(async () => {
    await db?.drop()
  })
  return () => {
    if (db === undefined) throw new Error('the database exists from beforeAll on')
    return db
  }
}
