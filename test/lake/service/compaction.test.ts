import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { compactAll, resumeCompactions } from '../../../src/lake/service/compaction.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenAnswers, goldenFiles, goldenStore, MOR_TABLES } from '../../support/golden-table.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from '../write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'compaction-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const deps = { scratchDir, memoryBudget: 1 << 20, rowGroupBytes: 1 << 20 }
const clock = fixedClock(Date.UTC(2026, 10, 22))

const rows = (store: MemoryStore, kind: 'snapshot' | 'read-optimized', asOf: string | null): Promise<string[]> =>
  tableRows(store, 't', clock, kind, asOf)

async function opened(store: MemoryStore): Promise<TimelineStore> {
  const ts = new TimelineStore(store, 't', clock)
  await ts.properties()
  await ts.refresh()
  return ts
}

/** States that can still be read. */
async function states(store: MemoryStore): Promise<Map<string, readonly string[]>> {
  const out = new Map<string, readonly string[]>()
  for (const { time } of completedWrites((await opened(store)).timeline, null)) out.set(time, await rows(store, 'snapshot', time))
  return out
}

const isOpen = (table: string): boolean =>
  /\.deltacommit\.inflight$/m.test([...goldenFiles(table).keys()].join('\n')) && table.endsWith('rollback_pending')

it.each(['v6_mor_part', 'v6_mor_nonpart', 'v9_mor_part'])(
  '%s: a compaction records of the logs what Hudi recorded of the same one',
  async (name) => {
    const facts = async (store: MemoryStore): Promise<unknown[]> => {
      const ts = await opened(store)
      const on = completedWrites(ts.timeline, null).find((i) => i.action === 'compaction')!
      const { stats } = await ts.commit(on.time, on.action)
      return [...stats.values()]
        .flat()
        .map((s) => {
          const { partitionPath, fileId, prevCommit, prevBaseFile = null, totalLogFilesCompacted } = s
          // Hudi 1.x records other bytes than those of the files
          const totalLogSizeCompacted = ts.layout === 1 ? s.totalLogSizeCompacted : null
          const { totalLogRecords, totalLogBlocks, totalUpdatedRecordsCompacted } = s
          const logs = { totalLogFilesCompacted, totalLogSizeCompacted, totalLogRecords, totalLogBlocks, totalUpdatedRecordsCompacted }
          return { partitionPath, fileId, prevCommit, prevBaseFile, ...logs }
        })
        .sort((a, b) => (a.fileId < b.fileId ? -1 : 1))
    }
    const store = await goldenStore(`${name}_compaction_requested`, 't')
    await resumeCompactions(await opened(store), deps)
    const theirs = await facts(await goldenStore(`${name}_compacted`, 't'))
    expect(theirs.length).toBeGreaterThan(0)
    expect(await facts(store)).toEqual(theirs)
  },
)

describe.each(MOR_TABLES.filter((t) => !isOpen(t)))('%s, compacted', (table) => {
  const cleaned = table.includes('clean_archive') || table.includes('savepoint')
  it('has the rows of before, with their commit times and sequence numbers, now and at every earlier instant', async () => {
    const store = await goldenStore(table, 't')
    const before = await rows(store, 'snapshot', null)
    const history = cleaned ? new Map<string, readonly string[]>() : await states(store)
    const ts = await opened(store)
    const had = (await fileSlices(ts, null)).filter((s) => s.logs.length > 0).length
    const done = await compactAll(ts, deps)
    expect(done.reduce((n, d) => n + d.fileGroups, 0)).toBeGreaterThanOrEqual(had === 0 ? 0 : 1)
    expect((await fileSlices(await opened(store), null)).every((s) => s.logs.length === 0)).toBe(true)
    expect(await rows(store, 'snapshot', null)).toEqual(before)
    expect(await rows(store, 'read-optimized', null)).toEqual(before)
    for (const [time, was] of history) expect(await rows(store, 'snapshot', time), time).toEqual(was)
    if (goldenAnswers(table).queries.snapshot !== undefined) {
      const expected = goldenAnswers(table).correct_snapshot ?? goldenAnswers(table).queries.snapshot
      expect(before.length).toBe(expected.length)
    }
    const counted = done.length === 0 ? null : await (await opened(store)).commit(done.at(-1)!.instant, 'compaction')
    expect(counted?.compacted ?? true).toBe(true)
  })
})

describe('a compaction that another engine planned', () => {
  it.each([
    'v6_mor_part_compaction_requested',
    'v6_mor_part_compaction_inflight',
    'v6_mor_part_compaction_requested_then_upsert',
    'v9_mor_part_compaction_requested',
    'v9_mor_part_compaction_inflight',
    'v9_mor_part_compaction_requested_then_upsert',
  ])('%s: is carried out at its own time, without a new plan', async (table) => {
    const store = await goldenStore(table, 't')
    const ts = await opened(store)
    const pending = ts.timeline.instants.filter((i) => i.action === 'compaction' && i.state !== 'completed').map((i) => i.time)
    const before = await rows(store, 'snapshot', null)
    const done = await resumeCompactions(ts, deps)
    expect(done.map((d) => d.instant)).toEqual(pending)
    expect(done.every((d) => d.resumed && d.fileGroups === 3)).toBe(true)
    expect(await rows(store, 'snapshot', null)).toEqual(before)
  })

  it('of which a file is gone is refused, and stays pending', async () => {
    const store = await goldenStore('v6_mor_part_compaction_requested', 't')
    const log = [...goldenFiles('v6_mor_part_compaction_requested').keys()].find((k) => k.includes('.log.2'))!
    await store.delete([`t/${log}`])
    await expect(resumeCompactions(await opened(store), deps)).rejects.toMatchObject({ code: 'TRB-LAKE-090' })
    expect((await opened(store)).timeline.instants.some((i) => i.action === 'compaction' && i.state === 'requested')).toBe(true)
  })
})

describe('a table of ours', () => {
  const COLUMNS: readonly LakeColumn[] = [
    { name: 'id', type: { kind: 'int' } },
    { name: 'day', type: { kind: 'date' } },
    { name: '_event_lsn', type: { kind: 'long' } },
  ]
  it.each([
    { what: 'without a key', key: [], partition: null },
    { what: 'with partitions by month', key: ['id'], partition: { column: 'day', truncate: 'month' } },
  ] as const)('$what: is the same after a compaction, and is written to as before', async ({ key, partition }) => {
    for (const tableVersion of [6, 9] as const) {
      const store = new MemoryStore(clock)
      const shape = { key, orderingField: '_event_lsn', partition, buckets: 2, tableType: 'MERGE_ON_READ', tableVersion } as const
      const spec: TableSpec = { name: 't', database: 'd', path: 't', columns: COLUMNS, ...shape }
      const bag = key.length === 0
      const write = async (...changes: (readonly ['c' | 'd', number, bigint])[]): Promise<void> => {
        const writer = await openTableWriter(store, spec, { clock, scratchDir })
        const list = changes.map(([op, id, lsn]): TestChange => ({ op, row: [id, 20_000 + id * 20, lsn], gone: [] }))
        await writer.commit(await writer.stage([changesOf(COLUMNS, list, bag)]), null)
      }
      await write(['c', 1, 1n], ['c', 2, 2n], ['c', 3, 3n])
      await write(['c', 2, 4n], ['d', 3, 5n], ['c', 4, 6n])
      await write(['c', 4, 7n], ['c', 5, 8n])
      const before = await rows(store, 'snapshot', null)
      expect(before).toHaveLength(bag ? 6 : 4)
      expect((await compactAll(await opened(store), deps)).length).toBe(1)
      expect(await rows(store, 'read-optimized', null)).toEqual(before)
      await write(['d', 2, 9n], ['c', 9, 10n])
      expect(await rows(store, 'snapshot', null)).toHaveLength(before.length)
    }
  })
})
