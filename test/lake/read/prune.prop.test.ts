import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { ScanPlan } from '../../../src/contract/table-reader.ts'
import { mergeRulesOf } from '../../../src/lake/read/merge-rules.ts'
import { prunePlan } from '../../../src/lake/read/prune.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { scanTable } from '../../../src/lake/read/table-scan.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { SqlParser } from '../../../src/query/sql.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { valuesOf } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { changesOf, type TestChange } from '../write/model.ts'

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'p', type: { kind: 'string' } },
  { name: 'name', type: { kind: 'string' } },
  { name: 'lsn', type: { kind: 'long' } },
]
const NAMES = ['a', 'ab', 'abc', 'b', 'ba', 'ß', '']
type Row = readonly [id: number, p: string, name: string | null, lsn: number]

/** A condition in SQL, and what it is of a row: null is neither true nor false. */
interface Where {
  readonly sql: string
  holds(r: Row): boolean | null
}

const quoted = (s: string): string => `'${s.replaceAll("'", "''")}'`
const compare: Readonly<Record<string, (n: number) => boolean>> = {
  '=': (n) => n === 0,
  '<>': (n) => n !== 0,
  '<': (n) => n < 0,
  '<=': (n) => n <= 0,
  '>': (n) => n > 0,
  '>=': (n) => n >= 0,
}
const bytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const leaf: fc.Arbitrary<Where> = fc.oneof(
  fc
    .record({ op: fc.constantFrom(...Object.keys(compare)), v: fc.integer({ min: -1, max: 40 }), c: fc.constantFrom<0 | 3>(0, 3) })
    .map(({ op, v, c }) => ({ sql: `${COLUMNS[c]!.name} ${op} ${v}`, holds: (r: Row) => compare[op]!(r[c] - v) })),
  fc
    .record({ op: fc.constantFrom(...Object.keys(compare)), v: fc.constantFrom(...NAMES), c: fc.constantFrom<1 | 2>(1, 2) })
    .map(({ op, v, c }) => ({
      sql: `${COLUMNS[c]!.name} ${op} ${quoted(v)}`,
      holds: (r: Row) => (r[c] === null ? null : compare[op]!(bytes(r[c], v))),
    })),
  fc
    .record({ not: fc.boolean(), of: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 }) })
    .map(({ not, of }) => ({ sql: `id ${not ? 'NOT ' : ''}IN (${of.join(', ')})`, holds: (r: Row) => of.includes(r[0]) !== not })),
  fc
    .record({ not: fc.boolean(), of: fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 }), c: fc.constantFrom<1 | 2>(1, 2) })
    .map(({ not, of, c }) => ({
      sql: `${COLUMNS[c]!.name} ${not ? 'NOT ' : ''}IN (${of.map(quoted).join(', ')})`,
      holds: (r: Row) => (r[c] === null ? null : of.includes(r[c]) !== not),
    })),
  fc
    .record({ not: fc.boolean(), a: fc.integer({ min: 0, max: 40 }), b: fc.integer({ min: 0, max: 40 }) })
    .map(({ not, a, b }) => ({ sql: `id ${not ? 'NOT ' : ''}BETWEEN ${a} AND ${b}`, holds: (r: Row) => (r[0] >= a && r[0] <= b) !== not })),
  fc.record({ not: fc.boolean(), v: fc.constantFrom(...NAMES), c: fc.constantFrom<1 | 2>(1, 2) }).map(({ not, v, c }) => ({
    sql: `${COLUMNS[c]!.name} ${not ? 'NOT ' : ''}LIKE ${quoted(`${v}%`)}`,
    holds: (r: Row) => (r[c] === null ? null : r[c].startsWith(v) !== not),
  })),
)
const where: fc.Arbitrary<Where> = fc.letrec<{ node: Where }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => ({
      sql: `(${a.sql} AND ${b.sql})`,
      holds: (r: Row) => (a.holds(r) === false || b.holds(r) === false ? false : a.holds(r) === null || b.holds(r) === null ? null : true),
    })),
    fc.tuple(tie('node'), tie('node')).map(([a, b]) => ({
      sql: `(${a.sql} OR ${b.sql})`,
      holds: (r: Row) => (a.holds(r) === true || b.holds(r) === true ? true : a.holds(r) === null || b.holds(r) === null ? null : false),
    })),
    tie('node').map((a) => ({
      sql: `NOT (${a.sql})`,
      holds: (r: Row) => {
        const h = a.holds(r)
        return h === null ? null : !h
      },
    })),
  ),
})).node

const dir = mkdtempSync(join(tmpdir(), 'lake-prune-'))
let parser: SqlParser
beforeAll(async () => {
  parser = await SqlParser.open()
})
afterAll(() => {
  parser.close()
  rmSync(dir, { recursive: true })
})

/** Rows of the slices of a plan. */
async function rowsOf(store: MemoryStore, plan: ScanPlan): Promise<string[]> {
  const scan = await scanTable(store, 't', fixedClock(), { kind: 'snapshot', asOf: null })
  const kept = new Set(plan.slices.map((s) => `${s.partition}/${s.fileId}`))
  const out: string[] = []
  for (const slice of scan.slices.filter((s) => kept.has(`${s.partition}/${s.fileId}`))) {
    for await (const chunk of scan.slice(slice, scan.columns)) {
      const values = COLUMNS.map((c) => valuesOf(c.type, chunk.vectors[chunk.columns.findIndex((x) => x.name === c.name)]!, chunk.count))
      for (let i = 0; i < chunk.count; i++) out.push(JSON.stringify(values.map((v) => (typeof v[i] === 'bigint' ? Number(v[i]) : v[i]))))
    }
  }
  return out
}

const change = fc.record({
  op: fc.constantFrom<'u' | 'd'>('u', 'u', 'u', 'd'),
  id: fc.integer({ min: 0, max: 39 }),
  name: fc.constantFrom(...NAMES, null),
  lsn: fc.integer({ min: 0, max: 40 }),
})
const commits = fc.array(fc.array(change, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 })

describe.each(['COPY_ON_WRITE', 'MERGE_ON_READ'] as const)('%s', (tableType) => {
  let skipped = 0
  test('slices that are left out hold no row for the condition, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(
        commits,
        fc.array(where, { minLength: 8, maxLength: 8 }),
        fc.constantFrom<'parquet' | 'avro'>('parquet', 'parquet', 'avro'),
        async (all, conditions, logBlocks) => {
          const clock = fixedClock()
          const store = new MemoryStore(clock)
          const spec = {
            name: 't',
            database: 'd',
            path: 't',
            columns: COLUMNS,
            key: ['id', 'p'],
            orderingField: 'lsn',
            buckets: 2,
            tableType,
            tableVersion: 6 as const,
          }
          const deps = { clock, scratchDir: join(dir, 's'), logBlocks }
          const writer = await openTableWriter(store, { ...spec, partition: { column: 'p', truncate: 'none' } }, deps)
          for (const commit of all) {
            const last = new Map(commit.map((c) => [c.id, c]))
            const p = (id: number): string => NAMES[id % 3]!
            const rows = [...last.values()].map(
              ({ op, id, name, lsn }): TestChange => ({ op, row: [id, p(id), name, BigInt(lsn)], gone: [] }),
            )
            await writer.commit(await writer.stage([changesOf(COLUMNS, rows, false)]), null)
          }
          const plan = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
          const rules = async () => mergeRulesOf(await new TimelineStore(store, 't', clock).properties(), 't')
          const whole = (await rowsOf(store, plan)).map((t) => JSON.parse(t) as Row)
          for (const { sql, holds } of conditions) {
            const { needs } = await parser.inspect(`SELECT * FROM t WHERE ${sql}`)
            const pruned = await prunePlan(store, plan, needs.rows, rules)
            skipped += plan.slices.length - pruned.slices.length
            const left = new Set(await rowsOf(store, pruned))
            for (const row of whole)
              if (holds(row) === true) expect(left.has(JSON.stringify(row)), `${sql}: ${JSON.stringify(row)}`).toBe(true)
          }
        },
      ),
      { numRuns: propertyRuns(12) },
    )
    expect(skipped).toBeGreaterThan(0)
  }, 180_000)
})

test('slices whose logs of Spark record ranges of values are left out by them, and stay where a log may hold the value', async () => {
  const clock = fixedClock(Date.UTC(2026, 10, 22))
  const store = await goldenStore('v9_mor_pqblk', 't')
  const plan = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
  const rules = async () => mergeRulesOf(await new TimelineStore(store, 't', clock).properties(), 't')
  const left = async (sql: string): Promise<string[]> => {
    const { needs } = await parser.inspect(`SELECT * FROM t WHERE ${sql}`)
    return (await prunePlan(store, plan, needs.rows, rules)).slices.map((s) => s.partition).sort()
  }
  expect(plan.slices.every((s) => s.logs.length > 0)).toBe(true)
  const scan = await scanTable(store, 't', clock, { kind: 'snapshot', asOf: null })
  for (const slice of scan.slices) {
    for await (const { vectors, columns, count } of scan.slice(slice, scan.columns)) {
      const of = (name: string): unknown[] => valuesOf({ kind: 'string' }, vectors[columns.findIndex((c) => c.name === name)]!, count)
      for (const id of of('id')) {
        expect(await left(`id = ${quoted(String(id))}`)).toContain(slice.partition)
      }
      for (const name of of('name')) expect(await left(`name LIKE ${quoted(`${String(name)}%`)}`)).toContain(slice.partition)
    }
  }
  expect(await left("id > 'z' OR name LIKE 'zz%'")).toEqual([])
})
