import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import type { Checkpoint, TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { LogReader } from '../../../src/format/hudi-log/reader.ts'
import { printCompactionPlan } from '../../../src/lake/metadata/compaction-plan.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import type { LogBlocks } from '../../../src/lake/write/log-file.ts'
import { openTableWriter, openWriterOf } from '../../../src/lake/write/open-table.ts'
import { writableSpec } from '../../../src/lake/write/writable-spec.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { show, type Value } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from './model.ts'
import { renamed } from './renamed.ts'
import { storedRows } from './stored-rows.ts'

const dir = mkdtempSync(join(tmpdir(), 'lake-mor-'))
afterAll(() => rmSync(dir, { recursive: true }))
const clock = fixedClock()
const CHECKPOINT: Checkpoint = { source: 's', commit: '0/1', commitUs: 5n, topic: 't', nextOffset: 7 }
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'name', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const VERSIONS = [6, 9] as const

function open(store: ObjectStore, tableVersion: 6 | 9, extra: Partial<TableSpec> = {}, logBlocks?: LogBlocks): Promise<TableWriter> {
  const where = { name: 'orders', database: 'shop', path: 'orders', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn' }
  const spec: TableSpec = { ...where, partition: null, buckets: 1, tableType: 'MERGE_ON_READ', tableVersion, ...extra }
  return openTableWriter(store, spec, { clock, scratchDir: join(dir, 'scratch'), logBlocks })
}

const c = (op: TestChange['op'], ...row: Value[]): TestChange => ({ op, row, gone: [] })

async function write(writer: TableWriter, changes: readonly TestChange[]): Promise<string> {
  const staged = await writer.stage([changesOf(COLUMNS, changes, writer.spec.key.length === 0)])
  expect(await writer.commit(staged, CHECKPOINT)).toBe('committed')
  return staged.instant
}

async function rows(store: ObjectStore): Promise<string[]> {
  return (await storedRows(store, 'orders', COLUMNS)).map((r) => r.map(show).join(' ')).sort()
}

const dataFiles = (store: MemoryStore): string[] =>
  [...store.snapshot().keys()]
    .filter((k) => /[.](parquet|log[.])/.test(k) && !k.includes('/.hoodie/'))
    .map((k) => k.slice('orders/'.length))

describe.each(VERSIONS)('a merge-on-read table of version %i', (version) => {
  it('gets a base file with the first flush, then one log file for each file group and flush', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version, { buckets: 2 })
    const first = await write(
      writer,
      [1, 2, 3, 4].map((i) => c('c', i, `n${i}`, 1n)),
    )
    expect(dataFiles(store).every((f) => f.endsWith(`_${first}.parquet`))).toBe(true)
    const bases = dataFiles(store).length
    const second = await write(writer, [c('u', 1, 'N1', 2n), c('d', 2), c('u', 3, 'N3', 3n), c('u', 3, 'N3!', 4n), c('d', 4)])
    const third = await write(writer, [c('u', 1, 'N1 again', 5n), c('c', 2, 'back', 6n)])
    const logs = dataFiles(store).filter((f) => f.includes('.log.'))
    expect(logs.length).toBeLessThanOrEqual(bases * 2)
    for (const [n, instant] of [second, third].entries()) {
      const name = version === 6 ? new RegExp(`_${first}[.]log[.]${n + 1}_\\d+-\\d+-0$`) : new RegExp(`_${instant}[.]log[.]1_\\d+-\\d+-0$`)
      expect(logs.filter((l) => name.test(l)).length, `logs of flush ${n + 2}`).toBeGreaterThan(0)
    }
    expect(await rows(store)).toEqual(['1 "N1 again" 5', '2 "back" 6', '3 "N3!" 4'])
  })

  it('comes to the same rows with Avro blocks in its logs', async () => {
    const types = async (blocks: LogBlocks): Promise<{ rows: string[]; types: string[] }> => {
      const store = new MemoryStore(clock)
      const writer = await open(store, version, {}, blocks)
      await write(writer, [c('c', 1, 'one', 1n), c('c', 2, 'two', 1n), c('c', 3, null, 1n)])
      await write(writer, [c('u', 1, 'ONE', 2n), c('d', 2), c('c', 4, null, 2n)])
      const key = `orders/${dataFiles(store).find((f) => f.includes('.log.'))}`
      const found: string[] = []
      for await (const b of new LogReader(store, key, (await store.get(key)).length).blocks())
        found.push(b.kind === 'block' ? b.type : b.problem)
      return { rows: await rows(store), types: found }
    }
    const avro = await types('avro')
    expect(avro).toEqual({ rows: ['1 "ONE" 2', '3 null 1', '4 null 2'], types: ['avro', 'delete'] })
    expect((await types('parquet')).rows).toEqual(avro.rows)
  })

  it('has in each log a block of rows and one of deletes, with instant and schema, and no key in both', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(
      writer,
      [1, 2, 3].map((i) => c('c', i, `n${i}`, 1n)),
    )
    const instant = await write(writer, [
      c('u', 1, 'N1', 2n),
      c('d', 2),
      c('d', 3),
      c('c', 3, 'again', 3n),
      c('c', 9, 'short', 3n),
      c('d', 9),
    ])
    const key = `orders/${dataFiles(store).find((f) => f.includes('.log.'))}`
    const blocks = []
    for await (const b of new LogReader(store, key, (await store.get(key)).length).blocks()) blocks.push(b)
    expect(blocks.map((b) => b.kind === 'block' && b.type)).toEqual(['parquet', 'delete'])
    for (const b of blocks) {
      if (b.kind !== 'block') throw new Error(b.problem)
      expect(b.header.get('instant')).toBe(instant)
      const fields = (JSON.parse(b.header.get('schema') ?? '{}') as { fields: { name: string }[] }).fields.map((f) => f.name)
      expect(fields.slice(3)).toEqual(['_hoodie_partition_path', '_hoodie_file_name', 'id', 'name', '_event_lsn'])
    }
    const ts = new TimelineStore(store, 'orders', clock)
    await ts.refresh()
    const [stat] = (await ts.commit(instant, 'deltacommit')).stats.get('') ?? []
    expect(stat).toMatchObject({ numWrites: 2, numInserts: 0, numUpdateWrites: 2, numDeletes: 2, logVersion: 1, logOffset: 0 })
    const [slice] = await fileSlices(ts, null)
    const base = slice.base!.key.slice('orders/'.length)
    expect(stat).toMatchObject({ prevCommit: slice.baseInstant, baseFile: base })
    expect(stat.logFiles).toEqual([key.slice('orders/'.length)])
    expect((await writer.checkpoint())?.nextOffset).toBe(7)
  })

  it('reads nothing of what is stored when the changes say everything', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(
      writer,
      Array.from({ length: 100 }, (_, i) => c('c', i, `n${i}`, 1n)),
    )
    await write(writer, [c('u', 1, 'first', 2n)])
    const ranges = store.counter.counts.get('range')?.calls ?? 0
    const gets = store.counter.counts.get('get')?.bytes ?? 0
    await write(writer, [c('u', 1, 'N1', 3n), c('d', 2), c('c', 200, 'new', 4n)])
    expect(store.counter.counts.get('range')?.calls ?? 0).toBe(ranges)
    expect((store.counter.counts.get('get')?.bytes ?? 0) - gets, 'the configuration').toBeLessThan(10_000)
  })

  it('costs nine calls of the store for a flush into one file group, however long the timeline', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    const calls = (): Record<string, number> => Object.fromEntries([...store.counter.counts].map(([name, c]) => [name, c.calls]))
    for (let i = 0; i < 30; i++) {
      const before = calls()
      await write(writer, [c('u', 1, `n${i}`, BigInt(i))])
      if (i < 2) continue
      const after = calls()
      const made = Object.entries(after).flatMap(([name, n]) => (n === (before[name] ?? 0) ? [] : [[name, n - (before[name] ?? 0)]]))
      const { 'writer.write': _, ...rest } = Object.fromEntries(made) as Record<string, number>
      expect(rest).toEqual({ get: 1, list: 2, putIfAbsent: 4, 'writer.close': 1, delete: 1 })
    }
  })

  it('takes values that the log does not repeat from base files and from logs', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(
      writer,
      [1, 2, 3].map((i) => c('c', i, `n${i}`, 1n)),
    )
    await write(writer, [c('u', 2, 'from a log', 2n)])
    const without = (id: number, lsn: bigint): TestChange => ({ op: 'u', row: [id, null, lsn], gone: [1] })
    await write(writer, [without(1, 3n), without(2, 4n)])
    await write(writer, [without(2, 5n), without(2, 6n)])
    expect(await rows(store)).toEqual(['1 "n1" 3', '2 "from a log" 6', '3 "n3" 1'])
  })

  it('after a truncate holds only what followed it, in base files', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version, { buckets: 2 })
    await write(
      writer,
      [1, 2, 3, 4, 5].map((i) => c('c', i, `n${i}`, 1n)),
    )
    await write(writer, [c('u', 2, 'log', 2n), c('c', 6, 'log', 2n)])
    const staged = await writer.stage([changesOf(COLUMNS, [c('u', 1, 'before', 3n), c('t'), c('c', 7, 'after', 4n)], false)])
    expect(staged.counts).toEqual({ inserted: 1, updated: 0, deleted: 6 })
    await writer.commit(staged, CHECKPOINT)
    expect(await rows(store)).toEqual(['7 "after" 4'])
    const plan = await new LakeTableReader(store, 'orders', clock).plan({ kind: 'latest' }, 'snapshot')
    expect(plan.slices.every((s) => s.logs.length === 0 && s.baseInstant === staged.instant)).toBe(true)
  })

  it('puts an update of a row in a file group of another engine there, and new rows where they belong', async () => {
    const before = new MemoryStore(clock)
    await write(
      await open(before, version, { buckets: 2 }),
      [1, 2, 3, 4, 5, 6].map((i) => c('c', i, `n${i}`, 1n)),
    )
    const ours = (await new LakeTableReader(before, 'orders', clock).plan({ kind: 'latest' })).files[0].fileId
    const store = await renamed(before, clock, ours, 'deadbeef-0001-4000-8000-00000000abcd-7')
    const writer = await open(store, version, { buckets: 2 })
    for (const n of [2n, 3n]) {
      await write(writer, [...[1, 2, 3, 4].map((i) => c('u', i, `N${i}`, n)), c('d', 5), c('c', 7, 'n7', n), c('c', 8, 'n8', n)])
    }
    const expected = ['1 "N1" 3', '2 "N2" 3', '3 "N3" 3', '4 "N4" 3', '6 "n6" 1', '7 "n7" 3', '8 "n8" 3']
    expect(await rows(store)).toEqual(expected)
  })

  it('without buckets gets every new key in a base file, where the indexes of other engines look for it, in one of ours too', async () => {
    const store = new MemoryStore(clock)
    await write(await open(store, version), [c('c', 1, 'a', 1n)])
    await new TimelineStore(store, 'orders', clock).updateProperties((p) => {
      for (const name of [...p.keys()]) if (/index|^tributary/.test(name)) p.delete(name)
    })
    for (const n of [2, 3]) {
      const writer = await openWriterOf(store, (await writableSpec(store, 'orders', clock))!, { clock, scratchDir: join(dir, 'scratch') })
      await write(writer, [c('u', 1, `A${n}`, BigInt(n)), c('u', n, `n${n}`, BigInt(n)), c('d', 7)])
    }
    expect(await rows(store)).toEqual(['1 "A3" 3', '2 "n2" 2', '3 "n3" 3'])
    const base = await tableRows(store, 'orders', clock, 'read-optimized')
    expect(base.map((l) => JSON.parse(l) as Record<string, unknown>).map((r) => [r['id'], r['name']])).toEqual([
      [1, 'a'],
      [2, 'n2'],
      [3, 'n3'],
    ])
  })

  it('refuses a row without an ordering value, and is as before', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(writer, [c('c', 1, 'a', 1n)])
    await expect(writer.stage([changesOf(COLUMNS, [c('u', 1, 'b', null)], false)])).rejects.toMatchObject({ code: 'TRB-LAKE-023' })
    await write(writer, [c('u', 1, 'c', 2n), c('d', 5, null, null)])
    expect(await rows(store)).toEqual(['1 "c" 2'])
  })

  it('an abandoned flush leaves nothing that a reader sees', async () => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(writer, [c('c', 1, 'a', 1n)])
    await write(writer, [c('u', 1, 'b', 2n)])
    const staged = await writer.stage([changesOf(COLUMNS, [c('u', 1, 'no', 3n), c('c', 2, 'no', 3n)], false)])
    await writer.abandon(staged)
    expect(await rows(store)).toEqual(['1 "b" 2'])
    await write(writer, [c('u', 1, 'yes', 4n)])
    expect(await rows(store)).toEqual(['1 "yes" 4'])
    const logs = dataFiles(store).filter((f) => f.includes('.log.')).length
    expect(logs, version === 6 ? 'two of commits, one rolled back, one rollback' : 'two of commits').toBe(version === 6 ? 4 : 2)
  })
})

it.each(VERSIONS)(
  'version %i: before a column gets a wider type, logs of the narrower one are compacted where Hudi 0.x reads the table',
  async (version) => {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(writer, [c('c', 1, 'a', 1n), c('c', 2, 'b', 1n)])
    await write(writer, [c('u', 1, 'A', 2n)])
    const wider = COLUMNS.map((x): LakeColumn => (x.name === 'id' ? { name: 'id', type: { kind: 'long' } } : x))
    await writer.evolve(COLUMNS)
    await writer.evolve(wider)
    const staged = await writer.stage([changesOf(wider, [c('u', 2n, 'B', 3n)], false)])
    expect(await writer.commit(staged, CHECKPOINT)).toBe('committed')
    const ts = new TimelineStore(store, 'orders', clock)
    await ts.refresh()
    const [slice] = await fileSlices(ts, null)
    expect([slice.logs.length, ts.timeline.instants.filter((i) => i.action === 'compaction').length]).toEqual(
      version === 6 ? [1, 1] : [2, 0],
    )
    expect((await storedRows(store, 'orders', wider)).map((r) => r.map(show).join(' ')).sort()).toEqual(['1 "A" 2', '2 "B" 3'])
  },
)

describe('while a compaction of the group is pending', () => {
  async function withPending(version: 6 | 9): Promise<{ store: MemoryStore; writer: TableWriter; at: string }> {
    const store = new MemoryStore(clock)
    const writer = await open(store, version)
    await write(writer, [c('c', 1, 'a', 1n), c('c', 2, 'b', 1n)])
    await write(writer, [c('u', 1, 'A', 2n)])
    const ts = new TimelineStore(store, 'orders', clock)
    await ts.refresh()
    const [s] = await fileSlices(ts, null)
    const name = (key: string): string => key.slice(key.lastIndexOf('/') + 1)
    const operation = { partition: '', fileId: s.fileId, baseInstant: s.baseInstant, baseFile: name(s.base!.key) }
    const operations = [{ ...operation, logFiles: s.logs.map((l) => l.name), metrics: {} }]
    const at = ts.nextTime()
    const body = printCompactionPlan({ operations, extra: new Map() }, version, ts.sync())
    expect(await ts.perform({ event: 'request', action: 'compaction', time: at, claims: [`/${s.fileId}`] }, body)).toBe('done')
    return { store, writer, at }
  }

  it.each(VERSIONS)('version %i: logs go on top of it, and are read', async (version) => {
    const { store, writer, at } = await withPending(version)
    await write(writer, [c('u', 2, 'B', 3n)])
    const instant = await write(writer, [c('u', 1, 'A!', 4n)])
    const names = dataFiles(store).filter((f) => f.includes(version === 6 ? `_${at}.log.` : `_${instant}.log.`))
    expect(names.map((f) => Number(/log[.](\d+)/.exec(f)![1])).sort()).toEqual(version === 6 ? [1, 2] : [1])
    expect(await rows(store)).toEqual(['1 "A!" 4', '2 "B" 3'])
  })

  it.each(VERSIONS)('version %i: a truncate is refused', async (version) => {
    const { store, writer } = await withPending(version)
    await expect(writer.stage([changesOf(COLUMNS, [c('t')], false)])).rejects.toMatchObject({ code: 'TRB-LAKE-010' })
    expect(await rows(store)).toEqual(['1 "A" 2', '2 "b" 1'])
  })
})
