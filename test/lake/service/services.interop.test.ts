import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { cluster, DEFAULT_CLUSTERING } from '../../../src/lake/service/clustering.ts'
import { compactAll, compactable, scheduleCompaction } from '../../../src/lake/service/compaction.ts'
import { compactLogs } from '../../../src/lake/service/log-compaction.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { verifyTable } from '../../../src/lake/verify/verify-table.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { readWith } from '../../interop/readers.ts'
import { type Row, type Spark, startSpark } from '../../interop/spark.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from '../write/model.ts'

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'region', type: { kind: 'string' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const home = mkdtempSync(join(tmpdir(), 'trib-services-'))
const store = new DiskStore(join(home, 'lake'), systemClock)
const deps = { scratchDir: join(home, 'scratch'), memoryBudget: 1 << 26, rowGroupBytes: 4096 }
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** 60 rows, then three flushes of updates, inserts and deletes. */
async function make(path: string, tableType: TableSpec['tableType'], tableVersion: 6 | 9): Promise<void> {
  const spec: TableSpec = {
    ...{ name: path, database: 'shop', path, columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', buckets: 2 },
    ...{ partition: { column: 'region', truncate: 'none' }, tableType, tableVersion },
  }
  const rolled = path.startsWith('planned') ? { rowGroupBytes: 300, logFileBytes: 1 } : { rowGroupBytes: 2048 }
  const writer = await openTableWriter(store, spec, { clock: systemClock, scratchDir: deps.scratchDir, ...rolled })
  let lsn = 0n
  const row = (op: TestChange['op'], id: number, note: string): TestChange => {
    const values = [BigInt(id), id % 2 === 0 ? 'eu' : 'us', note, BigInt(id * 100), ++lsn]
    return { op, row: values, gone: [] }
  }
  const flushes = [
    Array.from({ length: 60 }, (_, id) => row('c', id, `first ${id}`)),
    [row('u', 3, 'changed'), row('u', 58, 'longer than it was before'), row('d', 10, ''), row('c', 100, 'new')],
    [row('u', 3, 'again'), row('d', 11, ''), row('c', 101, 'new'), row('c', 10, 'back')],
    [row('u', 100, 'changed'), row('d', 101, ''), row('u', 20, 'changed')],
  ]
  for (const changes of flushes) await writer.commit(await writer.stage([changesOf(COLUMNS, changes, false)]), null)
}

async function opened(path: string): Promise<TimelineStore> {
  const ts = new TimelineStore(store, path, systemClock)
  await ts.properties()
  await ts.refresh()
  return ts
}

const at = (path: string): string => join(store.root, path)
const META = ['_hoodie_commit_time', '_hoodie_commit_seqno', '_hoodie_record_key', '_hoodie_partition_path']
const NAMES = [...META, ...COLUMNS.map((c) => c.name)]

function lines(rows: readonly Row[], names: readonly string[] = NAMES): string[] {
  const plain = (v: unknown): unknown => (typeof v === 'number' || (typeof v === 'string' && /^-?\d+\.\d+$/.test(v)) ? Number(v) : v)
  return rows.map((r) => JSON.stringify(names.map((n) => plain(r[n])))).sort()
}

async function ours(path: string, kind: 'snapshot' | 'read-optimized' = 'snapshot'): Promise<string[]> {
  return lines((await tableRows(store, path, systemClock, kind)).map((l) => JSON.parse(l) as Row))
}

describe.each([
  [6, '0.15'],
  [9, '1.2'],
] as const)('table version %i beside Hudi %s', (version, engine) => {
  let spark: Spark
  beforeAll(async () => {
    for (const name of ['ours', 'planned', 'theirs', 'clustered', 'logs', 'split'])
      await make(`${name}_${version}`, 'MERGE_ON_READ', version)
    for (const name of ['sorted', 'joined']) await make(`${name}_${version}`, 'COPY_ON_WRITE', version)
    spark = await startSpark(engine)
    await spark.sql('set hoodie.metadata.enable=false')
    // the procedures check the configuration of the bucket index before they look into the table's own
    await spark.sql('set hoodie.datasource.write.recordkey.field=id')
    await spark.sql('set hoodie.compact.inline.max.delta.commits=1')
  }, 180_000)
  afterAll(async () => spark?.close())

  test('a compaction of ours is read by Spark and hudi-rs; Spark goes on writing, and so do we', async () => {
    const path = `ours_${version}`
    const before = await ours(path)
    expect(before).toHaveLength(60)
    const done = await compactAll(await opened(path), deps)
    expect(done.reduce((n, d) => n + d.fileGroups, 0)).toBe(4)
    expect(await ours(path, 'read-optimized')).toEqual(before)
    for (const mode of ['snapshot', 'ro'] as const) expect(lines(await spark.read(at(path), { mode, meta: true })), mode).toEqual(before)
    expect(lines(await readWith('hudi-rs', [at(path)], ['--meta']))).toEqual(before)
    const change = { id: 5, region: 'us', note: 'by Spark', amount: '7.00', _event_lsn: 10_000 }
    await spark.upsert(at(path), [change], {})
    const after = await ours(path)
    expect(after.filter((l) => l.includes('by Spark'))).toHaveLength(1)
    expect(lines(await spark.read(at(path), { meta: true }))).toEqual(after)
    await compactAll(await opened(path), deps)
    expect(await ours(path)).toEqual(after)
    expect(lines(await spark.read(at(path), { mode: 'ro', meta: true }))).toEqual(after)
  }, 180_000)

  test('a compaction that we planned is carried out by Spark', async () => {
    const path = `planned_${version}`
    const before = await ours(path)
    // several log files of one flush, each cut at its size
    expect((await fileSlices(await opened(path), null)).some((s) => s.logs.length > 3)).toBe(true)
    expect(lines(await spark.read(at(path), { meta: true }))).toEqual(before)
    expect(lines(await readWith('hudi-rs', [at(path)], ['--meta']))).toEqual(before)
    const ts = await opened(path)
    await scheduleCompaction(ts, await compactable(ts))
    await spark.sql(`call run_compaction(op => 'run', path => '${at(path)}')`)
    const now = await opened(path)
    expect(now.timeline.instants.every((i) => i.state === 'completed')).toBe(true)
    expect(await compactable(now)).toEqual([])
    expect(await ours(path)).toEqual(before)
    expect(await ours(path, 'read-optimized')).toEqual(before)
  }, 180_000)

  test('a compaction that Spark planned is carried out by us', async () => {
    const path = `theirs_${version}`
    const before = await ours(path)
    await spark.sql(`call run_compaction(op => 'schedule', path => '${at(path)}')`)
    const done = await compactAll(await opened(path), deps)
    expect(done[0]).toMatchObject({ resumed: true, fileGroups: 4 })
    expect(lines(await spark.read(at(path), { mode: 'ro', meta: true }))).toEqual(before)
  }, 180_000)

  test('log files put together by us are read by Spark and hudi-rs; Spark goes on writing', async () => {
    const path = `logs_${version}`
    const before = await ours(path)
    const ts = await opened(path)
    expect(await compactLogs(ts, await compactable(ts), deps)).toMatchObject([{ fileGroups: 3 }])
    expect(await ours(path)).toEqual(before)
    expect(lines(await spark.read(at(path), { meta: true }))).toEqual(before)
    expect(lines(await readWith('hudi-rs', [at(path)], ['--meta']))).toEqual(before)
    await spark.upsert(at(path), [{ id: 5, region: 'us', note: 'by Spark', amount: '7.00', _event_lsn: 10_000 }], {})
    const after = await ours(path)
    expect(after.filter((l) => l.includes('by Spark'))).toHaveLength(1)
    expect(lines(await spark.read(at(path), { meta: true }))).toEqual(after)
  }, 180_000)

  test.each(['clustered', 'sorted'])(
    'a clustering of ours (%s) is read by Spark and hudi-rs; Spark goes on writing',
    async (name) => {
      const path = `${name}_${version}`
      const before = await ours(path)
      const done = await cluster(await opened(path), { ...DEFAULT_CLUSTERING, sort: ['amount', 'note'] }, deps)
      expect(done).toMatchObject({ replaced: 4, written: 4, rows: 60 })
      expect(await ours(path)).toEqual(before)
      expect(lines(await spark.read(at(path), { meta: true }))).toEqual(before)
      expect(lines(await readWith('hudi-rs', [at(path)], ['--meta']))).toEqual(before)
      await spark.upsert(at(path), [{ id: 5, region: 'us', note: 'by Spark', amount: '7.00', _event_lsn: 10_000 }], {})
      const after = await ours(path)
      expect([after.length, after.filter((l) => l.includes('by Spark')).length]).toEqual([60, 1])
      expect(lines(await spark.read(at(path), { meta: true }))).toEqual(after)
    },
    180_000,
  )

  test.each([
    ['split', 6],
    ['joined', 1],
  ] as const)(
    'a table of ours whose rows were spread over other buckets (%s) is read by Spark and hudi-rs; Spark finds every key',
    async (name, buckets) => {
      const path = `${name}_${version}`
      const before = await ours(path)
      expect(await cluster(await opened(path), { ...DEFAULT_CLUSTERING, buckets }, deps)).toMatchObject({ rows: 60, buckets })
      expect(await ours(path)).toEqual(before)
      expect(lines(await spark.read(at(path), { meta: true }))).toEqual(before)
      expect(lines(await readWith('hudi-rs', [at(path)], ['--meta']))).toEqual(before)
      const ids = before.map((l) => Number((JSON.parse(l) as unknown[])[4]))
      const change = (id: number): Row => ({
        ...{ id, region: id % 2 === 0 ? 'eu' : 'us', note: 'by Spark', amount: '7.00', _event_lsn: 10_000 + id },
      })
      await spark.upsert(at(path), [...ids, 200, 201, 202].map(change), {})
      const after = await ours(path)
      expect([after.length, after.filter((l) => l.includes('by Spark')).length]).toEqual([63, 63])
      expect(lines(await spark.read(at(path), { meta: true }))).toEqual(after)
      expect((await verifyTable(await opened(path), true)).violations.filter((v) => v.invariant === 'I14')).toEqual([])
    },
    180_000,
  )
})
