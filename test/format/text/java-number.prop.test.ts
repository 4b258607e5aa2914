import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { javaDouble, javaFloat } from '../../../src/format/text/java-number.ts'

const FORM = /^-?(\d+\.\d+|\d\.\d+E-?\d+)$/

describe('numbers as Java prints them', () => {
  it.each([
    [1, '1.0'],
    [-0, '-0.0'],
    [10000000, '1.0E7'],
    [9999999, '9999999.0'],
    [0.001, '0.001'],
    [0.0001, '1.0E-4'],
    [123456789.12345679, '1.2345678912345679E8'],
    [5e-324, '4.9E-324'],
    [2e23, '2.0E23'],
    [Number.MAX_VALUE, '1.7976931348623157E308'],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
  ])('double %d is %s', (v, text) => {
    expect(javaDouble(v)).toBe(text)
  })

  it.each([
    [3.3, '3.3'],
    [16777216, '1.6777216E7'],
    [-1.5e-38, '-1.5E-38'],
    [1.401298464324817e-45, '1.4E-45'],
    [0.1, '0.1'],
  ])('float %d is %s', (v, text) => {
    expect(javaFloat(Math.fround(v))).toBe(text)
  })

  it('every double survives the way through its text', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (v) => {
        const text = javaDouble(v)
        expect(text).toMatch(FORM)
        expect(Object.is(Number(text.replace('E', 'e')), v)).toBe(true)
      }),
    )
  })

  it('every float survives the way through its text', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (v) => {
        const text = javaFloat(v)
        expect(text).toMatch(FORM)
        expect(Object.is(Math.fround(Number(text.replace('E', 'e'))), v)).toBe(true)
      }),
    )
  })
})
