import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../src/contract/table.ts'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import type { Value } from '../format/parquet/values.ts'
import { readWith } from '../interop/readers.ts'
import { type Row, type Spark, startSpark } from '../interop/spark.ts'
import { goldenFiles } from '../support/golden-table.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf } from './write/model.ts'

/** Kinds of partitioning and key that change the configuration which other engines read. */
const PARTITIONS = {
  none: null,
  region: { column: 'region', truncate: 'none' },
  day: { column: 'day', truncate: 'none' },
  month_of_day: { column: 'day', truncate: 'month' },
  day_of_time: { column: 'at', truncate: 'day' },
} as const
const KEYS = [['id'], ['id', 'sub'], []] as const
const CASES = Object.keys(PARTITIONS).flatMap((p) => KEYS.map((k) => [p as keyof typeof PARTITIONS, k] as const))

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'sub', type: { kind: 'string' } },
  { name: 'region', type: { kind: 'string' } },
  { name: 'day', type: { kind: 'date' } },
  { name: 'at', type: { kind: 'timestamp-micros' } },
  { name: 'clock', type: { kind: 'time-micros' } },
  { name: 'list', type: { kind: 'list', element: { kind: 'long' } } },
  { name: 'map', type: { kind: 'map', value: { kind: 'string' } } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const at = (text: string): bigint => BigInt(Date.parse(text)) * 1000n
const row = (id: bigint, sub: string, region: string | null, time: string | null): Value[] => {
  const day = time === null ? null : Math.floor(Date.parse(time) / 86_400_000)
  return [id, sub, region, day, time === null ? null : at(time), 3_600_000_000n + id, [1n, id], [['k', region]], id]
}
const ROWS = [
  row(1n, 'a', 'eu', '2026-11-21T10:00:00Z'),
  row(2n, 'b', 'us/ca', '2026-11-21T23:59:59Z'),
  row(3n, 'c', 'a b=c:%', '2026-12-01T00:00:00Z'),
  row(4n, 'd', 'eu', '1969-12-31T23:59:59Z'),
  row(5n, 'e', null, null),
]

/** A null in a list is read everywhere, but Spark's own lists of two levels cannot hold it when it rewrites a file: not in tables of one key. */
const rowsFor = (key: readonly string[]): Value[][] =>
  key.length === 1 ? ROWS : ROWS.map((r) => r.map((v, i) => (COLUMNS[i].name === 'list' ? [...(v as Value[]), null] : v)) as Value[])

/** Hudi 1.2 does not write into tables with a time of day: to Spark it is a long, which its check of schemas refuses. */
const columnsFor = (version: 6 | 9): readonly LakeColumn[] => (version === 6 ? COLUMNS : COLUMNS.filter((c) => c.name !== 'clock'))

let home = ''
let store: DiskStore
let spark: Spark

const pathOf = (p: string, key: readonly string[]): string => `${p}_${key.length}`

async function open(version: 6 | 9, path: string, partition: TableSpec['partition'], key: readonly string[]): Promise<TableWriter> {
  const spec: TableSpec = {
    ...{ name: path, database: 'shop', path, columns: columnsFor(version), key, partition, orderingField: '_event_lsn', buckets: 2 },
    ...{ tableType: 'COPY_ON_WRITE', tableVersion: version },
  }
  return openTableWriter(store, spec, { clock: systemClock, scratchDir: join(home, 'scratch') })
}

const created = (version: 6 | 9, rows: readonly Value[][], bag: boolean): Parameters<TableWriter['stage']>[0] => [
  changesOf(
    columnsFor(version),
    rows.map((r) => ({ op: 'c' as const, row: version === 6 ? r : r.filter((_, i) => COLUMNS[i].name !== 'clock'), gone: [] })),
    bag,
  ),
]

/** One line per row, of what every engine prints alike. Spark shows times of day as microseconds, hudi-rs as times. */
function lines(rows: readonly Row[]): string[] {
  const clock = (v: unknown): string =>
    typeof v === 'number' ? `${new Date(v / 1000).toISOString().slice(11, 19)}.${String(v % 1_000_000).padStart(6, '0')}` : String(v)
  const map = (v: unknown): unknown => (Array.isArray(v) ? Object.fromEntries(v as [string, unknown][]) : v)
  return rows
    .map((r) => JSON.stringify([r['id'], r['sub'], r['region'], r['day'], r['at'], clock(r['clock']), r['list'], map(r['map'])]))
    .sort()
}

function expected(version: 6 | 9, key: readonly string[]): string[] {
  const out: Row[] = rowsFor(key).map(([id, sub, region, day, time, , list]) => ({
    ...{ id: Number(id), sub, region, map: { k: region } },
    ...(version === 6 ? { clock: Number(3_600_000_000n + (id as bigint)) } : {}),
    day: day === null ? null : new Date((day as number) * 86_400_000).toISOString().slice(0, 10),
    at: time === null ? null : new Date(Number((time as bigint) / 1000n)).toISOString().replace('Z', '000'),
    list: (list as (bigint | null)[]).map((v) => (v === null ? null : Number(v))),
  }))
  return lines(out)
}

/** Version 6 with every kind of partitioning and key; version 9, which differs in the timeline alone, with some. */
const VERSIONS = [
  [6, '0.15', CASES],
  [9, '1.2', CASES.filter(([p, key]) => (p === 'none' || p === 'region' || p === 'day_of_time') && key.length < 2)],
] as const

describe.each(VERSIONS)('table version %i beside Hudi %s', (version, engine, cases) => {
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'trib-engines-'))
    store = new DiskStore(join(home, 'lake'), systemClock)
    for (const [p, key] of cases) {
      const writer = await open(version, pathOf(p, key), PARTITIONS[p], key)
      const all = rowsFor(key)
      for (const rows of [all.slice(0, 3), all.slice(3)]) {
        await writer.commit(await writer.stage(created(version, rows, key.length === 0)), checkpointOf(1))
      }
    }
    spark = await startSpark(engine)
  })

  afterAll(async () => {
    await spark?.close()
    rmSync(home, { recursive: true, force: true })
  })

  test.each(cases)('partitioned by %s with key %j, Spark and hudi-rs read the rows that were written', async (p, key) => {
    const path = join(store.root, pathOf(p, key))
    expect(lines(await spark.read(path))).toEqual(expected(version, key))
    expect(lines(await readWith('hudi-rs', [path]))).toEqual(expected(version, key))
  })

  test.each(['none', 'region', 'day_of_time'] as const)(
    'partitioned by %s: Spark rolls back a write of ours that died, with all its files, and we go on after it',
    async (p) => {
      const key = ['id']
      const path = pathOf(p, key)
      const dead = await open(version, path, PARTITIONS[p], key)
      const { instant } = await dead.stage(
        created(version, [row(1n, 'half', 'eu', '2026-11-21T10:00:00Z'), row(99n, 'half', 'new', '2030-01-01T00:00:00Z')], false),
      )
      const left = (): string[] =>
        readdirSync(join(store.root, path), { recursive: true, encoding: 'utf8' }).filter((f) => f.includes(`_${instant}.parquet`))
      expect(left().filter((f) => f.endsWith('.parquet')).length).toBeGreaterThan(0)
      const [first] = await spark.read(join(store.root, path))
      await spark.upsert(join(store.root, path), [{ ...first, sub: 'by spark' }])
      expect(left()).toEqual([])
      const writer = await open(version, path, PARTITIONS[p], key)
      expect(
        await writer.commit(await writer.stage(created(version, [row(6n, 'f', 'eu', '2026-11-21T10:00:00Z')], false)), checkpointOf(2)),
      ).toBe('committed')
      const ids = (await spark.read(join(store.root, path))).map((r) => `${r['id']} ${r['id'] === first['id'] ? r['sub'] : ''}`)
      expect(ids.sort()).toEqual([1, 2, 3, 4, 5, 6].map((id) => `${id} ${id === first['id'] ? 'by spark' : ''}`))
    },
  )

  test('what we roll back of ourselves is no obstacle to Spark', async () => {
    const key = ['id']
    const path = pathOf('region', key)
    const dead = await open(version, path, PARTITIONS.region, key)
    const { instant } = await dead.stage(created(version, [row(1n, 'half', 'eu', '2026-11-21T10:00:00Z')], false))
    const before = lines(await spark.read(join(store.root, path)))
    const protocol = new CommitProtocol(store, path, systemClock)
    expect(await protocol.recover()).toMatchObject([{ time: instant, action: 'commit', files: 1 }])
    expect(lines(await spark.read(join(store.root, path)))).toEqual(before)
    const [first] = await spark.read(join(store.root, path))
    await spark.upsert(join(store.root, path), [{ ...first, sub: 'after a rollback' }])
    const after = await spark.read(join(store.root, path))
    expect(after.filter((r) => r['sub'] === 'after a rollback').map((r) => r['id'])).toEqual([first['id']])
    expect(lines(await readWith('hudi-rs', [join(store.root, path)]))).toEqual(lines(after))
  })

  test('a table whose metadata table we took away is read by Spark, and gets a new one when Spark wants it', async () => {
    const name = `v${version}_cow_mdt`
    for (const [path, body] of goldenFiles(name)) await store.put(`${name}/${path}`, body)
    const expectedRows = (await spark.read(join(store.root, name))).length
    await new CommitProtocol(store, name, systemClock).recover()
    const metadata = (): string[] => readdirSync(join(store.root, name, '.hoodie')).filter((f) => f === 'metadata')
    expect(metadata()).toEqual([])
    const rows = await spark.read(join(store.root, name))
    expect(rows.length).toBe(expectedRows)
    expect(rows.length).toBeGreaterThan(0)
    await spark.upsert(join(store.root, name), [{ ...rows[0], name: 'with a new one' }], { 'hoodie.metadata.enable': 'true' })
    expect(metadata()).toEqual(['metadata'])
    const after = await spark.read(join(store.root, name))
    expect(after.length).toBe(expectedRows)
    expect(after.filter((r) => r['name'] === 'with a new one').length).toBe(1)
    const partitions = (await new TimelineStore(store, name, systemClock).properties()).get('hoodie.table.metadata.partitions')
    expect(partitions).toContain('files')
  })
})
