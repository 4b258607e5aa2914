import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../src/contract/table.ts'
import { compactAll } from '../../src/lake/service/compaction.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { verifyTable } from '../../src/lake/verify/verify-table.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import type { S3Store } from '../../src/storage/s3/s3-store.ts'
import type { Value } from '../format/parquet/values.ts'
import { tableRows } from '../lake/table-rows.ts'
import { changesOf, Model, type TestChange } from '../lake/write/model.ts'
import { newestOfGroups, readWith } from './readers.ts'
import { type S3Place, startS3Place } from './s3-place.ts'
import { type Row, type Spark, startSpark } from './spark.ts'

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'region', type: { kind: 'string' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 } },
  { name: 'at', type: { kind: 'timestamp-micros' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
/** Values that S3 keys and URLs write in different ways. */
const REGIONS = ['eu', 'us/ca', 'a b=c:%+ü']
const TYPES = ['COPY_ON_WRITE', 'MERGE_ON_READ'] as const

let lsn = 0n
const change = (op: TestChange['op'], id: number, note: string): TestChange => {
  const at = 1_700_000_000_000_000n + BigInt(id) * 1_000_001n
  return { op, row: [BigInt(id), REGIONS[id % 3], note, BigInt(id) * 101n - 5000n, at, ++lsn], gone: [] }
}

/** Rows as text, the same for every reader and for the model. */
function lines(rows: readonly Row[]): string[] {
  const time = (v: unknown): string => String(v).replace(/Z$/, '')
  return rows.map((r) => JSON.stringify([r['id'], r['region'], r['note'], Number(r['amount']), time(r['at'])])).sort()
}

/** Only those rows that were written after this position: what an incremental read from there gives. */
function expected(model: Model, after = 0n): string[] {
  const iso = (micros: bigint): string =>
    new Date(Number(micros / 1000n)).toISOString().replace('Z', String(micros % 1000n).padStart(3, '0'))
  const row = ([id, region, note, amount, at]: readonly Value[]): Row => {
    return { id: Number(id), region, note, amount: Number(amount) / 100, at: iso(at as bigint) }
  }
  return lines(
    model
      .values()
      .filter((r) => (r[5] as bigint) > after)
      .map(row),
  )
}

/** Changes as Spark gives them: `op id before -> after` of the notes. */
function changeLines(rows: readonly Row[]): string[] {
  const side = (v: unknown): Row | null => (typeof v === 'string' ? (JSON.parse(v) as Row) : null)
  return rows
    .map((r) => {
      const [before, after] = [side(r['before']), side(r['after'])]
      return `${r['op']} ${(after ?? before)?.['id']} ${before?.['note'] ?? '-'} -> ${after?.['note'] ?? '-'}`
    })
    .sort()
}

let s3: S3Place
let store: S3Store
let scratch = ''

beforeAll(async () => {
  s3 = await startS3Place()
  store = s3.store
  scratch = mkdtempSync(join(tmpdir(), 'trib-s3-readers-'))
})
afterAll(() => {
  s3?.server.stop()
  rmSync(scratch, { recursive: true, force: true })
})

describe.each([
  [6, '0.15'],
  [9, '1.2'],
] as const)('tables of version %i on S3, Spark with Hudi %s', (version, release) => {
  const models = new Map<string, Model>()
  const firstStates = new Map<string, { readonly instant: string; readonly rows: string[]; readonly lsn: bigint }>()
  let spark: Spark

  const pathOf = (type: TableSpec['tableType']): string => `${type.toLowerCase()}_${version}`
  const model = (type: TableSpec['tableType']): Model => models.get(type)!
  const uri = (type: TableSpec['tableType'], scheme = 's3'): string => `${store.root}/${pathOf(type)}`.replace(/^s3/, scheme)
  const ours = async (type: TableSpec['tableType']): Promise<string[]> =>
    lines((await tableRows(store, pathOf(type), systemClock, 'snapshot')).map((l) => JSON.parse(l) as Row))

  async function open(tableType: TableSpec['tableType']): Promise<TableWriter> {
    const path = pathOf(tableType)
    const spec: TableSpec = {
      ...{ name: path, database: 'shop', path, columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', buckets: 2 },
      ...{ partition: { column: 'region', truncate: 'none' }, tableType, tableVersion: version },
    }
    return openTableWriter(store, spec, { clock: systemClock, scratchDir: scratch })
  }

  async function flush(writer: TableWriter, type: TableSpec['tableType'], changes: readonly TestChange[]): Promise<string> {
    const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
    expect(await writer.commit(staged, null)).toBe('committed')
    for (const c of changes) model(type).apply(c)
    return staged.instant
  }

  async function opened(type: TableSpec['tableType']): Promise<TimelineStore> {
    const ts = new TimelineStore(store, pathOf(type), systemClock)
    await ts.properties()
    await ts.refresh()
    return ts
  }

  beforeAll(async () => {
    const starting = startSpark(release)
    for (const type of TYPES) {
      models.set(type, new Model([0]))
      let writer = await open(type)
      if (type === 'COPY_ON_WRITE') {
        await (await opened(type)).updateProperties((p) => {
          p.set('hoodie.table.cdc.enabled', 'true').set('hoodie.table.cdc.supplemental.logging.mode', 'DATA_BEFORE_AFTER')
        })
        writer = await open(type)
      }
      const instant = await flush(
        writer,
        type,
        Array.from({ length: 30 }, (_, id) => change('c', id, `first ${id}`)),
      )
      firstStates.set(type, { instant, rows: expected(model(type)), lsn })
      await flush(writer, type, [change('u', 3, 'second'), change('u', 4, 'second'), change('d', 5, ''), change('c', 30, 'new')])
      await flush(writer, type, [change('u', 3, 'third'), change('d', 30, ''), change('c', 31, 'new'), change('c', 5, 'back')])
    }
    spark = await starting
    await spark.configure(s3.hadoop)
  })
  afterAll(async () => spark?.close())

  test.each(TYPES)('Spark and hudi-rs read the rows of a %s table of ours, as they are and as they were', async (type) => {
    expect(lines(await spark.read(uri(type, 's3a')))).toEqual(expected(model(type)))
    expect(lines(await readWith('hudi-rs', [uri(type)], [], s3.env))).toEqual(expected(model(type)))
    const { instant, rows } = firstStates.get(type)!
    expect(lines(await readWith('hudi-rs', [uri(type)], ['--at', instant], s3.env))).toEqual(rows)
  })

  /** Of an instant, the time by which ranges go. */
  async function rangeTime(type: TableSpec['tableType'], instant: string): Promise<string> {
    return (await opened(type)).timeline.instants.find((i) => i.time === instant)?.completion ?? instant
  }

  test.each(TYPES)('Spark reads a %s table of ours in every query mode', async (type) => {
    const { instant, rows, lsn: first } = firstStates.get(type)!
    const begin = await rangeTime(type, instant)
    expect(lines(await spark.read(uri(type, 's3a'), { mode: 'asof', at: instant }))).toEqual(rows)
    // In a range, and there alone, 1.2 gives the name of the directory as the value of the column.
    const named = (r: Row): Row => (version === 9 ? { ...r, region: decodeURIComponent(String(r['region'])) } : r)
    const range = await spark.read(uri(type, 's3a'), { mode: 'incremental', begin })
    expect(lines(range.map(named))).toEqual(expected(model(type), first))
    const base = (await tableRows(store, pathOf(type), systemClock, 'read-optimized')).map((l) => JSON.parse(l) as Row)
    expect(lines(await spark.read(uri(type, 's3a'), { mode: 'ro' }))).toEqual(lines(base))
    if (type === 'MERGE_ON_READ') return
    const second = ['d 5 first 5 -> -', 'i 30 - -> new', 'u 3 first 3 -> second', 'u 4 first 4 -> second']
    const third = ['d 30 new -> -', 'i 31 - -> new', 'i 5 - -> back', 'u 3 second -> third']
    expect(changeLines(await spark.read(uri(type, 's3a'), { mode: 'cdc', begin }))).toEqual([...second, ...third].sort())
  })

  test('Spark writes into a merge-on-read table of ours; we read that, go on, and find the table whole', async () => {
    const type = 'MERGE_ON_READ'
    const bySpark = (id: number, amount: string): Row => {
      const at = `2023-11-14T22:13:${20 + id}.0000${String(id).padStart(2, '0')}`
      return { id, region: REGIONS[id % 3], note: 'by spark', amount, at, _event_lsn: Number(++lsn) }
    }
    await spark.upsert(uri(type, 's3a'), [bySpark(7, '-42.93'), bySpark(37, '-12.63')])
    for (const id of [7, 37]) model(type).apply(change('u', id, 'by spark'))
    expect(await ours(type)).toEqual(expected(model(type)))
    await flush(await open(type), type, [change('u', 37, 'ours again'), change('d', 8, ''), change('c', 38, 'new')])
    expect(lines(await spark.read(uri(type, 's3a')))).toEqual(expected(model(type)))
    expect(lines(await readWith('hudi-rs', [uri(type)], [], s3.env))).toEqual(expected(model(type)))
    expect((await verifyTable(await opened(type), true)).violations).toEqual([])
  })

  test.each(TYPES)(
    'pyarrow and DuckDB read the base files of a %s table, those of a merge-on-read table when it is compacted',
    async (type) => {
      if (type === 'MERGE_ON_READ') {
        const done = await compactAll(await opened(type), { scratchDir: scratch, memoryBudget: 1 << 26, rowGroupBytes: 4096 })
        expect(done.reduce((n, d) => n + d.fileGroups, 0)).toBeGreaterThan(0)
      }
      const keys: string[] = []
      for await (const { key } of store.list(`${pathOf(type)}/`)) keys.push(`${store.root}/${key}`)
      const files = newestOfGroups(keys)
      expect(lines(await spark.read(uri(type, 's3a'), { mode: 'ro' }))).toEqual(expected(model(type)))
      for (const reader of ['pyarrow', 'duckdb'] as const)
        expect(lines(await readWith(reader, files, [], s3.env)), reader).toEqual(expected(model(type)))
    },
  )
})
