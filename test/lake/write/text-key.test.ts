import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec } from '../../../src/contract/table.ts'
import { fileSlices } from '../../../src/lake/read/slices.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { tableRows } from '../table-rows.ts'
import { changesOf, type TestChange } from './model.ts'

const root = mkdtempSync(join(tmpdir(), 'text-key-'))
afterAll(() => rmSync(root, { recursive: true }))
const clock = fixedClock(Date.UTC(2026, 10, 22))
const COLUMNS: readonly LakeColumn[] = [
  { name: 'n', type: { kind: 'int' } },
  { name: 'k', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const KEYS = ['a:b', 'ключ', '😀', 'x'.repeat(300), ...Array.from({ length: 3000 }, (_, i) => `key ${i}`)]

// The column of a key of one text is the record key's chunk once more.
it.each(['COPY_ON_WRITE', 'MERGE_ON_READ'] as const)(
  '%s: a key of one text is stored as the record key and as its column',
  async (tableType) => {
    const store = new DiskStore(root, clock)
    const spec: TableSpec = {
      ...{ name: 't', database: 'd', path: tableType, columns: COLUMNS, key: ['k'], orderingField: '_event_lsn', partition: null },
      ...{ buckets: 1, tableType, tableVersion: 6 },
    }
    const writer = await openTableWriter(store, spec, { clock, scratchDir: join(root, 'scratch'), rowGroupBytes: 1 << 16 })
    const flush = async (changes: readonly TestChange[]): Promise<void> => {
      expect(await writer.commit(await writer.stage([changesOf(COLUMNS, changes, false)]), null)).toBe('committed')
    }
    await flush(KEYS.map((k, i) => ({ op: 'c', row: [i, k, BigInt(i)], gone: [] })))
    const ts = new TimelineStore(store, tableType, clock)
    await ts.properties()
    await ts.refresh()
    const [{ base }] = await fileSlices(ts, null)
    const duck = await (await DuckDBInstance.create(':memory:')).connect()
    const file = `read_parquet('${join(root, base!.key)}')`
    const found = await duck.runAndReadAll(`select _hoodie_record_key, k from ${file} order by n`)
    expect(found.getRows()).toEqual(KEYS.map((k) => [k, k]))
    // by its statistics and pages, too
    for (const k of ['a:b', 'ключ', 'key 2999']) {
      expect((await duck.runAndReadAll(`select n from ${file} where k = '${k}'`)).getRows()).toEqual([[KEYS.indexOf(k)]])
    }
    await flush(['a:b', 'ключ', 'new'].map((k) => ({ op: 'u', row: [-1, k, 10_000n], gone: [] })))
    const rows = (await tableRows(store, tableType, clock, 'snapshot')).map((l) => JSON.parse(l) as Record<string, unknown>)
    expect(rows).toHaveLength(KEYS.length + 1)
    expect(rows.every((r) => r.k === r._hoodie_record_key)).toBe(true)
    expect(rows.filter((r) => r.n === -1).map((r) => r.k)).toHaveLength(3)
  },
)
