import { readdirSync } from 'node:fs'
import { changeLines } from '../../src/cli/lake/change-lines.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import { rowLines } from '../../src/format/json/row-lines.ts'
import { decimalText } from '../../src/format/json/value-text.ts'
import { scanChanges } from '../../src/lake/read/cdc.ts'
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
/** Queries of one table come one after the other, and only read. */
let last: { readonly table: string; readonly store: ObjectStore } | null = null

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
 * Tables whose recorded answers lose an update, and the table of another release with the same writes, which does not: Hudi 0.15 takes values that
 * a change of Debezium does not have from the base file, over what the logs have; Hudi 1.0 compares `_event_seq` as a text (4.5 after 4.10).
 */
const RIGHT_IN_ANOTHER: Readonly<Record<string, string>> = {
  v6_mor_payload_postgres: 'v9_mor_payload_postgres',
  v8_mor_payload_mysql: 'v6_mor_payload_mysql',
}

/**
 * Ranges of tables whose rows are merged field by field: Spark merges what the range wrote alone, and leaves placeholders and nulls that the stored row
 * has values for. We give the rows of the state. (`event`: 1.2 shows a row that lost against the base file, and only if the range has its slice's base.)
 */
const RANGES_LEFT_OUT = /^v\d_mor_payload_(postgres|partial|nondefaults|event)$|^v8_mor_payload_mysql$/
/** A stored row that a late one filled has in Hudi 0.15 and 1.0 the commit of the late one, in 1.2 and here its own. */
const META_LEFT_OUT = /^v[68]_mor_(payload|logs)_partial$/

/** Spark makes values of these partition columns of the path (as texts, or nulls where that fails); we give the stored ones. */
const FROM_PATH: readonly (readonly [tables: RegExp, column: string])[] = [
  [/_epoch_partitions$/, 'ts'],
  [/_at_partitions$/, 'at'],
  [/_string_dates$/, 'on'],
]

function withoutPathValues(table: string, rows: readonly Row[]): readonly Row[] {
  const column = FROM_PATH.find(([tables]) => tables.test(table))?.[1]
  return column === undefined ? rows : rows.map((r) => Object.fromEntries(Object.entries(r).filter(([name]) => name !== column)))
}

/** The answer at the same place of another table's. */
function answerElsewhere(table: string, other: string, query: string): readonly Row[] {
  if (query.startsWith('snapshot')) return goldenAnswers(other).queries['snapshot']
  const kind = query.split(':')[0]
  const alike = (t: string): string[] =>
    Object.keys(goldenAnswers(t).queries)
      .filter((q) => q.split(':')[0] === kind)
      .sort()
  return goldenAnswers(other).queries[alike(other)[alike(table).indexOf(query)]]
}

/**
 * The queries that a recorded table has answers to. Where Spark's own answer is known to be wrong it is replaced by what is right; the meta
 * columns of a wrong snapshot are not compared.
 */
export function queriesOf(table: string): ReadonlyMap<string, readonly Row[]> {
  const { queries, correct_snapshot: right } = goldenAnswers(table)
  const later = RIGHT_IN_LATER_RELEASE[table] ?? {}
  const wrongSnapshot = (q: string): boolean => right !== undefined && (q === 'snapshot' || q === 'snapshot_with_meta')
  const compared = Object.entries(queries).filter(([q]) => !q.startsWith('incremental:') || !RANGES_LEFT_OUT.test(table))
  return new Map(
    compared.map(([q, rows]) => {
      if (table in RIGHT_IN_ANOTHER) return [q, answerElsewhere(table, RIGHT_IN_ANOTHER[table], q)]
      if (q === 'snapshot_with_meta' && META_LEFT_OUT.test(table)) return [q, queries['snapshot']]
      if (wrongSnapshot(q)) return [q, right!]
      return [q, q in later ? goldenAnswers(table.replace('v6_', 'v9_')).queries[later[q]] : rows]
    }),
  )
}

/** Asks one query of a recorded table and compares all rows and columns. A failure of the reader is a difference. */
export async function checkQuery(table: string, query: string, expected: readonly Row[]): Promise<QueryResult> {
  try {
    if (last?.table !== table) last = { table, store: await goldenStore(table, 't') }
    const found = await ask(last.store, query)
    return { table, query, difference: compare(withoutPathValues(table, found), withoutPathValues(table, expected)) }
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
    return rowsOf(
      await scanTable(store, 't', clock, { kind: 'incremental', from: range[1], to: range[2] === '' ? null : range[2], lost: 'shown' }),
    )
  const changes = /^cdc:\((\d+),(\d*)\]$/.exec(query)
  if (changes !== null) return changesOf(store, changes[1], changes[2] === '' ? null : changes[2])
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

async function changesOf(store: ObjectStore, from: string, to: string | null): Promise<Row[]> {
  const scan = await scanChanges(store, 't', clock, { from, to })
  const lines = changeLines(scan.columns)
  const out: Row[] = []
  for await (const batch of scan.batches()) {
    for (const line of lines(batch).split('\n')) if (line !== '') out.push(parseExact(line) as Row)
  }
  return out
}

/**
 * Spark gives the images of rows as their raw Avro values, and of those that it works out itself Hudi's columns too, with decimals that it could
 * not print: taken to the form of ours, but for those.
 */
function likeOurs(r: Row): Row {
  if (!('op' in r)) return r
  const image = (v: unknown): unknown => {
    if (v === null || typeof v !== 'object') return null
    const { amount = null, at, day, ...rest } = v as { amount?: unknown; at: number; day: number }
    const own = Object.entries(rest).filter(([name]) => !name.startsWith('_hoodie_'))
    const us = String(at % 1_000_000).padStart(6, '0')
    return {
      ...Object.fromEntries(own),
      amount: Array.isArray(amount) ? cents(amount as number[]) : amount === null ? null : UNPRINTED,
      at: `${new Date(Math.floor(at / 1000)).toISOString().slice(0, 19)}.${us}`,
      day: new Date(day * 86_400_000).toISOString().slice(0, 10),
    }
  }
  return { op: r['op'], ts_ms: r['ts_ms'], before: image(r['before']), after: image(r['after']) }
}

const UNPRINTED = 'a decimal that Spark did not print'

/** Big-endian two's complement bytes, as signed numbers, with two decimal places. */
function cents(bytes: readonly number[]): string {
  const text = decimalText(Buffer.from(Int8Array.from(bytes).buffer), 0, bytes.length, 2)
  return text
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
  const a = (expected.some((r) => 'op' in r) ? masked(found, expected) : found).map(text).sort()
  const b = expected.map((r) => text(likeOurs(r))).sort()
  const at = a.findIndex((row, i) => row !== b[i])
  if (a.length === b.length && at < 0) return null
  const extra = a.filter((r) => !b.includes(r))
  const absent = b.filter((r) => !a.includes(r))
  return `${a.length} rows, not ${b.length}; too many: ${extra.slice(0, 2).join(' ')}; missing: ${absent.slice(0, 2).join(' ')}`
}

/** What Spark did not print is not compared. */
function masked(found: readonly Row[], expected: readonly Row[]): readonly Row[] {
  type Image = { id: string; amount: unknown } | null
  const hidden = new Set<string>()
  for (const r of expected) {
    const own = likeOurs(r)
    for (const side of ['before', 'after']) {
      const v = own[side] as Image
      if (v?.amount === UNPRINTED) hidden.add(`${String(own['ts_ms'])} ${side} ${v.id}`)
    }
  }
  return found.map((r) => {
    const image = (side: string): unknown => {
      const v = r[side] as Image
      return v !== null && hidden.has(`${String(r['ts_ms'])} ${side} ${v.id}`) ? { ...v, amount: UNPRINTED } : v
    }
    return { ...r, before: image('before'), after: image('after') }
  })
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
