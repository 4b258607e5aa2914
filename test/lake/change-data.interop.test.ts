import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../src/contract/table.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import type { Value } from '../format/parquet/values.ts'
import { type Row, type Spark, startSpark } from '../interop/spark.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf, type TestChange } from './write/model.ts'

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'note', type: { kind: 'string' } },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 } },
  { name: 'tags', type: { kind: 'list', element: { kind: 'string' } } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const MODES = ['OP_KEY_ONLY', 'DATA_BEFORE', 'DATA_BEFORE_AFTER'] as const
const TYPES = ['COPY_ON_WRITE', 'MERGE_ON_READ'] as const
const CASES = TYPES.flatMap((type) => MODES.map((mode) => [type, mode] as const))

let lsn = 0n
const c = (op: TestChange['op'], id: bigint, note: string | null): TestChange => {
  return { op, row: [id, note, id * 100n, [`t${id}`], ++lsn] satisfies Value[], gone: [] }
}

/** `op id before → after` of the notes. */
function lines(rows: readonly Row[]): string[] {
  return rows
    .map((r) => {
      const side = (name: string): Row | null => (typeof r[name] === 'string' ? (JSON.parse(r[name]) as Row) : null)
      const before = side('before')
      const after = side('after')
      return `${r['op']} ${(after ?? before)?.['id']} ${before?.['note'] ?? '-'} -> ${after?.['note'] ?? '-'}`
    })
    .sort()
}

describe.each([
  [6, '0.15'],
  [9, '1.2'],
] as const)('change data of tables of version %i, asked for by Spark with Hudi %s', (version, hudi) => {
  let home = ''
  let store: DiskStore
  let spark: Spark
  const instants = new Map<string, string[]>()

  async function make(tableType: TableSpec['tableType'], mode: string): Promise<void> {
    const path = `${tableType}_${mode}`
    const where = { name: path, database: 'shop', path, columns: COLUMNS, key: ['id'], partition: null, orderingField: '_event_lsn' }
    const spec: TableSpec = { ...where, buckets: 2, tableType, tableVersion: version }
    const open = (): Promise<TableWriter> => openTableWriter(store, spec, { clock: systemClock, scratchDir: join(home, 'scratch') })
    await open()
    await new TimelineStore(store, path, systemClock).updateProperties((p) => {
      p.set('hoodie.table.cdc.enabled', 'true').set('hoodie.table.cdc.supplemental.logging.mode', mode)
    })
    const writer = await open()
    const done: string[] = []
    for (const changes of [
      [1n, 2n, 3n, 4n, 5n, 6n].map((id) => c('c', id, `n${id}`)),
      [c('u', 1n, 'one'), c('d', 2n, null), c('c', 7n, 'seven')],
      [c('u', 1n, 'one!'), c('c', 2n, 'two'), c('d', 7n, null), c('u', 3n, 'three'), c('u', 3n, 'three!')],
    ]) {
      const staged = await writer.stage([changesOf(COLUMNS, changes, false)])
      expect(await writer.commit(staged, checkpointOf(1))).toBe('committed')
      done.push(staged.instant)
    }
    const ts = new TimelineStore(store, path, systemClock)
    await ts.refresh()
    const completion = new Map(ts.timeline.instants.map((i) => [i.time, i.completion]))
    instants.set(
      path,
      done.map((t) => completion.get(t) ?? t),
    )
  }

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'trib-cdc-'))
    store = new DiskStore(join(home, 'lake'), systemClock)
    for (const [type, mode] of CASES) await make(type, mode)
    spark = await startSpark(hudi)
  })

  afterAll(async () => {
    await spark?.close()
    rmSync(home, { recursive: true, force: true })
  })

  test.each(CASES)('%s, %s: every commit gives the changes that were made', async (type, mode) => {
    const path = `${type}_${mode}`
    const [first, second] = instants.get(path)!
    const since = async (begin: string): Promise<string[]> => lines(await spark.read(join(store.root, path), { mode: 'cdc', begin }))
    const third = ['d 7 seven -> -', 'i 2 - -> two', 'u 1 one -> one!', 'u 3 n3 -> three!']
    const both = ['d 2 n2 -> -', 'i 7 - -> seven', 'u 1 n1 -> one', ...third].sort()
    expect(await since(second)).toEqual(third)
    expect(await since(first)).toEqual(both)
    expect(await since('000')).toEqual([...both, ...[1, 2, 3, 4, 5, 6].map((i) => `i ${i} - -> n${i}`)].sort())
  })
})
