import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { uncompressSync } from 'snappy'
import { afterAll, describe, expect, it } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import { toVector } from '../../../src/format/parquet/column.ts'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { decodeSnappy, SLACK } from '../../../src/format/parquet/snappy-decode.ts'
import { encodeLiterals, literalsBound } from '../../../src/format/parquet/snappy-literals.ts'
import { ParquetWriter } from '../../../src/format/parquet/writer.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { duckdbRows } from './duckdb-values.ts'
import { show, type Value, valuesOf, vectorOf } from './values.ts'

const dir = mkdtempSync(join(tmpdir(), 'parquet-large-'))
afterAll(() => rmSync(dir, { recursive: true }))

const N = 21_500
const COLUMNS: readonly LakeColumn[] = [
  { name: 'same', type: { kind: 'string' } },
  { name: 'few', type: { kind: 'string' } },
  { name: 'unique', type: { kind: 'string' } },
  { name: 'later_unique', type: { kind: 'string' } },
  { name: 'noise', type: { kind: 'bytes' } },
  { name: 'n', type: { kind: 'long' } },
  { name: 'holes', type: { kind: 'int' } },
  { name: 'list', type: { kind: 'list', element: { kind: 'int' } } },
]

function values(): Value[][] {
  let seed = 12345
  const next = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff)
  const of = (make: (i: number) => Value): Value[] => Array.from({ length: N }, (_, i) => make(i))
  return [
    of(() => 'constant'),
    of((i) => (i % 7 === 0 ? null : `value ${next() % 50}`)),
    of((i) => `key-${i}`),
    of((i) => (i < 3000 ? 'the same at first' : `then different ${i}`)),
    of(() => Buffer.from(Array.from({ length: 24 }, () => (next() >> 8) & 255))),
    of((i) => BigInt(i) * 4294967297n - 99n),
    of((i) => (next() % 3 === 0 ? null : i)),
    of((i) => (i % 11 === 0 ? null : Array.from({ length: i % 4 }, (_, k) => (k === 2 ? null : i + k)))),
  ]
}

/** Null when the lists are equal; else where and how they differ (toEqual takes seconds for lists of this length). */
function firstDifference(found: readonly string[], expected: readonly string[]): string | null {
  if (found.length !== expected.length) return `${found.length} values instead of ${expected.length}`
  const at = found.findIndex((v, i) => v !== expected[i])
  return at < 0 ? null : `row ${at}: ${found[at]} instead of ${expected[at]}`
}

describe('columns of many pages', () => {
  it.each(['snappy', 'zstd', 'none'] as const)(
    'read the same in DuckDB and in our reader (%s)',
    async (codec) => {
      const data = values()
      const store = new MemoryStore({ now: () => 0 })
      const writer = new ParquetWriter(await store.writer('t'), { root: 'r', columns: COLUMNS, codec })
      await writer.writeRowGroup(
        COLUMNS.map((c, i) => vectorOf(c.type, data[i])),
        N,
      )
      const size = await writer.close(new Map())
      const path = join(dir, `${codec}.parquet`)
      writeFileSync(path, await store.get('t'))
      const file = await ParquetFile.open(store, 't', size)
      const all = codec === 'snappy' ? await duckdbRows(`select * from read_parquet('${path}')`) : null
      for (const [i, c] of COLUMNS.entries()) {
        const expected = data[i].map(show)
        const ours = valuesOf(c.type, toVector((await file.read(0, c.name, c.type))!), N).map(show)
        expect(firstDifference(ours, expected), c.name).toBeNull()
        if (all === null) continue
        const theirs = all.map((r) => show(r[i]))
        expect(firstDifference(theirs, expected), `${c.name} in DuckDB`).toBeNull()
      }
      const ranges = await duckdbRows(
        `select path_in_schema, stats_min_value, stats_max_value, stats_null_count from parquet_metadata('${path}')`,
      )
      expect(ranges.find((r) => r[0] === 'unique')).toEqual(['unique', 'key-0', 'key-9999', 0n])
      expect(ranges.find((r) => r[0] === 'n')?.slice(1)).toEqual(['-99', String(BigInt(N - 1) * 4294967297n - 99n), 0n])
      expect(ranges.find((r) => r[0] === 'few')?.[3]).toBe(BigInt(Math.ceil(N / 7)))
    },
    180_000,
  )
})

describe('literals', () => {
  it('are a Snappy stream like any other', () => {
    for (const length of [0, 1, 59, 60, 61, 65535, 65536, 65537, 200_000]) {
      const raw = Buffer.alloc(length, 'no pattern here')
      const out = new Uint8Array(literalsBound(length))
      const stored = out.subarray(0, encodeLiterals(raw, out))
      expect(Buffer.from(uncompressSync(Buffer.from(stored)) as Buffer).equals(raw), `${length}`).toBe(true)
      const back = Buffer.alloc(length + SLACK)
      expect(decodeSnappy(stored, length, back) && back.subarray(0, length).equals(raw)).toBe(true)
    }
  })
})
