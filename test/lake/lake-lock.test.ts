import { expect, test } from 'vitest'
import { acquireLakeLock, LOCK_KEY, type OwnerProbe } from '../../src/lake/lake-lock.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { manualClock } from '../support/manual-clock.ts'

const clock = manualClock()
const probe = (pid: number, alive: (pid: number) => boolean | null): OwnerProbe => ({
  self: { pid, host: 'here', started: `s${pid}` },
  isAlive: (o) => alive(o.pid),
})

test('a lake is held by one run and given free', async () => {
  const store = new MemoryStore(clock)
  const lock = await acquireLakeLock(
    store,
    clock,
    probe(1, () => true),
  )
  await expect(
    acquireLakeLock(
      store,
      clock,
      probe(2, () => true),
    ),
  ).rejects.toMatchObject({
    code: 'TRB-LAKE-015',
    details: { pid: 1, host: 'here' },
  })
  await lock.release()
  await (
    await acquireLakeLock(
      store,
      clock,
      probe(2, () => true),
    )
  ).release()
  expect(await store.head(LOCK_KEY)).toBeNull()
})

test('a lock whose owner is dead is taken over, and its late release changes nothing', async () => {
  const store = new MemoryStore(clock)
  const dead = await acquireLakeLock(
    store,
    clock,
    probe(1, () => true),
  )
  const alive = probe(2, (pid) => pid === 2)
  await acquireLakeLock(store, clock, alive)
  await dead.release()
  await expect(acquireLakeLock(store, clock, alive)).rejects.toMatchObject({ code: 'TRB-LAKE-015', details: { pid: 2 } })
})

test('an owner on another host cannot be told dead', async () => {
  const store = new MemoryStore(clock)
  await acquireLakeLock(
    store,
    clock,
    probe(1, () => true),
  )
  await expect(
    acquireLakeLock(
      store,
      clock,
      probe(2, () => null),
    ),
  ).rejects.toMatchObject({ code: 'TRB-LAKE-015' })
})

test('of many that take over from a dead owner one wins', async () => {
  const store = new MemoryStore(clock)
  await acquireLakeLock(
    store,
    clock,
    probe(1, () => true),
  )
  const answers = await Promise.allSettled(
    Array.from({ length: 8 }, (_, i) =>
      acquireLakeLock(
        store.reopen(),
        clock,
        probe(i + 2, (pid) => pid !== 1),
      ),
    ),
  )
  expect(answers.filter((a) => a.status === 'fulfilled')).toHaveLength(1)
})

test('a file that is no lock is not overwritten', async () => {
  const store = new MemoryStore(clock)
  await store.put(LOCK_KEY, Buffer.from('{"pid":"x"}'))
  await expect(
    acquireLakeLock(
      store,
      clock,
      probe(2, () => false),
    ),
  ).rejects.toMatchObject({ code: 'TRB-LAKE-004' })
})

test('an owner on another host that has not renewed its lock for two minutes is taken for dead, and told so when it is not', async () => {
  const moved = manualClock()
  const store = new MemoryStore(moved)
  const elsewhere = (pid: number): OwnerProbe => probe(pid, () => null)
  const first = await acquireLakeLock(store, moved, elsewhere(1))
  for (let i = 0; i < 10; i++) {
    await moved.advance(60_000)
    await expect(acquireLakeLock(store, moved, elsewhere(2))).rejects.toMatchObject({ code: 'TRB-LAKE-015' })
  }
  // Suspended: time goes on, and none of its timers ran.
  moved.set(moved.now() + 149_000)
  await expect(acquireLakeLock(store, moved, elsewhere(2))).rejects.toMatchObject({ code: 'TRB-LAKE-015' })
  moved.set(moved.now() + 2_000)
  const second = await acquireLakeLock(store, moved, elsewhere(2))
  expect(first.lost.aborted).toBe(false)
  await moved.advance(30_000)
  expect(first.lost.reason).toMatchObject({ code: 'TRB-LAKE-084', details: { by: 'process 2 on here' } })
  expect(second.lost.aborted).toBe(false)
  await first.release()
  expect(await store.head(LOCK_KEY)).not.toBeNull()
  await second.release()
  expect(await store.head(LOCK_KEY)).toBeNull()
})

test('a store that fails for a while loses nobody the lake; a lock file that was deleted does', async () => {
  const moved = manualClock()
  const store = new MemoryStore(moved)
  const lock = await acquireLakeLock(
    store,
    moved,
    probe(1, () => true),
  )
  store.faults = () => 'fail-before'
  await moved.advance(70_000)
  store.faults = () => null
  await moved.advance(60_000)
  expect(lock.lost.aborted).toBe(false)
  await store.delete([LOCK_KEY])
  await moved.advance(30_000)
  expect(lock.lost.reason).toMatchObject({ code: 'TRB-LAKE-084', details: { by: 'nobody' } })
  await lock.release()
})
