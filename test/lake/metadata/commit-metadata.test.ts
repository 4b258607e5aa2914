import { expect, test } from 'vitest'
import { checkpointExtra, readCheckpoint } from '../../../src/lake/metadata/checkpoint.ts'
import { baseFileStat, commitMetadata, parseCommitMetadata, printCommitMetadata } from '../../../src/lake/metadata/commit-metadata.ts'
import { COW_TABLES, goldenFiles } from '../../support/golden-table.ts'

const WRITTEN = /^\.hoodie\/\d+\.(inflight|commit|replacecommit|replacecommit\.inflight)$/

test.each(COW_TABLES)('every write on the timeline of %s, as Java printed it, is printed back byte for byte', (table) => {
  let files = 0
  for (const [path, body] of goldenFiles(table)) {
    if (!WRITTEN.test(path) || body.length === 0) continue
    files++
    expect(printCommitMetadata(parseCommitMetadata(body, path)).toString()).toBe(body.toString())
  }
  expect(files).toBeGreaterThan(1)
})

test('the stat of a base file has exactly the properties that Java writes, in its order', () => {
  const body = goldenFiles('v6_cow_nonpart').get('.hoodie/20261121031526277.commit')!
  const theirs = [...parseCommitMetadata(body, 'f').stats.values()][0][0]
  const mine = baseFileStat({
    fileId: theirs.fileId,
    path: theirs.path!,
    partition: '',
    previous: null,
    rows: 4,
    inserted: 4,
    updated: 0,
    deleted: 0,
    bytes: 5754,
    elapsedMs: 383,
  })
  expect(JSON.stringify(mine)).toBe(JSON.stringify(theirs))
})

test('a rewritten file names the instant before it, and where the time went', () => {
  const facts = { fileId: 'f', path: 'p/f', partition: 'p', rows: 10, inserted: 1, updated: 2, deleted: 3, bytes: 99, elapsedMs: 7 }
  const s = baseFileStat({ ...facts, previous: '20261121000000000' })
  expect(s).toMatchObject({ prevCommit: '20261121000000000', numWrites: 10, numInserts: 1, numUpdateWrites: 2, numDeletes: 3 })
  expect(s.runtimeStats).toEqual({ totalScanTime: 0, totalUpsertTime: 7, totalCreateTime: 0 })
})

test('metadata holds files by partition, the schema first, then whatever else', () => {
  const facts = { fileId: 'f', previous: null, rows: 1, inserted: 1, updated: 0, deleted: 0, bytes: 9, elapsedMs: 0 }
  const stats = ['a', 'b', 'a'].map((partition, i) => baseFileStat({ ...facts, partition, path: `${partition}/${i}` }))
  const m = commitMetadata({ operation: 'UPSERT', stats, schema: '{}', extra: [['k', 'v']] })
  expect([...m.stats].map(([p, list]) => [p, list.map((s) => s.path)])).toEqual([
    ['a', ['a/0', 'a/2']],
    ['b', ['b/1']],
  ])
  expect([...m.extra]).toEqual([
    ['schema', '{}'],
    ['k', 'v'],
  ])
  expect(parseCommitMetadata(printCommitMetadata(m), 'f')).toEqual(m)
})

test('a checkpoint is read back as it was; 64-bit times stay whole', () => {
  const full = { source: 'pg:x', commit: '16/B374D848', commitUs: 2n ** 53n + 1n, topic: 'shop.public.a,b', nextOffset: 12 }
  for (const c of [full, { ...full, commit: null, commitUs: null }]) {
    const m = commitMetadata({ operation: 'UPSERT', stats: [], schema: '{}', extra: checkpointExtra(c) })
    expect(readCheckpoint(parseCommitMetadata(printCommitMetadata(m), 'f'), 'f')).toEqual(c)
  }
  expect(checkpointExtra(full)[0]).toEqual(['deltastreamer.checkpoint.key', 'shop.public.a,b,0:12'])
})

test("another writer's commit has no checkpoint; a damaged one is an error", () => {
  const m = (extra: [string, string][]): ReturnType<typeof commitMetadata> =>
    commitMetadata({ operation: 'UPSERT', stats: [], schema: '', extra })
  expect(readCheckpoint(m([]), 'f')).toBeNull()
  expect(readCheckpoint(m([['deltastreamer.checkpoint.key', 't,0:1']]), 'f')).toBeNull()
  const damaged: [string, string][] = [
    ['deltastreamer.checkpoint.key', 't,0:x'],
    ['tributary.source', 's'],
  ]
  expect(() => readCheckpoint(m(damaged), 'f')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-004' }))
})

test.each([
  '',
  '[]',
  '{"partitionToWriteStats":1}',
  '{"partitionToWriteStats":{"a":[{"path":"x"}]}}',
  '{"partitionToWriteStats":{"a":1}}',
  '{',
])('the text %j is no commit', (text) => {
  expect(() => parseCommitMetadata(Buffer.from(text), 'f')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-004' }))
})
