import { expect, test } from 'vitest'
import { FileLock } from '../../../src/lake/lock/file-lock.ts'
import { ALIVE_MS, Heartbeat } from '../../../src/lake/lock/heartbeat.ts'
import { isFree, parseLease, printLease } from '../../../src/lake/lock/lease.ts'
import { StorageLock } from '../../../src/lake/lock/storage-lock.ts'
import { DEFAULT_LOCK_TIMES } from '../../../src/lake/lock/table-lock.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { manualClock } from '../../support/manual-clock.ts'

const KEY = 't/.hoodie/.locks/table_lock.json'
const TIMES = DEFAULT_LOCK_TIMES

function world(): { clock: ReturnType<typeof manualClock>; store: MemoryStore; lock: StorageLock; text: () => Promise<string> } {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  return {
    clock,
    store,
    lock: new StorageLock({ store, table: 't', clock, times: TIMES }),
    text: async () => (await store.get(KEY)).toString(),
  }
}

test('the file is the one that Hudi writes', async () => {
  const { clock, lock, text } = world()
  const held = await lock.acquire()
  const validUntil = clock.now() + 300_000
  expect(await text()).toBe(`{"expired":false,"validUntil":${validUntil},"owner":"00000000-0000-4000-8000-000000000001"}`)
  await held.release()
  expect(await text()).toBe(`{"expired":true,"validUntil":${validUntil},"owner":"00000000-0000-4000-8000-000000000001"}`)
  expect(parseLease(Buffer.from(await text()), KEY)).toEqual({ expired: true, validUntil, owner: '00000000-0000-4000-8000-000000000001' })
})

test.each(['', 'x', '{}', '{"expired":false,"validUntil":"1","owner":"a"}', '[]', 'null'])('%j is no lock: TRB-LAKE-004', async (body) => {
  const { store, lock } = world()
  await store.putIfAbsent(KEY, Buffer.from(body))
  await expect(lock.acquire()).rejects.toMatchObject({ code: 'TRB-LAKE-004', details: { file: KEY } })
})

test('a lease is free when given free, and when it has run out by both clocks', () => {
  const lease = { expired: false, validUntil: 1000, owner: 'a' }
  expect([1000, 1500, 1501].map((now) => isFree(lease, now, 500))).toEqual([false, false, true])
  expect(isFree({ ...lease, expired: true }, 0, 500)).toBe(true)
})

test('the second waits until the first is done', async () => {
  const { clock, lock } = world()
  const first = await lock.acquire()
  let second = false
  const waiting = lock.acquire().then((h) => {
    second = true
    return h
  })
  await clock.advance(5_000)
  expect(second).toBe(false)
  await first.release()
  await clock.advance(1_000)
  expect(second).toBe(true)
  await (await waiting).release()
})

test('waiting ends: TRB-LAKE-080 names who has it, and until when', async () => {
  const { clock, lock } = world()
  const first = await lock.acquire()
  const waiting = expect(lock.acquire()).rejects.toMatchObject({
    code: 'TRB-LAKE-080',
    details: { table: 't', owner: '00000000-0000-4000-8000-000000000001', file: KEY, seconds: 60 },
  })
  await clock.advance(TIMES.waitMs + 1_000)
  await waiting
  await first.release()
})

test.each([
  ['a lease that is free', { expired: true, validUntil: 0, owner: 'done' }],
  ['no lease', null],
])('waiting also ends where others are always quicker to take %s: TRB-LAKE-080 after the same time', async (_, lease) => {
  const { clock, store, lock } = world()
  if (lease !== null) await store.putIfAbsent(KEY, printLease(lease))
  const taken: string[] = []
  store.putIfAbsent = async (key) => {
    taken.push(key)
    return 'exists'
  }
  store.replaceIfTag = async (key) => {
    taken.push(key)
    return 'stale'
  }
  let failed = false
  const waiting = lock.acquire().catch((e: unknown) => {
    failed = true
    throw e
  })
  const refused = expect(waiting).rejects.toMatchObject({ code: 'TRB-LAKE-080', details: { table: 't', file: KEY, seconds: 60 } })
  await clock.advance(TIMES.waitMs - 1_000)
  expect(failed).toBe(false)
  await clock.advance(2_000)
  expect(failed).toBe(true)
  await refused
  expect(taken.length).toBeGreaterThan(100)
})

test('an expired lock of a dead owner is taken over, when it has surely run out and not before', async () => {
  const { clock, store, lock } = world()
  await store.putIfAbsent(KEY, printLease({ expired: false, validUntil: clock.now() + 30_000, owner: 'dead' }))
  const waiting = lock.acquire()
  await clock.advance(30_400)
  expect(parseLease(await store.get(KEY), KEY).owner).toBe('dead')
  await clock.advance(1_000)
  await (await waiting).check()
  expect(parseLease(await store.get(KEY), KEY).owner).not.toBe('dead')
})

test('the owner renews it, for as long as it works', async () => {
  const { clock, store, lock } = world()
  const held = await lock.acquire()
  for (let minute = 1; minute <= 20; minute++) {
    await clock.advance(60_000)
    await held.check()
    expect(isFree(parseLease(await store.get(KEY), KEY), clock.now(), 0)).toBe(false)
  }
  await held.release()
})

test('an owner that cannot renew it may go on for a while, then not: TRB-LAKE-081; when the store is back in time all is well', async () => {
  const { clock, store, lock } = world()
  const held = await lock.acquire()
  store.faults = () => 'fail-before'
  await clock.advance(150_000)
  await held.check()
  await clock.advance(60_000)
  await expect(held.check()).rejects.toMatchObject({ code: 'TRB-LAKE-081', details: { file: KEY, left: 90 } })
  store.faults = () => null
  await clock.advance(30_000)
  await held.check()
  await held.release()
})

test('an owner that was suspended, and another that took it: the first may do nothing, and its release does not disturb the second', async () => {
  const { clock, store, lock } = world()
  const first = await lock.acquire()
  clock.set(clock.now() + 400_000)
  const second = await new StorageLock({ store: store.reopen(), table: 't', clock, times: TIMES }).acquire()
  await clock.advance(30_000)
  await expect(first.check()).rejects.toMatchObject({ code: 'TRB-LAKE-081', details: { left: 0 } })
  await first.release()
  await second.check()
  await second.release()
})

test('a lost answer to a renewal is no lost lock', async () => {
  const { clock, store, lock } = world()
  const held = await lock.acquire()
  store.faults = (_, call) => (call === 'replaceIfTag' ? 'fail-after' : null)
  for (let i = 0; i < 20; i++) {
    await clock.advance(30_000)
    await held.check()
  }
  store.faults = () => null
  await held.release()
})

test('a clock that goes back under the lock: TRB-LAKE-083', async () => {
  const { clock, lock } = world()
  const held = await lock.acquire()
  await held.check()
  clock.set(clock.now() - 400)
  await held.check()
  clock.set(clock.now() - 10_000)
  await expect(held.check()).rejects.toMatchObject({ code: 'TRB-LAKE-083' })
})

test('of many that want it one at a time has it', async () => {
  const { clock, store } = world()
  let inside = 0
  let most = 0
  let done = 0
  const all = Array.from({ length: 20 }, async () => {
    const held = await new StorageLock({ store: store.reopen(), table: 't', clock, times: { ...TIMES, waitMs: 3_600_000 } }).acquire()
    most = Math.max(most, ++inside)
    await clock.sleep(50)
    inside--
    done++
    await held.release()
  })
  for (let i = 0; i < 400 && done < 20; i++) await clock.advance(100)
  await Promise.all(all)
  expect([most, done]).toEqual([1, 20])
})

test('the file lock of Hudi 0.x is held while its file is there, and never taken over', async () => {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  const lock = new FileLock({ store, table: 't', clock, times: TIMES })
  const acquiring = lock.acquire()
  await clock.advance(200)
  const held = await acquiring
  expect(JSON.parse((await store.get('t/.hoodie/lock')).toString())).toHaveProperty('lockCreateTime')
  const second = expect(lock.acquire()).rejects.toMatchObject({ code: 'TRB-LAKE-080', details: { file: 't/.hoodie/lock' } })
  await clock.advance(TIMES.waitMs + 1000)
  await second
  await held.check()
  await held.release()
  expect(await store.head('t/.hoodie/lock')).toBeNull()
  await expect(held.check()).rejects.toMatchObject({ code: 'TRB-LAKE-081' })
})

test('a file lock that Java overwrote in its race is not ours', async () => {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  const lock = new FileLock({ store, table: 't', clock, times: TIMES })
  const acquiring = lock.acquire()
  await clock.advance(20)
  await store.delete(['t/.hoodie/lock'])
  await store.putIfAbsent('t/.hoodie/lock', Buffer.from('java'))
  let ours = false
  const then = acquiring.then((h) => {
    ours = true
    return h
  })
  await clock.advance(2000)
  expect(ours).toBe(false)
  await store.delete(['t/.hoodie/lock'])
  await clock.advance(2000)
  await (await then).release()
})

test('a heartbeat beats while its instant is open, through a store that fails now and then, and goes with it', async () => {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  const beat = await Heartbeat.start(store, 't', '20261121000000000', clock)
  const age = async (): Promise<number> => clock.now() - (await store.head('t/.hoodie/.heartbeat/20261121000000000'))!.modifiedMs
  for (let i = 0; i < 10; i++) {
    store.faults = i % 2 === 0 ? (_, call) => (call === 'head' ? null : 'fail-before') : () => null
    await clock.advance(60_000)
    expect(await age()).toBeLessThan(ALIVE_MS)
  }
  store.faults = () => null
  await beat.stop()
  expect(store.snapshot().size).toBe(0)
})

test('a lock that could not be given free, or was taken without hearing of it, is taken again by the same writer at once', async () => {
  const { clock, store, lock } = world()
  const held = await lock.acquire()
  store.faults = (_n, call) => (call === 'replaceIfTag' ? 'fail-before' : null)
  await expect(held.release()).rejects.toThrow(/TRB-STORE-004/)
  store.faults = () => null
  const began = clock.now()
  const again = await lock.acquire()
  await again.release()
  // The lease is read back after it has been written: that look fails.
  let gets = 0
  store.faults = (_n, call) => (call === 'get' && ++gets === 2 ? 'fail-before' : null)
  await expect(lock.acquire()).rejects.toThrow(/TRB-STORE-004/)
  store.faults = () => null
  await (await lock.acquire()).release()
  expect(clock.now()).toBe(began)
  // Another writer waits for a lease that is still valid.
  const theirs = await lock.acquire()
  await expect(
    Promise.race([new StorageLock({ store, table: 't', clock, times: TIMES }).acquire(), clock.advance(3_000)]),
  ).resolves.toBeUndefined()
  await theirs.release()
})
