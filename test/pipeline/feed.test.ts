import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { AppendInfo, Log, SchemaRegistry, TopicBatch, TopicTables } from '../../src/contract/log.ts'
import { AppendGate } from '../../src/log/embedded/append-gate.ts'
import { openStateDatabase } from '../../src/log/embedded/database.ts'
import { createEmbeddedLog } from '../../src/log/embedded/embedded-log.ts'
import { type FeedOptions, feed } from '../../src/pipeline/feed.ts'
import { bucketCount } from '../../src/pipeline/fit-table.ts'
import { FlushCutter } from '../../src/pipeline/flush-policy.ts'
import { makeCursor, record } from '../conformance/log-data.ts'
import { FakeLake, fakeRows } from './fake-lake.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-feed-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let dirs = 0
const never = new AbortController().signal
const drained = AbortSignal.abort(new Error('drain'))
const registry: SchemaRegistry = { register: async () => 0, schema: async () => 'k' }
const info = { database: 'db', table: { schema: 's', table: 'a' }, rowEstimate: 3, keySchema: 1, valueSchema: 1 }
const topicTables: TopicTables = { put: () => undefined, get: (t) => (t === 'p.s.a' ? info : null) }

/** A clock that moves only when told; sleepers wake in order. */
class StillClock {
  time = 0
  private sleepers: { at: number; wake: () => void }[] = []
  now = (): number => this.time
  uuid = (): string => 'u'
  random = (): number => 0
  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      this.sleepers.push({ at: this.time + ms, wake: resolve })
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  async advance(ms: number): Promise<void> {
    this.time += ms
    for (const s of this.sleepers.filter((x) => x.at <= this.time)) s.wake()
    this.sleepers = this.sleepers.filter((x) => x.at > this.time)
    await settle()
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate)
}

function setup(clock = new StillClock()): { log: Log; lake: FakeLake; gate: AppendGate; clock: StillClock; options: FeedOptions } {
  const db = openStateDatabase(join(root, String(dirs++)))
  db.pragma('synchronous = OFF')
  const gate = new AppendGate(0)
  const log = createEmbeddedLog(db, { clock, retention: { maxAgeMs: 0, maxBytes: 0 }, onAppend: (a) => gate.advance(a.id) })
  const lake = new FakeLake()
  const layout = () => ({ tableType: 'COPY_ON_WRITE', tableVersion: 6, partition: null }) as const
  const policy = { intervalMs: 1000, records: 100, bytes: 1e9 }
  const options = { source: 's', log, lake, rows: fakeRows, registry, layout, topicTables, clock, policy, signal: gate }
  return { log, lake, gate, clock, options }
}

function batch(from: number, count: number): TopicBatch {
  const records = Buffer.concat(Array.from({ length: count }, (_, i) => record(Buffer.from('k'), Buffer.from(String(from + i)))))
  const runs = [{ count, commit: '0/1', commitUs: 1n }]
  return { topic: 'p.s.a', partition: 0, count, keySchema: 1, valueSchema: 1, records, headers: null, runs }
}

const commits = (lake: FakeLake): number[] => lake.tables.get('db/s/a')?.commits.map((c) => c.values.length) ?? []

test('the first consistent state is committed at once, then changes wait for the interval, and size ends the wait', async () => {
  const { log, lake, clock, options } = setup()
  const drain = new AbortController()
  const running = feed(options, drain.signal, never)
  await log.append([batch(0, 3)], makeCursor('1', { snapshotDone: ['p.s.a'] }))
  await settle()
  expect(commits(lake)).toEqual([3])
  expect(lake.marks.map((m) => m.commit)).toEqual(['1'])

  await log.append([batch(3, 2)], makeCursor('2'))
  await settle()
  await clock.advance(600)
  await log.append([batch(5, 2)], makeCursor('3'))
  await settle()
  expect(commits(lake)).toEqual([3])
  await clock.advance(400)
  expect(commits(lake)).toEqual([3, 4])

  await log.append([batch(7, 100)], makeCursor('4'))
  await settle()
  expect(commits(lake)).toEqual([3, 4, 100])
  await log.append([batch(107, 1)], makeCursor('5'))
  await settle()
  drain.abort(new Error('drain'))
  await running
  expect(commits(lake)).toEqual([3, 4, 100, 1])
  expect(lake.marks.map((m) => m.commit)).toEqual(['1', '3', '4', '5'])
  log.close()
})

test('services of a table come right after it was opened, and behind the watermark of each flush that touched it', async () => {
  const { log, lake, options } = setup()
  await log.append([batch(0, 3)], makeCursor('1', { snapshotDone: ['p.s.a'] }))
  await feed(options, drained, never)
  expect(lake.maintained).toEqual(['db/s/a 1 1'])
  await log.append([], makeCursor('2'))
  await feed(options, drained, never)
  expect(lake.marks.length).toBe(2)
  expect(lake.maintained).toEqual(['db/s/a 1 1', 'db/s/a 1 1'])
  await log.append([batch(3, 2)], makeCursor('3'))
  await feed(options, drained, never)
  expect(lake.maintained.slice(2)).toEqual(['db/s/a 1 2', 'db/s/a 2 3'])
  log.close()
})

test('a transaction that has not ended is not flushed, however large or old, and not by a drain', async () => {
  const { log, lake, clock, options } = setup()
  await log.append([batch(0, 1)], makeCursor('1', { snapshotDone: ['p.s.a'] }))
  await log.append([batch(1, 5000)], makeCursor('1:5000', { boundary: false, commit: '1' }))
  await feed(options, drained, never)
  await clock.advance(1e6)
  await feed(options, drained, never)
  expect(commits(lake)).toEqual([1])
  await log.append([batch(5001, 1)], makeCursor('2'))
  await feed(options, drained, never)
  expect(commits(lake)).toEqual([1, 5001])
  log.close()
})

test('a commit that other writers get in the way of is staged again; after five attempts it fails by name (TRB-LOG-010)', async () => {
  const { log, lake, options } = setup()
  await log.append([batch(0, 3)], makeCursor('1', { snapshotDone: ['p.s.a'] }))
  lake.conflicts = 5
  await expect(feed(options, drained, never)).rejects.toMatchObject({ code: 'TRB-LOG-010', details: { table: 'db/s/a', attempts: 5 } })
  expect(commits(lake)).toEqual([])
  lake.conflicts = 4
  await feed(options, drained, never)
  expect(commits(lake)).toEqual([3])
  log.close()
})

test('a lake of another log or source is refused before anything is written (TRB-LOG-009)', async () => {
  const first = setup()
  await first.log.append([batch(0, 3)], makeCursor('1', { snapshotDone: ['p.s.a'] }))
  await feed(first.options, drained, never)
  const text = JSON.stringify([...first.lake.tables.values()].map((t) => t.commits.length))

  const empty = setup()
  await expect(feed({ ...empty.options, lake: first.lake }, drained, never)).rejects.toMatchObject({ code: 'TRB-LOG-009' })

  const other = setup()
  await other.log.append([batch(0, 3)], makeCursor('77', { snapshotDone: ['p.s.a'] }))
  const refused = feed({ ...other.options, lake: first.lake }, drained, never)
  await expect(refused).rejects.toMatchObject({
    code: 'TRB-LOG-009',
    message: expect.stringContaining('says 1 at append 1, the log says 77'),
  })

  const named = setup()
  await named.log.append([batch(0, 3)], makeCursor('1', { source: 'two', snapshotDone: ['p.s.a'] }))
  const byName = feed({ ...named.options, lake: first.lake, source: 'two' }, drained, never)
  await expect(byName).rejects.toMatchObject({ code: 'TRB-LOG-009', message: expect.stringContaining('fed by the source "s"') })
  expect(JSON.stringify([...first.lake.tables.values()].map((t) => t.commits.length))).toBe(text)
  for (const s of [first, empty, other, named]) s.log.close()
})

test('an empty table is created; positions without changes move the watermark at most once a minute', async () => {
  const { log, lake, clock, options } = setup()
  const drain = new AbortController()
  await log.append([], makeCursor('1', { snapshotDone: ['p.s.a'] }))
  const running = feed(options, drain.signal, never)
  await settle()
  expect([...lake.tables.keys()]).toEqual(['db/s/a'])
  expect(lake.marks.map((m) => [m.commit, m.tables[0]?.instant])).toEqual([['1', null]])
  clock.time = 30_000
  await log.append([], makeCursor('2'))
  await settle()
  expect(lake.marks).toHaveLength(1)
  clock.time = 60_000
  await log.append([], makeCursor('3'))
  await settle()
  expect(lake.marks.map((m) => m.commit)).toEqual(['1', '3'])
  drain.abort(new Error('drain'))
  await running
  await log.append([{ ...batch(0, 1), topic: 'p.message' }], makeCursor('4'))
  await feed(options, drained, never)
  expect(lake.marks.at(-1)).toMatchObject({ commit: '4', tables: [{ path: 'db/s/a', instant: null }] })
  log.close()
})

test('waiting ends with the reason of the abort', async () => {
  const { log, options } = setup()
  const abort = new AbortController()
  const running = feed(options, never, abort.signal)
  await settle()
  abort.abort(new Error('enough'))
  await expect(running).rejects.toThrow('enough')
  log.close()
})

test('a flush is due by the age of the oldest change behind the last cut, also when newer ones came after the boundary', () => {
  const info_ = (id: number, records: number, boundary: boolean): AppendInfo => ({
    id,
    records,
    bytes: records,
    cursor: makeCursor(String(id), { boundary }),
  })
  const cutter = new FlushCutter({ intervalMs: 100, records: 50, bytes: 1000 })
  expect(cutter.due(0)).toBeNull()
  cutter.add(info_(1, 5, false), 10)
  expect(cutter.due(500)).toBeNull()
  cutter.add(info_(2, 5, true), 20)
  expect(cutter.due(30)).toBe(80)
  cutter.add(info_(3, 5, false), 60)
  expect(cutter.pending).toBe(10)
  expect(cutter.due(110)).toBe(0)
  cutter.flushed()
  expect(cutter.due(110)).toBeNull()
  cutter.add(info_(4, 1, true), 120)
  expect(cutter.due(120)).toBe(40)
  expect(cutter.add(info_(5, 50, true), 121)).toBe(true)
  expect(cutter.due(121)).toBe(0)
})

test('the first flushes of a run come after 1, 2, 4 … seconds, up to the interval', () => {
  const cutter = new FlushCutter({ intervalMs: 10_000, records: 50, bytes: 1000 })
  const waits = [1, 2, 3, 4, 5, 6].map((id) => {
    cutter.add({ id, records: 1, bytes: 1, cursor: makeCursor(String(id)) }, 0)
    const due = cutter.due(0)
    cutter.flushed()
    return due
  })
  expect(waits).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
})

test('buckets follow the size of the rows at hand or the estimate of the source, whichever is more', () => {
  expect(bucketCount(-1, [])).toBe(1)
  expect(bucketCount(0, [{ records: 0, bytes: 0 }])).toBe(1)
  expect(bucketCount(-1, [{ records: 1_000_000, bytes: 300_000_000 }])).toBe(1)
  expect(bucketCount(10_000_000, [{ records: 1_000_000, bytes: 300_000_000 }])).toBe(8)
  expect(bucketCount(1e12, [{ records: 1, bytes: 1000 }])).toBe(256)
})
