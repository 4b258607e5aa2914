import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { Checkpoint, TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { duckdbRows } from '../../format/parquet/duckdb-values.ts'
import { show, type Value } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { anySizes, changesOf, chunked, Model, type TestChange } from './model.ts'
import { storedRows } from './stored-rows.ts'

const dir = mkdtempSync(join(tmpdir(), 'lake-write-'))
afterAll(() => rmSync(dir, { recursive: true }))
let tables = 0
const clock = fixedClock()

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'region', type: { kind: 'string' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 } },
  { name: 'tags', type: { kind: 'list', element: { kind: 'string' } } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const CHECKPOINT: Checkpoint = { source: 's', commit: null, commitUs: null, topic: 't', nextOffset: 0 }

type Kind = Pick<TableSpec, 'tableType' | 'tableVersion'>
const KINDS: readonly Kind[] = [
  { tableType: 'COPY_ON_WRITE', tableVersion: 6 },
  { tableType: 'COPY_ON_WRITE', tableVersion: 9 },
  { tableType: 'MERGE_ON_READ', tableVersion: 6 },
  { tableType: 'MERGE_ON_READ', tableVersion: 9 },
]

interface Settings {
  readonly key: readonly string[]
  readonly buckets: number
  readonly partition: TableSpec['partition']
  readonly rowGroupBytes: number
  readonly memoryBudget: number
}

async function open(store: MemoryStore, path: string, s: Settings, kind: Kind, columns = COLUMNS): Promise<TableWriter> {
  const spec: TableSpec = {
    name: path,
    database: 'shop',
    path,
    columns,
    key: s.key,
    orderingField: '_event_lsn',
    partition: s.partition,
    buckets: s.buckets,
    ...kind,
  }
  const { rowGroupBytes, memoryBudget } = s
  return openTableWriter(store, spec, { clock, scratchDir: join(dir, `scratch${tables}`), rowGroupBytes, memoryBudget })
}

async function contents(store: MemoryStore, path: string, kind: Kind, columns = COLUMNS): Promise<string[]> {
  // one kind is read by DuckDB, the others by our own reader, which tells base files from logs
  if (kind.tableType === 'MERGE_ON_READ' || kind.tableVersion === 9)
    return (await storedRows(store, path, columns)).map((r) => r.map(show).join(' ')).sort()
  const plan = await new LakeTableReader(store, path, clock).plan({ kind: 'latest' })
  const files: string[] = []
  for (const f of plan.files) {
    if (f.rows === 0) continue
    const local = join(dir, `${path}-${files.length}.parquet`)
    writeFileSync(local, await store.get(f.key))
    files.push(`'${local}'`)
  }
  if (files.length === 0) return []
  const list = columns.map((c) => `"${c.name}"`).join(', ')
  const rows = await duckdbRows(
    `select ${list}, _hoodie_record_key from read_parquet([${files.join(', ')}], union_by_name = true, hive_partitioning = false)`,
  )
  const keys = rows.map((r) => r.at(-1) as string)
  expect(new Set(keys).size, 'record keys are unique').toBe(keys.length)
  expect(
    plan.files.reduce((n, f) => n + f.rows, 0),
    'counts of the commit',
  ).toBe(rows.length)
  return rows.map((r) => r.slice(0, -1).map(show).join(' ')).sort()
}

const anyNote = fc.option(fc.constantFrom('', 'a', 'bb', 'x'.repeat(50)), { nil: null })
const anyRest = fc.tuple(
  fc.constantFrom('eu', 'us', 'a/b'),
  anyNote,
  fc.option(fc.bigInt(-99999n, 99999n), { nil: null }),
  fc.option(fc.array(fc.constantFrom('p', 'q'), { maxLength: 3 }), { nil: null }),
)

const anyKeyed = fc.record({
  op: fc.constantFrom('c', 'c', 'u', 'u', 'u', 'd', 'rarely-t'),
  id: fc.integer({ min: -3, max: 40 }),
  rest: anyRest,
  gone: fc.subarray([2, 3, 4], { maxLength: 2 }),
  dice: fc.nat(60),
})

/** Positions of the source, which only grow. */
let lsn = 0n

function keyedChanges(raw: readonly { op: string; id: number; rest: readonly unknown[]; gone: number[]; dice: number }[]): TestChange[] {
  return raw.map((c) => {
    const op = c.op === 'rarely-t' ? (c.dice === 0 ? 't' : 'c') : (c.op as 'c' | 'u' | 'd')
    const row: Value[] = [c.id, ...(c.rest as Value[]), ++lsn]
    return { op, row, gone: op === 'u' ? c.gone : [] }
  })
}

const anySettings = fc.record({
  buckets: fc.constantFrom(1, 1, 3),
  rowGroupBytes: fc.constantFrom(500, 3000, 1 << 26),
  memoryBudget: fc.constantFrom(1 << 26, 2000),
  partition: fc.constantFrom(null, null, { column: 'region', truncate: 'none' as const }),
  key: fc.constantFrom(['id'], ['id', 'region']),
})

describe.each(KINDS)('a table with a key, $tableType of version $tableVersion', (kind) => {
  it('holds after every flush what the changes come to, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        anySettings,
        fc.array(fc.array(anyKeyed, { maxLength: 60 }), { minLength: 1, maxLength: 4 }),
        anySizes,
        async (s, flushes, sizes) => {
          const path = `keyed${tables++}`
          const store = new MemoryStore(clock)
          const model = new Model(s.key.map((k) => COLUMNS.findIndex((c) => c.name === k)))
          let writer = await open(store, path, s, kind)
          for (const [i, raw] of flushes.entries()) {
            if (i === 2) writer = await open(store, path, s, kind)
            const changes = keyedChanges(raw)
            const staged = await writer.stage(chunked(changes, sizes).map((part) => changesOf(COLUMNS, part, false)))
            expect(await writer.commit(staged, { ...CHECKPOINT, nextOffset: i })).toBe('committed')
            for (const c of changes) model.apply(c)
            expect(await contents(store, path, kind)).toEqual(model.rows())
            expect((await writer.checkpoint())?.nextOffset).toBe(i)
          }
        },
      ),
      { numRuns: propertyRuns(10) },
    )
  }, 240_000)

  it('takes a large load of new rows straight into its files, also with repeated keys and other changes after it', async () => {
    const settings = fc.record({
      buckets: fc.constantFrom(1, 3),
      rowGroupBytes: fc.constantFrom(500, 3000),
      memoryBudget: fc.constantFrom(2000, 6000),
      partition: fc.constantFrom(null, null, { column: 'region', truncate: 'none' as const }),
      key: fc.constantFrom(['id'], ['id', 'region']),
    })
    const load = fc.array(fc.record({ op: fc.constantFrom('c', 'r'), id: fc.integer({ min: 0, max: 400 }), rest: anyRest }), {
      minLength: 20,
      maxLength: 150,
    })
    const runs = { numRuns: propertyRuns(10) }
    await fc.assert(
      fc.asyncProperty(settings, load, fc.array(anyKeyed, { maxLength: 40 }), load, anySizes, async (s, first, then, more, sizes) => {
        const path = `load${tables++}`
        const store = new MemoryStore(clock)
        const writer = await open(store, path, s, kind)
        const model = new Model(s.key.map((k) => COLUMNS.findIndex((c) => c.name === k)))
        const row = (c: { id: number; rest: readonly unknown[] }): Value[] => [c.id, ...(c.rest as Value[]), ++lsn]
        const inserts = (list: typeof first): TestChange[] => list.map((c) => ({ op: c.op as 'c' | 'r', row: row(c), gone: [] }))
        for (const changes of [[...inserts(first), ...keyedChanges(then), ...inserts(more)], inserts(more)]) {
          const staged = await writer.stage(chunked(changes, sizes).map((part) => changesOf(COLUMNS, part, false)))
          const before = model.size
          for (const c of changes) model.apply(c)
          const looks = kind.tableType === 'COPY_ON_WRITE'
          if (looks) expect(staged.counts.inserted - staged.counts.deleted, 'rows that came').toBe(model.size - before)
          expect(await writer.commit(staged, CHECKPOINT)).toBe('committed')
          expect(await contents(store, path, kind)).toEqual(model.rows())
          const files = [...store.snapshot().keys()].filter((k) => k.endsWith('.parquet')).length
          const reader = await new LakeTableReader(store, path, clock).plan({ kind: 'latest' }, 'read-optimized')
          if (changes.length !== more.length) expect(files, 'no file of a first try is left').toBe(reader.files.length)
        }
      }),
      runs,
    )
  }, 240_000)

  it('keeps large values that the log does not repeat when keys change', async () => {
    const s: Settings = { key: ['id'], buckets: 3, partition: null, rowGroupBytes: 500, memoryBudget: 1 << 26 }
    const steps = fc.array(
      fc.record({ from: fc.nat(9), to: fc.nat(9), flush: fc.nat(3).map((n) => n === 0), gone: fc.subarray([2, 3, 4]) }),
      { maxLength: 25 },
    )
    await fc.assert(
      fc.asyncProperty(steps, anySizes, async (moves, sizes) => {
        const path = `moving${tables++}`
        const store = new MemoryStore(clock)
        const writer = await open(store, path, s, kind)
        const rows = new Map<number, Value[]>()
        const create = (id: number): TestChange => {
          const row: Value[] = [id, 'eu', `note of ${id}`, BigInt(id), [`t${id}`], ++lsn]
          rows.set(id, row)
          return { op: 'c', row, gone: [] }
        }
        let pending: TestChange[] = [0, 1, 2, 3, 4].map(create)
        const flush = async (): Promise<void> => {
          const staged = await writer.stage(chunked(pending, sizes).map((part) => changesOf(COLUMNS, part, false)))
          expect(await writer.commit(staged, CHECKPOINT)).toBe('committed')
          pending = []
          expect(await contents(store, path, kind)).toEqual([...rows.values()].map((r) => r.map(show).join(' ')).sort())
        }
        for (const m of moves) {
          const old = rows.get(m.from)
          if (old === undefined || rows.has(m.to)) pending.push(create(m.from))
          else {
            const moved: Value[] = [m.to, ...old.slice(1, -1), ++lsn]
            rows.delete(m.from)
            rows.set(m.to, moved)
            const seen = moved.map((v, i) => (m.gone.includes(i) ? null : v))
            pending.push({ op: 'd', row: [m.from, null, null, null, null, ++lsn], gone: [] }, { op: 'c', row: seen, gone: m.gone })
          }
          if (m.flush) await flush()
        }
        await flush()
      }),
      { numRuns: propertyRuns(8) },
    )
  }, 120_000)
})

describe.each(KINDS)('a table without a key, $tableType of version $tableVersion', (kind) => {
  it('is a bag: equal rows are counted, changes take the rows that were before them', async () => {
    const anyStep = fc.record({
      op: fc.constantFrom('c', 'c', 'c', 'u', 'd', 't'),
      rest: anyRest,
      pick: fc.nat(200),
      gone: fc.subarray([2, 3, 4], { maxLength: 1 }),
    })
    const settings = fc.record({
      buckets: fc.constantFrom(1, 3),
      rowGroupBytes: fc.constantFrom(500, 1 << 26),
      memoryBudget: fc.constantFrom(1 << 26, 2000),
      partition: fc.constantFrom(null, { column: 'region', truncate: 'none' as const }),
      key: fc.constant([] as string[]),
    })
    const content = COLUMNS.slice(0, -1)
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.array(fc.array(anyStep, { maxLength: 40 }), { minLength: 1, maxLength: 3 }),
        anySizes,
        async (s, flushes, sizes) => {
          const path = `bag${tables++}`
          const store = new MemoryStore(clock)
          const writer = await open(store, path, s, kind)
          const model = new Model([])
          for (const raw of flushes) {
            const changes = raw.flatMap((x): TestChange[] => {
              const row: Value[] = [x.pick % 3, ...(x.rest.slice(0, 1) as Value[]), x.rest[1] === 'a' ? 'a' : null, 1n, null]
              const old = model.pick(x.pick)
              if (x.op === 't' && x.pick > 5) return []
              if ((x.op === 'u' || x.op === 'd') && old === null) return []
              const c: TestChange =
                x.op === 'u'
                  ? { op: 'u', row, gone: x.gone, before: old! }
                  : { op: x.op as 'c' | 'd' | 't', row: x.op === 'd' ? old! : row, gone: [] }
              model.apply(c)
              // change columns are no part of what a row is
              return [{ ...c, row: [...c.row, ++lsn], ...(c.before === undefined ? {} : { before: [...c.before, lsn - 1n] }) }]
            })
            const staged = await writer.stage(chunked(changes, sizes).map((part) => changesOf(COLUMNS, part, true)))
            expect(await writer.commit(staged, CHECKPOINT)).toBe('committed')
            expect(await contents(store, path, kind, content)).toEqual(model.rows())
          }
        },
      ),
      { numRuns: propertyRuns(10) },
    )
  }, 120_000)
})
