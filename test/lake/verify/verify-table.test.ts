import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { NOTHING } from '../../sim/expected.ts'
import { type Op, type Shape, World } from '../../sim/world.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'

const scratch = mkdtempSync(join(tmpdir(), 'verify-'))
afterAll(() => rmSync(scratch, { recursive: true }))
const SHAPE: Shape = { tableType: 'COPY_ON_WRITE', tableVersion: 6, buckets: 2, partitioned: true }
const row = (id: number, note: string): Op => ({ do: 'write', rows: [[id, note]], wide: false })

/** Seven commits, an archive, a savepoint at the newest. */
const OPS: readonly Op[] = [
  ...[1, 2, 3, 4, 1, 2].map((id, n) => row(id, `n${n}`)),
  { do: 'archive', min: 3, spare: 0 },
  { do: 'savepoint', back: 0 },
  row(1, 'last'),
]

const bases = new Map<string, ReadonlyMap<string, Buffer>>()
beforeAll(async () => {
  for (const shape of [SHAPE, { ...SHAPE, tableVersion: 9 as const }, { ...SHAPE, tableType: 'MERGE_ON_READ' as const }]) {
    const world = World.inMemory(shape, scratch)
    await world.create()
    let exp = NOTHING
    for (const op of OPS) exp = await world.perform(op, exp)
    bases.set(`${shape.tableType} ${shape.tableVersion}`, world.store.snapshot())
  }
})

type Files = Map<string, Buffer>

/** Invariants broken in a copy of the table that was damaged so. */
async function broken(kind: string, damage: (files: Files) => void): Promise<string[]> {
  const files = new Map(bases.get(kind))
  damage(files)
  const store = new MemoryStore(fixedClock(Date.UTC(2026, 10, 22)))
  for (const [key, body] of files) await store.putIfAbsent(key, body)
  const { violations } = await verifyTable(new TimelineStore(store, 't', fixedClock(Date.UTC(2026, 10, 22))), true)
  for (const v of violations) expect(v.fix.length).toBeGreaterThan(10)
  return [...new Set(violations.map((v) => v.invariant))].sort()
}

const named = (files: Files, pattern: RegExp): string[] => [...files.keys()].filter((k) => pattern.test(k)).sort()
const BASE = /^t\/(odd|even)\/[^.].*\.parquet$/

test('sound tables of our own have no violation', async () => {
  for (const kind of bases.keys()) expect(await broken(kind, () => undefined), kind).toEqual([])
})

test('every kind of damage is found, and named by the invariant that it breaks', async () => {
  const cow = 'COPY_ON_WRITE 6'
  const newest = (files: Files): string => named(files, BASE).at(-1)!
  const cases: readonly (readonly [string, string, (files: Files) => void])[] = [
    ['a data file is gone', 'I3', (f) => f.delete(newest(f))],
    ['a data file is cut', 'I3', (f) => f.set(newest(f), f.get(newest(f))!.subarray(0, 500))],
    ['a partition is not marked as one', 'I3', (f) => f.delete('t/odd/.hoodie_partition_metadata')],
    [
      'a failed write left a file',
      'I8',
      (f) => f.set(newest(f).replace(/\d{17}\.parquet$/, '20261121999999999.parquet'), Buffer.alloc(10)),
    ],
    ['a commit file is empty', 'format', (f) => f.set(named(f, /\d\.commit$/).at(-1)!, Buffer.alloc(0))],
    ['the configuration is damaged', 'format', (f) => renamed(f)],
    ['an archive file is cut', 'format', (f) => cut(f, named(f, /commits_\.archive/)[0]!)],
    ['a savepoint is without its commit', 'I2', (f) => f.set('t/.hoodie/20261121000000001.savepoint.inflight', Buffer.alloc(0))],
    ['a file is in flight that nobody requested', 'I2', (f) => f.set('t/.hoodie/20261122000000000.inflight', Buffer.alloc(0))],
    ['a file that a savepoint keeps is gone', 'I7', (f) => f.delete(savepointed(f))],
    ['two files hold the same rows', 'I14', (f) => doubled(f)],
  ]
  for (const [what, invariant, damage] of cases) expect(await broken(cow, damage), what).toContain(invariant)
})

test('files of a commit that is gone without having been archived are told: readers go on counting them', async () => {
  const found = await broken('COPY_ON_WRITE 6', (f) => {
    const [first] = named(f, /\d\.commit$/)
    f.delete(first!)
    f.delete(first!.replace('.commit', '.inflight'))
    f.delete(`${first!}.requested`)
  })
  expect(found).toEqual(['I13', 'I4'])
})

test('damage of the log files of a merge-on-read table is found', async () => {
  const kind = 'MERGE_ON_READ 6'
  const log = (f: Files): string => named(f, /\.log\.\d/).at(-1)!
  expect(await broken(kind, (f) => cut(f, log(f)))).toContain('I3')
  expect(await broken(kind, (f) => f.delete(log(f)))).toContain('I3')
  // Bytes behind the last block, and a block of an instant that nobody knows.
  const tail = Buffer.from('#HUDI# and then nothing')
  expect(await broken(kind, (f) => f.set(log(f), Buffer.concat([f.get(log(f))!, tail])))).toContain('format')
  const stray = (f: Files): Buffer =>
    Buffer.from(
      f
        .get(log(f))!
        .toString('latin1')
        .replaceAll(/20261121\d{9}/g, '20261121999999999'),
      'latin1',
    )
  expect(await broken(kind, (f) => f.set(log(f).replace('.log.', '.log.9'), stray(f)))).toContain('I8')
})

test('no recorded table of Spark breaks an invariant', async () => {
  const folder = new URL('../../golden/hudi/', import.meta.url)
  const tables = readdirSync(folder).flatMap((f) => /^(.*)\.tar\.gz$/.exec(f)?.[1] ?? [])
  expect(tables.length).toBeGreaterThan(60)
  const found: Record<string, string[]> = {}
  let rewrites = 0
  for (const table of tables) {
    const ts = new TimelineStore(await goldenStore(table, 't'), 't', fixedClock(Date.UTC(2026, 10, 22)))
    const { violations, walked } = await verifyTable(ts, true)
    rewrites += walked.rewrites
    if (violations.length > 0) found[table] = [...new Set(violations.map((v) => `${v.invariant}: ${v.what}`))]
  }
  expect(found).toEqual({})
  // Compactions, log compactions and clusterings of Spark's whose files are all still there.
  expect(rewrites).toBeGreaterThan(15)
}, 120_000)

function renamed(files: Files): void {
  const key = 't/.hoodie/hoodie.properties'
  files.set(key, Buffer.from(files.get(key)!.toString().replace('hoodie.table.name=t', 'hoodie.table.name=other')))
}

function cut(files: Files, key: string): void {
  const body = files.get(key)!
  files.set(key, body.subarray(0, body.length - 7))
}

/** A file that the savepoint names and that is no longer the newest of its group: only the savepoint needs it. */
function savepointed(files: Files): string {
  const groups = Map.groupBy(named(files, BASE), (k) => k.split('_')[0]!)
  const last = (g: readonly string[]): string => /_(\d{17})\./.exec(g.at(-1)!)![1]!
  return [...groups.values()].sort((a, b) => (last(a) < last(b) ? 1 : -1))[0]!.at(-2)!
}

/** The newest file of a group, once more under another group of the same commit. */
function doubled(files: Files): void {
  const key = named(files, BASE).at(-1)!
  files.set(key.replace(/\/0000000/, '/0000009'), files.get(key)!)
}
