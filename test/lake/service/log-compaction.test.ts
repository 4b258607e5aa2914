import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { compactAll } from '../../../src/lake/service/compaction.ts'
import { compactLogs, resumeLogCompactions } from '../../../src/lake/service/log-compaction.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, Model, type TestChange } from '../write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'log-compaction-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const clock = fixedClock(Date.UTC(2026, 10, 22))
const deps = { scratchDir, memoryBudget: 1 << 24, rowGroupBytes: 1 << 20, sole: true }

async function opened(store: MemoryStore): Promise<TimelineStore> {
  const ts = new TimelineStore(store, 't', clock)
  await ts.properties()
  await ts.refresh()
  return ts
}

const LOGS = [
  'v6_mor_avroblk',
  'v6_mor_commit_time',
  'v6_mor_logcompaction',
  'v6_mor_nonpart_logs',
  'v6_mor_part_logs',
  'v6_mor_pqblk',
] as const
const LOGS_9 = ['v9_mor_avroblk', 'v9_mor_part_logs', 'v9_mor_pqblk'] as const

describe.each([...LOGS, ...LOGS_9])('%s, its logs compacted', (table) => {
  it('has the rows of before, now and at every earlier instant; a compaction afterwards too', async () => {
    const store = await goldenStore(table, 't')
    const before = await tableRows(store, 't', clock, 'snapshot')
    const history = new Map<string, readonly string[]>()
    for (const { time } of completedWrites((await opened(store)).timeline, null)) {
      history.set(time, await tableRows(store, 't', clock, 'snapshot', time))
    }
    const ts = await opened(store)
    const many = (await fileSlices(ts, null)).filter((s) => s.logs.length > 1)
    const done = await compactLogs(ts, await fileSlices(ts, null), deps)
    expect(done).toMatchObject([{ fileGroups: many.length }])
    const metadata = await (await opened(store)).commit(done[0].instant, 'logcompaction')
    expect([metadata.operation, metadata.compacted]).toEqual(['LOG_COMPACT', true])
    expect(await tableRows(store, 't', clock, 'snapshot')).toEqual(before)
    for (const [time, was] of history) expect(await tableRows(store, 't', clock, 'snapshot', time), time).toEqual(was)
    await compactAll(await opened(store), deps)
    expect(await tableRows(store, 't', clock, 'read-optimized')).toEqual(before)
  })
})

it('its statistics are those that Spark recorded of the same log compaction', async () => {
  const store = await goldenStore('v6_mor_logcompaction', 't')
  const last = (await opened(store)).timeline.instants.at(-1)!
  const theirs = [...(await (await opened(store)).commit(last.time, last.action)).stats.values()].flat()[0]
  const gone = [...store.snapshot().keys()].filter((k) => k.includes(last.time) || k.endsWith(theirs.path!))
  await store.delete(gone)
  const ts = await opened(store)
  const done = await compactLogs(ts, await fileSlices(ts, null), deps)
  const ours = [...(await (await opened(store)).commit(done[0].instant, 'logcompaction')).stats.values()].flat()[0]
  const { totalLogBlocks, totalLogRecords, totalLogFilesCompacted, totalLogSizeCompacted, totalUpdatedRecordsCompacted, numWrites } = theirs
  expect([totalLogBlocks, totalLogFilesCompacted]).toEqual([8, 8])
  expect(ours).toMatchObject({ totalLogBlocks, totalLogFilesCompacted, totalLogSizeCompacted, totalUpdatedRecordsCompacted, numWrites })
  expect(ours.totalLogRecords).toBe(totalLogRecords)
})

it.each(['v6_mor_isdeleted', 'v9_mor_isdeleted'])('%s: logs whose deletes have an ordering value are left alone', async (table) => {
  const ts = await opened(await goldenStore(table, 't'))
  expect(await compactLogs(ts, await fileSlices(ts, null), deps)).toEqual([])
})

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const change = fc.record({ op: fc.constantFrom('c', 'u', 'd'), id: fc.nat(12), note: fc.constantFrom('a', 'bb') })

it.each([6, 9] as const)(
  'version %i: flushes and log compactions in any order, a crash in any, come to the model',
  async (tableVersion) => {
    const shape = {
      key: ['id'],
      orderingField: '_event_lsn',
      partition: null,
      buckets: 1,
      tableType: 'MERGE_ON_READ',
      tableVersion,
    } as const
    const spec: TableSpec = { name: 't', database: 'd', path: 't', columns: COLUMNS, ...shape }
    const step = fc.oneof(fc.array(change, { minLength: 1, maxLength: 8 }), fc.constant('logs' as const), fc.constant('base' as const))
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), fc.array(fc.nat(25), { maxLength: 2 }), async (steps, crashes) => {
        let store = new MemoryStore(clock)
        const model = new Model([0])
        const pending = [...crashes]
        let lsn = 0n
        const flush = async (raw: readonly { op: string; id: number; note: string }[]): Promise<void> => {
          const changes = raw.map((x): TestChange => ({ op: x.op as 'c', row: [x.id, x.note, ++lsn], gone: [] }))
          const writer = await openTableWriter(store, spec, { clock, scratchDir })
          expect(await writer.commit(await writer.stage([changesOf(COLUMNS, changes, false)]), null)).toBe('committed')
          for (const c of changes) model.apply(c)
        }
        await flush([{ op: 'c', id: 1, note: 'first' }])
        for (const s of steps) {
          if (Array.isArray(s)) {
            await flush(s)
            continue
          }
          const before = await tableRows(store, 't', clock, 'snapshot')
          const at = pending.shift()
          const from = store.calls
          store.faults = (n) => (at !== undefined && n === from + at ? 'crash-after' : null)
          try {
            const ts = await opened(store)
            if (s === 'base') await compactAll(ts, deps)
            else await compactLogs(ts, await fileSlices(ts, null), deps)
          } catch (e) {
            expect(e).toBeInstanceOf(SimulatedCrash)
          }
          store = store.reopen()
          expect(await tableRows(store, 't', clock, 'snapshot')).toEqual(before)
          await resumeLogCompactions(await opened(store), deps)
          expect(await tableRows(store, 't', clock, 'snapshot')).toEqual(before)
        }
        expect((await tableRows(store, 't', clock, 'snapshot')).length).toBe(model.size)
      }),
      { numRuns: propertyRuns(10) },
    )
  },
  180_000,
)
