import type { TestDatabase } from '../support/postgres.ts'
import { parseExact, type Row } from './spark.ts'

/**
 * What the engines of test/services print for the rows of a table, worked out by Postgres itself from the lake's type mapping:
 * numeric(p,s) as its text, timestamps as UTC text with six digits, bytea as hex, arrays as lists, everything Postgres alone knows as text.
 */
export async function expectedRows(db: TestDatabase, schema: string, table: string): Promise<Row[]> {
  const columns = await db.sql<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
     WHERE attrelid = format('%I.%I', $1::text, $2::text)::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [schema, table],
  )
  const list = columns.map((c) => `${expression(`"${c.name}"`, c.type)} AS "${c.name}"`).join(', ')
  const [row] = await db.sql<{ rows: string | null }>(
    `SELECT json_agg(t)::text AS rows FROM (SELECT ${list} FROM "${schema}"."${table}") t`,
  )
  return row.rows === null ? [] : (parseExact(row.rows) as Row[])
}

function expression(column: string, type: string): string {
  switch (type) {
    case 'boolean':
    case 'smallint':
    case 'integer':
    case 'bigint':
      return column
    case 'real':
    case 'double precision':
      return `CASE WHEN ${column} = 'NaN' THEN '"nan"'::json WHEN abs(${column}) = 'Infinity' THEN to_json(lower(left(${column}::text, -5))) ELSE to_json(${column}::float8) END`
    case 'timestamp with time zone':
      return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')`
    case 'timestamp without time zone':
      return `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US')`
    case 'bytea':
      return `'hex:' || encode(${column}, 'hex')`
    case 'integer[]':
    case 'bigint[]':
    case 'text[]':
    case 'boolean[]':
      return `to_json(${column})`
    default:
      return `${column}::text`
  }
}

/** Rows in an order of their own, with their columns in one order: what two readers can be compared by. */
export function sorted(rows: readonly Row[], columns?: readonly string[]): string[] {
  return rows.map((r) => JSON.stringify((columns ?? Object.keys(r)).toSorted().map((c) => [c, r[c] ?? null]))).toSorted()
}
