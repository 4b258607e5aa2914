import { DuckDBInstance } from '@duckdb/node-api'
import type { LakeType } from '../contract/columns.ts'
import { isFailure } from '../failure/failure.ts'
import { type Canonical, normalise } from './canonical.ts'
import { sqlFailure } from './sql-error.ts'
import { identifier, literal } from './sql-text.ts'
import { type TableFiles, tableSource } from './table-source.ts'

/** A column that both sides have. */
export interface ComparedColumn {
  readonly name: string
  readonly type: LakeType
  readonly canonical: Canonical
  readonly key: boolean
}

export interface TableComparison {
  readonly columns: readonly ComparedColumn[]
  /** CSV of the database's rows: one canonical text per column, every value quoted, null unquoted and empty. */
  readonly sourceCsv: string
  readonly files: TableFiles
}

export interface ComparisonResult {
  readonly sourceRows: bigint
  readonly lakeRows: bigint
  /** Sum over the rows (mod 2^64) of 64 bits of the MD5 of each: order does not matter, multiplicity does. 16 hex digits. */
  readonly sourceDigest: string
  readonly lakeDigest: string
  /** Rows of the database that the lake lacks, and the reverse, counted with multiplicity. */
  readonly missing: bigint
  readonly extra: bigint
  /** Key columns, to pair the examples; empty: no key. */
  readonly key: readonly string[]
  /** Up to ten of each; `row` holds canonical texts by column. */
  readonly examples: readonly { readonly side: 'missing' | 'extra'; readonly row: Readonly<Record<string, string | null>> }[]
}

export interface CompareLimits {
  readonly memoryBytes: number
  readonly threads: number
  readonly spill: string
}

const EXAMPLES = 10

/** Compares two sets of rows by value. Rows are a multiset: the table need not have a key. */
export async function compareTable(t: TableComparison, limits: CompareLimits): Promise<ComparisonResult> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(limits.threads),
    memory_limit: `${Math.ceil(limits.memoryBytes / 2 ** 20)}MiB`,
    temp_directory: limits.spill,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  const query = async (sql: string): Promise<readonly (readonly unknown[])[]> => (await connection.runAndReadAll(sql)).getRows()
  try {
    await query("SET TimeZone = 'UTC'")
    await query(`CREATE TEMP TABLE source AS ${sourceSql(t)}`)
    await query(`CREATE TEMP TABLE lake AS ${lakeSql(t)}`)
    const [sourceRows, sourceDigest] = await countAndDigest(query, 'source', t.columns)
    const [lakeRows, lakeDigest] = await countAndDigest(query, 'lake', t.columns)
    await query('CREATE TEMP TABLE missing AS SELECT * FROM source EXCEPT ALL SELECT * FROM lake')
    await query('CREATE TEMP TABLE extra AS SELECT * FROM lake EXCEPT ALL SELECT * FROM source')
    const missing = BigInt(String((await query('SELECT count(*) FROM missing'))[0]![0]))
    const extra = BigInt(String((await query('SELECT count(*) FROM extra'))[0]![0]))
    const key = t.columns.filter((c) => c.key).map((c) => c.name)
    const order = key.length === 0 ? 'ALL' : key.map(identifier).join(', ')
    const examples: ComparisonResult['examples'][number][] = []
    for (const side of ['missing', 'extra'] as const) {
      for (const row of await query(`SELECT * FROM ${side} ORDER BY ${order} LIMIT ${EXAMPLES}`)) {
        examples.push({ side, row: Object.fromEntries(t.columns.map((c, i) => [c.name, row[i] as string | null])) })
      }
    }
    return { sourceRows, lakeRows, sourceDigest, lakeDigest, missing, extra, key, examples }
  } catch (e) {
    // The SQL here is ours: an error in it is no error of the user's.
    const failure = sqlFailure(e, '')
    throw isFailure(failure, 'TRB-QUERY-006') || isFailure(failure, 'TRB-QUERY-007') ? e : failure
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

function sourceSql(t: TableComparison): string {
  if (t.columns.length === 0) return 'SELECT NULL AS nothing WHERE false'
  const types = t.columns.map((_, i) => `'c${i}': 'VARCHAR'`).join(', ')
  const options = "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false"
  // A row may be this long as text; the buffer must hold one.
  const limits = `max_line_size = ${64 << 20}, buffer_size = ${96 << 20}, parallel = false, strict_mode = true`
  const list = t.columns.map((c, i) => `${normalise(c.type, `c${i}`)} AS ${identifier(c.name)}`).join(', ')
  return `SELECT ${list} FROM read_csv(${literal(t.sourceCsv)}, columns = {${types}}, ${options}, ${limits})`
}

function lakeSql(t: TableComparison): string {
  const rows = t.columns.map((c) => `${c.canonical.lake(identifier(c.name))} AS ${identifier(c.name)}`).join(', ')
  return `SELECT ${rows} FROM ${tableSource(t.columns, t.files)}`
}

async function countAndDigest(
  query: (sql: string) => Promise<readonly (readonly unknown[])[]>,
  table: string,
  columns: readonly ComparedColumn[],
): Promise<readonly [bigint, string]> {
  // JSON keeps null apart from text, and the ends of the values apart from each other.
  const row = `CAST(to_json([${columns.map((c) => identifier(c.name)).join(', ')}]) AS VARCHAR)`
  const [r] = await query(`SELECT count(*), CAST(coalesce(sum(CAST(md5_number_lower(${row}) AS HUGEINT)), 0) AS VARCHAR) FROM ${table}`)
  const digest = BigInt.asUintN(64, BigInt(String(r![1])))
  return [BigInt(String(r![0])), digest.toString(16).padStart(16, '0')]
}
