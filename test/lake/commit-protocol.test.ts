import { expect, test } from 'vitest'
import type { Clock } from '../../src/contract/clock.ts'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { propertiesOf } from '../../src/lake/layout/table-properties.ts'
import { printClusteringPlan, RETRACTABLE } from '../../src/lake/metadata/clustering-plan.ts'
import { commitMetadata } from '../../src/lake/metadata/commit-metadata.ts'
import { printCompactionPlan } from '../../src/lake/metadata/compaction-plan.ts'
import { createOrOpenTable } from '../../src/lake/open-table.ts'
import { completeAction, requestAction, startAction } from '../../src/lake/planned-action.ts'
import { pendingCompactions } from '../../src/lake/read/slices.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { MemoryStore, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenFiles, goldenStore } from '../support/golden-table.ts'
import { checkpointOf, readAll, SPEC, TrivialWriter, type Writes } from './trivial-writer.ts'

const WRITES: Writes = new Map([['p', new Map([[0, 'a']])]])
const HOODIE = `${SPEC.path}/.hoodie`

async function table(): Promise<{ store: MemoryStore; clock: ReturnType<typeof fixedClock>; protocol: CommitProtocol }> {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  await new TrivialWriter(store, clock).write(WRITES, checkpointOf(1))
  return { store, clock, protocol: new CommitProtocol(store, SPEC.path, clock) }
}

const empty = commitMetadata({ operation: 'UPSERT', stats: [], schema: '{}' })

test('a commit leaves requested, inflight and completed files, and no marker', async () => {
  const { store } = await table()
  const names = [...store.snapshot().keys()].filter((k) => k.startsWith(HOODIE)).map((k) => k.slice(HOODIE.length + 1))
  const time = names[0].slice(0, 17)
  expect(names).toEqual([`${time}.commit`, `${time}.commit.requested`, `${time}.inflight`, 'hoodie.properties'])
  expect(store.snapshot().get(`${HOODIE}/${time}.commit.requested`)).toHaveLength(0)
})

test('another writer that completes in between is a conflict, and abandoning leaves its commit alone', async () => {
  const { store, clock, protocol } = await table()
  const time = await protocol.begin('commit', 'UPSERT')
  // Spark would have rolled ours back; a writer that doesn't is a conflict all the same.
  const other = `${Number(time.slice(0, 8))}005959000`
  await store.putIfAbsent(`${HOODIE}/${other}.commit`, Buffer.from('{"partitionToWriteStats":{},"extraMetadata":{}}'))
  expect(await protocol.complete(time, empty)).toBe('conflict')
  await protocol.abandon(time)
  const reader = new LakeTableReader(store, SPEC.path, clock)
  expect((await reader.plan({ kind: 'latest' })).instant).toBe(other)
  expect([...store.snapshot().keys()].filter((k) => k.includes(time) && !k.includes('rollback'))).toEqual([])
})

test('an instant that somebody else rolled back is a conflict', async () => {
  const { store, clock, protocol } = await table()
  const time = await protocol.begin('commit', 'UPSERT')
  await new CommitProtocol(store, SPEC.path, clock).recover()
  expect(await protocol.complete(time, empty)).toBe('conflict')
  await protocol.abandon(time)
})

test('a commit that is repeated after its answer got lost is committed, once', async () => {
  const { store, protocol } = await table()
  const time = await protocol.begin('commit', 'UPSERT')
  store.faults = (_n, call, key) => (call === 'putIfAbsent' && key.endsWith(`${time}.commit`) ? 'fail-after' : null)
  await expect(protocol.complete(time, empty)).rejects.toMatchObject({ code: 'TRB-STORE-004' })
  store.faults = () => null
  expect(await protocol.complete(time, empty)).toBe('committed')
})

test('files that were announced but are not in the commit are gone with it', async () => {
  const { store, protocol } = await table()
  const time = await protocol.begin('commit', 'UPSERT')
  const stray = `p/x-0_0-9-9_${time}.parquet`
  await protocol.mark(time, stray, 'CREATE')
  await store.put(`${SPEC.path}/${stray}`, Buffer.from('half a try'))
  expect(await protocol.complete(time, empty)).toBe('committed')
  expect(await store.head(`${SPEC.path}/${stray}`)).toBeNull()
})

test('an abandoned instant leaves a rollback on the timeline and the content as it was', async () => {
  const { store, clock, protocol } = await table()
  const time = await protocol.begin('commit', 'UPSERT')
  await protocol.mark(time, `p/x-0_0-9-9_${time}.parquet`, 'CREATE')
  await protocol.abandon(time)
  expect(protocol.timeline.timeline.instants.map((i) => `${i.action} ${i.state} ${i.target === time}`)).toEqual([
    'commit completed false',
    'rollback completed true',
  ])
  expect(await readAll(store, clock)).toEqual(new Map([['p/0', 'a']]))
})

test('markers of a writer that died just after its commit are swept', async () => {
  const { store, protocol } = await table()
  const stale = `${HOODIE}/.temp/20200101000000000/p/x.parquet.marker.CREATE`
  await store.putIfAbsent(stale, Buffer.alloc(0))
  await protocol.recover()
  expect(await store.head(stale)).toBeNull()
})

test('only the open instant can be marked or completed', async () => {
  const { protocol } = await table()
  await expect(protocol.mark('20200101000000000', 'x', 'CREATE')).rejects.toMatchObject({ code: 'TRB-INT-001' })
  await expect(protocol.complete('20200101000000000', empty)).rejects.toMatchObject({ code: 'TRB-INT-001' })
})

test('a writer whose heartbeat is young is not rolled back; an old heartbeat is no protection', async () => {
  const { store, clock, protocol } = await table()
  const time = '20261121004000000'
  await store.putIfAbsent(`${HOODIE}/${time}.commit.requested`, Buffer.alloc(0))
  await store.putIfAbsent(`${HOODIE}/.heartbeat/${time}`, Buffer.alloc(0))
  clock.advance(60_000)
  await expect(protocol.begin('commit', 'UPSERT')).rejects.toMatchObject({ code: 'TRB-LAKE-012' })
  clock.advance(61_000)
  expect(await protocol.recover()).toMatchObject([{ time, action: 'commit' }])
})

test.each([
  ['compaction', 'TRB-LAKE-010'],
  ['logcompaction', 'TRB-LAKE-010'],
  ['restore', 'TRB-LAKE-010'],
])('a pending %s stops the writer before anything is changed', async (action, code) => {
  const { store, protocol } = await table()
  await store.putIfAbsent(`${HOODIE}/20261121004000000.${action}.inflight`, Buffer.alloc(0))
  await store.putIfAbsent(`${HOODIE}/20261121130000000.inflight`, Buffer.alloc(0))
  const before = store.snapshot()
  await expect(protocol.begin('commit', 'UPSERT')).rejects.toMatchObject({ code })
  expect(store.snapshot()).toEqual(before)
})

test('a rollback whose plan is torn is taken off while nothing has been deleted, and stops the writer when it had begun', async () => {
  const { store, protocol } = await table()
  await store.putIfAbsent(`${HOODIE}/20261121004000000.rollback.requested`, Buffer.from('torn'))
  await protocol.recover()
  expect(protocol.timeline.timeline.instants.map((i) => i.action)).toEqual(['commit'])
  await store.putIfAbsent(`${HOODIE}/20261121004000000.rollback.inflight`, Buffer.alloc(0))
  await expect(protocol.recover()).rejects.toMatchObject({ code: 'TRB-LAKE-010' })
})

test('what another engine took back between two commits of a writer is not carried on', async () => {
  const { store, clock } = await table()
  const writer = new TrivialWriter(store, clock)
  const first = (await writer.protocol.newest())!
  await writer.write(new Map([['p', new Map([[1, 'taken back']])]]), checkpointOf(2))
  const second = (await writer.protocol.newest())!
  // A restore to the first commit, as the directory shows it.
  const gone = [...store.snapshot().keys()].filter((k) => k.includes(second))
  await store.delete(gone)
  for (const state of ['.requested', '.inflight', ''])
    await store.putIfAbsent(`${HOODIE}/20261121005000000.restore${state}`, Buffer.alloc(0))
  expect(await writer.write(new Map([['p', new Map([[0, 'b']])]]), checkpointOf(3))).toBe('committed')
  expect(writer.protocol.timeline.timeline.instants.map((i) => i.action)).toEqual(['commit', 'restore', 'commit'])
  expect(await readAll(store, clock)).toEqual(new Map([['p/0', 'b']]))
  expect((await writer.protocol.timeline.commit(first, 'commit')).stats.size).toBe(1)
})

test('a writer that is alone lists neither its data nor its whole timeline for a commit', async () => {
  const { store, clock } = await table()
  const writer = new TrivialWriter(store, clock)
  const listed = async (): Promise<number> => {
    const before = store.counter.counts.get('list')?.calls ?? 0
    await writer.write(WRITES, checkpointOf(2))
    return (store.counter.counts.get('list')?.calls ?? 0) - before
  }
  await listed()
  // The end of the timeline before and after.
  expect(await listed()).toBe(2)
})

test('a table that another engine has upgraded, or given an index, is not written any more', async () => {
  const { protocol } = await table()
  await protocol.timeline.updateProperties((p) => p.set('hoodie.table.metadata.partitions', 'files,expr_index_day'))
  await expect(protocol.begin('commit', 'UPSERT')).rejects.toMatchObject({ code: 'TRB-LAKE-009' })
  await protocol.timeline.updateProperties((p) => p.delete('hoodie.table.metadata.partitions'))
  await protocol.timeline.updateProperties((p) => p.set('hoodie.table.version', '9'))
  await expect(protocol.begin('commit', 'UPSERT')).rejects.toMatchObject({ code: 'TRB-LAKE-002' })
})

test.each(['v6_cow_mdt', 'v6_mor_mdt', 'v9_cow_mdt'])(
  'the metadata table of %s is taken away by the first write, once, and it is said',
  async (name) => {
    const clock = fixedClock(Date.UTC(2026, 10, 22))
    const golden = await goldenStore(name, 't')
    const inMetadata = (s: MemoryStore): string[] => [...s.snapshot().keys()].filter((k) => k.startsWith('t/.hoodie/metadata/'))
    expect(inMetadata(golden).length).toBeGreaterThan(5)
    for (let n = 0; ; n++) {
      // A crash at each store call on the way leaves a table that readers list, or one that still has the whole metadata table.
      const first = await goldenStore(name, 't')
      const files = inMetadata(first).length
      const store = first.reopen()
      let met = false
      store.faults = (call) => {
        met ||= call === n
        return call === n ? 'crash-before' : null
      }
      await new CommitProtocol(store, 't', clock).recover().catch((e: unknown) => expect(e).toBeInstanceOf(SimulatedCrash))
      const after = store.reopen()
      const partitions = (await new TimelineStore(after, 't', clock).properties()).get('hoodie.table.metadata.partitions')
      if (partitions !== '') expect(inMetadata(after)).toHaveLength(files)
      const protocol = new CommitProtocol(after, 't', clock)
      const notices: string[] = []
      protocol.timeline.onNotice = (text) => notices.push(text)
      await protocol.recover()
      await protocol.recover()
      expect(inMetadata(after)).toEqual([])
      expect(notices).toHaveLength(partitions === '' ? 0 : 1)
      const properties = await protocol.timeline.properties()
      expect(properties.get('hoodie.table.metadata.partitions')).toBe('')
      expect(properties.get('hoodie.table.version')).toBe(name.slice(1, 2))
      if (!met) break
    }
  },
)

test('a metadata table stays while another writer is at work', async () => {
  const clock = fixedClock(Date.UTC(2026, 10, 22))
  const store = await goldenStore('v6_cow_mdt', 't')
  await store.putIfAbsent('t/.hoodie/.heartbeat/20261121235959000', Buffer.alloc(0))
  const before = store.snapshot()
  await expect(new CommitProtocol(store, 't', clock).recover()).rejects.toMatchObject({ code: 'TRB-LAKE-012' })
  expect(store.snapshot()).toEqual(before)
})

test('what a failed Spark write left is rolled back to what Spark itself made of it', async () => {
  const store = await goldenStore('v6_cow_rollback_pending', 't')
  const failed = '20261121035313556'
  expect([...store.snapshot().keys()].filter((k) => k.endsWith(`_${failed}.parquet`))).toHaveLength(3)
  const protocol = new CommitProtocol(store, 't', fixedClock(Date.UTC(2026, 10, 22)))
  expect(await protocol.recover()).toMatchObject([{ time: failed, action: 'commit', files: 3 }])
  expect([...store.snapshot().keys()].filter((k) => k.includes(failed))).toEqual([])
  // What Spark deleted in its own rollback of the same write, and we too.
  const done = [...goldenFiles('v6_cow_rollback_done').keys()].filter((k) => k.endsWith('.parquet') && !k.includes('20261121035323588'))
  const mine = [...store.snapshot().keys()].filter((k) => k.endsWith('.parquet')).map((k) => k.slice(2))
  expect(mine.sort()).toEqual(done.sort())
})

test.each([6, 9] as const)('delta commits go on beside a pending compaction (version %i)', async (tableVersion) => {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  await createOrOpenTable(store, { ...SPEC, tableVersion, tableType: 'MERGE_ON_READ' }, clock)
  const protocol = new CommitProtocol(store, SPEC.path, clock)
  const first = await protocol.begin('deltacommit', 'UPSERT')
  expect(await protocol.complete(first, empty)).toBe('committed')
  const ts = protocol.timeline
  await ts.refresh()
  const operation = { partition: 'p', fileId: 'x-0', baseInstant: first, baseFile: null, logFiles: [], metrics: {} }
  const plan = { operations: [operation], extra: new Map<string, string>() }
  const compaction = await requestAction(ts, 'compaction', () => printCompactionPlan(plan, tableVersion, ts.sync()), { claims: ['p/x-0'] })
  const second = await protocol.begin('deltacommit', 'UPSERT')
  expect(await protocol.complete(second, empty)).toBe('committed')
  await expect(protocol.begin('replacecommit', 'INSERT_OVERWRITE')).rejects.toMatchObject({ code: 'TRB-LAKE-010' })
  await ts.refresh()
  expect(ts.timeline.instants.find((i) => i.time === compaction)?.claims).toEqual(['p/x-0'])
  expect(await pendingCompactions(ts)).toEqual([{ partition: 'p', fileId: 'x-0', by: compaction }])
  await startAction(ts, 'compaction', compaction)
  await completeAction(ts, 'compaction', compaction, ts.printCommit({ ...empty, compacted: true, operation: 'COMPACT' }))
  await ts.refresh()
  expect(ts.timeline.instants.map((i) => `${i.action} ${i.state}`)).toEqual([
    'deltacommit completed',
    'compaction completed',
    'deltacommit completed',
  ])
  expect((await ts.commit(compaction, 'compaction')).operation).toBe('COMPACT')
})

test.each([6, 9] as const)('a clustering whose plan lets anybody take it back is taken back (version %i)', async (tableVersion) => {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  await createOrOpenTable(store, { ...SPEC, tableVersion }, clock)
  const protocol = new CommitProtocol(store, SPEC.path, clock)
  expect(await protocol.complete(await protocol.begin('commit', 'UPSERT'), empty)).toBe('committed')
  const ts = protocol.timeline
  const slice = { partition: 'p', fileId: 'x-0', baseFile: '', logFiles: [] }
  const group = { slices: [slice], outputGroups: 1, metrics: {} }
  const plan = (extra: Record<string, string>): ((time: string) => Buffer) => {
    return () => printClusteringPlan({ groups: [group], strategy: null, extra }, tableVersion, ts.sync())
  }
  await ts.refresh()
  const ours = await requestAction(ts, 'clustering', plan({ [RETRACTABLE]: 'true' }))
  await startAction(ts, 'clustering', ours)
  expect(await protocol.recover()).toMatchObject([{ time: ours, action: 'clustering' }])
  expect([...store.snapshot().keys()].filter((k) => k.includes(ours))).toEqual([])
  await requestAction(ts, 'clustering', plan({}))
  await expect(protocol.recover()).rejects.toMatchObject({ code: 'TRB-LAKE-010' })
})

test('a clustering that another engine has planned stops the writer', async () => {
  const store = await goldenStore('v6_cow_clustering_requested', 't')
  await expect(new CommitProtocol(store, 't', fixedClock(Date.UTC(2026, 10, 22))).recover()).rejects.toMatchObject({ code: 'TRB-LAKE-010' })
})

test('a rollback that Spark had begun is carried through, wherever the table lies now', async () => {
  const store = await goldenStore('v6_cow_rollback_pending', 'moved/t')
  const files = goldenFiles('v6_cow_rollback_done')
  const by = '20261121035323672'
  for (const state of ['requested', 'inflight']) {
    const name = `.hoodie/${by}.rollback.${state}`
    await store.putIfAbsent(`moved/t/${name}`, files.get(name)!)
  }
  const protocol = new CommitProtocol(store, 'moved/t', fixedClock(Date.UTC(2026, 10, 22)))
  expect(await protocol.recover()).toMatchObject([{ time: '20261121035313556', by, files: 3 }])
  expect([...store.snapshot().keys()].filter((k) => k.includes('20261121035313556'))).toEqual([])
  expect(await store.head(`moved/t/.hoodie/${by}.rollback`)).not.toBeNull()
})

test('names on the timeline that nobody knows are an error, not ignored', async () => {
  const { store, protocol } = await table()
  await store.putIfAbsent(`${HOODIE}/20261121004000000_20261121004000001.commit`, Buffer.alloc(0))
  await expect(protocol.begin('commit', 'UPSERT')).rejects.toMatchObject({ code: 'TRB-LAKE-004' })
})

test('an interrupted update of the configuration is completed, at every store call', async () => {
  for (const fault of ['crash-before', 'crash-after'] as const) {
    for (let n = 0; ; n++) {
      const clock: Clock = fixedClock()
      const first = new MemoryStore(clock)
      await new TimelineStore(first, 't', clock).createTable(propertiesOf(SPEC))
      const store = first.reopen()
      store.faults = (call) => (call === n ? fault : null)
      const died = await new TimelineStore(store, 't', clock)
        .updateProperties((p) => p.set('x', '1'))
        .then(
          () => false,
          () => true,
        )
      if (!died) break
      const next = new TimelineStore(store.reopen(), 't', clock)
      expect((await next.properties()).get('hoodie.table.name')).toBe('orders')
      await next.updateProperties((p) => p.set('x', '2'))
      expect((await next.properties()).get('x')).toBe('2')
      expect(await store.reopen().head('t/.hoodie/hoodie.properties.backup')).toBeNull()
    }
  }
})

test('a configuration that Java left half written is taken from its backup', async () => {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  const ts = new TimelineStore(store, 't', clock)
  await ts.createTable(propertiesOf(SPEC))
  const whole = await store.get('t/.hoodie/hoodie.properties')
  await store.putIfAbsent('t/.hoodie/.hoodie.properties.crc', Buffer.from("Hadoop's checksum of the old file"))
  await store.delete(['t/.hoodie/hoodie.properties'])
  await store.putIfAbsent('t/.hoodie/hoodie.properties', whole.subarray(0, 100))
  await store.putIfAbsent('t/.hoodie/hoodie.properties.backup', whole)
  expect((await ts.properties()).get('hoodie.table.name')).toBe('orders')
  await ts.updateProperties((p) => p.set('x', '1'))
  expect((await ts.properties()).get('x')).toBe('1')
  expect(await store.head('t/.hoodie/.hoodie.properties.crc')).toBeNull()
})

test('a configuration that somebody changes at the same moment is an error', async () => {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  const ts = new TimelineStore(store, 't', clock)
  await ts.createTable(propertiesOf(SPEC))
  const key = 't/.hoodie/hoodie.properties'
  const [at, body] = [(await store.head(key))!, await store.get(key)]
  const other = store.reopen()
  store.faults = (_n, call) => {
    if (call === 'replaceIfTag') void other.replaceIfTag(key, body, at.tag)
    return null
  }
  const change = ts.updateProperties((p) => p.set('x', '1'))
  await expect(change).rejects.toMatchObject({ code: 'TRB-LAKE-011' })
})
