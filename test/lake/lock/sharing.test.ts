import { expect, test } from 'vitest'
import { CommitProtocol } from '../../../src/lake/commit-protocol.ts'
import { type ConcurrencySettings, tableConcurrency } from '../../../src/lake/lock/table-concurrency.ts'
import { printCompactionPlan } from '../../../src/lake/metadata/compaction-plan.ts'
import { requestAction } from '../../../src/lake/planned-action.ts'
import { MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { type ManualClock, manualClock } from '../../support/manual-clock.ts'
import { SPEC } from '../trivial-writer.ts'
import { AppendingWriter, linesOf } from './appending-writer.ts'

const SHARED: ConcurrencySettings = { mode: 'optimistic_concurrency_control', lock: 'storage' }
const HOODIE = `${SPEC.path}/.hoodie`

interface World {
  readonly clock: ManualClock
  readonly store: MemoryStore
  /** A writer in a process of its own. */
  writer(view?: MemoryStore): Promise<AppendingWriter>
}

async function world(): Promise<World> {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  const writer = async (view = store.reopen()): Promise<AppendingWriter> =>
    new AppendingWriter(view, clock, await tableConcurrency(view, SPEC.path, clock, SHARED))
  await (await writer()).create()
  return { clock, store, writer }
}

const names = (w: World): string[] => [...w.store.snapshot().keys()].map((k) => k.slice(SPEC.path.length + 1))

test('two writers with commits open at the same time both complete when they wrote different file groups', async () => {
  const w = await world()
  const [a, b] = [await w.writer(), await w.writer()]
  await a.add([0, 1], 'first')
  const [one, two] = [await a.stage([0], 'a'), await b.stage([1], 'b')]
  expect([await b.finish(two), await a.finish(one)]).toEqual(['committed', 'committed'])
  expect(await linesOf(w.store, w.clock)).toEqual(
    new Map([
      [0, ['first', 'a']],
      [1, ['first', 'b']],
    ]),
  )
  expect(names(w).filter((n) => n.includes('.heartbeat') || n.includes('.temp'))).toEqual([])
})

test('of two that wrote the same file group the later one is in conflict; abandoned and done again it is on top of the first', async () => {
  const w = await world()
  const [a, b] = [await w.writer(), await w.writer()]
  await a.add([0], 'first')
  const [one, two] = [await a.stage([0], 'a'), await b.stage([0], 'b')]
  expect(await b.finish(two)).toBe('committed')
  expect(await a.finish(one)).toBe('conflict')
  expect(await linesOf(w.store, w.clock)).toEqual(new Map([[0, ['first', 'b']]]))
  expect(await a.add([0], 'a')).toBe('committed')
  expect(await linesOf(w.store, w.clock)).toEqual(new Map([[0, ['first', 'b', 'a']]]))
  expect(names(w).some((n) => n.startsWith('0') && n.includes(one.time))).toBe(false)
})

test('two that each made the first file of one bucket are in conflict, though the files have different names', async () => {
  const w = await world()
  const [a, b] = [await w.writer(), await w.writer()]
  const [one, two] = [await a.stage([3], 'a'), await b.stage([3], 'b')]
  expect([await a.finish(one), await b.finish(two)]).toEqual(['committed', 'conflict'])
  expect(await linesOf(w.store, w.clock)).toEqual(new Map([[3, ['a']]]))
})

test('what completed and was seen at the beginning is no conflict, whatever its time', async () => {
  const w = await world()
  const [a, b, c] = [await w.writer(), await w.writer(), await w.writer()]
  await a.add([0, 1], 'first')
  const slow = await a.stage([0], 'slow')
  await b.add([1], 'b')
  const late = await c.stage([1], 'c')
  expect(await a.finish(slow)).toBe('committed')
  expect(await c.finish(late)).toBe('committed')
  expect((await linesOf(w.store, w.clock)).get(1)).toEqual(['first', 'b', 'c'])
})

test('a commit that has an older time and completes later is a conflict all the same', async () => {
  const w = await world()
  const [a, b] = [await w.writer(), await w.writer()]
  await a.add([0], 'first')
  const old = await a.stage([0], 'old')
  const young = await b.stage([0], 'young')
  expect(await a.finish(old)).toBe('committed')
  expect(await b.finish(young)).toBe('conflict')
})

test('a living writer is left alone; a dead one is rolled back when its heartbeat has stopped, and not before', async () => {
  const w = await world()
  const dying = w.store.reopen()
  const a = await w.writer(dying)
  const b = await w.writer()
  await b.add([0, 1], 'first')
  const lost = await a.stage([0], 'lost')
  dying.faults = () => 'crash-before'
  await expect(dying.get('x')).rejects.toBeInstanceOf(SimulatedCrash)
  await w.clock.advance(60_000)
  await b.add([1], 'b1')
  expect(names(w).some((n) => n.includes(`${lost.time}.inflight`))).toBe(true)
  await w.clock.advance(61_000)
  await b.add([1], 'b2')
  expect(names(w).filter((n) => n.includes(lost.time))).toEqual([])
  expect(await linesOf(w.store, w.clock)).toEqual(
    new Map([
      [0, ['first']],
      [1, ['first', 'b1', 'b2']],
    ]),
  )
})

test('a writer that was taken for dead, and is not, finds its instant gone: conflict, and nothing of it stays', async () => {
  const w = await world()
  const [a, b] = [await w.writer(), await w.writer()]
  await b.add([0], 'first')
  const one = await a.stage([0], 'a')
  // Suspended: time goes on, and none of its timers ran.
  w.clock.set(w.clock.now() + 130_000)
  await b.add([1], 'b')
  expect(await a.finish(one)).toBe('conflict')
  expect(await linesOf(w.store, w.clock)).toEqual(
    new Map([
      [0, ['first']],
      [1, ['b']],
    ]),
  )
  expect(await a.add([0], 'a')).toBe('committed')
})

test('a writer that dies with the lock holds the others up until it has run out', async () => {
  const w = await world()
  const dying = w.store.reopen()
  const a = await w.writer(dying)
  const b = await w.writer()
  dying.faults = (_, call, key) => (call === 'putIfAbsent' && key.endsWith('.commit.requested') ? 'crash-before' : null)
  await expect(a.stage([0], 'a')).rejects.toBeInstanceOf(SimulatedCrash)
  const refused = expect(b.add([0], 'b')).rejects.toMatchObject({ code: 'TRB-LAKE-080' })
  await w.clock.advance(70_000)
  await refused
  await w.clock.advance(235_000)
  expect(await b.add([0], 'b')).toBe('committed')
})

test('an own error gives the lock free, and takes the instant away', async () => {
  const w = await world()
  const view = w.store.reopen()
  const a = await w.writer(view)
  await a.add([0], 'first')
  let failed = false
  view.faults = (_, call, key) => {
    if (failed || call !== 'putIfAbsent' || !key.endsWith('.commit')) return null
    failed = true
    return 'fail-before'
  }
  const one = await a.stage([0], 'a')
  await expect(a.finish(one)).rejects.toMatchObject({ code: 'TRB-STORE-004' })
  expect(await a.finish(one)).toBe('committed')
  expect(await (await w.writer()).add([0], 'b')).toBe('committed')
  expect((await linesOf(w.store, w.clock)).get(0)).toEqual(['first', 'a', 'b'])
})

test('a table with a storage-based lock is shared without being told to; one without it is not', async () => {
  const w = await world()
  const auto: ConcurrencySettings = { mode: 'auto', lock: 'storage' }
  expect(await tableConcurrency(w.store, SPEC.path, w.clock, auto)).toBeNull()
  await (await w.writer()).add([0], 'first')
  expect(await tableConcurrency(w.store, SPEC.path, w.clock, auto)).not.toBeNull()
  expect(await tableConcurrency(w.store, SPEC.path, w.clock, { ...auto, mode: 'single_writer' })).toBeNull()
})

test('a single writer does not roll back a living writer of a shared table: TRB-LAKE-012', async () => {
  const w = await world()
  const a = await w.writer()
  const one = await a.stage([0], 'a')
  const alone = new AppendingWriter(w.store.reopen(), w.clock, null)
  await expect(alone.add([0], 'x')).rejects.toMatchObject({ code: 'TRB-LAKE-012', details: { instant: one.time } })
  expect(await a.finish(one)).toBe('committed')
})

test('a compaction or clustering planned in between on our file groups is a conflict, on others it is none', async () => {
  for (const [bucket, expected] of [
    [0, 'conflict'],
    [1, 'committed'],
  ] as const) {
    const w = await world()
    const a = await w.writer()
    await a.add([0, 1], 'first')
    const one = await a.stage([bucket], 'a')
    const service = new CommitProtocol(w.store.reopen(), SPEC.path, w.clock).timeline
    service.optimistic = true
    await service.refresh()
    const fileId = names(w)
      .find((n) => n.startsWith('00000000'))!
      .split('_')[0]!
    const operation = { partition: '', fileId, baseInstant: one.time, baseFile: null, logFiles: [], metrics: {} }
    const plan = printCompactionPlan({ operations: [operation], extra: new Map() }, 6, service.sync())
    await requestAction(service, 'compaction', () => plan, { claims: [`/${fileId}`] })
    expect(await a.finish(one), `bucket ${bucket}`).toBe(expected)
  }
})

test('a write that was rolled back under the feet of another is a conflict', async () => {
  const w = await world()
  const [a, b] = [await w.writer(), await w.writer()]
  await a.add([0], 'first')
  await a.add([0], 'second')
  const one = await b.stage([1], 'b')
  const newest = await a.protocol.newest()
  await w.store.delete([`${HOODIE}/${newest}.commit`, `${HOODIE}/${newest}.inflight`, `${HOODIE}/${newest}.commit.requested`])
  expect(await b.finish(one)).toBe('conflict')
})
