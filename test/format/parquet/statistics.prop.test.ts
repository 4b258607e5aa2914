import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainOfBytes } from '../../../src/format/parquet/column.ts'
import { plainStatistics } from '../../../src/format/parquet/statistics.ts'

describe('the range of byte strings', () => {
  it('is that of their unsigned byte order, whatever they share and however long they are', () => {
    const piece = fc.constantFrom(Buffer.from('abcd'), Buffer.from([0xff, 0, 0x80, 0x7f]), Buffer.from('z'), Buffer.from([0]))
    const value = fc.array(piece, { maxLength: 6 }).map((parts) => Buffer.concat(parts))
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 30 }), fc.nat({ max: 7 }), (values, shift) => {
        // as if they lay somewhere in a larger buffer
        const data = Buffer.concat([Buffer.alloc(shift), ...values])
        const offsets = new Int32Array(values.length + 1).fill(shift)
        values.forEach((v, i) => {
          offsets[i + 1] = offsets[i] + v.length
        })
        const found = plainStatistics(plainOfBytes({ kind: 'bytes', data, offsets, valid: null }, 0, values.length))
        const sorted = [...values].sort(Buffer.compare)
        expect(Buffer.from(found.min!)).toEqual(sorted[0])
        expect(Buffer.from(found.max!)).toEqual(sorted.at(-1))
      }),
      { numRuns: 500 },
    )
  })
})
