import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { parquetReadObjects } from 'hyparquet'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import { toVector } from '../../../src/format/parquet/column.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { ParquetWriter } from '../../../src/format/parquet/writer.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { duckdbRows } from './duckdb-values.ts'
import { anyType, anyValue, show, type Value, valuesOf, vectorOf } from './values.ts'

const dir = mkdtempSync(join(tmpdir(), 'parquet-'))
afterAll(() => rmSync(dir, { recursive: true }))
let files = 0

interface Table {
  readonly columns: readonly LakeColumn[]
  /** Row groups of columns of values. */
  readonly groups: readonly (readonly Value[][])[]
  readonly codec: 'none' | 'snappy' | 'zstd'
}

const anyTable: fc.Arbitrary<Table> = fc
  .tuple(fc.array(anyType, { minLength: 1, maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 }))
  .chain(([types, sizes]) =>
    fc.record({
      columns: fc.constant(types.map((type, i) => ({ name: `c${i}`, type }))),
      groups: fc.tuple(...sizes.map((n) => fc.tuple(...types.map((t) => fc.array(anyValue(t), { minLength: n, maxLength: n }))))),
      codec: fc.constantFrom('none' as const, 'snappy' as const, 'zstd' as const),
    }),
  )

async function write(table: Table): Promise<{ store: MemoryStore; key: string; size: number }> {
  const store = new MemoryStore({ now: () => 0 })
  const key = `t${files++}.parquet`
  const writer = new ParquetWriter(await store.writer(key), {
    root: 'shop.orders.orders_record',
    columns: table.columns,
    codec: table.codec,
  })
  for (const group of table.groups) {
    await writer.writeRowGroup(
      table.columns.map((c, i) => vectorOf(c.type, group[i])),
      group[0].length,
    )
  }
  const size = await writer.close(new Map([['written-for', 'a test ✓']]))
  return { store, key, size }
}

function rowsOf(table: Table): string[] {
  return table.groups.flatMap((g) => g[0].map((_, r) => table.columns.map((_c, c) => show(g[c][r])).join(' ')))
}

describe('files of any schema and values', () => {
  it('read the same in DuckDB', async () => {
    await fc.assert(
      fc.asyncProperty(anyTable, async (table) => {
        const { store, key } = await write(table)
        const path = join(dir, key)
        writeFileSync(path, await store.get(key))
        const rows = await duckdbRows(`select * from read_parquet('${path}')`)
        expect(rows.map((r) => r.map(show).join(' '))).toEqual(rowsOf(table))
      }),
      { numRuns: 60 },
    )
  }, 120_000)

  it('read the same in our own reader', async () => {
    await fc.assert(
      fc.asyncProperty(anyTable, async (table) => {
        const { store, key, size } = await write(table)
        const file = await ParquetFile.open(store, key, size)
        expect(file.meta.keyValues.get('written-for')).toBe('a test ✓')
        const rows: string[] = []
        for (let g = 0; g < file.meta.rowGroups.length; g++) {
          const n = file.meta.rowGroups[g].rows
          const columns: Value[][] = []
          for (const c of table.columns) columns.push(valuesOf(c.type, toVector((await file.read(g, c.name, c.type))!), n))
          for (let r = 0; r < n; r++) rows.push(columns.map((c) => show(c[r])).join(' '))
        }
        expect(rows).toEqual(rowsOf(table))
      }),
      { numRuns: 200 },
    )
  }, 120_000)

  it('read in hyparquet', async () => {
    const columns: LakeColumn[] = (['long', 'string', 'boolean', 'double'] as const).map((kind) => ({
      name: kind,
      type: { kind } satisfies LakeType,
    }))
    const groups = [
      [
        [1n, null],
        ['a', 'b'],
        [true, null],
        [0.5, null],
      ] as Value[][],
    ]
    const { store, key } = await write({ columns, groups, codec: 'snappy' })
    const bytes = await store.get(key)
    const file = { byteLength: bytes.length, slice: (a: number, b?: number) => Uint8Array.from(bytes.subarray(a, b)).buffer }
    expect(await parquetReadObjects({ file })).toEqual([
      { long: 1n, string: 'a', boolean: true, double: 0.5 },
      { long: null, string: 'b', boolean: null, double: null },
    ])
  })
})
