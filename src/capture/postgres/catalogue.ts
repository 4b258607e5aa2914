import type { CatalogColumn, CatalogType } from './catalog-column.ts'
import type { SqlConnection, TextRow } from './connect.ts'

/** A table as the catalogue has it now. */
export interface CatalogTable {
  readonly oid: number
  readonly schema: string
  readonly table: string
  /** r table, p partitioned table (the root itself). */
  readonly kind: string
  /** Part of a partitioned table. */
  readonly partition: boolean
  /** pg_class.relreplident. */
  readonly identity: string
  /** reltuples, −1 unknown. */
  readonly rowEstimate: number
  /** Heap pages, for a choice between reading whole and by key. */
  readonly pages: number
  readonly columns: readonly CatalogColumn[]
  /** Columns of the primary key in key order; empty: none. */
  readonly primaryKey: readonly string[]
  /** Columns of the index named by REPLICA IDENTITY USING INDEX. */
  readonly identityIndex: readonly string[]
  /** First unique index by name whose columns are all plain and NOT NULL. */
  readonly uniqueIndex: readonly string[]
}

const TABLES = `
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.reltuples::bigint, c.relpages, c.relispartition
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname !~ '^pg_(toast|temp)'`

const COLUMNS = `
SELECT a.attrelid, a.attname, a.attnum, a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated, a.attidentity,
  a.atttypmod, a.atttypid, pg_catalog.format_type(a.atttypid, a.atttypmod),
  CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN pg_catalog.format_type(t.typelem, a.atttypmod) END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped`

const KEYS = `
SELECT i.indrelid, i.indisprimary, i.indisreplident, x.relname,
  (SELECT array_to_json(array_agg(a.attname ORDER BY k.n))::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
   JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts),
  (SELECT bool_and(a.attnotnull) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, n)
   JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.n <= i.indnkeyatts)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL`

/** Every table that could be captured, without columns: cheap on databases with thousands of tables. */
export async function listTables(sql: SqlConnection): Promise<CatalogTable[]> {
  const rows = await sql.query(`${TABLES} ORDER BY 2, 3`, 'listing tables')
  return rows.map((r) => tableOf(r, [], []))
}

/** The full description of the tables with these oids; a dropped one is missing from the answer. */
export async function describeTables(sql: SqlConnection, oids: readonly number[]): Promise<Map<number, CatalogTable>> {
  if (oids.length === 0) return new Map()
  const list = oids.join(',')
  const doing = 'reading the catalogue'
  const tables = await sql.query(`${TABLES} AND c.oid IN (${list})`, doing)
  const columns = await sql.query(`${COLUMNS} AND a.attrelid IN (${list}) ORDER BY 1, a.attnum`, doing)
  const keys = await sql.query(`${KEYS} AND i.indrelid IN (${list}) ORDER BY 1, x.relname`, doing)
  const types = await readTypes(sql, new Set(columns.map((c) => Number(c[8]))))
  const columnsOf = group(columns)
  const keysOf = group(keys)
  return new Map(
    tables.map((r) => {
      const key = keysOf.get(r[0]!) ?? []
      const described = (columnsOf.get(r[0]!) ?? []).map((c) => columnOf(c, types))
      return [Number(r[0]), tableOf(r, described, key)]
    }),
  )
}

/** Types with all that they are made of: elements of arrays, bases of domains, labels of enums. */
export async function readTypes(sql: SqlConnection, oids: ReadonlySet<number>): Promise<Map<number, CatalogType>> {
  const rows = new Map<number, TextRow>()
  let wanted = [...oids]
  while (wanted.length > 0) {
    const found = await sql.query(
      `SELECT t.oid, n.nspname, t.typname, pg_catalog.format_type(t.oid, NULL), t.typtype,
         CASE WHEN t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' THEN t.typelem END, nullif(t.typbasetype, 0), t.typtypmod,
         pg_catalog.format_type(nullif(t.typbasetype, 0), t.typtypmod),
         (SELECT array_to_json(array_agg(e.enumlabel ORDER BY e.enumsortorder))::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
       FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (${wanted.join(',')})`,
      'reading types',
    )
    for (const r of found) rows.set(Number(r[0]), r)
    wanted = [...new Set(found.flatMap((r) => [r[5], r[6]]).flatMap((o) => (o === null ? [] : [Number(o)])))].filter((o) => !rows.has(o))
  }
  const types = new Map<number, CatalogType>()
  for (const oid of rows.keys()) types.set(oid, typeOf(oid, null, rows))
  return types
}

function typeOf(oid: number, formatted: string | null, rows: ReadonlyMap<number, TextRow>): CatalogType {
  const r = rows.get(oid)!
  const element = r[5] === null ? null : typeOf(Number(r[5]), null, rows)
  const base = r[6] === null ? null : { type: typeOf(Number(r[6]), r[8], rows), typmod: Number(r[7]) }
  const labels = r[9] === null ? null : (JSON.parse(r[9]) as string[])
  return { oid, schema: r[1]!, name: r[2]!, formatted: formatted ?? r[3]!, typtype: r[4]!, element, base, labels }
}

function columnOf(c: TextRow, types: ReadonlyMap<number, CatalogType>): CatalogColumn {
  const type = types.get(Number(c[8]))!
  const element = type.element === null || c[10] === null ? type.element : { ...type.element, formatted: c[10] }
  const generated = c[5] !== ''
  return {
    name: c[1]!,
    attnum: Number(c[2]),
    notNull: c[3] === 't',
    defaultExpr: generated ? null : c[4],
    generated,
    identity: c[6] !== '',
    typmod: Number(c[7]),
    type: { ...type, formatted: c[9]!, element },
    isKey: false,
  }
}

function tableOf(r: TextRow, columns: readonly CatalogColumn[], keys: readonly TextRow[]): CatalogTable {
  const names = (k: TextRow | undefined): string[] => (k === undefined || k[4] === null ? [] : (JSON.parse(k[4]) as string[]))
  return {
    oid: Number(r[0]),
    schema: r[1]!,
    table: r[2]!,
    kind: r[3]!,
    identity: r[4]!,
    partition: r[7] === 't',
    rowEstimate: Number(r[5]),
    pages: Number(r[6]),
    columns,
    primaryKey: names(keys.find((k) => k[1] === 't')),
    identityIndex: names(keys.find((k) => k[2] === 't')),
    uniqueIndex: names(keys.find((k) => k[5] === 't')),
  }
}

function group(rows: readonly TextRow[]): Map<string, TextRow[]> {
  return Map.groupBy(rows, (r) => r[0]!)
}
