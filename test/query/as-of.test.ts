import { describe, expect, test } from 'vitest'
import { Failure } from '../../src/failure/failure.ts'
import { formatMicros, parseAsOf, parseLsn } from '../../src/query/as-of.ts'
import { commitOrder } from '../../src/query/commit-order.ts'

const NOW = Date.parse('2026-11-21T10:15:00.000Z')

function code(text: string): string {
  try {
    parseAsOf(text, NOW)
  } catch (e) {
    if (e instanceof Failure) return e.code
    throw e
  }
  return 'accepted'
}

describe('as-of positions', () => {
  test.each([
    ['2026-11-21T10:00:00Z', 1795255200000000n],
    ['2026-11-21 10:00:00Z', 1795255200000000n],
    ['2026-11-21T10:00Z', 1795255200000000n],
    ['2026-11-21T12:00:00+02:00', 1795255200000000n],
    ['2026-11-21T04:30:00-05:30', 1795255200000000n],
    ['2026-11-21T10:00:00.123456Z', 1795255200123456n],
    ['2026-11-21T10:00:00.1Z', 1795255200100000n],
    ['-15m', 1795255200000000n],
    ['-900s', 1795255200000000n],
    ['-900000ms', 1795255200000000n],
    ['-1h', 1795252500000000n],
    ['-2d', 1795083300000000n],
  ])('%s is a time of the source', (text, us) => {
    expect(parseAsOf(text, NOW)).toEqual({ kind: 'time', us, text })
  })

  test('an LSN is a 64-bit number, in either case of letters', () => {
    expect(parseAsOf('lsn:16/B374D848', NOW)).toMatchObject({ kind: 'lsn', lsn: 0x16b374d848n })
    expect(parseAsOf('lsn:16/b374d848', NOW)).toMatchObject({ kind: 'lsn', lsn: 0x16b374d848n })
    expect(parseLsn('FFFFFFFF/FFFFFFFF')).toBe(0xffffffffffffffffn)
  })

  test('commit:0 is the newest state, commit:-1 the one before it', () => {
    expect(parseAsOf('commit:0', NOW)).toMatchObject({ kind: 'commit', back: 0 })
    expect(parseAsOf('commit:-1', NOW)).toMatchObject({ kind: 'commit', back: 1 })
  })

  test('17 digits that are a date are an instant of the lake', () => {
    expect(parseAsOf('20261121100000000', NOW)).toMatchObject({ kind: 'instant', instant: '20261121100000000' })
  })

  test.each([
    'yesterday',
    '',
    '-15',
    '-15x',
    '-1.5m',
    '- 15m',
    '2026-11-21',
    '2026-11-21T10:00:00',
    '2026-02-30T10:00:00Z',
    '2026-11-21T25:00:00Z',
    '2026-11-21T10:00:00+99:00',
    '2026-11-21T10:00:00.1234567Z',
    '2026112110000000',
    '202611211000000000',
    '20261321100000000',
    '20261121246060000',
    'commit:1',
    'commit:',
    'commit:-',
    'lsn:',
    'lsn:16',
    'lsn:16/',
    'lsn:123456789/0',
    'lsn:G/0',
    'offset:5',
    '-99999999999d',
  ])('"%s" is refused with examples', (text) => {
    expect(code(text)).toBe('TRB-QUERY-001')
  })

  test('tx:771 is refused because that position is not recorded', () => {
    expect(code('tx:771')).toBe('TRB-QUERY-002')
  })

  test.each(['gtid:3E11FA47-71CA-11E1-9E33-C80AA9429562:23', 'gtid:3e11fa47-71ca-11e1-9e33-c80aa9429562:tag:23', 'gtid:0-1-23'])(
    '%s names one transaction',
    (text) => {
      expect(parseAsOf(text, NOW)).toEqual({ kind: 'gtid', gtid: text.slice(5), text })
    },
  )

  test.each([
    'gtid:',
    'gtid:3e11fa47:1',
    'gtid:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5',
    'binlog:mysql-bin:4',
    'binlog:bin.000003',
    'binlog:bin.3:x',
  ])('"%s" is refused with examples', (text) => {
    expect(code(text)).toBe('TRB-QUERY-001')
  })

  test('a place in the binlog has the order of the commit that ends there', () => {
    expect(parseAsOf('binlog:mysql-bin.000003:1234', NOW)).toMatchObject({ kind: 'lsn', lsn: commitOrder('mysql-bin.000003:1234/0-1-5') })
  })

  test('the refusal of a time without a zone says what is missing', () => {
    expect(() => parseAsOf('2026-11-21T10:00:00', NOW)).toThrow(Failure)
    try {
      parseAsOf('2026-11-21T10:00:00', NOW)
    } catch (e) {
      expect((e as Failure).explain().why).toContain('zone')
    }
  })

  test('microseconds before 1970 print as what they are', () => {
    expect(formatMicros(-1n)).toBe('1969-12-31T23:59:59.999999Z')
    expect(formatMicros(0n)).toBe('1970-01-01T00:00:00.000000Z')
  })
})
