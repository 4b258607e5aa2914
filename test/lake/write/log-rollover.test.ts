import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { parseLogFileName } from '../../../src/lake/layout/file-name.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { compactAll } from '../../../src/lake/service/compaction.ts'
import { compactLogs } from '../../../src/lake/service/log-compaction.ts'
import { rollBackInstant } from '../../../src/lake/service/rollback.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from './model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'log-rollover-'))
afterAll(() => rmSync(scratchDir, { recursive: true }))
const clock = fixedClock(Date.UTC(2026, 10, 22))
const deps = { scratchDir, memoryBudget: 1 << 24, rowGroupBytes: 1 << 20, sole: true }
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const specOf = (tableVersion: 6 | 9): TableSpec => ({
  ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null },
  ...{ buckets: 1, tableType: 'MERGE_ON_READ', tableVersion },
})

async function write(store: MemoryStore, version: 6 | 9, changes: readonly TestChange[], logFileBytes?: number): Promise<string> {
  const writer = await openTableWriter(store, specOf(version), { clock, scratchDir, rowGroupBytes: 200, logFileBytes })
  const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
  expect(await writer.commit(staged, null)).toBe('committed')
  return staged.instant
}

async function opened(store: MemoryStore): Promise<TimelineStore> {
  const ts = new TimelineStore(store, 't', clock)
  await ts.properties()
  await ts.refresh()
  return ts
}

const created = (from: number, to: number): TestChange[] =>
  Array.from({ length: to - from }, (_, i) => ({ op: 'c', row: [from + i, 'first', BigInt(from + i)], gone: [] }))
const changed = (ids: readonly number[], note: string, lsn: bigint): TestChange[] =>
  ids.map((id) => ({ op: 'u', row: [id, note, lsn], gone: [] }))
const rows = (store: MemoryStore, at?: string): Promise<readonly string[]> => tableRows(store, 't', clock, 'snapshot', at)
const logs = async (store: MemoryStore): Promise<number[]> =>
  (await fileSlices(await opened(store), null)).flatMap((s) => s.logs.map((l) => parseLogFileName(l.name)!.version))

describe.each([6, 9] as const)('version %i: a log file that has reached its size', (version) => {
  it('is followed by the next version within the flush; every row counts once, then and in whatever is made of the logs', async () => {
    const [store, plain] = [new MemoryStore(clock), new MemoryStore(clock)]
    const ids = Array.from({ length: 20 }, (_, i) => i)
    const flushes = [
      created(0, 20),
      [...changed(ids, 'second', 100n), ...created(20, 30), { op: 'd', row: [3, '', 101n], gone: [] } as const],
      changed([1, 2], 'third', 200n),
    ]
    for (const f of flushes) {
      await write(store, version, f, 1)
      await write(plain, version, f)
    }
    const content = async (s: MemoryStore): Promise<string[]> =>
      (await rows(s)).map((r) => [/"id":\d+/, /"note":"\w+"/].map((x) => x.exec(r)![0]).join()).sort()
    expect(await content(store)).toEqual(await content(plain))
    const versions = await logs(store)
    expect(versions.length).toBeGreaterThan(4)
    // version 6 numbers the logs of a slice, later ones those of an instant
    if (version === 6) expect(versions).toEqual(versions.map((_, i) => i + 1))
    else expect(versions.filter((v) => v === 1)).toHaveLength(2)
    expect((await logs(plain)).length).toBe(2)
    const now = await opened(store)
    const { stats } = await now.commit(now.timeline.instants.at(-2)!.time, 'deltacommit')
    const of = [...stats.values()].flat()
    const sum = (f: (s: (typeof of)[number]) => number): number => of.reduce((n, s) => n + f(s), 0)
    expect([sum((s) => s.numInserts), sum((s) => s.numUpdateWrites), sum((s) => s.numDeletes)]).toEqual([10, 19, 1])
    expect((await verifyTable(now, true)).violations).toEqual([])
    const before = await rows(store)
    await compactLogs(now, await fileSlices(now, null), deps)
    expect(await rows(store)).toEqual(before)
    await compactAll(await opened(store), deps)
    expect(await rows(store)).toEqual(before)
  })
})

describe('a log file of version 6 to which an engine has appended the blocks of several commits', () => {
  /** Two flushes of ours, the blocks of the second one appended to the file of the first, as Hudi does where the file system can append. */
  async function appended(): Promise<{ store: MemoryStore; first: string; second: string }> {
    const store = new MemoryStore(clock)
    await write(store, 6, created(0, 10))
    const first = await write(store, 6, changed([1, 2], 'second', 100n))
    const second = await write(store, 6, changed([2, 3], 'third', 200n))
    const files = [...store.snapshot()].filter(([k]) => k.includes('.log.') && !k.includes('.hoodie/')).sort(([a], [b]) => (a < b ? -1 : 1))
    const [[one, a], [two, b]] = files
    const size = a.length
    const both = Buffer.concat([a, b])
    await store.delete([one, two])
    await store.put(one, both)
    const key = `t/.hoodie/${second}.deltacommit`
    const name = (k: string): string => k.slice(k.lastIndexOf('/') + 1)
    const commit = JSON.parse((await store.get(key)).toString()) as { partitionToWriteStats: Record<string, Record<string, unknown>[]> }
    const stat = commit.partitionToWriteStats[''][0]
    Object.assign(stat, { path: name(one), logVersion: 1, logOffset: size, fileSizeInBytes: both.length, logFiles: [name(one)] })
    await store.delete([key])
    await store.putIfAbsent(key, Buffer.from(JSON.stringify(commit)))
    return { store, first, second }
  }
  const notes = (lines: readonly string[]): string[] => lines.map((l) => /"note":"(\w+)"/.exec(l)![1]).sort()

  it('is read block by block, now and as of the first; the next flush begins a new version', async () => {
    const { store, first } = await appended()
    expect(notes(await rows(store)).filter((n) => n !== 'first')).toEqual(['second', 'third', 'third'])
    expect(notes(await rows(store, first)).filter((n) => n !== 'first')).toEqual(['second', 'second'])
    await write(store, 6, changed([4], 'fourth', 300n))
    expect(await logs(store)).toEqual([1, 2])
    const before = await rows(store)
    expect((await verifyTable(await opened(store), true)).violations).toEqual([])
    await compactAll(await opened(store), deps)
    expect(await rows(store)).toEqual(before)
  })

  it('keeps the blocks of the other commits when one is rolled back', async () => {
    const { store, first, second } = await appended()
    const before = await rows(store, first)
    await rollBackInstant(await opened(store), second)
    expect(await rows(store)).toEqual(before)
    await write(store, 6, changed([5], 'fourth', 300n))
    expect(notes(await rows(store)).filter((n) => n !== 'first')).toEqual(['fourth', 'second', 'second'])
  })
})
