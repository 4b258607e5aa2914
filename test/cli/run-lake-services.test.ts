import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { feedLake, type LakeServicesDone } from '../../src/cli/cdc/run-lake.ts'
import { lakePolicy, type ServiceSettings } from '../../src/cli/cdc/run-services.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../src/contract/table.ts'
import type { OwnerProbe } from '../../src/lake/lake-lock.ts'
import { openTable } from '../../src/lake/open-table.ts'
import { fileSlices } from '../../src/lake/read/slices.ts'
import { cluster, DEFAULT_CLUSTERING } from '../../src/lake/service/clustering.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import type { FeedLake } from '../../src/pipeline/feed-lake.ts'
import { MemoryStore, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { tableRows } from '../lake/table-rows.ts'
import { changesOf, type TestChange } from '../lake/write/model.ts'
import { fixedClock } from '../support/fixed-clock.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'run-lake-services-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const clock = fixedClock(Date.UTC(2026, 10, 22))
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const PATH = 'd/shop/orders'
const spec: TableSpec = {
  ...{ name: 'orders', database: 'd', path: PATH, columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null },
  ...{ buckets: 1, tableType: 'MERGE_ON_READ', tableVersion: 6 },
}
const HOUR = 3_600_000
const DEFAULTS: ServiceSettings = {
  ...{ compactLogs: 10, compactShare: 50, compactLogFiles: 30, clusterSort: {}, clusterEveryMs: 24 * HOUR },
  ...{ bucketBytes: 100 << 20, keepHistoryMs: 24 * HOUR, keepCommits: 20 },
}
const me: OwnerProbe = { self: { pid: 1, host: 'here', started: 'now' }, isAlive: (o) => (o.host === 'here' ? o.pid === 1 : null) }

interface Run {
  readonly lake: Required<FeedLake>
  readonly done: LakeServicesDone[]
  readonly warnings: string[]
}

function run(store: MemoryStore, settings: Partial<ServiceSettings>): Run {
  const done: LakeServicesDone[] = []
  const warnings: string[] = []
  const place = { store, clock, scratchDir, concurrency: { mode: 'auto', lock: 'storage' }, owner: me } as const
  const tell = { warning: (text: string) => void warnings.push(text), service: (_: string, d: LakeServicesDone) => void done.push(d) }
  return { lake: feedLake(place, lakePolicy({ ...DEFAULTS, ...settings }), tell) as Required<FeedLake>, done, warnings }
}

async function flush({ lake }: Run, writer: TableWriter, changes: readonly TestChange[]): Promise<void> {
  clock.advance(1000)
  expect(await writer.commit(await writer.stage([changesOf(COLUMNS, changes, false)]), null)).toBe('committed')
  await lake.maintain(PATH)
}

const created = (from: number, to: number): TestChange[] =>
  Array.from({ length: to - from }, (_, i) => ({ op: 'c', row: [from + i, `note ${(i * 7) % 10}`, BigInt(from + i)], gone: [] }))
const update = (id: number, lsn: number): TestChange => ({ op: 'u', row: [id, 'changed', BigInt(lsn)], gone: [] })
const opened = async (store: MemoryStore): Promise<TimelineStore> => {
  const ts = new TimelineStore(store, PATH, clock)
  await ts.properties()
  await ts.refresh()
  return ts
}

test('small logs are put together every so many of them, also by the run that comes after; rows stay the same', async () => {
  const store = new MemoryStore(clock)
  const first = run(store, { compactLogs: 0, compactLogFiles: 4 })
  const writer = await first.lake.create(spec)
  await first.lake.maintain(PATH)
  await flush(first, writer, created(0, 50))
  for (let i = 0; i < 9; i++) await flush(first, writer, [update(i, 100 + i)])
  expect(first.done.map((d) => d.logsCompacted)).toEqual([1, 1])
  const again = run(store, { compactLogs: 0, compactLogFiles: 4 })
  const next = (await again.lake.open(PATH))!
  await again.lake.maintain(PATH)
  for (let i = 0; i < 3; i++) await flush(again, next, [update(i, 200 + i)])
  // two logs were there since the last time, the one that stands for the others among them
  expect(again.done.map((d) => d.logsCompacted)).toEqual([1])
  expect(await tableRows(store, PATH, clock, 'snapshot')).toHaveLength(50)
})

test('logs of a certain age are enough for a compaction, however few and small; the run that comes after looks at once', async () => {
  const store = new MemoryStore(clock)
  const ages = { compactLogs: 100, compactShare: 1000, compactLogFiles: 0, compactAgeMs: HOUR }
  const first = run(store, ages)
  const writer = await first.lake.create({ ...spec, tableVersion: 9 })
  await first.lake.maintain(PATH)
  await flush(first, writer, created(0, 50))
  await flush(first, writer, [update(1, 100)])
  await flush(first, writer, [update(2, 101)])
  clock.advance(HOUR / 2)
  await flush(first, writer, [update(3, 102)])
  expect(first.done).toEqual([])
  clock.advance(HOUR / 2)
  await flush(first, writer, [update(4, 103)])
  expect(first.done.map((d) => d.compacted)).toEqual([1])
  await flush(first, writer, [update(5, 104)])
  clock.advance(HOUR)
  const again = run(store, ages)
  await again.lake.open(PATH)
  await again.lake.maintain(PATH)
  expect(again.done.map((d) => d.compacted)).toEqual([1])
  expect((await fileSlices(await opened(store), null)).flatMap((s) => s.logs)).toEqual([])
  expect(await tableRows(store, PATH, clock, 'snapshot')).toHaveLength(50)
})

test('rows are sorted a while after it was asked for, then again when the time is over and something was written', async () => {
  const store = new MemoryStore(clock)
  const a = run(store, { clusterSort: { 'shop.orders': ['note', 'id'] }, clusterEveryMs: HOUR, compactLogs: 2, compactShare: 1 })
  const writer = await a.lake.create(spec)
  await a.lake.maintain(PATH)
  await flush(a, writer, created(0, 30))
  expect(a.done).toEqual([])
  clock.advance(HOUR)
  await a.lake.maintain(PATH)
  expect(a.done.map((d) => d.clustered)).toEqual([1])
  const notes = (await tableRows(store, PATH, clock, 'snapshot')).map((r) => /note \d/.exec(r)![0])
  expect(notes).toHaveLength(30)
  clock.advance(2 * HOUR)
  await a.lake.maintain(PATH)
  expect(a.done.filter((d) => d.clustered > 0)).toHaveLength(1)
  await flush(a, writer, [update(3, 500)])
  clock.advance(2 * HOUR)
  await a.lake.maintain(PATH)
  expect(a.done.filter((d) => d.clustered > 0)).toHaveLength(2)
})

test('a table without the columns is written all the same, and it is said once', async () => {
  const store = new MemoryStore(clock)
  const a = run(store, { clusterSort: { 'shop.orders': ['colour'] }, clusterEveryMs: HOUR })
  const writer = await a.lake.create(spec)
  await a.lake.maintain(PATH)
  for (let i = 0; i < 3; i++) {
    clock.advance(2 * HOUR)
    await flush(a, writer, [update(i, i)])
  }
  expect(a.warnings).toEqual([expect.stringContaining('cannot be sorted by colour')])
  expect(await tableRows(store, PATH, clock, 'snapshot')).toHaveLength(3)
})

test.each(['MERGE_ON_READ', 'COPY_ON_WRITE'] as const)(
  '%s: a table whose base files outgrow their size gets more buckets',
  async (tableType) => {
    const store = new MemoryStore(clock)
    const a = run(store, { bucketBytes: 10_000 })
    const writer = await a.lake.create({ ...spec, tableType })
    await a.lake.maintain(PATH)
    await flush(a, writer, created(0, 2000))
    expect(a.done).toHaveLength(1)
    const { buckets } = a.done[0]
    expect(buckets).toBeGreaterThan(1)
    await flush(a, writer, [...created(2000, 2100), ...[1, 2, 3].map((id) => update(id, 5000))])
    const after = await tableRows(store, PATH, clock, 'snapshot')
    expect([after.length, new Set(after.map((r) => /"id":(\d+)/.exec(r)?.[1])).size]).toEqual([2100, 2100])
    expect([(await openTable(store, PATH, clock)).buckets, (await fileSlices(await opened(store), null)).length]).toEqual([
      buckets,
      buckets,
    ])
    expect(a.done).toHaveLength(1)
  },
)

test('what a killed clustering of this machine left is carried through at once; that of another machine only when its heartbeat is old', async () => {
  for (const host of ['here', 'elsewhere']) {
    const store = new MemoryStore(clock)
    const before = run(store, {})
    const writer = await before.lake.create(spec)
    await flush(before, writer, created(0, 20))
    const ts = await opened(store)
    ts.owner = { self: { pid: 2, host, started: 'then' }, isAlive: () => true }
    store.faults = (_, op, key) => (op === 'range' && key.endsWith('.parquet') ? 'crash-before' : null)
    const deps = { scratchDir, memoryBudget: 1 << 20, rowGroupBytes: 1 << 20 }
    await expect(cluster(ts, { ...DEFAULT_CLUSTERING, sort: ['note'] }, deps)).rejects.toBeInstanceOf(SimulatedCrash)
    const left = store.reopen()
    const other = await opened(left)
    other.owner = me
    const pending = other.timeline.instants.find((i) => i.action === 'clustering')!
    const age = await other.heartbeatAge(pending.time)
    const after = run(left, {})
    const next = (await after.lake.open(PATH))!
    if (host === 'here') {
      expect(age).toBe(Number.POSITIVE_INFINITY)
      await flush(after, next, [update(1, 500)])
    } else {
      expect(age).toBeLessThan(1000)
      await expect(next.stage([changesOf(COLUMNS, [update(1, 500)], false)])).rejects.toMatchObject({ code: 'TRB-LAKE-012' })
    }
    expect(await tableRows(left, PATH, clock, 'snapshot')).toHaveLength(20)
  }
})
