import { type DuckDBConnection, DuckDBInstance, type DuckDBType, type DuckDBValue } from '@duckdb/node-api'
import type { Clock } from '../contract/clock.ts'
import type { LakeColumn } from '../contract/columns.ts'
import { sqlFailure } from './sql-error.ts'
import { inspectSql, type QueryShape } from './sql-guard.ts'
import { fromStored, identifier, literal } from './sql-text.ts'
import { pathsOf, type TableFiles, tableSource } from './table-source.ts'

/** A table of the lake at one state, as SQL sees it. */
export interface SqlTable {
  readonly schema: string
  readonly table: string
  /** Columns to show, in order; those a file lacks are null. */
  readonly columns: readonly LakeColumn[]
  readonly files: TableFiles
}

export interface SqlOptions {
  readonly clock: Clock
  readonly memoryBytes: number
  readonly threads: number
  /** An existing directory of ours for spilling; its contents are DuckDB's. */
  readonly spill: string
  /** Files that `writeParquet` may create. */
  readonly outputs: readonly string[]
  /** What to say under an SQL error, such as the tables there are. */
  readonly hint: string
}

export interface ResultColumn {
  readonly name: string
  readonly type: DuckDBType
}

export interface SqlResult {
  readonly columns: readonly ResultColumn[]
  /** Rows in blocks of a few thousand, read on demand. */
  readonly blocks: AsyncIterable<readonly (readonly DuckDBValue[])[]>
}

/** Parses SQL before any table is looked up: which tables does it name, and may it run at all. */
export class SqlParser {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  static async open(): Promise<SqlParser> {
    const instance = await DuckDBInstance.create(':memory:', { ...NO_EXTENSIONS, threads: '1' })
    return new SqlParser(instance, await instance.connect())
  }

  async inspect(sql: string): Promise<QueryShape> {
    return await inspectSql(this.#connection, sql)
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }
}

const AGAIN_MS = 20

const NO_EXTENSIONS = {
  autoinstall_known_extensions: 'false',
  autoload_known_extensions: 'false',
  allow_community_extensions: 'false',
  allow_unsigned_extensions: 'false',
}

/**
 * DuckDB over exactly the files of `tables`: one view per table as `schema.table`, and as `table` where that name is unique. The views
 * are made first; then file access is limited to those files, everything external is switched off and the configuration locked. Two
 * walls: SQL is run only after `inspectSql` has admitted it, and what it missed meets DuckDB's own confinement.
 */
export class SqlSession {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection
  readonly #hint: string
  readonly #clock: Clock
  #closed = false

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection, { hint, clock }: SqlOptions) {
    this.#instance = instance
    this.#connection = connection
    this.#hint = hint
    this.#clock = clock
  }

  static async open(tables: readonly SqlTable[], options: SqlOptions): Promise<SqlSession> {
    const instance = await DuckDBInstance.create(':memory:', {
      ...NO_EXTENSIONS,
      threads: String(options.threads),
      memory_limit: `${Math.ceil(options.memoryBytes / 2 ** 20)}MiB`,
      temp_directory: options.spill,
    })
    const connection = await instance.connect()
    try {
      await createViews(connection, tables)
      const allowed = [...tables.flatMap((t) => pathsOf(t.files)), ...options.outputs]
      await connection.run("SET TimeZone = 'UTC'")
      await connection.run(`SET allowed_paths = [${allowed.map(literal).join(', ')}]`)
      await connection.run('SET enable_external_access = false')
      await connection.run('SET lock_configuration = true')
    } catch (e) {
      connection.closeSync()
      instance.closeSync()
      throw sqlFailure(e, '')
    }
    return new SqlSession(instance, connection, options)
  }

  /** Runs admitted SQL and streams its rows. Aborting the signal interrupts it. */
  async run(shape: QueryShape, signal: AbortSignal): Promise<SqlResult> {
    const hint = this.#hint
    const connection = this.#connection
    const end = this.#interruptOn(signal)
    try {
      const result = await connection.stream(shape.sql)
      const types = result.columnTypes()
      const columns = result.columnNames().map((name, i) => ({ name, type: types[i]! }))
      const blocks = async function* (): AsyncGenerator<DuckDBValue[][]> {
        try {
          for await (const rows of result.yieldRows()) yield rows
          // An interrupted stream may just end; that must not pass for the whole answer.
          signal.throwIfAborted()
        } catch (e) {
          throw signal.aborted ? signal.reason : sqlFailure(e, hint)
        } finally {
          end()
        }
      }
      return { columns, blocks: blocks() }
    } catch (e) {
      end()
      throw signal.aborted ? signal.reason : sqlFailure(e, hint)
    }
  }

  /** Runs admitted SQL into a Parquet file (one of `outputs`); returns the rows. This statement is ours: queries cannot write. */
  async writeParquet(shape: QueryShape, file: string, signal: AbortSignal): Promise<bigint> {
    const end = this.#interruptOn(signal)
    try {
      // A semicolon at the end, with comments behind it, cannot stand in brackets; the line feed ends a comment without one.
      const query = shape.sql.replace(/;(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*$/, '')
      const copy = `COPY (${query}\n) TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`
      const reader = await this.#connection.runAndReadAll(copy)
      return BigInt(String(reader.getRows()[0]![0]))
    } catch (e) {
      throw signal.aborted ? signal.reason : sqlFailure(e, this.#hint)
    } finally {
      end()
    }
  }

  close(): void {
    this.#closed = true
    this.#connection.closeSync()
    this.#instance.closeSync()
  }

  /** DuckDB forgets an interrupt that comes before a statement has begun: it is told again until the statement has ended. */
  #interruptOn(signal: AbortSignal): () => void {
    signal.throwIfAborted()
    const ended = new AbortController()
    const stop = async (): Promise<void> => {
      while (!ended.signal.aborted && !this.#closed) {
        this.#connection.interrupt()
        await Promise.allSettled([this.#clock.sleep(AGAIN_MS, ended.signal)])
      }
    }
    signal.addEventListener('abort', stop)
    return () => {
      signal.removeEventListener('abort', stop)
      ended.abort()
    }
  }
}

async function createViews(connection: DuckDBConnection, tables: readonly SqlTable[]): Promise<void> {
  const bare = new Map<string, number>()
  // DuckDB's names ignore case: so does "unique".
  for (const t of tables) bare.set(t.table.toLowerCase(), (bare.get(t.table.toLowerCase()) ?? 0) + 1)
  for (const t of tables) {
    await connection.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(t.schema)}`)
    await connection.run(`CREATE VIEW ${identifier(t.schema)}.${identifier(t.table)} AS ${viewSql(t)}`)
    if (bare.get(t.table.toLowerCase()) !== 1 || t.schema.toLowerCase() === 'main') continue
    await connection.run(`CREATE VIEW main.${identifier(t.table)} AS SELECT * FROM ${identifier(t.schema)}.${identifier(t.table)}`)
  }
}

/** The table's columns, shown as the source has them. */
function viewSql(t: SqlTable): string {
  const names = t.columns.map((c) => `${shown(c)} AS ${identifier(c.name)}`).join(', ')
  return `SELECT ${names} FROM ${tableSource(t.columns, t.files)}`
}

/** Source `timestamp` columns are stored as UTC instants; SQL sees them without a zone, as the source does. */
function shown(c: LakeColumn): string {
  const local = c.type.kind === 'timestamp-micros' && isLocalTimestamp(c)
  return local ? `CAST(${identifier(c.name)} AS TIMESTAMP)` : fromStored(c.type, identifier(c.name))
}

/** The column's doc starts with the source's type (written when the lake table is created). */
function isLocalTimestamp(c: LakeColumn): boolean {
  return /^timestamp(\(\d\))?( without time zone)?\b(?! with time zone)/.test(c.doc ?? '')
}
