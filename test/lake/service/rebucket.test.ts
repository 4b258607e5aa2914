import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { openTable } from '../../../src/lake/open-table.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { type ClusteringPolicy, cluster, DEFAULT_CLUSTERING, resumeClusterings } from '../../../src/lake/service/clustering.ts'
import { compactAll } from '../../../src/lake/service/compaction.ts'
import { restore } from '../../../src/lake/service/restore.ts'
import { createSavepoint } from '../../../src/lake/service/savepoint.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from '../write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'rebucket-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const clock = fixedClock(Date.UTC(2026, 10, 22))
const deps = { scratchDir, memoryBudget: 1 << 26, rowGroupBytes: 1 << 20 }
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]

interface Shape {
  readonly tableType: TableSpec['tableType']
  readonly tableVersion: 6 | 9
  readonly key: readonly string[]
  readonly partition: TableSpec['partition']
  readonly buckets: number
}

const shapeOf = (s: Partial<Shape>): TableSpec => ({
  ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null },
  ...{ buckets: 2, tableType: 'COPY_ON_WRITE', tableVersion: 6 },
  ...s,
})

async function opened(store: MemoryStore): Promise<TimelineStore> {
  const ts = new TimelineStore(store, 't', clock)
  await ts.properties()
  await ts.refresh()
  return ts
}

async function write(store: MemoryStore, spec: TableSpec, changes: readonly TestChange[]): Promise<string> {
  const writer = await openTableWriter(store, spec, { clock, scratchDir })
  const staged = await writer.stage([changesOf(COLUMNS, changes, spec.key.length === 0)])
  expect(await writer.commit(staged, null)).toBe('committed')
  return staged.instant
}

const created = (from: number, to: number): TestChange[] =>
  Array.from({ length: to - from }, (_, i) => ({ op: 'c', row: [from + i, `note ${(from + i) % 3}`, BigInt(from + i)], gone: [] }))
const updated = (ids: readonly number[], lsn: bigint): TestChange[] => ids.map((id) => ({ op: 'u', row: [id, 'note 1', lsn], gone: [] }))
const rows = async (store: MemoryStore, at?: string): Promise<string[]> => [...(await tableRows(store, 't', clock, 'snapshot', at))].sort()
const into = (buckets: number): ClusteringPolicy => ({ ...DEFAULT_CLUSTERING, buckets })
const counts = async (store: MemoryStore): Promise<unknown[]> => {
  const p = await (await opened(store)).properties()
  return [(await openTable(store, 't', clock)).buckets, p.get('tributary.buckets'), p.get('hoodie.bucket.index.num.buckets')]
}
const whole = async (store: MemoryStore): Promise<void> => {
  expect((await verifyTable(await opened(store), true)).violations).toEqual([])
}

const SHAPES: readonly (readonly [string, TableSpec])[] = [
  ['copy-on-write, version 6', shapeOf({})],
  ['copy-on-write, version 9, partitioned', shapeOf({ tableVersion: 9, partition: { column: 'note', truncate: 'none' } })],
  ['merge-on-read, version 6', shapeOf({ tableType: 'MERGE_ON_READ' })],
  ['merge-on-read, version 9', shapeOf({ tableType: 'MERGE_ON_READ', tableVersion: 9 })],
]

describe.each(SHAPES)('a table %s with another number of buckets', (_, spec) => {
  it.each([
    [2, 6, 1 << 26],
    [6, 4, 1 << 10],
    [4, 1, 1 << 26],
  ])('(%i → %i, %i bytes of memory) has the rows of before, and every later write finds its keys', async (from, to, memoryBudget) => {
    const store = new MemoryStore(clock)
    const table = { ...spec, buckets: from }
    await write(store, table, created(0, 60))
    const first = await write(store, table, updated([3, 4, 5, 6], 100n))
    const before = await rows(store)
    const done = await cluster(await opened(store), { ...into(to), sort: ['note'] }, { ...deps, memoryBudget })
    expect(done).toMatchObject({ rows: 60, buckets: to, resumed: false })
    expect(await counts(store)).toEqual([to, String(to), String(to)])
    expect([await rows(store), await rows(store, first)]).toEqual([before, before])
    // a writer that still asks for the old number gets the table as it is
    await write(store, table, [...updated([3, 7, 30], 200n), ...created(60, 80), { op: 'd', row: [8, null, 201n], gone: [] }])
    if (spec.tableType === 'MERGE_ON_READ') await compactAll(await opened(store), deps)
    const after = await rows(store)
    expect([after.length, new Set(after.map((r) => /"id":(\d+)/.exec(r)?.[1])).size]).toEqual([79, 79])
    await whole(store)
    expect(await cluster(await opened(store), into(to), deps)).toBe(null)
  })

  it('is found whole after a crash at any call of the store, by who carries it through and by who takes it back', async () => {
    for (let call = 0, over = false; !over; call += 3) {
      const store = new MemoryStore(clock)
      await write(store, spec, created(0, 12))
      const before = await rows(store)
      const ts = await opened(store)
      const from = store.calls
      store.faults = (n) => (n === from + call ? 'crash-after' : null)
      try {
        await cluster(ts, into(3), deps)
        over = true
      } catch (e) {
        expect(e).toBeInstanceOf(SimulatedCrash)
      }
      const after = store.reopen()
      clock.advance(121_000)
      expect(await rows(after), `crash at ${call}`).toEqual(before)
      if (call % 2 === 0) await resumeClusterings(await opened(after), deps)
      await write(after, spec, updated([1, 2, 3, 4, 5], 100n))
      const now = await rows(after)
      expect(now.length, `crash at ${call}`).toBe(12)
      const [counted, ours, theirs] = await counts(after)
      expect([ours, theirs]).toEqual([String(counted), String(counted)])
      await whole(after)
    }
  })
})

it('rows without a key go to the buckets of their contents', async () => {
  const store = new MemoryStore(clock)
  const spec = shapeOf({ key: [], buckets: 2 })
  await write(store, spec, created(0, 20))
  const before = await rows(store)
  expect(await cluster(await opened(store), into(4), deps)).toMatchObject({ rows: 20, buckets: 4 })
  expect(await rows(store)).toEqual(before)
  await write(store, spec, [{ op: 'd', row: [3, 'note 0', 3n], gone: [] }])
  expect(await rows(store)).toHaveLength(19)
  await whole(store)
})

it('a writer that began before meets a conflict, stages again, and its rows are where they belong', async () => {
  // heartbeats wait for this one
  const still = manualClock(clock.now())
  const store = new MemoryStore(still)
  const spec = shapeOf({ tableType: 'MERGE_ON_READ' })
  await write(store, spec, created(0, 20))
  const concurrency = { mode: 'optimistic_concurrency_control', lock: 'storage' } as const
  const writer = await openTableWriter(store, spec, { clock: still, scratchDir, concurrency })
  const { tableConcurrency } = await import('../../../src/lake/lock/table-concurrency.ts')
  const sharing = await tableConcurrency(store, 't', still, concurrency)
  // before it, and while it is at work
  for (const during of [false, true]) {
    const change = (): ReturnType<typeof changesOf>[] => [changesOf(COLUMNS, updated([1, 2, 3], 500n), false)]
    let staged = during ? null : await writer.stage(change())
    const range = store.range.bind(store)
    store.range = async (key, start, length) => {
      store.range = range
      if (during) {
        staged = await writer.stage(change())
        expect(await writer.commit(staged, null)).toBe('conflict')
      }
      return range(key, start, length)
    }
    const ts = new TimelineStore(store, 't', still)
    ts.optimistic = true
    await ts.properties()
    await ts.refresh()
    expect(await cluster(ts, into(during ? 10 : 5), { ...deps, sharing })).not.toBe(null)
    if (!during) expect(await writer.commit(staged!, null)).toBe('conflict')
    await writer.abandon(staged!)
    expect(await writer.commit(await writer.stage(change()), null)).toBe('committed')
    expect((await rows(store)).length).toBe(20)
    await whole(store)
  }
})

it('a restore to a state before it brings the number of buckets back', async () => {
  const store = new MemoryStore(clock)
  const spec = shapeOf({})
  const first = await write(store, spec, created(0, 20))
  const before = await rows(store)
  await createSavepoint(await opened(store), first, 'u', '')
  for (const n of [4, 8]) await cluster(await opened(store), into(n), deps)
  await write(store, spec, updated([1], 500n))
  expect(await counts(store)).toEqual([8, '8', '8'])
  await restore(await opened(store), first)
  expect([await rows(store), await counts(store)]).toEqual([before, [2, '2', '2']])
  await write(store, spec, updated([1, 2, 3], 600n))
  expect(await rows(store)).toHaveLength(20)
  await whole(store)
})

it('a table that does not record its number of buckets is refused (TRB-LAKE-092), one with a pending compaction too (TRB-LAKE-010)', async () => {
  const foreign = await goldenStore('v6_cow_nonpart', 't')
  await expect(cluster(await opened(foreign), into(4), deps)).rejects.toMatchObject({ code: 'TRB-LAKE-092' })
  const store = new MemoryStore(clock)
  const spec = shapeOf({ tableType: 'MERGE_ON_READ', tableVersion: 9 })
  await write(store, spec, created(0, 5))
  await write(store, spec, updated([1, 2], 50n))
  const { compactable, scheduleCompaction } = await import('../../../src/lake/service/compaction.ts')
  const ts = await opened(store)
  await scheduleCompaction(ts, await compactable(ts))
  await expect(cluster(await opened(store), into(4), deps)).rejects.toMatchObject({ code: 'TRB-LAKE-010' })
  expect((await fileSlices(await opened(store), null)).length).toBe(2)
})
