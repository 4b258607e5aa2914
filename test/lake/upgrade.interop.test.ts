import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec } from '../../src/contract/table.ts'
import { openTable } from '../../src/lake/open-table.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import type { LakeTableWriter } from '../../src/lake/write/table-writer.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import { readWith } from '../interop/readers.ts'
import { type Row, type Spark, startSpark } from '../interop/spark.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf } from './write/model.ts'

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'sub', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]

let home = ''
let store: DiskStore
let spark: Spark
let lsn = 0

const TYPES = ['COPY_ON_WRITE', 'MERGE_ON_READ'] as const
/** Open since before the upgrade. */
const writers = new Map<string, LakeTableWriter>()
/** The newest instant before the upgrade. */
const before = new Map<string, string>()

const specOf = (tableType: TableSpec['tableType']): TableSpec => {
  const path = tableType.toLowerCase()
  return {
    ...{ name: path, database: 'shop', path, columns: COLUMNS, key: ['id'], partition: null, orderingField: '_event_lsn', buckets: 2 },
    ...{ tableType, tableVersion: 6 },
  }
}

const open = (tableType: TableSpec['tableType']): Promise<LakeTableWriter> =>
  openTableWriter(store, specOf(tableType), { clock: systemClock, scratchDir: join(home, 'scratch') })

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'trib-upgrade-'))
  store = new DiskStore(join(home, 'lake'), systemClock)
  spark = await startSpark('1.2')
  for (const type of TYPES) {
    const writer = await open(type)
    writers.set(type, writer)
    await write(writer, { 1: 'a', 2: 'b', 3: 'c' })
    await write(writer, { 2: 'b2' })
    before.set(type, (await writer.instant())!)
    const options = { 'hoodie.write.auto.upgrade': 'true', 'hoodie.write.table.version': '9' }
    await spark.upsert(join(store.root, specOf(type).path), [{ id: 4, sub: 'by spark', _event_lsn: 1000 }], options)
  }
  // The session that has upgraded a merge-on-read table goes on to prefer its base rows to later logs; a new one does not.
  await spark.close()
  spark = await startSpark('1.2')
})

afterAll(async () => {
  await spark?.close()
  rmSync(home, { recursive: true, force: true })
})

async function write(writer: LakeTableWriter, rows: Readonly<Record<number, string>>): Promise<void> {
  const changes = Object.entries(rows).map(([id, sub]) => ({ op: 'c' as const, row: [BigInt(id), sub, BigInt(++lsn)], gone: [] }))
  expect(await writer.commit(await writer.stage([changesOf(COLUMNS, changes, false)]), checkpointOf(lsn))).toBe('committed')
}

const told = (rows: readonly Row[]): string[] => rows.map((r) => `${r['id']} ${r['sub']}`).sort()

test.each(TYPES)(
  'a table (%s) that another engine upgrades while we have it open is written on as what it is now, and keeps its history',
  async (type) => {
    const writer = writers.get(type)!
    const { path } = specOf(type)
    const place = join(store.root, path)
    expect((await new TimelineStore(store, path, systemClock).properties()).get('hoodie.table.version')).toBe('9')
    lsn = 2000
    await write(writer, { 1: 'a3', 5: 'e' })
    await write(await open(type), { 3: 'c3', 4: 'd3' })
    const want = ['1 a3', '2 b2', '3 c3', '4 d3', '5 e']
    expect(told(await spark.read(place))).toEqual(want)
    expect(told(await readWith('hudi-rs', [place]))).toEqual(want)
    expect((await openTable(store, path, systemClock)).tableVersion).toBe(9)
    expect((await writer.checkpoint())?.nextOffset).toBe(checkpointOf(lsn).nextOffset)
    const then = before.get(type)!
    expect((await new LakeTableReader(store, path, systemClock).plan({ kind: 'asOf', instant: then })).instant).toBe(then)
    expect(told(await spark.read(place, { mode: 'asof', at: then }))).toEqual(['1 a', '2 b2', '3 c'])
  },
)
