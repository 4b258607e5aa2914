import { readdirSync } from 'node:fs'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import { rowLines } from '../../src/format/json/row-lines.ts'
import { scanTable, type TableScan } from '../../src/lake/read/table-scan.ts'
import { parseExact, type Row } from '../interop/spark.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenAnswers, goldenStore } from '../support/golden-table.ts'

/** Recorded tables of Spark-Hudi, read in every query mode by us; the answers are Spark's. */
export const GOLDEN_TABLES: readonly string[] = readdirSync(new URL('../golden/hudi/', import.meta.url))
  .filter((f) => f.endsWith('.tar.gz'))
  .map((f) => f.slice(0, -'.tar.gz'.length))
  .sort()

export interface QueryResult {
  readonly table: string
  readonly query: string
  /** Null: exactly Spark's rows. */
  readonly difference: string | null
}

const clock = fixedClock(Date.UTC(2026, 10, 22))

/**
 * Answers of Spark 0.15 that its own later release, on the same operations, does not give: it ignores the ordering value of a delete. What is
 * right is the answer of 1.2 to the query at the same place.
 */
const RIGHT_IN_LATER_RELEASE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  v6_mor_isdeleted: {
    'as_of:20261121034039033': 'as_of:20261121034520808',
    'incremental:(000,]': 'incremental:(000,]',
    'incremental:(20261121034031041,]': 'incremental:(20261121034519572,]',
  },
}

/**
 * The queries that a recorded table has answers to. Where Spark's own answer is known to be wrong it is replaced by what is right; the meta
 * columns of a wrong snapshot are not compared.
 */
export function queriesOf(table: string): ReadonlyMap<string, readonly Row[]> {
  const { queries, correct_snapshot: right } = goldenAnswers(table)
  const later = RIGHT_IN_LATER_RELEASE[table] ?? {}
  const wrongSnapshot = (q: string): boolean => right !== undefined && (q === 'snapshot' || q === 'snapshot_with_meta')
  return new Map(
    Object.entries(queries).map(([q, rows]) => {
      if (wrongSnapshot(q)) return [q, right!]
      return [q, q in later ? goldenAnswers(table.replace('v6_', 'v9_')).queries[later[q]] : rows]
    }),
  )
}

/** Asks one query of a recorded table and compares all rows and columns. A failure of the reader is a difference. */
export async function checkQuery(table: string, query: string, expected: readonly Row[]): Promise<QueryResult> {
  try {
    const found = await ask(await goldenStore(table, 't'), query)
    return { table, query, difference: compare(found, expected) }
  } catch (e) {
    return { table, query, difference: `${(e as { code?: string }).code ?? ''} ${(e as Error).message.split('\n')[0]}`.trim() }
  }
}

async function ask(store: ObjectStore, query: string): Promise<Row[]> {
  if (query === 'snapshot' || query === 'snapshot_with_meta')
    return rowsOf(await scanTable(store, 't', clock, { kind: 'snapshot', asOf: null }))
  if (query.startsWith('as_of:')) return rowsOf(await scanTable(store, 't', clock, { kind: 'snapshot', asOf: query.slice(6) }))
  if (query === 'read_optimized') return rowsOf(await scanTable(store, 't', clock, { kind: 'read-optimized', asOf: null }))
  const range = /^incremental:\((\d+),(\d*)\]$/.exec(query)
  if (range !== null)
    return rowsOf(await scanTable(store, 't', clock, { kind: 'incremental', from: range[1], to: range[2] === '' ? null : range[2] }))
  throw new Error(`a query of another kind: ${query}`)
}

async function rowsOf(scan: Pick<TableScan, 'columns' | 'rows'>): Promise<Row[]> {
  const text = rowLines(scan.columns as readonly LakeColumn[])
  const out: Row[] = []
  for await (const chunk of scan.rows()) {
    for (const line of text(chunk.vectors, chunk.count).split('\n')) if (line !== '') out.push(parseExact(line) as Row)
  }
  return out
}

/** Rows as sets, by the columns of the answer (all answers of a query have the same). Spark prints no zone. */
function compare(found: readonly Row[], expected: readonly Row[]): string | null {
  const columns = Object.keys(expected[0] ?? {}).sort()
  const text = (r: Row): string => JSON.stringify(columns.map((c) => plain(r[c])))
  const missing = columns.filter((c) => found.length > 0 && !(c in found[0]))
  if (missing.length > 0) return `no column ${missing.join(', ')}`
  const own =
    found.length === 0 || columns.length === 0 ? [] : Object.keys(found[0]).filter((c) => !c.startsWith('_hoodie_') && !columns.includes(c))
  if (own.length > 0) return `columns too many: ${own.join(', ')}`
  const a = found.map(text).sort()
  const b = expected.map(text).sort()
  const at = a.findIndex((row, i) => row !== b[i])
  if (a.length === b.length && at < 0) return null
  const extra = a.filter((r) => !b.includes(r))
  const absent = b.filter((r) => !a.includes(r))
  return `${a.length} rows, not ${b.length}; too many: ${extra.slice(0, 2).join(' ')}; missing: ${absent.slice(0, 2).join(' ')}`
}

function plain(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z$/, '$1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .sort()
        .map(([k, v]) => [k, plain(v)]),
    )
  return value ?? null
}
