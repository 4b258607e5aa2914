import fc from 'fast-check'
import { expect, test } from 'vitest'
import { daysOf } from '../../../src/format/bytes/civil-date.ts'
import { dateText, decimalText, doubleJson, floatJson, longJson, timestampText, timeText } from '../../../src/format/json/value-text.ts'

test('dates and points in time are those of JavaScript where it has them', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }), fc.integer({ min: 0, max: 999 }), (ms, us) => {
      const iso = new Date(ms).toISOString()
      expect(dateText(Math.floor(ms / 86_400_000))).toBe(iso.slice(0, 10))
      expect(timestampText(BigInt(ms) * 1000n + BigInt(us))).toBe(`${iso.slice(0, -1)}${String(us).padStart(3, '0')}Z`)
    }),
  )
})

test('any day of 32 bits is printed as the day that it is', () => {
  fc.assert(
    fc.property(fc.integer(), (days) => {
      const m = /^([+-]?\d+)-(\d\d)-(\d\d)$/.exec(dateText(days))!
      expect(daysOf(Number(m[1]), Number(m[2]), Number(m[3]))).toBe(days)
    }),
  )
})

test('64-bit integers are exact: numbers up to 2^53 - 1, strings beyond', () => {
  for (const delta of [-1n, 0n, 1n]) {
    const n = 2n ** 53n + delta
    expect(longJson(n)).toBe(delta < 0n ? String(n) : `"${n}"`)
    expect(longJson(-n)).toBe(delta < 0n ? String(-n) : `"${-n}"`)
  }
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
      expect(BigInt(JSON.parse(longJson(n)))).toBe(n)
    }),
  )
})

test('decimals of any width keep every digit', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }), fc.integer({ min: 0, max: 38 }), (unscaled, scale) => {
      const data = Buffer.alloc(16)
      let x = BigInt.asUintN(128, unscaled)
      for (let i = 15; i >= 0; i--, x >>= 8n) data[i] = Number(x & 255n)
      const text = decimalText(data, 0, 16, scale)
      expect(BigInt(text.replace('.', ''))).toBe(unscaled)
      expect(text.split('.')[1]?.length ?? 0).toBe(scale)
      expect(text).toMatch(/^-?\d+(\.\d+)?$/)
    }),
  )
})

test('doubles and floats read back as the same value; what JSON has no number for is a string', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
      expect(JSON.parse(doubleJson(x))).toBe(x)
    }),
  )
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
      expect(Math.fround(JSON.parse(floatJson(x)))).toBe(x)
    }),
  )
  expect([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map(doubleJson)).toEqual(['"NaN"', '"Infinity"', '"-Infinity"'])
  expect(floatJson(Math.fround(0.1))).toBe('0.1')
})

test('times of day have six digits', () => {
  expect(timeText(0n)).toBe('00:00:00.000000')
  expect(timeText(86_399_999_999n)).toBe('23:59:59.999999')
})
