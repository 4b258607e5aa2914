import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseLsn, printLsn } from '../../../src/capture/postgres/lsn.ts'
import { comparePositions, type PgPosition, parsePosition, printPosition } from '../../../src/capture/postgres/position.ts'

const lsn = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
const map = fc.dictionary(fc.string(), lsn).map((o) => new Map(Object.entries(o)))
const catchUp = fc.option(fc.record({ until: lsn, from: map }), { nil: null })
const stream: fc.Arbitrary<PgPosition> = fc.oneof(
  fc.record({ kind: fc.constant('stream' as const), lsn, tail: fc.integer({ min: 1, max: 999_999_999 }), done: fc.constant(-1), catchUp }),
  fc.record({ kind: fc.constant('stream' as const), lsn, tail: fc.constant(0), done: fc.integer({ min: 0, max: 1e12 }), catchUp }),
)
const current = fc.option(
  fc.record({ table: fc.string(), start: lsn, key: fc.option(fc.array(fc.string(), { minLength: 1 }), { nil: null }) }),
  { nil: null },
)
const snapshot: fc.Arbitrary<PgPosition> = fc.record({
  kind: fc.constant('snapshot' as const),
  progress: fc.record({ seq: fc.nat(), until: lsn, done: map, current }),
})

describe('Postgres positions', () => {
  test('an LSN survives print and parse', () => {
    fc.assert(fc.property(lsn, (v) => parseLsn(printLsn(v)) === v))
    expect(printLsn(0x16_b374_d848n)).toBe('16/B374D848')
  })

  test('a position survives print and parse, in one line of text', () => {
    fc.assert(
      fc.property(fc.oneof(stream, snapshot), (p) => {
        const text = printPosition(p)
        expect(text).not.toContain('\n')
        expect(parsePosition(text)).toEqual(p)
      }),
    )
  })

  test('a bare LSN, as commits are printed, means the whole transaction', () => {
    expect(parsePosition('16/B374D848')).toEqual({ kind: 'stream', lsn: 0x16_b374_d848n, tail: 1, done: -1, catchUp: null })
  })

  test('order: snapshots by progress, then commits, parts of a transaction before its end', () => {
    const p = (text: string): string => printPosition(parsePosition(text))
    const ordered = [
      'snapshot {"seq":0,"until":"0/9","done":{},"current":null}',
      'snapshot {"seq":5,"until":"0/9","done":{},"current":null}',
      '0/1',
      '0/2:0',
      '0/2:7',
      '0/2+56',
      '1/0:1',
    ].map(p)
    for (const [i, a] of ordered.entries()) {
      for (const [j, b] of ordered.entries()) expect(Math.sign(comparePositions(a, b)), `${a} ${b}`).toBe(Math.sign(i - j))
    }
    expect(comparePositions('0/2', '0/2+56')).toBe(0)
  })

  test.each([
    '',
    'x',
    '16',
    '0/0/0',
    '123456789/0',
    '0/1:',
    '0/1+',
    '0/1 {',
    '0/1 {}',
    'snapshot',
    'snapshot {}',
    'snapshot []',
    'snapshot {"seq":-1,"until":"0/1","done":{},"current":null}',
  ])('refuses %j (TRB-PG-019)', (text) => {
    expect(() => parsePosition(text)).toThrow(expect.objectContaining({ code: 'TRB-PG-019' }))
  })
})
