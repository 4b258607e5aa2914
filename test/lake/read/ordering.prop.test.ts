import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import type { OrderingValue } from '../../../src/format/hudi-log/delete-content.ts'
import { firstHash, hashKeys } from '../../../src/lake/index/keys.ts'
import { compareOrdering, OrderingFields } from '../../../src/lake/read/ordering.ts'
import { anyValue, type Value, vectorOf } from '../../format/parquet/values.ts'
import { propertyRuns } from '../../support/property-runs.ts'

const TYPES: readonly LakeType[] = [
  { kind: 'boolean' },
  { kind: 'int' },
  { kind: 'long' },
  { kind: 'float' },
  { kind: 'double' },
  { kind: 'date' },
  { kind: 'timestamp-micros' },
  { kind: 'decimal', precision: 9, scale: 2 },
  { kind: 'decimal', precision: 30, scale: 4 },
  { kind: 'string' },
  { kind: 'bytes' },
]

/** −1, 0, 1; null is the least, NaN the greatest, −0 before 0, texts by their bytes. */
function compareValues(a: Value, b: Value): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1
  if (typeof a === 'string' || Buffer.isBuffer(a)) return Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b as string)))
  if (typeof a === 'number' && typeof b === 'number') {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
    if (a === 0 && b === 0) return Number(Object.is(b, -0)) - Number(Object.is(a, -0))
  }
  return a < b ? -1 : a > b ? 1 : 0
}

function fields(types: readonly LakeType[]): OrderingFields {
  return new OrderingFields(
    't',
    types.map((type, i): LakeColumn => ({ name: `f${i}`, type })),
  )
}

const rows = (types: readonly LakeType[]): fc.Arbitrary<Value[][]> =>
  fc.array(fc.tuple(...types.map(anyValue)), { minLength: 2, maxLength: 6 })

test.each(TYPES)('rows are in the order of their values: %j', (type) => {
  fc.assert(
    fc.property(rows([type]), (values) => {
      const canonical = values.map(([v]) => (typeof v === 'number' && type.kind === 'float' ? Math.fround(v) : v))
      const o = fields([type]).ofRows([vectorOf(type, canonical)], canonical.length)
      for (let i = 0; i < canonical.length; i++) {
        for (let j = 0; j < canonical.length; j++)
          expect(Math.sign(compareOrdering(o, i, o, j))).toBe(compareValues(canonical[i], canonical[j]))
      }
    }),
    { numRuns: propertyRuns(25) },
  )
})

test('several fields: the first that differs decides', () => {
  const types: LakeType[] = [{ kind: 'string' }, { kind: 'long' }, { kind: 'decimal', precision: 5, scale: 0 }]
  fc.assert(
    fc.property(rows(types), (values) => {
      const o = fields(types).ofRows(
        types.map((type, f) =>
          vectorOf(
            type,
            values.map((r) => r[f]),
          ),
        ),
        values.length,
      )
      for (let i = 1; i < values.length; i++) {
        const expected = types.map((_, f) => compareValues(values[i][f], values[i - 1][f])).find((c) => c !== 0) ?? 0
        // a row without any value has no ordering value at all, which is the least as well
        expect(Math.sign(compareOrdering(o, i, o, i - 1))).toBe(expected)
      }
    }),
    { numRuns: propertyRuns(50) },
  )
})

describe('deletes', () => {
  const of = (type: LakeType, row: Value, value: OrderingValue): number => {
    const f = fields([type])
    return Math.sign(compareOrdering(f.ofDeletes([value], 1), 0, f.ofRows([vectorOf(type, [row])], 1), 0))
  }
  test('their values compare with those of rows, whatever wrapper they came in', () => {
    expect(of({ kind: 'long' }, 5n, 7)).toBe(1)
    expect(of({ kind: 'long' }, 5n, 5n)).toBe(0)
    expect(of({ kind: 'date' }, 20000, 19999)).toBe(-1)
    expect(of({ kind: 'double' }, -2.5, { float: -2.25 })).toBe(1)
    expect(of({ kind: 'string' }, 'b', 'a')).toBe(-1)
    expect(of({ kind: 'decimal', precision: 10, scale: 2 }, 150n, { decimal: Buffer.from('05543df729c000', 'hex') })).toBe(0)
    expect(of({ kind: 'boolean' }, false, true)).toBe(1)
  })
  test('a value of another type is refused', () => {
    expect(() => of({ kind: 'long' }, 5n, 'x')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-023' }))
    expect(() => of({ kind: 'string' }, 'x', 5n)).toThrow(expect.objectContaining({ code: 'TRB-LAKE-023' }))
    expect(() => of({ kind: 'long' }, 5n, [1n, 2n])).toThrow(/a delete has 2 ordering values/)
  })
  test('event sequences of MySQL are numbers, not text', () => {
    const f = new OrderingFields('t', [{ name: '_event_seq', type: { kind: 'string' } }])
    const o = f.ofRows([vectorOf({ kind: 'string' }, ['000009.900', '000010.5', '000010.4000000000'])], 3)
    expect([compareOrdering(o, 0, o, 1), compareOrdering(o, 1, o, 2)]).toEqual([-1, -1])
    expect(() => f.ofRows([vectorOf({ kind: 'string' }, ['x'])], 1)).toThrow(/"x" is not <file number>.<position>/)
  })
})

test('the first hash alone is the first of the two', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }), fc.integer(), (texts, seed) => {
      const data = Buffer.from(texts.join(''))
      const offsets = new Int32Array(texts.length + 1)
      for (const [i, t] of texts.entries()) offsets[i + 1] = offsets[i] + Buffer.byteLength(t)
      const keys = hashKeys(data, offsets, texts.length, seed)
      const view = new DataView(data.buffer, data.byteOffset, data.length)
      for (let i = 0; i < texts.length; i++) expect(firstHash(data, view, offsets[i], offsets[i + 1], seed)).toBe(keys.h0[i])
    }),
  )
})
