import { describe, expect, test } from 'vitest'
import { type Fault, MemoryStore, SimulatedCrash } from '../../../src/storage/memory/memory-store.ts'
import { keysOf, objectStoreSuite } from '../../conformance/object-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

describe('memory store', () => {
  objectStoreSuite({
    open: async () => new MemoryStore(fixedClock()),
    second: async (store) => (store as MemoryStore).reopen(),
  })
})

function faulty(fault: Fault, at = 0): MemoryStore {
  const s = new MemoryStore(fixedClock())
  s.faults = (n) => (n === at ? fault : null)
  return s
}

const body = Buffer.from('x')

test('a call can fail before or after its effect', async () => {
  const before = faulty('fail-before')
  await expect(before.putIfAbsent('k', body)).rejects.toMatchObject({ code: 'TRB-STORE-004' })
  expect([...before.snapshot().keys()]).toEqual([])
  const after = faulty('fail-after')
  await expect(after.putIfAbsent('k', body)).rejects.toMatchObject({ code: 'TRB-STORE-004' })
  expect([...after.snapshot().keys()]).toEqual(['k'])
})

test('after a crash every call of the process crashes; the next process sees what was done', async () => {
  const s = faulty('crash-after')
  await expect(s.put('k', body)).rejects.toBeInstanceOf(SimulatedCrash)
  await expect(s.get('k')).rejects.toBeInstanceOf(SimulatedCrash)
  expect((await s.reopen().get('k')).toString()).toBe('x')
})

test('a crash can fall between two deletions of one call', async () => {
  const s = new MemoryStore(fixedClock())
  for (const k of ['a', 'b', 'c']) await s.put(k, body)
  s.faults = (n) => (n === 4 ? 'crash-before' : null)
  await expect(s.delete(['a', 'b', 'c'])).rejects.toBeInstanceOf(SimulatedCrash)
  expect([...s.snapshot().keys()]).toEqual(['b', 'c'])
})

test('when the answer to putIfAbsent gets lost, our own bytes mean created', async () => {
  const s = faulty('lost')
  expect(await s.putIfAbsent('k', body)).toBe('created')
  const taken = new MemoryStore(fixedClock())
  await taken.putIfAbsent('k', Buffer.from('other'))
  taken.faults = (n) => (n === 1 ? 'lost' : null)
  expect(await taken.putIfAbsent('k', body)).toBe('exists')
})

test('a completed instant may only be written by putIfAbsent', async () => {
  const s = new MemoryStore(fixedClock())
  await expect(s.put('t/.hoodie/20261121000000000.commit', body)).rejects.toMatchObject({ code: 'TRB-INT-001' })
})

test('calls and bytes are counted', async () => {
  const s = new MemoryStore(fixedClock())
  await s.put('k', Buffer.alloc(10))
  await s.get('k')
  await s.range('k', 0, 4)
  expect(s.counter.counts.get('put')).toEqual({ calls: 1, bytes: 10 })
  expect(s.counter.counts.get('get')).toEqual({ calls: 1, bytes: 10 })
  expect(s.counter.counts.get('range')).toEqual({ calls: 1, bytes: 4 })
  expect(s.counter.totalCalls).toBe(3)
})

test('when the answer to replaceIfTag gets lost, the version that is there tells whose it is', async () => {
  const s = new MemoryStore(fixedClock())
  await s.put('k', body)
  const { tag } = (await s.head('k'))!
  s.faults = (_, call) => (call === 'replaceIfTag' ? 'lost' : null)
  expect(await s.replaceIfTag('k', Buffer.from('y'), tag)).toBe('replaced')
  expect(await s.replaceIfTag('k', Buffer.from('z'), tag)).toBe('stale')
  expect((await s.get('k')).toString()).toBe('y')
})

test('a lost answer to put, or to the end of a writer, is no failure', async () => {
  const s = new MemoryStore(fixedClock())
  s.faults = (_, call) => (call === 'put' || call === 'writer.close' ? 'lost' : null)
  await s.put('k', body)
  const w = await s.writer('w')
  await w.write(body)
  expect(await w.close()).toBe(1)
  expect([...s.snapshot().keys()]).toEqual(['k', 'w'])
})

test('every call of the contract can crash', async () => {
  const calls: [string, (s: MemoryStore) => Promise<unknown>][] = [
    ['get', (s) => s.get('k')],
    ['range', (s) => s.range('k', 0, 1)],
    ['put', (s) => s.put('n', body)],
    ['putIfAbsent', (s) => s.putIfAbsent('n', body)],
    ['replaceIfTag', (s) => s.replaceIfTag('k', body, 'v1')],
    ['head', (s) => s.head('k')],
    ['list', (s) => keysOf(s, '')],
    ['delete', (s) => s.delete(['k'])],
    ['writer.write', async (s) => (await s.writer('w')).write(body)],
    ['writer.close', async (s) => (await s.writer('w')).close()],
    ['writer.abort', async (s) => (await s.writer('w')).abort()],
  ]
  for (const [name, call] of calls) {
    const s = new MemoryStore(fixedClock())
    await s.put('k', body)
    const seen: string[] = []
    s.faults = (_, made) => {
      seen.push(made)
      return made === name ? 'crash-before' : null
    }
    await expect(call(s), name).rejects.toBeInstanceOf(SimulatedCrash)
    expect(seen, name).toContain(name)
  }
})
