import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ParquetFile } from '../../../src/format/parquet/file.ts'
import { BloomFilter, MAX_KEY, MIN_KEY } from '../../../src/lake/index/bloom.ts'
import { type KeyedEntries, mayHoldKeys } from '../../../src/lake/index/foreign.ts'
import { hashKeys } from '../../../src/lake/index/keys.ts'
import { recordKeys } from '../../../src/lake/merge/join.ts'
import { GOLDEN_TABLES } from '../../conformance/hudi-golden.ts'
import { goldenStore } from '../../support/golden-table.ts'

function entriesOf(keys: readonly string[]): KeyedEntries {
  const parts = keys.map((k) => Buffer.from(k))
  const offsets = new Int32Array(keys.length + 1)
  parts.forEach((p, i) => {
    offsets[i + 1] = offsets[i] + p.length
  })
  const count = keys.length
  const entry = Int32Array.from(keys, (_, i) => i)
  return { chunks: [{ keys: hashKeys(Buffer.concat(parts), offsets, count, 1) }], chunk: new Int32Array(count), entry, count }
}

test("keys that Spark's base files hold are never ruled out, others mostly are", async () => {
  let files = 0
  let passed = 0
  for (const name of GOLDEN_TABLES.filter((t) => /_cow_(part|nonpart|composite|evolve)$/.test(t))) {
    const store = await goldenStore(name, 't')
    for await (const o of store.list('t/')) {
      if (!o.key.endsWith('.parquet') || o.key.includes('.hoodie')) continue
      const file = await ParquetFile.open(store, o.key, o.size)
      const { data, starts } = await recordKeys(file, 0)
      for (let r = 0; r + 1 < starts.length; r++) {
        expect(mayHoldKeys(file.meta.keyValues, entriesOf([data.toString('utf8', starts[r] + 4, starts[r + 1])]))).toBe(true)
      }
      files++
      if (mayHoldKeys(file.meta.keyValues, entriesOf(['k0025']))) passed++
      expect(mayHoldKeys(file.meta.keyValues, entriesOf(['a', 'zzz']))).toBe(false)
    }
  }
  expect(files).toBeGreaterThan(15)
  expect(passed).toBeLessThan(files / 4)
})

test('whatever the keys: one that is in the file is not ruled out', () => {
  const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }).map((s) => s.toWellFormed())
  fc.assert(
    fc.property(fc.uniqueArray(text, { minLength: 1, maxLength: 20 }), fc.array(text, { maxLength: 5 }), (keys, others) => {
      const bloom = BloomFilter.sized(keys.length)
      for (const k of keys) bloom.add(Buffer.from(k), 0, Buffer.from(k).length)
      // as Java orders them
      const sorted = [...keys].sort((a, b) => (a < b ? -1 : 1))
      const footer = new Map([...bloom.entries(), [MIN_KEY, sorted[0]] as const, [MAX_KEY, sorted.at(-1)!] as const])
      for (const k of keys) {
        expect(mayHoldKeys(footer, entriesOf([...others, k]))).toBe(true)
        expect(mayHoldKeys(new Map([...footer].filter(([n]) => n.startsWith('hoodie_m'))), entriesOf([k]))).toBe(true)
      }
      expect(mayHoldKeys(new Map(), entriesOf(others.length === 0 ? ['x'] : others))).toBe(true)
    }),
  )
})
