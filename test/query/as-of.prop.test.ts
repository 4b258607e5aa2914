import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Failure } from '../../src/failure/failure.ts'
import { formatMicros, parseAsOf, parseLsn } from '../../src/query/as-of.ts'

const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n })

test('a printed time reads back as the same microsecond', () => {
  fc.assert(
    fc.property(micros, (us) => {
      expect(parseAsOf(formatMicros(us), 0)).toMatchObject({ kind: 'time', us })
    }),
  )
})

test('an offset moves a time by that much', () => {
  const offset = fc.integer({ min: -18 * 60, max: 18 * 60 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), offset, (seconds, minutes) => {
      const sign = minutes < 0 ? '-' : '+'
      const part = (n: number): string => String(Math.floor(Math.abs(n))).padStart(2, '0')
      const text = `${new Date(seconds * 1000).toISOString().slice(0, 19)}${sign}${part(minutes / 60)}:${part(Math.abs(minutes) % 60)}`
      expect(parseAsOf(text, 0)).toMatchObject({ us: BigInt(seconds - minutes * 60) * 1_000_000n })
    }),
  )
})

test('LSNs keep all 64 bits', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (lsn) => {
      const text = `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffffffffn).toString(16).toUpperCase()}`
      expect(parseLsn(text)).toBe(lsn)
      expect(parseAsOf(`lsn:${text}`, 0)).toMatchObject({ kind: 'lsn', lsn })
    }),
  )
})

test('any text is either understood or refused with a code', () => {
  const piece = fc.constantFrom(
    'lsn:',
    'commit:',
    '-',
    '1',
    '0',
    'A',
    '/',
    ':',
    'T',
    'Z',
    ' ',
    '2026',
    '-11',
    '-21',
    'm',
    'd',
    '.5',
    '+02:00',
  )
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 8 }).map((p) => p.join('')),
  )
  fc.assert(
    fc.property(text, (t) => {
      try {
        expect(['time', 'instant', 'commit', 'lsn']).toContain(parseAsOf(t, 1_800_000_000_000).kind)
      } catch (e) {
        expect(e).toBeInstanceOf(Failure)
        expect(['TRB-QUERY-001', 'TRB-QUERY-002']).toContain((e as Failure).code)
      }
    }),
    { numRuns: 2000 },
  )
})
