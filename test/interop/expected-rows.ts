import type { TestDatabase } from '../support/postgres.ts'
import { parseExact, type Row } from './spark.ts'

/**
 * What the engines of test/services (or our own `lake query`) print for the rows of a table, worked out by Postgres itself from the
 * lake's type mapping: numeric(p,s) as its text, times as UTC text with six digits (ours: and Z for points in time), bytea as hex (ours: base64), arrays
 * as lists, everything that Postgres alone knows as text.
 */
export async function expectedRows(db: TestDatabase, schema: string, table: string, style: 'engine' | 'ours'): Promise<Row[]> {
  const columns = await db.sql<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [schema, table],
  )
  const list = columns.map((c) => `${expression(`"${c.name}"`, c.type, style)} AS "${c.name}"`).join(', ')
  const [row] = await db.sql<{ rows: string | null }>(
    `SELECT json_agg(the_row)::text AS rows FROM (SELECT ${list} FROM "${schema}"."${table}") the_row`,
  )
  return row.rows === null ? [] : (parseExact(row.rows) as Row[])
}

function expression(column: string, type: string, style: 'engine' | 'ours'): string {
  const zone = style === 'ours' ? '"Z"' : ''
  switch (type) {
    case 'boolean':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return column
    case 'double precision':
      return column
    case 'real': // Python has no 32-bit float: it prints the same value with the digits of a double
      return style === 'ours' ? column : `${column}::float8`
    case 'timestamp with time zone':
      return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US${zone}')`
    case 'timestamp without time zone':
      return `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US')`
    case 'bytea':
      return style === 'ours' ? `replace(encode(${column}, 'base64'), E'\\n', '')` : `'hex:' || encode(${column}, 'hex')`
    case 'integer[]':
    case 'bigint[]':
    case 'text[]':
    case 'boolean[]':
      return `to_json(${column})`
    case 'numeric':
    case 'json':
    case 'jsonb':
      return `${column}::text`
    default: // the type's own output: a cast to text would trim char(n) and add a mask to inet
      return `to_json(${column})`
  }
}

/** Rows in an order of their own, with their columns in one order: what two readers can be compared by. */
export function sorted(rows: readonly Row[], columns?: readonly string[]): string[] {
  return rows.map((r) => JSON.stringify((columns ?? Object.keys(r)).toSorted().map((c) => [c, r[c] ?? null]))).toSorted()
}

/** What differs between two sets of rows, short enough to read: rows only in one of them, the first three of each. Empty: they are equal. */
export function differences(found: readonly string[], expected: readonly string[]): string[] {
  const only = (a: readonly string[], b: readonly string[], what: string): string[] => {
    const others = new Set(b)
    const rows = a.filter((r) => !others.has(r))
    return rows.length === 0 ? [] : [`${rows.length} ${what}`, ...rows.slice(0, 3).map((r) => shorten(r))]
  }
  const counts = found.length === expected.length ? [] : [`${found.length} rows, not ${expected.length}`]
  return [...counts, ...only(found, expected, 'not in the database'), ...only(expected, found, 'missing')]
}

function shorten(row: string): string {
  return row.replace(/"([^"]{60})[^"]*"/g, '"$1…"').slice(0, 1500)
}
