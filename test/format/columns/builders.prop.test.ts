import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BytesBuilder, columnBuilder, FixedBuilder, ListBuilder, MapBuilder } from '../../../src/format/columns/builders.ts'
import { decimalWidth } from '../../../src/format/columns/decimal-width.ts'

describe('column builders', () => {
  it('fixed columns keep values and nulls, and start over after take', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), { maxLength: 3000 }), (values) => {
        const b = new FixedBuilder(8)
        for (let round = 0; round < 2; round++) {
          for (const v of values) {
            if (v === null) b.appendNull()
            else b.appendI64(Number(BigInt.asUintN(64, v) >> 32n), Number(BigInt.asUintN(32, v)))
          }
          const vector = b.take()
          expect(vector.data.length).toBe(values.length * 8)
          expect(vector.valid === null).toBe(!values.includes(null))
          expect(values.map((_, i) => (vector.valid?.[i] === 0 ? null : vector.data.readBigInt64LE(i * 8)))).toEqual(values)
          expect(b.count).toBe(0)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('decimals are sign-extended to the width', () => {
    const b = new FixedBuilder(4)
    b.appendSigned(Buffer.from([0xff, 0x7f]), 0, 2)
    b.appendSigned(Buffer.from([0x7f]), 0, 1)
    b.appendSigned(Buffer.alloc(0), 0, 0)
    const { data } = b.take()
    expect([data.readInt32BE(0), data.readInt32BE(4), data.readInt32BE(8)]).toEqual([-129, 127, 0])
  })

  it('bytes, lists and maps keep their borders', () => {
    const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }))
    fc.assert(
      fc.property(fc.array(fc.option(fc.array(text)), { maxLength: 1500 }), (lists) => {
        const list = columnBuilder({ kind: 'list', element: { kind: 'string' } }) as ListBuilder
        const map = new MapBuilder(new BytesBuilder())
        for (const l of lists) {
          if (l === null) {
            list.appendNull()
            map.appendNull()
            continue
          }
          for (const [i, s] of l.entries()) {
            map.key.append(Buffer.from([i]), 0, 1)
            for (const b of [list.element, map.value] as BytesBuilder[])
              s === null ? b.appendNull() : b.append(Buffer.from(s), 0, Buffer.byteLength(s))
          }
          list.end()
          map.end()
        }
        const bytes = list.bytes
        const v = list.take()
        const m = map.take()
        expect(bytes).toBeGreaterThanOrEqual(lists.length * 4)
        expect(m.offsets).toEqual(v.offsets)
        const element = v.element.kind === 'bytes' ? v.element : null
        const at = (k: number): string | null =>
          element!.valid?.[k] === 0 ? null : element!.data.toString('utf8', element!.offsets[k], element!.offsets[k + 1])
        const back = lists.map((_, i) =>
          v.valid?.[i] === 0 ? null : Array.from({ length: v.offsets[i + 1] - v.offsets[i] }, (_, k) => at(v.offsets[i] + k)),
        )
        expect(back).toEqual(lists)
      }),
      { numRuns: 30 },
    )
  })

  it('the width of a decimal is the least that holds its precision', () => {
    expect([1, 2, 3, 4, 9, 10, 18, 19, 38].map(decimalWidth)).toEqual([1, 1, 2, 2, 4, 5, 8, 9, 16])
    for (let p = 1; p <= 38; p++) {
      const largest = 10n ** BigInt(p) - 1n
      expect(2n ** BigInt(8 * decimalWidth(p) - 1) > largest).toBe(true)
    }
  })

  it('every lake type has a builder of its form', () => {
    expect((columnBuilder({ kind: 'decimal', precision: 12, scale: 2 }) as FixedBuilder).width).toBe(6)
    expect((columnBuilder({ kind: 'date' }) as FixedBuilder).width).toBe(4)
    expect((columnBuilder({ kind: 'timestamp-micros' }) as FixedBuilder).width).toBe(8)
    expect(columnBuilder({ kind: 'map', value: { kind: 'long' } })).toBeInstanceOf(MapBuilder)
    expect(columnBuilder({ kind: 'boolean' }).take()).toMatchObject({ kind: 'fixed', width: 1, valid: null })
    expect(columnBuilder({ kind: 'list', element: { kind: 'int' } })).toBeInstanceOf(ListBuilder)
  })
})
