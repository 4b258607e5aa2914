import type { DuckDBConnection } from '@duckdb/node-api'
import { Failure } from '../failure/failure.ts'
import { type SqlNeeds, sqlNeeds } from './sql-needs.ts'
import { literal } from './sql-text.ts'

/**
 * Table functions that compute from their arguments or describe the session. Everything else (readers of files, of other databases,
 * of SQL in strings, switches of the engine) is refused by name, whatever DuckDB's own confinement would say.
 */
const TABLE_FUNCTIONS: ReadonlySet<string> = new Set([
  'range',
  'generate_series',
  'generate_subscripts',
  'unnest',
  'repeat',
  'repeat_row',
  'json_each',
  'json_tree',
  'duckdb_columns',
  'duckdb_functions',
  'duckdb_keywords',
  'duckdb_schemas',
  'duckdb_tables',
  'duckdb_types',
  'duckdb_views',
  'pragma_table_info',
])

/** Scalar functions with effects outside their value. */
const REFUSED_FUNCTIONS: ReadonlySet<string> = new Set(['write_log', 'parse_duckdb_log_message', 'add_parquet_key', 'getenv'])

/** What a query names, from its syntax tree. */
export interface QueryShape {
  /** Tables as written: schema null when bare. Names of common table expressions are among them. */
  readonly tables: readonly { readonly schema: string | null; readonly table: string }[]
  /** The query looks at the catalogue itself (SHOW, information_schema …): every table of the lake must be there. */
  readonly usesCatalog: boolean
  readonly needs: SqlNeeds
  /** The statement to run; for EXPLAIN the whole of it. */
  readonly sql: string
}

/**
 * Parses `sql` without binding it, and refuses everything but one SELECT (or EXPLAIN of one) over tables and harmless functions.
 * Failures: TRB-QUERY-006 syntax error with its position, TRB-QUERY-007 anything else.
 */
export async function inspectSql(connection: DuckDBConnection, sql: string): Promise<QueryShape> {
  const explained = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*explain(?:\s+analyze)?\s+(?=\S)/i.exec(sql)
  const select = explained === null ? sql : sql.slice(explained[0].length)
  const reader = await connection.runAndReadAll(`SELECT json_serialize_sql(${literal(select)}, format := false)`)
  const tree = JSON.parse(String(reader.getRows()[0]![0])) as SerializedSql
  if (tree.error) {
    if (tree.error_type === 'parser') throw syntaxError(sql, tree, sql.length - select.length)
    throw refused(`a statement other than SELECT (${firstWord(select)})`, 'PIVOT needs its values listed: PIVOT … ON column IN (…).')
  }
  if (tree.statements.length !== 1) {
    const several = tree.statements.length > 1
    throw refused(several ? 'more than one statement' : 'an empty statement', several ? 'Run them one by one.' : '')
  }
  const tables: QueryShape['tables'][number][] = []
  const found = { tables, usesCatalog: false }
  walk(tree.statements[0], found)
  const needs = found.usesCatalog ? EVERYTHING : sqlNeeds(tree.statements[0], tables.length)
  return { ...found, needs, sql }
}

const EVERYTHING: SqlNeeds = { columns: null, rows: { kind: 'anything' } }

interface SerializedSql {
  readonly error: boolean
  readonly error_type?: string
  readonly error_message?: string
  readonly position?: string
  readonly statements: readonly unknown[]
}

type Node = Readonly<Record<string, unknown>>

function walk(root: unknown, found: { tables: { schema: string | null; table: string }[]; usesCatalog: boolean }): void {
  // An explicit stack: a long chain of ORs nests thousands of levels deep.
  const stack: unknown[] = [root]
  while (stack.length > 0) {
    const node = stack.pop()
    if (typeof node !== 'object' || node === null) continue
    for (const child of Object.values(node)) stack.push(child)
    const { type, class: kind } = node as Node
    if (type === 'TABLE_FUNCTION') checkTableFunction(node as Node)
    if (type === 'SHOW_REF') found.usesCatalog = true
    if (kind === 'FUNCTION') checkFunction(node as Node)
    if (type === 'BASE_TABLE') {
      const { schema_name: schema, table_name: table } = node as { schema_name?: string; table_name: string }
      found.tables.push({ schema: schema ? schema : null, table })
      const catalogue = /^(information_schema|pg_catalog)$/i.test(schema ?? '') || /^(duckdb_|pg_|sqlite_)/i.test(table)
      if (catalogue) found.usesCatalog = true
    }
  }
}

function checkTableFunction(node: Node): void {
  const name = String((node['function'] as Node | undefined)?.['function_name'] ?? '').toLowerCase()
  if (!TABLE_FUNCTIONS.has(name)) throw refused(`the table function ${name}()`, 'Tables are named as schema.table.')
}

function checkFunction(node: Node): void {
  const name = String(node['function_name'] ?? '').toLowerCase()
  if (REFUSED_FUNCTIONS.has(name)) throw refused(`the function ${name}()`, '')
}

export function refused(what: string, reason: string): Failure {
  return new Failure('TRB-QUERY-007', { what, reason })
}

/** `position` counts code points of the text given to the parser; `shift` UTF-16 units of `sql` stand before it. */
function syntaxError(sql: string, tree: SerializedSql, shift: number): Failure {
  const message = tree.error_message ?? 'syntax error'
  if (tree.position === undefined) return new Failure('TRB-QUERY-006', { message, position: 'The parser gives no position.', hint: '' })
  const before = Array.from(sql.slice(shift)).slice(0, Number(tree.position)).join('')
  return new Failure('TRB-QUERY-006', { message, position: pointAt(sql, shift + before.length), hint: '' })
}

/** `line 3, column 7:`, the line, and a caret below the character. `at` is an index into `sql`. */
export function pointAt(sql: string, at: number): string {
  const before = sql.slice(0, at).split('\n')
  const line = sql.split('\n')[before.length - 1] ?? ''
  const column = before[before.length - 1]!.length
  const from = Math.max(0, column - 60)
  const shown = line.slice(from, column + 60).replaceAll('\t', ' ')
  return `Line ${before.length}, column ${column + 1}:\n${shown}\n${' '.repeat(column - from)}^`
}

function firstWord(sql: string): string {
  return (/[a-z_]+/i.exec(sql.replace(/--[^\n]*\n/g, ''))?.[0] ?? 'nothing').toUpperCase()
}
