import type { TableId } from '../../contract/change.ts'
import { quoteIdent, quoteLiteral, type SqlConnection } from './connect.ts'
import type { Flavor } from './options.ts'
import type { CharsetTable } from './types/charset.ts'
import type { MysqlColumn } from './types/column.ts'

/** What INFORMATION_SCHEMA says of one table. */
export interface CatalogTable extends TableId {
  readonly columns: readonly MysqlColumn[]
  readonly primaryKey: readonly string[]
  /** Columns of the first unique index (by name) without nullable columns and prefixes; empty: there is none. */
  readonly uniqueIndex: readonly string[]
  /** Rows estimated by the engine, −1 unknown. */
  readonly rowEstimate: number
  /** Storage engine; only InnoDB has consistent snapshots. */
  readonly engine: string
}

const SYSTEM = ['mysql', 'sys', 'information_schema', 'performance_schema']

/** All ordinary tables outside the system's databases, by name. */
export async function listTables(sql: SqlConnection): Promise<TableId[]> {
  const rows = await sql.query(
    `SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE'
     AND TABLE_SCHEMA NOT IN (${SYSTEM.map(quoteLiteral).join(', ')})`,
    'listing the tables',
  )
  const byName = (a: TableId, b: TableId): number => compareText(`${a.schema}.${a.table}`, `${b.schema}.${b.table}`)
  return rows.map((r) => ({ schema: r[0]!, table: r[1]! })).sort(byName)
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The table as it is now; null: there is none of that name. */
export async function describeTable(sql: SqlConnection, id: TableId, flavor: Flavor): Promise<CatalogTable | null> {
  const where = `TABLE_SCHEMA = ${quoteLiteral(id.schema)} AND TABLE_NAME = ${quoteLiteral(id.table)}`
  const tables = await sql.query(`SELECT TABLE_ROWS, ENGINE FROM INFORMATION_SCHEMA.TABLES WHERE ${where}`, 'reading a table')
  if (tables.length === 0) return null
  const columns = await sql.query(
    `SELECT COLUMN_NAME, COLUMN_DEFAULT, IS_NULLABLE, DATA_TYPE, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE,
     DATETIME_PRECISION, CHARACTER_SET_NAME, COLUMN_TYPE, EXTRA, COLUMN_COMMENT
     FROM INFORMATION_SCHEMA.COLUMNS WHERE ${where} ORDER BY ORDINAL_POSITION`,
    'reading the columns',
  )
  const keys = await sql.query(
    `SELECT INDEX_NAME, COLUMN_NAME, NULLABLE, SUB_PART FROM INFORMATION_SCHEMA.STATISTICS
     WHERE ${where} AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
    'reading the keys',
  )
  const [rows, engine] = tables[0]
  return {
    ...id,
    columns: columns.map((c) => catalogColumn(c, flavor)),
    primaryKey: keys.filter((k) => k[0] === 'PRIMARY').map((k) => k[1]!),
    uniqueIndex: firstUnique(keys),
    rowEstimate: rows === null ? -1 : Number(rows),
    engine: engine ?? '',
  }
}

type Row = readonly (string | null)[]

function firstUnique(keys: readonly Row[]): string[] {
  const names = [...new Set(keys.map((k) => k[0]!))].filter((n) => n !== 'PRIMARY')
  for (const name of names) {
    const parts = keys.filter((k) => k[0] === name)
    // a part over an expression has no column
    if (parts.every((k) => k[1] !== null && k[2] !== 'YES' && k[3] === null)) return parts.map((k) => k[1]!)
  }
  return []
}

function catalogColumn(row: Row, flavor: Flavor): MysqlColumn {
  const [name, dflt, nullable, type, length, precision, scale, fraction, charset, columnType, extra, comment] = row
  const dataType = type!.toLowerCase()
  const integer = /int$/.test(dataType)
  const number = (s: string | null): number | null => (s === null ? null : Number(s))
  return {
    name: name!,
    dataType,
    columnType: columnType!,
    unsigned: / unsigned\b/.test(columnType!),
    notNull: nullable === 'NO',
    length: number(length),
    precision: integer ? null : number(precision),
    scale: integer ? null : number(scale),
    fraction: Number(fraction ?? 0),
    charset: charset ?? null,
    values: dataType === 'enum' || dataType === 'set' ? labelsOf(columnType!) : null,
    ...(flavor === 'mariadb' ? mariadbDefault(dflt) : mysqlDefaultOf(dflt, extra!)),
    generated: /(VIRTUAL|STORED|PERSISTENT) GENERATED|^(VIRTUAL|STORED|PERSISTENT)\b/i.test(extra!),
    autoIncrement: /auto_increment/i.test(extra!),
    comment: comment ?? '',
  }
}

type DefaultOf = Pick<MysqlColumn, 'defaultText' | 'defaultExpression'>

/** MySQL: literals without quotes, expressions marked in EXTRA. */
function mysqlDefaultOf(text: string | null, extra: string): DefaultOf {
  const now = text !== null && /^(current_timestamp|now\(|localtime)/i.test(text)
  return { defaultText: text, defaultExpression: now || extra.includes('DEFAULT_GENERATED') }
}

/** MariaDB: text literals in quotes, NULL as text, everything else but numbers and bits is an expression. */
function mariadbDefault(text: string | null): DefaultOf {
  if (text === null || text === 'NULL') return { defaultText: null, defaultExpression: false }
  const quoted = /^'(.*)'$/s.exec(text)
  if (quoted !== null) return { defaultText: unescaped(quoted[1]), defaultExpression: false }
  return { defaultText: text, defaultExpression: !/^(-?[0-9.]+(e[-+]?\d+)?|b'[01]+'|0x[0-9a-f]*)$/i.test(text) }
}

function unescaped(s: string): string {
  const short: Readonly<Record<string, string>> = { '0': '\0', n: '\n', r: '\r', t: '\t', Z: '\x1a', b: '\b' }
  return s.replaceAll("''", "'").replace(/\\(.)/gs, (_, c: string) => short[c] ?? c)
}

/** Labels out of `enum('a','b,c')`; a quote inside is doubled, a backslash as it is. */
export function labelsOf(columnType: string): string[] {
  return [...columnType.matchAll(/'((?:[^']|'')*)'/g)].map((m) => m[1].replaceAll("''", "'"))
}

/** Collation id → character set. */
export async function readCollations(sql: SqlConnection, flavor: Flavor): Promise<Map<number, string>> {
  const text =
    flavor === 'mariadb' && sql.version >= 101000
      ? 'SELECT ID, CHARACTER_SET_NAME FROM INFORMATION_SCHEMA.COLLATION_CHARACTER_SET_APPLICABILITY'
      : 'SELECT ID, CHARACTER_SET_NAME FROM INFORMATION_SCHEMA.COLLATIONS'
  const rows = await sql.query(text, 'reading the collations')
  return new Map(rows.filter((r) => r[0] !== null && r[1] !== null).map((r) => [Number(r[0]), r[1]!]))
}

/** What the server makes of each byte of a character set of one byte per character; null: the set has more. */
export async function readCharsetTable(sql: SqlConnection, charset: string): Promise<CharsetTable | null> {
  if (!/^[a-z0-9]+$/.test(charset)) return null
  const found = await sql.query(
    `SELECT MAXLEN FROM INFORMATION_SCHEMA.CHARACTER_SETS WHERE CHARACTER_SET_NAME = ${quoteLiteral(charset)}`,
    'reading a character set',
  )
  if (found[0]?.[0] !== '1') return null
  const bytes = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))
  const list = bytes.map((b) => `HEX(CONVERT(CONVERT(x'${b}' USING ${charset}) USING utf8mb4))`).join(', ')
  const rows = await sql.query(`SELECT ${list}`, 'reading a character set')
  return rows[0].map((hex) => Buffer.from(hex ?? '', 'hex'))
}

export function quoteTable(id: TableId): string {
  return `${quoteIdent(id.schema)}.${quoteIdent(id.table)}`
}
