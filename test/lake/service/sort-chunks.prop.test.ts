import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { RowChunk } from '../../../src/contract/slice.ts'
import { sortedChunks } from '../../../src/lake/service/sort-chunks.ts'
import { type Value, valuesOf, vectorOf } from '../../format/parquet/values.ts'

const directory = mkdtempSync(join(tmpdir(), 'sort-chunks-'))
afterAll(() => rmSync(directory, { recursive: true }))

const COLUMNS: readonly LakeColumn[] = [
  { name: 'text', type: { kind: 'string' } },
  { name: 'number', type: { kind: 'int' } },
  { name: 'place', type: { kind: 'int' } },
  { name: 'list', type: { kind: 'list', element: { kind: 'string' } } },
]
type Row = readonly [string | null, number | null]

async function* chunksOf(rows: readonly (readonly Value[])[], size: number): AsyncGenerator<RowChunk> {
  for (let at = 0; at < rows.length; at += size) {
    const part = rows.slice(at, at + size)
    const vectors = COLUMNS.map((c, i) =>
      vectorOf(
        c.type,
        part.map((r) => r[i]),
      ),
    )
    yield { columns: COLUMNS, count: part.length, vectors }
  }
}

const compared = (a: string | number | null, b: string | number | null): number =>
  a === b ? 0 : a === null ? -1 : b === null ? 1 : a < b ? -1 : 1

test('rows come in order, equal ones as they came, whether they fit into memory or not', async () => {
  const row = fc.tuple(fc.option(fc.constantFrom('a', 'b', 'ab', 'c', '')), fc.option(fc.integer({ min: -3, max: 3 })))
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 400 }),
      fc.integer({ min: 1, max: 60 }),
      fc.constantFrom(1, 500, 1e6),
      async (rows, size, bytes) => {
        const all = rows.map(([t, n]: Row, i): Value[] => [t, n, i, [String(i), null]])
        const got: Value[][] = []
        const limit = { bytes, directory, name: 'run' }
        for await (const c of sortedChunks(chunksOf(all, size), [COLUMNS[0], COLUMNS[1]], limit)) {
          const values = c.vectors.map((v, i) => valuesOf(COLUMNS[i].type, v, c.count))
          for (let i = 0; i < c.count; i++) got.push(values.map((v) => v[i]))
        }
        const wanted = [...all].sort((a, b) => compared(a[0] as string, b[0] as string) || compared(a[1] as number, b[1] as number))
        expect(got).toEqual(wanted)
        expect(readdirSync(directory)).toEqual([])
      },
    ),
    { numRuns: 150 },
  )
})
