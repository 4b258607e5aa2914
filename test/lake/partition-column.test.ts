import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, expect, test } from 'vitest'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec } from '../../src/contract/table.ts'
import { LakeTableReader } from '../../src/lake/read/table-reader.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf, type TestChange } from './write/model.ts'

const scratchDir = mkdtempSync(join(tmpdir(), 'trib-partition-'))
afterAll(() => rmSync(scratchDir, { recursive: true, force: true }))

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'at', type: { kind: 'timestamp-micros' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const at = (text: string): bigint => BigInt(Date.parse(text)) * 1000n

test.each([['id'], []])('a truncated partition has a column of its own, right through updates and moves (key %j)', async (...key) => {
  const clock = fixedClock()
  const store = new MemoryStore(clock)
  const partition = { column: 'at', truncate: 'month' as const }
  const spec: TableSpec = {
    ...{ name: 'visits', database: 'shop', path: 'visits', columns: COLUMNS, key: key.filter((k) => k !== undefined), partition },
    ...{ orderingField: '_event_lsn', buckets: 1, tableType: 'COPY_ON_WRITE', tableVersion: 6 },
  }
  const writer = await openTableWriter(store, spec, { clock, scratchDir })
  const rows = [
    [1n, at('2026-11-21T10:00:00Z'), 1n],
    [2n, at('2026-12-01T00:00:00Z'), 1n],
    [3n, null, 1n],
    [4n, at('2026-11-30T23:59:59Z'), 1n],
  ]
  const commit = async (changes: TestChange[]): Promise<void> => {
    const staged = await writer.stage([changesOf(COLUMNS, changes, spec.key.length === 0)])
    expect(await writer.commit(staged, checkpointOf(1))).toBe('committed')
  }
  await commit(rows.map((row) => ({ op: 'c', row, gone: [] })))
  // An update in place, and a row that moves to another month.
  await commit([
    { op: 'u', row: [1n, at('2026-11-22T10:00:00Z'), 2n], before: rows[0], gone: [] },
    { op: 'u', row: [4n, at('2026-12-30T23:59:59Z'), 2n], before: rows[3], gone: [] },
  ])
  const plan = await new LakeTableReader(store, 'visits', clock).plan({ kind: 'latest' })
  expect(plan.columns.map((c) => c.name)).toEqual(['id', 'at', '_event_lsn'])
  expect(plan.spec).toEqual(spec)
  const seen: string[] = []
  for (const f of plan.files) {
    const file = new Uint8Array(await store.get(f.key)).buffer
    for (const r of await parquetReadObjects({ file, columns: ['id', '_tributary_partition', '_hoodie_partition_path'] })) {
      expect(r._hoodie_partition_path).toBe(f.partition)
      seen.push(`${r.id} ${f.partition} ${r._tributary_partition}`)
    }
  }
  expect(seen.sort()).toEqual(['1 2026-11 2026-11', '2 2026-12 2026-12', '3 __HIVE_DEFAULT_PARTITION__ null', '4 2026-12 2026-12'])
})
