import { expect, test } from 'vitest'
import { archivedCompletions, archivedInstants } from '../../src/lake/archived-timeline.ts'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { columnsAt } from '../../src/lake/open-table.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { firstWholeState } from '../../src/lake/read/whole-state.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenAnswers, goldenStore } from '../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

async function opened(name: string): Promise<TimelineStore> {
  const ts = new TimelineStore(await goldenStore(name, 't'), 't', clock)
  await ts.refresh()
  return ts
}

/** Spark archived these: its steps name the commits that were made, in order. */
const TABLES = ['v6_cow_clean_archive', 'v6_mor_clean_archive', 'v9_cow_clean_archive'] as const

test.each(TABLES)('I10: archived and active instants of %s are the whole history, in order, nothing twice', async (name) => {
  const ts = await opened(name)
  const archived: string[] = []
  let writes = 0
  for await (const i of archivedInstants(ts)) {
    archived.push(`${i.time}.${i.action}`)
    if (i.metadata !== null) {
      writes++
      expect(i.metadata.extra.get('schema')).toContain('"record"')
      expect([...i.metadata.stats.values()].flat().length).toBeGreaterThan(0)
    }
    if (ts.layout === 2) expect(i.completion! > i.time).toBe(true)
    else expect(i.completion).toBeNull()
  }
  expect(writes).toBeGreaterThan(0)
  const inOrder = archived.filter((i) => i.endsWith('commit'))
  expect(inOrder).toEqual(inOrder.toSorted().toReversed())
  expect(new Set(archived).size).toBe(archived.length)
  const active = ts.timeline.instants.map((i) => i.time)
  expect(archived.filter((i) => active.includes(i.split('.')[0]))).toEqual([])
  // Spark's archiver takes whole instants from the beginning.
  const first = ts.timeline.instants.find((i) => ['commit', 'deltacommit'].includes(i.action))!.time
  for (const i of archived) if (i.endsWith('commit')) expect(i < first).toBe(true)
})

test('what is asked for up to a time does not read later instants; completion times are found by the time of the write', async () => {
  const ts = await opened('v9_cow_clean_archive')
  const upTo: string[] = []
  for await (const i of archivedInstants(ts, '20261121033834131')) upTo.push(i.time)
  expect(upTo[0]).toBe('20261121033834131')
  const all = await archivedCompletions(ts, '')
  expect(all.size).toBeGreaterThan(upTo.length)
  expect((await archivedCompletions(ts, '20261121033847100')).size).toBe(all.size - upTo.length)
  expect((await archivedCompletions(await opened('v6_cow_clean_archive'), '')).size).toBe(0)
})

test('the columns of a time before the first active commit are found in the archive', async () => {
  for (const name of TABLES) {
    const ts = await opened(name)
    const times: string[] = []
    for await (const i of archivedInstants(ts)) if (i.metadata !== null) times.push(i.time)
    expect((await columnsAt(ts, times.at(-1)!))?.map((c) => c.name)).toContain('id')
    expect(await columnsAt(ts, '20000101000000000')).toBeNull()
  }
})

test.each(TABLES)('a state of %s that was cleaned away is refused, and the first whole one is named', async (name) => {
  const ts = await opened(name)
  const reader = new LakeTableReader(ts.store, 't', clock)
  const failure = await reader.plan({ kind: 'asOf', instant: '20261121033000000' }, 'snapshot').catch((e: unknown) => e)
  expect(failure).toMatchObject({ code: 'TRB-LAKE-018' })
  const { first } = (failure as { details: { first: string } }).details
  expect(await firstWholeState(ts)).toBe(first)
  const whole = await reader.plan({ kind: 'asOf', instant: first }, 'snapshot')
  expect(whole.instant).toBe(first)
  const answers = Object.keys(goldenAnswers(name).queries).flatMap((q) => (q.startsWith('as_of:') ? [q.slice(6)] : []))
  for (const instant of answers)
    if (instant >= first) expect((await reader.plan({ kind: 'asOf', instant }, 'snapshot')).instant).toBe(instant)
  if (name === 'v6_cow_clean_archive') expect(first > '20261121033648460').toBe(true)
})

test('while an engine replaces the number of the newest manifest, the newest manifest there is counts; a damaged number is an error', async () => {
  const ts = await opened('v9_cow_clean_archive')
  const times = async (): Promise<string[]> => {
    const out: string[] = []
    for await (const i of archivedInstants(ts)) out.push(i.time)
    return out
  }
  const all = await times()
  const key = 't/.hoodie/timeline/history/_version_'
  await ts.store.delete([key])
  expect(await times()).toEqual(all)
  await ts.store.put(key, Buffer.from('three'))
  await expect(times()).rejects.toMatchObject({ code: 'TRB-LAKE-004' })
})

test('where there is no table there is no checkpoint, and no archive', async () => {
  expect(await new CommitProtocol(new MemoryStore(clock), 'nothing', clock).checkpoint()).toBeNull()
})

test('a reader whose instant is archived between listing and reading looks again', async () => {
  const store = await goldenStore('v6_cow_part', 't')
  const before = await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })
  const newest = `t/.hoodie/${before.instant}.commit`
  const saved = await store.get(newest)
  let gone = 0
  store.faults = (_n, call, key) => {
    // The commit goes as it is first read, and is back (as its content would be, elsewhere) for the second look.
    if (call === 'get' && key === newest && gone++ === 0) void store.reopen().delete([newest])
    if (call === 'list' && gone === 1) void store.reopen().putIfAbsent(newest, saved)
    return null
  }
  expect((await new LakeTableReader(store, 't', clock).plan({ kind: 'latest' })).files).toEqual(before.files)
  expect(gone).toBeGreaterThan(1)
})
