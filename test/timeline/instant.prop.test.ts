import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatInstant, instantToMs, nextInstant } from '../../timeline/instant.ts'

const MS = fc.integer({ min: 0, max: Date.UTC(9998, 11, 31) })

test('an instant is the UTC time in 17 digits', () => {
  expect(formatInstant(Date.UTC(2026, 10, 21, 3, 14, 21, 535))).toBe('20261121031421535')
})

test('instants and times go back and forth, and sort alike', () => {
  fc.assert(
    fc.property(MS, MS, (a, b) => {
      expect(instantToMs(formatInstant(a))).toBe(a)
      expect(formatInstant(a) < formatInstant(b)).toBe(a < b)
    }),
  )
})

test('digits that are no date are no instant', () => {
  for (const text of ['20260230000000000', '00000000000000000', '20261301000000000', '2026', 'x', '20261121031421535001']) {
    expect(instantToMs(text)).toBeNull()
  }
})

test('an old 14-digit instant is the last millisecond of its second', () => {
  expect(instantToMs('20211121031421')).toBe(Date.UTC(2021, 10, 21, 3, 14, 21, 999))
})

test('I1: the next instant is later than the last, whatever the clock does', () => {
  fc.assert(
    fc.property(fc.array(MS, { minLength: 1, maxLength: 50 }), (clock) => {
      let last: string | null = null
      for (const now of clock) {
        const next = nextInstant(now, last)
        if (last !== null) expect(next > last).toBe(true)
        expect(next >= formatInstant(now)).toBe(true)
        last = next
      }
    }),
  )
})

test('the next instant follows a 14-digit one and a 20-digit one', () => {
  expect(nextInstant(0, '20261121031421')).toBe('20261121031422000')
  expect(nextInstant(0, '20261121031421535001')).toBe('20261121031421536')
})

test('nothing follows a last instant that is no date and lies in the future', () => {
  expect(() => nextInstant(0, '99999999999999999')).toThrow(RangeError)
})
