import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { toVector } from '../../../src/format/parquet/column.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { cluster, DEFAULT_CLUSTERING, resumeClusterings } from '../../../src/lake/service/clustering.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { type Value, valuesOf } from '../../format/parquet/values.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { COW_TABLES, goldenStore, MOR_TABLES } from '../../support/golden-table.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from '../write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'clustering-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const clock = fixedClock(Date.UTC(2026, 10, 22))
const deps = { scratchDir, memoryBudget: 1 << 26, rowGroupBytes: 1 << 20 }

async function opened(store: MemoryStore): Promise<TimelineStore> {
  const ts = new TimelineStore(store, 't', clock)
  await ts.properties()
  await ts.refresh()
  return ts
}

/** Values of a column in the order in which they are stored, file after file. */
async function stored(store: MemoryStore, name: string): Promise<Value[][]> {
  const out: Value[][] = []
  for (const s of await fileSlices(await opened(store), null)) {
    const file = await ParquetFile.open(store, s.base!.key, s.base!.bytes)
    const values: Value[] = []
    for (const [g, { rows }] of file.meta.rowGroups.entries()) {
      const column = await file.read(g, name, { kind: 'string' })
      values.push(...valuesOf({ kind: 'string' }, toVector(column!), rows))
    }
    out.push(values)
  }
  return out
}

/** Tables in whose way nothing is: no pending plan, no open write. */
const TABLES = [...COW_TABLES, ...MOR_TABLES].filter((t) => !/requested|inflight|pending|clean_archive|savepoint|bucket/.test(t))

describe.each(TABLES)('%s, clustered', (table) => {
  it('has the rows of before, with their commit times and sequence numbers, now and at every earlier instant', async () => {
    const store = await goldenStore(table, 't')
    const before = await tableRows(store, 't', clock, 'snapshot')
    const history = new Map<string, readonly string[]>()
    for (const { time } of completedWrites((await opened(store)).timeline, null)) {
      history.set(time, await tableRows(store, 't', clock, 'snapshot', time))
    }
    const ts = await opened(store)
    const slices = (await fileSlices(ts, null)).length
    const done = await cluster(ts, { ...DEFAULT_CLUSTERING, sort: ['id'] }, deps)
    expect(done).toMatchObject({ replaced: slices, rows: before.length, resumed: false })
    expect(await tableRows(store, 't', clock, 'snapshot')).toEqual(before)
    for (const [time, was] of history) expect(await tableRows(store, 't', clock, 'snapshot', time), time).toEqual(was)
    for (const values of await stored(store, 'id')) expect(values).toEqual([...values].sort())
    const metadata = await (await opened(store)).commit(done!.instant, 'clustering')
    expect([metadata.operation, [...(metadata.replaced ?? [])].flatMap(([, ids]) => ids).length]).toEqual(['CLUSTER', slices])
  })
})

describe('a clustering that another engine planned', () => {
  it.each(['v6_cow_clustering_requested', 'v9_cow_clustering_requested'])('%s: is carried out at its own time', async (table) => {
    const store = await goldenStore(table, 't')
    const ts = await opened(store)
    const pending = ts.timeline.instants.find((i) => i.action === 'clustering')!
    const before = await tableRows(store, 't', clock, 'snapshot')
    expect(await resumeClusterings(ts, deps)).toMatchObject([{ instant: pending.time, replaced: 2, written: 1, resumed: true }])
    expect(await tableRows(store, 't', clock, 'snapshot')).toEqual(before)
    expect((await opened(store)).timeline.instants.every((i) => i.state === 'completed')).toBe(true)
  })
})

describe('a table of ours', () => {
  const COLUMNS: readonly LakeColumn[] = [
    { name: 'id', type: { kind: 'int' } },
    { name: 'note', type: { kind: 'string' } },
    { name: '_event_lsn', type: { kind: 'long' } },
  ]
  const spec: TableSpec = {
    ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null },
    ...{ buckets: 2, tableType: 'COPY_ON_WRITE', tableVersion: 6 },
  }
  const write = async (store: MemoryStore, changes: readonly TestChange[]): Promise<void> => {
    const writer = await openTableWriter(store, spec, { clock, scratchDir })
    expect(await writer.commit(await writer.stage([changesOf(COLUMNS, changes, false)]), null)).toBe('committed')
  }
  const rows = (n: number): TestChange[] =>
    Array.from({ length: n }, (_, i) => ({ op: 'c', row: [i, `note ${(i * 7) % 10}`, BigInt(i)], gone: [] }))

  it('keeps its buckets, and is written to as before', async () => {
    const store = new MemoryStore(clock)
    await write(store, rows(30))
    const done = await cluster(await opened(store), { ...DEFAULT_CLUSTERING, sort: ['note', 'id'], targetBytes: 1 }, deps)
    expect(done).toMatchObject({ replaced: 2, written: 2, rows: 30 })
    for (const values of await stored(store, 'note')) expect(values).toEqual([...values].sort())
    await write(store, [
      { op: 'u', row: [3, 'changed', 100n], gone: [] },
      { op: 'd', row: [4, null, 101n], gone: [] },
    ])
    const after = await tableRows(store, 't', clock, 'snapshot')
    expect([after.length, after.filter((r) => r.includes('changed')).length]).toEqual([29, 1])
    expect(await fileSlices(await opened(store), null)).toHaveLength(2)
  })

  it('is left alone when nothing is due, and refuses columns without an order (TRB-LAKE-091)', async () => {
    const store = new MemoryStore(clock)
    await write(store, rows(3))
    expect(await cluster(await opened(store), DEFAULT_CLUSTERING, deps)).toBe(null)
    await expect(cluster(await opened(store), { ...DEFAULT_CLUSTERING, sort: ['none'] }, deps)).rejects.toMatchObject({
      code: 'TRB-LAKE-091',
    })
    expect((await opened(store)).timeline.instants.filter((i) => i.action !== 'commit')).toEqual([])
  })

  it('refuses a writer that comes in between (TRB-LAKE-012)', async () => {
    const store = new MemoryStore(clock)
    await write(store, rows(10))
    const ts = await opened(store)
    const range = store.range.bind(store)
    let came = false
    store.range = async (key, start, length) => {
      if (!came) {
        came = true
        const late = write(store, [{ op: 'c', row: [77, 'in between', 500n], gone: [] }])
        await expect(late).rejects.toMatchObject({ code: 'TRB-LAKE-012' })
      }
      return range(key, start, length)
    }
    expect(await cluster(ts, { ...DEFAULT_CLUSTERING, sort: ['note'] }, deps)).toMatchObject({ rows: 10 })
    expect(came).toBe(true)
  })

  it.each(['carries it through', 'takes it back'] as const)('that died in a clustering loses nothing; who comes next %s', async (next) => {
    for (let call = 0, done = false; !done; call += 3) {
      const store = new MemoryStore(clock)
      await write(store, rows(10))
      const before = await tableRows(store, 't', clock, 'snapshot')
      const ts = await opened(store)
      const from = store.calls
      store.faults = (n) => (n === from + call ? 'crash-after' : null)
      try {
        await cluster(ts, { ...DEFAULT_CLUSTERING, sort: ['note'] }, deps)
        done = true
      } catch (e) {
        expect(e).toBeInstanceOf(SimulatedCrash)
      }
      const after = store.reopen()
      clock.advance(121_000)
      expect(await tableRows(after, 't', clock, 'snapshot')).toEqual(before)
      if (next === 'takes it back') await write(after, [{ op: 'c', row: [77, 'later', 500n], gone: [] }])
      else await resumeClusterings(await opened(after), deps)
      const now = await tableRows(after, 't', clock, 'snapshot')
      expect(now.filter((r) => !r.includes('later'))).toEqual(before)
      expect((await opened(after)).timeline.instants.every((i) => i.state === 'completed')).toBe(true)
    }
  })
})
