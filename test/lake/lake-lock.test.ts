import { expect, test } from 'vitest'
import { acquireLakeLock, LOCK_KEY, type OwnerProbe } from '../../src/lake/lake-lock.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'

const clock = fixedClock()
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
