import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { Watermark } from '../../../src/contract/table.ts'
import { compactable, scheduleCompaction } from '../../../src/lake/service/compaction.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { checkWatermarks } from '../../../src/lake/verify/check-watermarks.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { NOTHING_WALKED, Violations } from '../../../src/lake/verify/violation.ts'
import { LakeWatermarkStore } from '../../../src/lake/watermark-store.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { NOTHING } from '../../sim/expected.ts'
import { type Op, type Shape, World } from '../../sim/world.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

const scratch = mkdtempSync(join(tmpdir(), 'verify-'))
afterAll(() => rmSync(scratch, { recursive: true }))

const COW: Shape = { tableType: 'COPY_ON_WRITE', tableVersion: 6, buckets: 1, partitioned: false }
const MOR: Shape = { ...COW, tableType: 'MERGE_ON_READ' }
const write = (...rows: (readonly [number, string | null])[]): Op => ({ do: 'write', rows, wide: false })
const LATER = fixedClock(Date.UTC(2026, 10, 22))

type Files = Map<string, Buffer>

/** Everything stored after these operations. Clock, names and ids are the same each time: two tables differ in nothing but their rows. */
async function tableOf(shape: Shape, ops: readonly Op[]): Promise<Files> {
  const world = World.inMemory(shape, scratch)
  await world.create()
  let exp = NOTHING
  for (const op of ops) exp = await world.perform(op, exp)
  return world.store.snapshot()
}

async function storeOf(files: Files): Promise<MemoryStore> {
  const store = new MemoryStore(LATER)
  for (const [key, body] of files) await store.putIfAbsent(key, body)
  return store
}

/** What `lake verify` says of a table: each violation as `invariant: what`; every one has an instant or file, and says what to do. */
async function verified(files: Files): Promise<{ readonly told: string[]; readonly rewrites: number }> {
  const { violations, walked } = await verifyTable(new TimelineStore(await storeOf(files), 't', LATER), true)
  for (const v of violations) {
    expect(v.fix.length, v.what).toBeGreaterThan(10)
    if (v.invariant !== 'I14') expect(v.file ?? v.instant, v.what).not.toBeNull()
  }
  return { told: violations.map((v) => `${v.invariant}: ${v.what}`), rewrites: walked.rewrites }
}

const named = (files: Files, pattern: RegExp): string[] => [...files.keys()].filter((k) => pattern.test(k)).sort()

/** Puts the files of `other` that match in place of those of the same names. */
function swap(files: Files, other: Files, pattern: RegExp): Files {
  const keys = named(files, pattern)
  expect(keys.length).toBeGreaterThan(0)
  for (const key of keys) files.set(key, other.get(key)!)
  return files
}

const completed = (files: Files, n: number): string =>
  /(\d{17})\.\w+$/.exec(named(files, /\.hoodie\/\d{17}\.(commit|deltacommit)$/).at(n)!)![1]!

function edited(files: Files, key: string, from: string | RegExp, to: string): Files {
  const text = files.get(key)!.toString('latin1')
  expect(text.replace(from, to)).not.toBe(text)
  return files.set(key, Buffer.from(text.replace(from, to), 'latin1'))
}

test('I1: two writes at one time', async () => {
  const files = await tableOf(COW, [write([0, 'a']), write([0, 'b'])])
  const [a, b] = [completed(files, 0), completed(files, 1)]
  const pending = new Map(files)
  for (const state of ['requested', 'inflight']) pending.set(`t/.hoodie/${a}.deltacommit.${state}`, Buffer.alloc(0))
  expect((await verified(pending)).told.join('\n')).toContain('I1: commit and deltacommit have the same time')
  files.set(`t/.hoodie/${a}.deltacommit`, files.get(`t/.hoodie/${b}.commit`)!)
  expect((await verified(files)).told.join('\n')).toMatch(/^I1: Two completed files claim the instant/m)
})

test('I5: two pending plans with one file group', async () => {
  const world = World.inMemory(MOR, scratch)
  await world.perform(write([0, 'b']), await world.perform(write([0, 'a']), NOTHING))
  const ts = world.timeline()
  await ts.refresh()
  const time = await scheduleCompaction(ts, await compactable(ts))
  const files = world.store.snapshot()
  const again = `${time.slice(0, 16)}${(Number(time.at(16)) + 1) % 10}`
  files.set(`t/.hoodie/${again}.compaction.requested`, files.get(`t/.hoodie/${time}.compaction.requested`)!)
  expect((await verified(files)).told.join('\n')).toMatch(/^I5: it works on file group .* as \d+ compaction does/m)
})

test('I6: a state that nobody gave up cannot be read', async () => {
  const files = await tableOf(COW, [write([0, 'a']), write([0, 'b']), write([0, 'c'])])
  files.delete(named(files, /\.parquet$/).find((k) => k.includes(completed(files, 1)))!)
  const { told } = await verified(files)
  expect(told.join('\n')).toMatch(/^I6: the state as of this commit cannot be read any more/m)
  expect(told.join('\n')).toMatch(/^I3: /m)
})

test('I9: a commit that goes back in the log of its source', async () => {
  const files = await tableOf(COW, [write([0, 'a']), write([0, 'b']), write([0, 'c'])])
  edited(files, `t/.hoodie/${completed(files, 1)}.commit`, 't,0:2', 't,0:9')
  expect((await verified(files)).told).toEqual([
    expect.stringMatching(/^I9: it says that offset 3 of t comes next, the commit \d+ before it says 9/),
  ])
})

test('I10: an instant that is in the archive twice', async () => {
  const files = await tableOf(COW, [...['a', 'b', 'c', 'd'].map((n) => write([0, n])), { do: 'archive', min: 1, spare: 0 }])
  const [first] = named(files, /commits_\.archive\.1/)
  files.set(first!.replace('archive.1', 'archive.2'), files.get(first!)!)
  expect((await verified(files)).told.join('\n')).toMatch(/^I10: commit is in the archive twice/m)
})

test.each([
  ['compaction', MOR, { do: 'compact' }, /_(\d{17})\.parquet$/],
  ['compaction of version 9', { ...MOR, tableVersion: 9 }, { do: 'compact' }, /_(\d{17})\.parquet$/],
  ['clustering', COW, { do: 'cluster' }, /_(\d{17})\.parquet$/],
  ['clustering of version 9', { ...COW, tableVersion: 9 }, { do: 'cluster' }, /_(\d{17})\.parquet$/],
] as const)('I11: a %s that changed a row', async (_name, shape, service, pattern) => {
  const before: Op[] = [write([0, 'a'], [1, 'b'], [2, 'c']), write([1, 'd'])]
  const files = await tableOf(shape as Shape, [...before, service])
  expect(await verified(files)).toEqual({ told: [], rewrites: 1 })
  // The same table with another value in a row, a row less, and the rows of the first write in another order: their sequence numbers differ.
  const others: (readonly [string, readonly Op[]])[] = [
    ['"note":"b"', [write([0, 'a'], [1, 'b'], [2, 'e']), write([1, 'd'])]],
    ['3 rows went in and 2 came out', [write([0, 'a'], [1, 'b']), write([1, 'd'])]],
    ['_hoodie_commit_seqno', [write([2, 'c'], [1, 'b'], [0, 'a']), write([1, 'd'])]],
  ]
  for (const [what, ops] of others) {
    const copy = new Map(files)
    const other = await tableOf(shape as Shape, [...ops, service])
    const newest = named(files, pattern)
      .map((k) => pattern.exec(k)![1]!)
      .sort()
      .at(-1)!
    swap(copy, other, new RegExp(`${newest}`))
    const { told } = await verified(copy)
    const own = told.filter((t) => t.startsWith('I11: '))
    expect(own, `${what}\n${told.join('\n')}`).toHaveLength(1)
    expect(own[0]).toContain(what === '"note":"b"' ? 'changed rows (3 rows)' : what)
  }
})

test('I12: a write that a restore has taken away is there again', async () => {
  const ops: Op[] = [write([0, 'a']), { do: 'savepoint', back: 0 }, write([0, 'b'])]
  const [before, files] = [await tableOf(COW, ops), await tableOf(COW, [...ops, { do: 'restore' }])]
  const gone = completed(before, 1)
  for (const [key, body] of before) if (key.includes(gone)) files.set(key, body)
  expect((await verified(files)).told.join('\n')).toMatch(/^I12: the restore \d+ has taken it away, and it is still there/m)
})

test('I13: a write that changed a row without giving it its commit time', async () => {
  const ops = (note: string): Op[] => [write([0, note], [1, 'b']), write([1, 'c'])]
  const files = await tableOf(COW, ops('a'))
  swap(files, await tableOf(COW, ops('x')), new RegExp(`_${completed(files, 1)}\\.parquet$`))
  expect((await verified(files)).told).toEqual([
    expect.stringMatching(/^I13: it holds a row that the version before it does not have, .*"note":"x"/),
  ])
})

test('I13: a block of a log with rows of another commit', async () => {
  const files = await tableOf(MOR, [write([0, 'a']), write([0, 'b']), write([0, 'c'])])
  const [log] = named(files, /\.log\.2/)
  edited(files, log!, completed(files, 2), completed(files, 1))
  expect((await verified(files)).told.join('\n')).toMatch(/^I13: a block of it has a row of commit time "\d{17}"/m)
})

test('I15: a commit that counted other rows than its file holds', async () => {
  const files = await tableOf(COW, [write([0, 'a'])])
  edited(files, `t/.hoodie/${completed(files, 0)}.commit`, /"numWrites" : 1/g, '"numWrites" : 2')
  expect((await verified(files)).told).toContainEqual('I15: it holds 1 rows, its commit counted 2')
})

/** Two watermarks of a lake with the table `t` at its first and second commit. */
async function lakeOf(): Promise<{ files: Files; commits: readonly string[] }> {
  const files = await tableOf(COW, [write([0, 'a']), write([0, 'b'])])
  const commits = [completed(files, 0), completed(files, 1)]
  const store = await storeOf(files)
  const watermarks = new LakeWatermarkStore(store, LATER)
  for (const [n, instant] of commits.entries()) {
    const table = { path: 't', schema: 's', table: 't', instant, topic: 't', nextOffset: n + 1 }
    await watermarks.append({ source: 's', commit: `0/${n + 1}`, commitUs: 1n, appendId: n + 1, tables: [table] })
  }
  return { files: store.snapshot(), commits }
}

async function watermarksOf(files: Files): Promise<string[]> {
  const found = new Violations(100)
  const walked = { ...NOTHING_WALKED }
  await checkWatermarks(await storeOf(files), LATER, null, found, walked)
  expect(walked.watermarks).toBeGreaterThan(0)
  for (const v of found.list) expect(v.fix.length).toBeGreaterThan(10)
  return found.list.map((v) => `${v.invariant}: ${v.what}`)
}

test('I16: watermarks that increase, and tables that are there at each', async () => {
  expect(await watermarksOf((await lakeOf()).files)).toEqual([])
})

test.each<readonly [string, RegExp, (files: Files, commits: readonly string[]) => void]>([
  ['a watermark that goes back', /goes back/, (f) => rewritten(f, 0, (w) => ({ ...w, appendId: 1 }))],
  ['a watermark is missing', /has number 1, not 4/, (f) => rewritten(f, 0, (w) => ({ ...w, seq: 5 }))],
  ['a table goes back', /complete up to offset 0/, (f) => rewritten(f, 0, (w) => ({ ...w, tables: [{ ...w.tables[0]!, nextOffset: 0 }] }))],
  ['a table is gone', /t of the watermark is not there/, (f) => f.delete('t/.hoodie/hoodie.properties')],
  ['a commit is gone', /not part of its history/, (f, [, second]) => f.delete(`t/.hoodie/${second}.commit`)],
  ['a commit goes further than it', /goes up to offset 7/, (f, [, b]) => edited(f, `t/.hoodie/${b}.commit`, 't,0:2', 't,0:7')],
])('I16: %s', async (_name, told, damage) => {
  const { files, commits } = await lakeOf()
  damage(files, commits)
  const found = (await watermarksOf(files)).join('\n')
  expect(found).toMatch(/^I16: /m)
  expect(found).toMatch(told)
})

/** Changes the n-th newest watermark; with another number it gets another name. */
function rewritten(files: Files, n: number, change: (w: Watermark) => Watermark): void {
  const key = named(files, /watermarks\//)[n]!
  const old = JSON.parse(files.get(key)!.toString()) as Watermark
  const now = change(old)
  files.delete(key)
  const rank = Number(/(\d+)\.json/.exec(key)![1]) + old.seq - now.seq
  files.set(key.replace(/\d+\.json/, `${String(rank).padStart(13, '0')}.json`), Buffer.from(JSON.stringify(now)))
}
