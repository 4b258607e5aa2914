import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readRuns, writeRuns } from '../../../src/log/embedded/run-list.ts'
import { splitBatch } from '../../../src/log/embedded/split-batch.ts'
import { makeBatch } from '../../conformance/log-data.ts'

const run = fc.record({
  count: fc.nat(1 << 30),
  commit: fc.string({ unit: fc.constantFrom(...'0123456789ABCDEF/:-'), maxLength: 40 }),
  commitUs: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
})

test('runs read back as they were written', () => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 200 }), (runs) => {
      expect(readRuns(writeRuns(runs))).toEqual(runs)
    }),
  )
})

test('a cut batch joins to the same bytes, and each piece is near the limit', () => {
  const cut = fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 300 }), fc.integer({ min: 50, max: 5000 }))
  fc.assert(
    fc.property(cut, ([count, size, limit]) => {
      const batch = makeBatch('a', 0, count, size)
      const pieces = [...splitBatch(batch, limit)]
      expect(Buffer.concat(pieces.map((p) => p.records)).equals(batch.records as Buffer)).toBe(true)
      expect(pieces.reduce((n, p) => n + p.count, 0)).toBe(count)
      for (const p of pieces) {
        expect(p.runs.reduce((n, r) => n + r.count, 0)).toBe(p.count)
        expect(p.records.length).toBeLessThanOrEqual(Math.max(limit * 1.5, size + 40))
      }
    }),
  )
})
