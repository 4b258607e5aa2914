import { expect, test } from 'vitest'
import { CommitProtocol } from '../../../src/lake/commit-protocol.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { manualClock } from '../../support/manual-clock.ts'
import { SPEC } from '../trivial-writer.ts'
import { AppendingWriter, linesOf } from './appending-writer.ts'

const MINUTE = 60_000

test('a clock that was set back: instants go on increasing, a millisecond at a time', async () => {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  const writer = new AppendingWriter(store, clock, null)
  await writer.create()
  clock.set(clock.now() + 30 * MINUTE)
  const times: string[] = []
  for (let i = 0; i < 4; i++) {
    const open = await writer.stage([0], `${i}`)
    times.push(open.time)
    expect(await writer.finish(open)).toBe('committed')
    clock.set(clock.now() - 10 * MINUTE)
  }
  expect(times).toEqual(['20261121003000000', '20261121003000001', '20261121003000002', '20261121003000003'])
  expect((await linesOf(store, clock)).get(0)).toEqual(['0', '1', '2', '3'])
})

test('a timeline with an instant in the future is not written: TRB-LAKE-082 says how far; it can be read', async () => {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  const writer = new AppendingWriter(store, clock, null)
  await writer.create()
  clock.set(clock.now() + 50 * 60 * MINUTE)
  await writer.add([0], 'future')
  clock.set(clock.now() - 50 * 60 * MINUTE)
  const later = new AppendingWriter(store.reopen(), clock, null)
  const newest = '20261123020000000'
  await expect(later.add([0], 'x')).rejects.toMatchObject({
    code: 'TRB-LAKE-082',
    details: { table: SPEC.path, instant: newest, ahead: '2 days' },
  })
  expect((await linesOf(store, clock)).get(0)).toEqual(['future'])
  const { timeline } = new CommitProtocol(store, SPEC.path, clock)
  await timeline.refresh()
  expect(timeline.timeline.instants.map((i) => [i.time, i.state])).toEqual([[newest, 'completed']])
})

test('a table whose instants are in local time may be ahead of UTC by a zone, not by more', async () => {
  const clock = manualClock()
  const store = new MemoryStore(clock)
  await new AppendingWriter(store, clock, null).create()
  const { timeline } = new CommitProtocol(store, SPEC.path, clock)
  await timeline.updateProperties((p) => p.set('hoodie.table.timeline.timezone', 'LOCAL'))
  clock.set(clock.now() + 14 * 60 * MINUTE)
  await new AppendingWriter(store.reopen(), clock, null).add([0], 'tokyo')
  clock.set(clock.now() - 14 * 60 * MINUTE)
  expect(await new AppendingWriter(store.reopen(), clock, null).add([0], 'london')).toBe('committed')
  clock.set(clock.now() - 3 * 60 * MINUTE)
  await expect(new AppendingWriter(store.reopen(), clock, null).add([0], 'x')).rejects.toMatchObject({ code: 'TRB-LAKE-082' })
})
