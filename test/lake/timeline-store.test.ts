import { expect, test } from 'vitest'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { propertiesOf } from '../../src/lake/layout/table-properties.ts'
import { commitMetadata } from '../../src/lake/metadata/commit-metadata.ts'
import { openTable } from '../../src/lake/open-table.ts'
import {
  completeAction,
  pendingActions,
  planOf,
  removeAction,
  requestAction,
  startAction,
  undoAction,
} from '../../src/lake/planned-action.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { writableSpec } from '../../src/lake/write/writable-spec.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenStore } from '../support/golden-table.ts'
import { SPEC } from './trivial-writer.ts'

const empty = commitMetadata({ operation: 'UPSERT', stats: [], schema: '{}' })

async function table(
  tableVersion: 6 | 9,
  change: Readonly<Record<string, string>> = {},
): Promise<{ store: MemoryStore; protocol: CommitProtocol }> {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  const properties = new Map([...propertiesOf({ ...SPEC, tableVersion }), ...Object.entries(change)])
  await new TimelineStore(store, SPEC.path, clock).createTable(properties)
  return { store, protocol: new CommitProtocol(store, SPEC.path, clock) }
}

async function committed(p: CommitProtocol): Promise<string> {
  const time = await p.begin('commit', 'UPSERT')
  expect(await p.complete(time, empty)).toBe('committed')
  return time
}

test('in layout 2 the completed file has a completion time that is later than every time before', async () => {
  const { store, protocol } = await table(9, { 'hoodie.timeline.path': 'elsewhere' })
  const times = [await committed(protocol), await committed(protocol)]
  const names = [...store.snapshot().keys()].flatMap((k) => k.split(`${SPEC.path}/.hoodie/elsewhere/`)[1] ?? [])
  const all: string[] = []
  for (const time of times) {
    const done = names.filter((n) => n.startsWith(time))
    expect(done.map((n) => n.slice(17).replace(/\d{17}/, 'C'))).toEqual(['.commit.requested', '.inflight', '_C.commit'])
    all.push(time, done[2].slice(18, 35))
  }
  expect(all).toEqual([...new Set(all)].sort())
  expect((await protocol.timeline.commit(times[0], 'commit')).operation).toBe('UPSERT')
})

test.each([
  [6, (t: string) => [`.hoodie/${t}.commit`, `.hoodie/${t}.replacecommit`]],
  [9, (t: string) => [`.hoodie/timeline/${t}_20261121120000001.commit`, `.hoodie/timeline/${t}_20261121120000002.commit`]],
] as const)('two completed files of one instant are an error, not a choice (version %i)', async (version, names) => {
  const { store, protocol } = await table(version)
  for (const name of names('20261121120000000')) await store.putIfAbsent(`${SPEC.path}/${name}`, Buffer.from('{}'))
  await expect(protocol.timeline.refresh()).rejects.toMatchObject({ code: 'TRB-LAKE-026', details: { instant: '20261121120000000' } })
})

test('a completed file without content is damaged', async () => {
  for (const [version, name] of [
    [6, '.hoodie/20261121120000000.commit'],
    [9, '.hoodie/timeline/20261121120000000_20261121120000001.commit'],
  ] as const) {
    const { store, protocol } = await table(version)
    await store.putIfAbsent(`${SPEC.path}/${name}`, Buffer.alloc(0))
    await protocol.timeline.refresh()
    await expect(protocol.timeline.commit('20261121120000000', 'commit')).rejects.toMatchObject({ code: 'TRB-LAKE-004' })
    await expect(openTable(store, SPEC.path, fixedClock())).rejects.toMatchObject({ code: 'TRB-LAKE-004' })
  }
})

test('tables of version 8 are read and not written; versions that nobody knows are not read', async () => {
  const clock = fixedClock(Date.UTC(2026, 10, 22))
  const store = await goldenStore('v8_mor_part_logs', 't')
  const key = 't/.hoodie/hoodie.properties'
  const text = (await store.get(key)).toString('latin1')
  const reader = new LakeTableReader(store, 't', clock)
  const become = async (version: string): Promise<void> => {
    await store.delete([key])
    await store.put(key, Buffer.from(text.replace('hoodie.table.version=8', `hoodie.table.version=${version}`), 'latin1'))
  }
  expect((await reader.plan({ kind: 'latest' }, 'snapshot')).slices.flatMap((s) => s.logs)).toHaveLength(2)
  await expect(writableSpec(store, 't', clock)).rejects.toMatchObject({ code: 'TRB-LAKE-002' })
  await expect(new CommitProtocol(store, 't', clock).recover()).rejects.toMatchObject({ code: 'TRB-LAKE-002' })
  for (const version of ['5', '7', '10']) {
    await become(version)
    await expect(reader.plan({ kind: 'latest' }, 'snapshot')).rejects.toMatchObject({ code: 'TRB-LAKE-002' })
  }
})

test.each([6, 9] as const)(
  'a write of somebody else that completes after it was known as pending is noticed (version %i)',
  async (version) => {
    const { store, protocol } = await table(version)
    await committed(protocol)
    const other = new CommitProtocol(store, SPEC.path, fixedClock(Date.UTC(2026, 10, 21, 12)))
    const time = await other.begin('commit', 'UPSERT')
    const ts = protocol.timeline
    await ts.refresh()
    expect(await ts.refreshTail(`${time.slice(0, 8)}235959000`)).toBe(true)
    expect(await other.complete(time, empty)).toBe('committed')
    expect(await ts.refreshTail(`${time.slice(0, 8)}235959000`)).toBe(false)
  },
)

test.each([6, 9] as const)(
  'a planned action is requested, started, taken back, started again and completed (version %i)',
  async (version) => {
    const { store, protocol } = await table(version)
    await committed(protocol)
    const ts = protocol.timeline
    await ts.refresh()
    const plan = Buffer.from('a plan')
    const time = await requestAction(ts, 'clustering', () => plan, { claims: ['p/x'] })
    expect(await planOf(ts, 'clustering', time)).toEqual(plan)
    await startAction(ts, 'clustering', time)
    await startAction(ts, 'clustering', time)
    expect(pendingActions(ts, 'clustering').map((i) => `${i.time} ${i.state}`)).toEqual([`${time} inflight`])
    await undoAction(ts, 'clustering', time)
    await startAction(ts, 'clustering', time)
    await completeAction(ts, 'clustering', time, ts.printCommit({ ...empty, operation: 'CLUSTER', replaced: new Map([['p', ['x']]]) }))
    await ts.refresh()
    expect((await ts.commit(time, 'clustering')).replaced).toEqual(new Map([['p', ['x']]]))
    expect(pendingActions(ts, 'clustering')).toEqual([])
    // Somebody else has the time already.
    const twin = new TimelineStore(store, SPEC.path, ts.clock)
    await twin.refresh()
    const clean = await requestAction(twin, 'clean', () => plan)
    expect(await ts.perform({ event: 'request', action: 'clean', time: clean }, Buffer.from('another plan'))).toBe('exists')
    await ts.refresh()
    await removeAction(ts, 'clean', clean)
    expect(pendingActions(ts, 'clean')).toEqual([])
    await expect(removeAction(ts, 'clustering', time)).rejects.toMatchObject({ code: 'TRB-LAKE-011' })
  },
)
