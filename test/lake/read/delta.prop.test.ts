import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { RowChunk } from '../../../src/contract/slice.ts'
import { mergedRows, readDelta } from '../../../src/lake/read/delta.ts'
import { META } from '../../../src/lake/read/log-columns.ts'
import { valuesOf } from '../../format/parquet/values.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { buildSlice, expectedRows, type ModelBlock, type ModelRow, newStore, RULES, SCHEMA, UNAVAILABLE } from './slice-model.ts'

const directory = mkdtempSync(join(tmpdir(), 'delta-'))
afterAll(() => {
  expect(readdirSync(directory)).toEqual([])
  rmSync(directory, { recursive: true })
})

const id = fc.integer({ min: 0, max: 7 }).map((n) => `key-${n}`)
const ts = fc.option(fc.integer({ min: -2, max: 5 }), { freq: 6 })
const text = fc.option(fc.constantFrom('a', 'b', 'c', 'd', ''), { freq: 5 })
const row: fc.Arbitrary<ModelRow> = fc.record({
  id,
  ts,
  op: fc.constantFrom('c', 'u', 'u', 'd'),
  name: text,
  note: fc.oneof({ weight: 2, arbitrary: text }, { weight: 1, arbitrary: fc.constant(UNAVAILABLE) }),
})
const baseRow = fc.record({ id, ts, op: fc.constant('c'), name: text, note: text })
const block: fc.Arbitrary<ModelBlock> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('avro' as const, 'parquet' as const),
      partial: fc.boolean(),
      rows: fc.array(row, { minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('delete' as const), keys: fc.array(fc.record({ id, ts }), { minLength: 1, maxLength: 4 }) }),
  },
)
const table = fc.record({
  base: fc.option(fc.uniqueArray(baseRow, { selector: (r) => r.id, minLength: 1, maxLength: 8 }), { freq: 6 }),
  blocks: fc.array(block, { minLength: 1, maxLength: 7 }),
  perLog: fc.integer({ min: 1, max: 3 }),
  rowsPerGroup: fc.integer({ min: 1, max: 4 }),
  mode: fc.constantFrom('commit-time' as const, 'event-time' as const),
  /** Bytes in memory; 400 puts all but the smallest logs on disk. */
  memory: fc.constantFrom(null, 400, 2000),
})

let scratch = 0

function limitOf(bytes: number | null): { bytes: number; directory: string; name: string } | undefined {
  return bytes === null ? undefined : { bytes, directory, name: `scratch-${scratch++}` }
}

function rowsOf(chunk: RowChunk): ModelRow[] {
  const columns = Object.fromEntries(chunk.columns.map((c, i) => [c.name, valuesOf(c.type, chunk.vectors[i], chunk.count)]))
  return Array.from({ length: chunk.count }, (_, i) => {
    const ts = columns['ts'][i] as bigint | null
    const of = (c: string): string | null => columns[c][i] as string | null
    return { id: of('id')!, ts: ts === null ? null : Number(ts), op: of('op')!, name: of('name'), note: of('note') }
  })
}

function sorted(rows: readonly ModelRow[]): string[] {
  return rows.map((r) => JSON.stringify([r.id, r.ts, r.op, r.name, r.note])).sort()
}

test('any sequence of blocks over any base file comes to what the rules in words say', async () => {
  await fc.assert(
    fc.asyncProperty(table, async ({ base, blocks, perLog, rowsPerGroup, mode, memory }) => {
      const store = newStore()
      const slice = await buildSlice(store, base, blocks, perLog, rowsPerGroup)
      const found: ModelRow[] = []
      const request = { store, table: 't', slice, schema: SCHEMA, rules: RULES[mode], visible: () => true, limit: limitOf(memory) }
      for await (const chunk of mergedRows(request)) found.push(...rowsOf(chunk))
      expect(sorted(found)).toEqual(sorted(expectedRows(base, blocks, mode)))
    }),
    { numRuns: propertyRuns(60) },
  )
}, 180_000)

test('hidden ordinals are ascending, and base rows less hidden plus new rows are the whole', async () => {
  await fc.assert(
    fc.asyncProperty(table, async ({ base, blocks, perLog, rowsPerGroup, mode, memory }) => {
      const store = newStore()
      const slice = await buildSlice(store, base, blocks, perLog, rowsPerGroup)
      const limit = limitOf(memory)
      const delta = await readDelta({
        store,
        table: 't',
        slice,
        schema: SCHEMA,
        columns: [],
        rules: RULES[mode],
        visible: () => true,
        limit,
      })
      expect([...delta.hidden]).toEqual([...new Set(delta.hidden)].sort((a, b) => a - b))
      let rows = 0
      for await (const chunk of delta.rows()) {
        expect(chunk.columns).toEqual(META)
        rows += chunk.count
      }
      expect(rows).toBe(delta.count)
      expect((base?.length ?? 0) - delta.hidden.length + rows).toBe(expectedRows(base, blocks, mode).length)
      await delta.close()
    }),
    { numRuns: propertyRuns(25) },
  )
}, 180_000)

test('only the keys that interest: the same outcome for them, nothing of the others', async () => {
  await fc.assert(
    fc.asyncProperty(table, fc.uniqueArray(id, { maxLength: 4 }), async ({ base, blocks, perLog, rowsPerGroup, mode, memory }, wanted) => {
      const store = newStore()
      const slice = await buildSlice(store, base, blocks, perLog, rowsPerGroup)
      const only = (data: Buffer, from: number, to: number): boolean => wanted.includes(data.toString('utf8', from, to))
      const request = { store, table: 't', slice, schema: SCHEMA, rules: RULES[mode], visible: () => true, only, limit: limitOf(memory) }
      const found: ModelRow[] = []
      for await (const chunk of mergedRows(request)) found.push(...rowsOf(chunk).filter((r) => wanted.includes(r.id)))
      expect(sorted(found)).toEqual(sorted(expectedRows(base, blocks, mode).filter((r) => wanted.includes(r.id))))
    }),
    { numRuns: propertyRuns(25) },
  )
}, 180_000)
