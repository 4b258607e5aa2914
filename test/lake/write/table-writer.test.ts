import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import type { Checkpoint, TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { materialise } from '../../../src/lake/write/materialise.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { duckdbRows } from '../../format/parquet/duckdb-values.ts'
import { show, type Value } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { changesOf, type TestChange } from './model.ts'
import { renamed } from './renamed.ts'

const dir = mkdtempSync(join(tmpdir(), 'lake-table-'))
afterAll(() => rmSync(dir, { recursive: true }))
const clock = fixedClock()
const CHECKPOINT: Checkpoint = { source: 's', commit: '0/1', commitUs: 5n, topic: 't', nextOffset: 7 }
const column = (name: string, type: LakeType): LakeColumn => ({ name, type })
const COLUMNS = [column('id', { kind: 'int' }), column('name', { kind: 'string' }), column('_event_lsn', { kind: 'long' })]

async function open(
  store: MemoryStore,
  columns: readonly LakeColumn[] = COLUMNS,
  extra: Partial<TableSpec> = {},
  budget = 1 << 26,
): Promise<TableWriter> {
  const spec: TableSpec = {
    name: 'orders',
    database: 'shop',
    path: 'orders',
    columns,
    key: ['id'],
    orderingField: '_event_lsn',
    partition: null,
    buckets: 1,
    tableType: 'COPY_ON_WRITE',
    tableVersion: 6,
    ...extra,
  }
  return openTableWriter(store, spec, { clock, scratchDir: join(dir, 'scratch'), memoryBudget: budget })
}

const c = (op: TestChange['op'], ...row: Value[]): TestChange => ({ op, row, gone: [] })

async function write(writer: TableWriter, columns: readonly LakeColumn[], changes: readonly TestChange[], bag = false): Promise<string> {
  const staged = await writer.stage([changesOf(columns, changes, bag)])
  expect(await writer.commit(staged, CHECKPOINT)).toBe('committed')
  return staged.instant
}

async function rows(store: MemoryStore, select: string): Promise<string[]> {
  const plan = await new LakeTableReader(store, 'orders', clock).plan({ kind: 'latest' })
  const files: string[] = []
  for (const [i, f] of plan.files.entries()) {
    const local = join(dir, `f${i}.parquet`)
    writeFileSync(local, await store.get(f.key))
    files.push(`'${local}'`)
  }
  const found = await duckdbRows(
    `select ${select} from read_parquet([${files.join(', ')}], union_by_name = true, hive_partitioning = false)`,
  )
  return found.map((r) => r.map(show).join(' ')).sort()
}

it.each([6, 9] as const)('version %i: the commit of a base file names the one before, where Hudi does', async (tableVersion) => {
  const store = new MemoryStore(clock)
  const writer = await open(store, COLUMNS, { tableVersion })
  const stat = async (time: string): Promise<{ path: string | null; prevBaseFile?: string | null }> => {
    const ts = new TimelineStore(store, 'orders', clock)
    await ts.properties()
    await ts.refresh()
    return [...(await ts.commit(time, 'commit')).stats.values()].flat()[0]
  }
  const first = await stat(await write(writer, COLUMNS, [c('c', 1, 'a', 1n)]))
  const second = await stat(await write(writer, COLUMNS, [c('u', 1, 'b', 2n)]))
  const third = await stat(await write(writer, COLUMNS, [c('t')]))
  expect(first.prevBaseFile).toBeUndefined()
  expect([second.prevBaseFile, third.prevBaseFile]).toEqual(tableVersion === 6 ? [undefined, undefined] : [first.path, second.path])
})

describe('rows that are not touched', () => {
  it('keep their commit time and sequence number when others of their file change', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    const first = await write(writer, COLUMNS, [c('c', 1, 'a', 1n), c('c', 2, 'b', 2n), c('c', 3, 'c', 3n)])
    const second = await write(writer, COLUMNS, [c('u', 2, 'B', 4n), c('c', 4, 'd', 5n)])
    expect(await rows(store, 'id, name, _hoodie_commit_time, _hoodie_commit_seqno, _hoodie_record_key')).toEqual([
      `1 "a" "${first}" "${first}_0_0" "1"`,
      `2 "B" "${second}" "${second}_0_0" "2"`,
      `3 "c" "${first}" "${first}_0_2" "3"`,
      `4 "d" "${second}" "${second}_0_1" "4"`,
    ])
    const names = await rows(store, 'distinct _hoodie_file_name')
    expect(names).toHaveLength(1)
    expect(names[0]).toContain(second)
  })

  it('are carried over as the very bytes, when a column of their row group does not change', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    await write(
      writer,
      COLUMNS,
      Array.from({ length: 500 }, (_, i) => c('c', i, `name ${i}`, BigInt(i))),
    )
    await write(writer, COLUMNS, [c('u', 77, 'name 77', 9n), c('u', 78, 'name 78', 9n)])
    const plan = await new LakeTableReader(store, 'orders', clock).plan({ kind: 'latest' })
    const files = [...store.snapshot().keys()].filter((k) => k.endsWith('.parquet'))
    const opened = await Promise.all(files.map(async (k) => ParquetFile.open(store, k, (await store.get(k)).length)))
    const bytesOf = async (name: string): Promise<string[]> =>
      Promise.all(opened.map(async (f) => (await f.rawColumn(0, f.column(name)!)).map((x) => x.bytes.toString('hex')).join()))
    expect(plan.files).toHaveLength(1)
    for (const same of ['_hoodie_record_key', 'id', 'name']) expect(new Set(await bytesOf(same)).size, same).toBe(1)
    for (const other of ['_event_lsn', '_hoodie_commit_time', '_hoodie_file_name'])
      expect(new Set(await bytesOf(other)).size, other).toBe(2)
  })
})

describe('file groups of another engine', () => {
  it.each([1 << 26, 500])('are looked into: an update goes where the key is (budget %i)', async (budget) => {
    const before = new MemoryStore(clock)
    await write(
      await open(before, COLUMNS, { buckets: 2 }),
      COLUMNS,
      [1, 2, 3, 4, 5, 6].map((i) => c('c', i, `n${i}`, 1n)),
    )
    const plan = await new LakeTableReader(before, 'orders', clock).plan({ kind: 'latest' })
    const ours = plan.files[0].fileId
    const store = await renamed(before, clock, ours, 'deadbeef-0001-4000-8000-00000000abcd-7')
    const writer = await open(store, COLUMNS, { buckets: 2 }, budget)
    const changes = [...[1, 2, 3, 4].map((i) => c('u', i, `N${i}`, 2n)), c('d', 5), c('c', 7, 'n7', 2n), c('c', 8, 'n8', 2n)]
    const staged = await writer.stage(changes.map((x) => changesOf(COLUMNS, [x], false)))
    expect(staged.counts).toEqual({ inserted: 2, updated: 4, deleted: 1 })
    await writer.commit(staged, CHECKPOINT)
    expect(await rows(store, 'id, name')).toEqual(['1 "N1"', '2 "N2"', '3 "N3"', '4 "N4"', '6 "n6"', '7 "n7"', '8 "n8"'])
  })

  it('a file id that only looks like a bucket is not taken for one', async () => {
    const before = new MemoryStore(clock)
    await write(await open(before), COLUMNS, [c('c', 1, 'a', 1n)])
    const plan = await new LakeTableReader(before, 'orders', clock).plan({ kind: 'latest' })
    const store = await renamed(before, clock, plan.files[0].fileId, '48210934-0001-4000-8000-00000000abcd-0')
    const writer = await open(store)
    await write(writer, COLUMNS, [c('u', 1, 'A', 2n), c('c', 2, 'b', 2n)])
    expect(await rows(store, 'id, name')).toEqual(['1 "A"', '2 "b"'])
  })
})

describe('a table that grows', () => {
  it('has null in old rows for new columns, wider values, and null in new rows for columns that are gone', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    await write(writer, COLUMNS, [c('c', 1, 'a', 1n), c('c', 2, 'b', 1n)])
    const grown = [
      column('id', { kind: 'long' }),
      column('price', { kind: 'decimal', precision: 6, scale: 2 }),
      column('tags', { kind: 'list', element: { kind: 'string' } }),
      column('_event_lsn', { kind: 'long' }),
    ]
    await writer.evolve(grown)
    expect(writer.spec.columns.map((x) => x.name)).toEqual(['id', 'name', 'price', 'tags', '_event_lsn'])
    await write(writer, grown, [c('u', 2n, 150n, ['x'], 2n), c('c', 3000000000n, null, null, 2n)])
    expect(await rows(store, 'id, name, price, tags')).toEqual(['1 "a" null null', '2 null 150 ["x"]', '3000000000 null null null'])
    const again = await open(store)
    expect(again.spec.columns.map((x) => x.name)).toEqual(['id', 'name', 'price', 'tags', '_event_lsn'])
    await write(again, COLUMNS, [c('u', 1, 'A', 3n)])
    expect(await rows(store, 'id, name, price, tags')).toEqual(['1 "A" null null', '2 null 150 ["x"]', '3000000000 null null null'])
  })

  it('refuses a type that old rows cannot follow', async () => {
    const writer = await open(new MemoryStore(clock))
    await expect(writer.evolve([column('id', { kind: 'string' })])).rejects.toThrow('TRB-LAKE-406')
  })
})

describe('stage, commit, abandon', () => {
  it('show nothing before commit, and leave nothing after abandon', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    await write(writer, COLUMNS, [c('c', 1, 'a', 1n)])
    const before = [...store.snapshot().keys()].filter((k) => !/\/\.hoodie\/\d/.test(k))
    const staged = await writer.stage([changesOf(COLUMNS, [c('u', 1, 'A', 2n)], false)])
    expect(await rows(store, 'id, name')).toEqual(['1 "a"'])
    await writer.abandon(staged)
    expect([...store.snapshot().keys()].filter((k) => !/\/\.hoodie\/\d/.test(k))).toEqual(before)
    await write(writer, COLUMNS, [c('u', 1, 'B', 3n)])
    expect(await rows(store, 'id, name')).toEqual(['1 "B"'])
    expect(await writer.checkpoint()).toEqual(CHECKPOINT)
  })

  it('report a conflict when another writer has committed since', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    await write(writer, COLUMNS, [c('c', 1, 'a', 1n)])
    const staged = await writer.stage([changesOf(COLUMNS, [c('u', 1, 'mine', 2n)], false)])
    await write(await open(store), COLUMNS, [c('u', 1, 'theirs', 3n)])
    expect(await writer.commit(staged, CHECKPOINT)).toBe('conflict')
    await writer.abandon(staged)
    expect(await rows(store, 'id, name')).toEqual(['1 "theirs"'])
    await write(writer, COLUMNS, [c('u', 1, 'mine', 4n)])
    expect(await rows(store, 'id, name')).toEqual(['1 "mine"'])
  })

  it('a stage that fails leaves no file and no instant behind', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    await write(writer, COLUMNS, [c('c', 1, 'a', 1n)])
    const files = (): string[] => [...store.snapshot().keys()].filter((k) => k.endsWith('.parquet'))
    const before = files()
    function* failing() {
      yield changesOf(COLUMNS, [c('u', 1, 'A', 2n)], false)
      throw new Error('the source broke')
    }
    await expect(writer.stage(failing())).rejects.toThrow('the source broke')
    expect(files()).toEqual(before)
    await write(writer, COLUMNS, [c('u', 1, 'B', 3n)])
    expect(await rows(store, 'id, name')).toEqual(['1 "B"'])
  })

  it('deletes and a truncate leave an empty base file, and the table goes on', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store)
    await write(writer, COLUMNS, [c('c', 1, 'a', 1n), c('c', 2, 'b', 1n)])
    await write(writer, COLUMNS, [c('d', 1), c('d', 2), c('d', 99)])
    expect(await rows(store, 'id')).toEqual([])
    await write(writer, COLUMNS, [c('c', 3, 'c', 1n)])
    await write(writer, COLUMNS, [c('c', 4, 'd', 1n), c('t', null), c('c', 5, 'e', 1n)])
    expect(await rows(store, 'id')).toEqual(['5'])
    await write(writer, COLUMNS, [c('t', null)])
    expect(await rows(store, 'id')).toEqual([])
  })

  it('refuses a large flush in which keys change and values are missing', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, COLUMNS, {}, 200)
    await write(writer, COLUMNS, [c('c', 1, 'large', 1n)])
    const moved: TestChange[] = [c('d', 1), { op: 'c', row: [2, null, 2n], gone: [1] }, c('u', 3, 'x', 3n), c('u', 4, 'y', 3n)]
    await expect(writer.stage([changesOf(COLUMNS, moved, false)])).rejects.toThrow('TRB-LAKE-407')
  })
})

describe('materialise', () => {
  it('merges changes into a scratch store and leaves the table alone', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, COLUMNS, { buckets: 2 })
    await write(
      writer,
      COLUMNS,
      [1, 2, 3, 4, 5, 6].map((i) => c('c', i, `n${i}`, 1n)),
    )
    const before = [...store.snapshot().keys()]
    const plan = await new LakeTableReader(store, 'orders', clock).plan({ kind: 'latest' })
    const out = new MemoryStore(clock)
    const deps = { clock, scratchDir: join(dir, 'scratch'), memoryBudget: 1 << 26, rowGroupBytes: 1 << 20 }
    const changes = [changesOf(COLUMNS, [c('u', 2, 'two', 2n), c('d', 4), c('d', 2)], false)]
    const result = await materialise(store, plan, COLUMNS, changes, out, '20991231235959999', deps)
    expect([...store.snapshot().keys()]).toEqual(before)
    expect([...out.snapshot().keys()]).toEqual(result.written.map((f) => f.key))
    expect([...result.kept, ...result.written].reduce((n, f) => n + f.rows, 0)).toBe(4)
    expect(result.kept.length + result.written.length).toBe(plan.files.length)
  })
})
