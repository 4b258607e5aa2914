import { expect, test } from 'vitest'
import type { Watermark } from '../../src/contract/table.ts'
import { LakeWatermarkStore } from '../../src/lake/watermark-store.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'

const clock = fixedClock()

function mark(appendId: number, source = 'pg'): Omit<Watermark, 'seq' | 'writtenMs'> {
  const tables = [{ path: 'a/b', schema: 'a', table: 'b', instant: '20261121000000000', topic: 'a.b', nextOffset: appendId }]
  return { source, commit: `0/${appendId}`, commitUs: 2n ** 53n + BigInt(appendId), appendId, tables }
}

test('watermarks come back whole, newest first', async () => {
  const store = new MemoryStore(clock)
  const marks = new LakeWatermarkStore(store, clock)
  expect(await marks.newest()).toBeNull()
  const written: Watermark[] = []
  for (let i = 1; i <= 12; i++) written.push(await marks.append(mark(i)))
  expect(written.map((w) => w.seq)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1))
  const listed: Watermark[] = []
  for await (const w of new LakeWatermarkStore(store.reopen(), clock).list()) listed.push(w)
  expect(listed).toEqual(written.toReversed())
})

test('the newest costs one list and one get, however many there are', async () => {
  const store = new MemoryStore(clock)
  const marks = new LakeWatermarkStore(store, clock)
  for (let i = 1; i <= 50; i++) await marks.append(mark(i))
  const before = store.calls
  expect((await marks.newest())?.appendId).toBe(50)
  expect(store.calls - before).toBe(2)
})

test('appending lists nothing once the newest is known, and notices another process', async () => {
  const store = new MemoryStore(clock)
  const marks = new LakeWatermarkStore(store, clock)
  await marks.append(mark(1))
  const before = store.calls
  await marks.append(mark(2))
  expect(store.calls - before).toBe(1)
  await new LakeWatermarkStore(store.reopen(), clock).append(mark(3))
  await expect(marks.append(mark(4))).rejects.toMatchObject({ code: 'TRB-LAKE-017' })
  expect((await marks.append(mark(5))).seq).toBe(4)
})

test('I16: a watermark never goes back within its source', async () => {
  const marks = new LakeWatermarkStore(new MemoryStore(clock), clock)
  await marks.append(mark(5))
  for (const back of [5, 4]) await expect(marks.append(mark(back))).rejects.toMatchObject({ code: 'TRB-LAKE-016' })
  expect((await marks.append(mark(1, 'another source'))).seq).toBe(2)
})

test('two processes that append at once: one of them is told', async () => {
  const store = new MemoryStore(clock)
  const [a, b] = [new LakeWatermarkStore(store, clock), new LakeWatermarkStore(store.reopen(), clock)]
  const answers = await Promise.allSettled([a.append(mark(1)), b.append(mark(2))])
  const refused = answers.filter((x) => x.status === 'rejected')
  expect(refused).toHaveLength(1)
  expect(refused[0].reason).toMatchObject({ code: 'TRB-LAKE-017' })
})

test('an append whose answer got lost is there once', async () => {
  const store = new MemoryStore(clock)
  const marks = new LakeWatermarkStore(store, clock)
  store.faults = (_n, call) => (call === 'putIfAbsent' ? 'lost' : null)
  expect((await marks.append(mark(1))).seq).toBe(1)
  store.faults = () => null
  expect((await marks.newest())?.appendId).toBe(1)
})

test.each(['', '{}', '{"seq":1,"writtenMs":1,"appendId":1,"source":"s","commit":"c","commitUs":"x","tables":[]}'])(
  'the text %j is no watermark',
  async (text) => {
    const store = new MemoryStore(clock)
    await store.putIfAbsent('.tributary/watermarks/9999999999998.json', Buffer.from(text))
    await expect(new LakeWatermarkStore(store, clock).newest()).rejects.toMatchObject({ code: 'TRB-LAKE-004' })
  },
)
