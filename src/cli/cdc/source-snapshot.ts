import { once } from 'node:events'
import type { WriteStream } from 'node:fs'
import { createWriteStream } from 'node:fs'
import pg from 'pg'
import type { Clock } from '../../contract/clock.ts'
import type { LakeType } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import type { AsOf } from '../../query/as-of.ts'
import { type Canonical, canonical } from '../../query/canonical.ts'
import { describePostgres, type PostgresOptions } from '../postgres-options.ts'

/** The database at one LSN, read apart from the capture path: pg, catalogue, COPY. */
export interface SourceSnapshot {
  /** The state of the lake that shows the same. */
  readonly target: Extract<AsOf, { kind: 'lsn' }>
  /** Everything committed before this LSN is in, nothing after. */
  readonly lsn: bigint
  readonly lsnText: string
  columns(schema: string, table: string): Promise<readonly SourceColumn[] | null>
  /** Names of all ordinary and partitioned-root tables outside the system's schemas. */
  tables(): Promise<readonly { readonly schema: string; readonly table: string }[]>
  /** Writes `SELECT expressions FROM table` as CSV: every value quoted, null empty. Returns the rows. */
  copy(schema: string, table: string, expressions: readonly string[], file: string, signal: AbortSignal): Promise<number>
  close(): Promise<void>
}

export interface SourceColumn {
  readonly name: string
  /** For people. */
  readonly typeName: string
  /** The column in the SQL of `copy`. */
  readonly reference: string
  /** How it is compared; null: not at all. */
  canonical(lake: LakeType): Canonical | null
  readonly key: boolean
  readonly generated: boolean
}

export interface SnapshotLimits {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** How long the transactions that are open at the source may take to end. */
  readonly waitMs: number
}

/**
 * Opens a read-only repeatable-read transaction on the snapshot that a temporary logical slot exports: its consistent point is the exact
 * LSN of the snapshot, also while others write (pg_current_wal_lsn() is not: a commit may be in the WAL before it is visible).
 */
export async function openSourceSnapshot(options: PostgresOptions, limits: SnapshotLimits): Promise<SourceSnapshot> {
  const { clock, signal } = limits
  const config = { ...options, connectionTimeoutMillis: 15_000, application_name: 'tributary verify' }
  const sql = new pg.Client(config)
  // The `replication` parameter is known to pg, though not to its types.
  const walsender = new pg.Client({ ...config, replication: 'database' } as pg.ClientConfig)
  for (const client of [sql, walsender]) client.on('error', () => undefined)
  const stop = (): void => void Promise.allSettled([sql.end(), walsender.end()])
  signal.addEventListener('abort', stop, { once: true })
  let tooLong = false
  try {
    await connect(walsender, options)
    const slot = `tributary_verify_${clock.uuid().replaceAll('-', '').slice(0, 16)}`
    const late = new AbortController()
    // The server answers once every transaction that is open now has ended.
    const patience = clock.sleep(limits.waitMs, late.signal).then(
      () => {
        tooLong = true
        stop()
      },
      () => undefined,
    )
    const made = await run(walsender, `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT`, options).finally(() =>
      late.abort(),
    )
    await patience
    const row = made.rows[0] as { consistent_point: string; snapshot_name: string }
    await connect(sql, options)
    await run(sql, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', options)
    await run(sql, `SET TRANSACTION SNAPSHOT '${row.snapshot_name.replaceAll("'", "''")}'`, options)
    await run(
      sql,
      "SET LOCAL extra_float_digits = 1; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; SET LOCAL intervalstyle = 'postgres'",
      options,
    )
    await run(
      sql,
      "SET LOCAL bytea_output = 'hex'; SET LOCAL xmloption = 'content'; SET LOCAL lc_monetary = 'C'; SET LOCAL search_path = ''",
      options,
    )
    // The snapshot lives on in the transaction; the slot would hold WAL.
    await walsender.end()
    return new Snapshot(sql, row.consistent_point, options)
  } catch (e) {
    await Promise.allSettled([sql.end(), walsender.end()])
    if (signal.aborted) throw signal.reason
    throw tooLong ? openTransactions(options, limits.waitMs, e) : e
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function openTransactions(options: PostgresOptions, waitMs: number, cause: unknown): Failure {
  const where = 'SELECT pid, xact_start FROM pg_stat_activity WHERE backend_xid IS NOT NULL; SELECT gid FROM pg_prepared_xacts;'
  const reason = `a transaction that was open has not ended within ${Math.round(waitMs / 1000)} s (${where})`
  return new Failure('TRB-CLI-016', { at: describePostgres(options), reason, state: '55006' }, cause)
}

class Snapshot implements SourceSnapshot {
  readonly lsn: bigint
  readonly lsnText: string
  readonly #client: pg.Client
  readonly #options: PostgresOptions

  constructor(client: pg.Client, lsnText: string, options: PostgresOptions) {
    this.#client = client
    this.#options = options
    this.lsnText = lsnText
    const [hi, lo] = lsnText.split('/') as [string, string]
    this.lsn = (BigInt(`0x${hi}`) << 32n) | BigInt(`0x${lo}`)
  }

  /** The snapshot holds what was committed before its LSN; a position stands for what was committed at or before it. */
  get target(): SourceSnapshot['target'] {
    return { kind: 'lsn', lsn: this.lsn - 1n, text: `lsn:${this.lsnText}` }
  }

  async tables(): Promise<readonly { schema: string; table: string }[]> {
    const { rows } = await run(this.#client, TABLES, this.#options)
    return rows as { schema: string; table: string }[]
  }

  async columns(schema: string, table: string): Promise<readonly SourceColumn[] | null> {
    const { rows } = await run(this.#client, COLUMNS, this.#options, [schema, table])
    return rows.length === 0 ? null : rows.map(sourceColumn)
  }

  async copy(schema: string, table: string, expressions: readonly string[], file: string, signal: AbortSignal): Promise<number> {
    const from = `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`
    const text = `COPY (SELECT ${expressions.join(', ')} FROM ${from} AS t) TO STDOUT (FORMAT csv, FORCE_QUOTE *)`
    const out = createWriteStream(file)
    const stop = (): void => void this.#client.end()
    signal.addEventListener('abort', stop, { once: true })
    try {
      await once(out, 'open')
      const copy = new CopyOut(text, out)
      this.#client.query(copy as unknown as pg.Submittable)
      const rows = await copy.done
      out.end()
      await once(out, 'close')
      return rows
    } catch (e) {
      throw signal.aborted ? signal.reason : sourceFailure(e, this.#options)
    } finally {
      signal.removeEventListener('abort', stop)
      out.destroy()
    }
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}

/** What pg hands a query that reads COPY data: messages of the protocol, in order. */
interface Wire {
  query(text: string): void
  sync(): void
  readonly stream: { pause(): void; resume(): void }
}

/** COPY … TO STDOUT into a file stream; the socket waits while the file is behind. */
class CopyOut {
  readonly done: Promise<number>
  readonly #text: string
  readonly #out: WriteStream
  #settle: { resolve(rows: number): void; reject(e: unknown): void } | null = null
  #rows = 0
  #paused = false
  #failure: unknown = null

  constructor(text: string, out: WriteStream) {
    this.#text = text
    this.#out = out
    this.done = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    out.on('error', (e) => this.#settle?.reject(e))
  }

  submit(connection: Wire): void {
    connection.query(this.#text)
  }

  handleCopyData(message: { readonly chunk: Buffer }, connection: Wire): void {
    // A copy: the chunk lies in pg's parser buffer, which the next read overwrites, and the file may be behind.
    // Chunks of the socket read that is being parsed still arrive after the pause.
    if (this.#out.write(Buffer.from(message.chunk)) || this.#paused) return
    this.#paused = true
    connection.stream.pause()
    this.#out.once('drain', () => this.#resume(connection))
  }

  #resume(connection: Wire): void {
    if (this.#paused) connection.stream.resume()
    this.#paused = false
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#rows = Number(/^COPY (\d+)/.exec(message.text)?.[1] ?? 0)
  }

  handleError(e: unknown): void {
    this.#failure = e
    this.#settle?.reject(e)
  }

  handleReadyForQuery(connection: Wire): void {
    // The file is ended now, and a stream that ends emits no 'drain'.
    this.#resume(connection)
    if (this.#failure === null) this.#settle?.resolve(this.#rows)
  }
}

const TABLES = `
  SELECT n.nspname AS schema, c.relname AS "table" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  ORDER BY 1, 2`

/** Columns in order; a domain is followed down to its base type, an array to its element. */
const COLUMNS = `
  WITH RECURSIVE base AS (
    SELECT a.attnum, a.attname, a.attgenerated, a.atttypmod AS typmod, t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typelem, t.typcategory
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attnum, b.attname, b.attgenerated, b.typtypmod, t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typelem, t.typcategory
    FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd'
  )
  SELECT b.attname AS name, b.typname AS type, b.typmod, b.attgenerated <> '' AS generated,
    CASE WHEN b.typcategory = 'A' THEN e.typname END AS element,
    EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND i.indisprimary AND b.attnum = ANY (i.indkey)) AS key
  FROM base b LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem WHERE b.typtype <> 'd' ORDER BY b.attnum`

function sourceColumn(r: Record<string, unknown>): SourceColumn {
  const typmod = Number(r['typmod'])
  const element = r['element'] === null ? null : { name: String(r['element']), element: null, typmod }
  const type = { name: String(r['type']), element, typmod }
  const name = String(r['name'])
  return {
    name,
    typeName: type.name,
    reference: `t.${pg.escapeIdentifier(name)}`,
    canonical: (lake) => canonical(type, lake),
    key: r['key'] === true,
    generated: r['generated'] === true,
  }
}

async function connect(client: pg.Client, options: PostgresOptions): Promise<void> {
  try {
    await client.connect()
  } catch (e) {
    throw sourceFailure(e, options)
  }
}

async function run(client: pg.Client, text: string, options: PostgresOptions, values?: unknown[]): Promise<pg.QueryResult> {
  try {
    // A walsender takes the simple protocol only, which pg uses for texts without values.
    return values === undefined ? await client.query(text) : await client.query(text, values)
  } catch (e) {
    throw sourceFailure(e, options)
  }
}

/** Anything the server or the connection says, with the SQLSTATE. */
function sourceFailure(e: unknown, options: PostgresOptions): unknown {
  if (!(e instanceof Error) || e instanceof Failure) return e
  const state = (e as { code?: string }).code ?? 'none'
  return new Failure('TRB-CLI-016', { at: describePostgres(options), reason: e.message, state }, e)
}
