import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn, LakeType } from '../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../src/contract/table.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import type { Value } from '../format/parquet/values.ts'
import { readWith } from '../interop/readers.ts'
import { type Row, type Spark, startSpark } from '../interop/spark.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf, type TestChange } from './write/model.ts'

const column = (name: string, type: LakeType): LakeColumn => ({ name, type })
const BEFORE = [
  column('id', { kind: 'long' }),
  column('whole', { kind: 'int' }),
  column('part', { kind: 'float' }),
  column('amount', { kind: 'decimal', precision: 9, scale: 2 }),
  column('note', { kind: 'string' }),
  column('_event_lsn', { kind: 'long' }),
]
/** A column is gone, two changed places, three have wider types, one is new. */
const AFTER = [
  column('amount', { kind: 'decimal', precision: 20, scale: 2 }),
  column('id', { kind: 'long' }),
  column('whole', { kind: 'long' }),
  column('part', { kind: 'double' }),
  column('added', { kind: 'string' }),
  column('_event_lsn', { kind: 'long' }),
]
const SHOWN = ['id', 'whole', 'part', 'amount', 'note', 'added']

function lines(rows: readonly Row[]): string[] {
  return rows.map((r) => JSON.stringify(SHOWN.map((c) => r[c] ?? null))).sort()
}

const EXPECTED = [
  [1, 10, 0.5, '1.00', 'first', null],
  [2, 2 ** 40, 0.1, '123456789012345678.90', null, 'now'],
  [3, 30, 1.5, '3.00', 'third', null],
  [4, -1, -0.25, '-4.00', null, null],
].map((r) => JSON.stringify(r))

let lsn = 0n
const change = (op: 'c' | 'u', row: Value[]): TestChange => ({ op, row: [...row, ++lsn], gone: [] })

const TYPES = ['COPY_ON_WRITE', 'MERGE_ON_READ'] as const

describe.each([
  [6, '0.15'],
  [9, '1.2'],
] as const)('tables of version %i whose columns have changed, and Spark with Hudi %s', (tableVersion, hudi) => {
  let home = ''
  let store: DiskStore
  let spark: Spark
  const path = (type: string): string => join(store.root, type)

  async function open(tableType: TableSpec['tableType'], columns: readonly LakeColumn[]): Promise<TableWriter> {
    const where = { name: 'evolved', database: 'shop', path: tableType, columns, key: ['id'], partition: null, orderingField: '_event_lsn' }
    const spec: TableSpec = { ...where, buckets: 1, tableType, tableVersion }
    return openTableWriter(store, spec, { clock: systemClock, scratchDir: join(home, 'scratch') })
  }

  async function flush(writer: TableWriter, columns: readonly LakeColumn[], changes: readonly TestChange[]): Promise<void> {
    await writer.evolve(columns)
    expect(await writer.commit(await writer.stage([changesOf(columns, changes, false)]), checkpointOf(1))).toBe('committed')
  }

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'trib-evolve-'))
    store = new DiskStore(join(home, 'lake'), systemClock)
    for (const type of TYPES) {
      const writer = await open(type, BEFORE)
      const first = (id: bigint, whole: number, part: number, note: string): TestChange => change('c', [id, whole, part, id * 100n, note])
      await flush(writer, BEFORE, [first(1n, 10, 0.5, 'first'), first(2n, 20, 1, 'second'), first(3n, 30, 1.5, 'third')])
      await flush(writer, BEFORE, [change('u', [2n, 21, 2.5, 200n, 'second again'])])
      await flush(writer, AFTER, [change('u', [12345678901234567890n, 2n, 2n ** 40n, 0.1, 'now'])])
      await flush(await open(type, AFTER), AFTER, [change('c', [-400n, 4n, -1n, -0.25, null])])
    }
    spark = await startSpark(hudi)
  })

  afterAll(async () => {
    await spark?.close()
    rmSync(home, { recursive: true, force: true })
  })

  test.each(TYPES)('%s: Spark and hudi-rs read the rows', async (type) => {
    expect(lines(await spark.read(path(type)))).toEqual(EXPECTED)
    expect(lines(await readWith('hudi-rs', [path(type)]))).toEqual(EXPECTED)
  })

  test.each(TYPES)('%s: Spark writes on top and compacts, and we go on', async (type) => {
    const rows = await spark.read(path(type))
    const compact = { 'hoodie.compact.inline': 'true', 'hoodie.compact.inline.max.delta.commits': '1' }
    const third: Row = { ...rows.find((r) => r['id'] === 3), added: 'by spark', _event_lsn: Number(++lsn) }
    await spark.upsert(path(type), [third], type === 'MERGE_ON_READ' ? compact : {})
    await flush(await open(type, AFTER), AFTER, [change('u', [100n, 1n, 10n, 0.5, 'ours'])])
    const expected = EXPECTED.map((r) => r.replace('"third",null', '"third","by spark"').replace('"first",null', 'null,"ours"'))
    expect(lines(await spark.read(path(type)))).toEqual(expected)
    expect(lines(await readWith('hudi-rs', [path(type)]))).toEqual(expected)
  })
})
