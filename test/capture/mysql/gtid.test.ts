import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GtidList } from '../../../src/capture/mysql/gtid-list.ts'
import { GtidSet } from '../../../src/capture/mysql/gtid-set.ts'
import { covers, flavorOf } from '../../../src/capture/mysql/gtids.ts'
import { propertyRuns } from '../../support/property-runs.ts'

const A = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const B = 'a1b2c3d4-71ca-11e1-9e33-c80aa9429562'
const set = (text: string): GtidSet => GtidSet.parse(text)!

describe('MySQL', () => {
  test('sets are printed as the server prints them', () => {
    expect(set(` ${B.toUpperCase()}:7, ${A}:1-3:5:4-4:9-11 `).print()).toBe(`${A}:1-5:9-11,${B}:7`)
    expect(set(`${A}:1-2:red:5:7-9,${A}:blue:1`).print()).toBe(`${A}:1-2:blue:1:red:5:7-9`)
    expect(set('').print()).toBe('')
  })
  test('what is not a set', () => {
    for (const text of ['x', `${A}`.slice(1), `${A}:0`, `${A}:5-4`, `${A}:1-`, `${A}:9007199254740993`, `${A}:1,,x`]) {
      expect(GtidSet.parse(text)?.print() ?? null).toBe(null)
    }
  })
  test('a set holds what was added to it, whatever the order, and survives print and encode', () => {
    const gtid = fc.tuple(fc.constantFrom(A, B, `${A}:tag`), fc.integer({ min: 1, max: 40 }))
    fc.assert(
      fc.property(fc.array(gtid, { maxLength: 60 }), gtid, (added, probe) => {
        const s = new GtidSet()
        for (const [source, n] of added) s.add(source, n)
        const has = added.some(([source, n]) => source === probe[0] && n === probe[1])
        expect(s.contains(...probe)).toBe(has)
        expect(set(s.print()).print()).toBe(s.print())
        const bytes = s.encode()
        expect(GtidSet.decode(bytes, 0, bytes.length)?.print()).toBe(s.print())
        const more = s.copy()
        more.add(...probe)
        expect(more.covers(s)).toBe(true)
        expect(s.covers(more)).toBe(has)
      }),
      { numRuns: propertyRuns(100) },
    )
  })
  test('the binary form is that of the protocol', () => {
    const hex = `0100000000000000${A.replaceAll('-', '')}010000000000000001000000000000000600000000000000`
    expect(set(`${A}:1-5`).encode().toString('hex')).toBe(hex)
  })
})

describe('MariaDB', () => {
  test('positions are ordered by domain', () => {
    const list = GtidList.parse('1-5-7,0-2-100')!
    expect(list.print()).toBe('0-2-100,1-5-7')
    list.set(0, 3, 101n)
    expect(list.print()).toBe('0-3-101,1-5-7')
    expect([GtidList.parse('0-1'), GtidList.parse('0-1-2,x'), GtidList.parse('-1-2-3')]).toEqual([null, null, null])
  })
  test('one covers another when it has come as far in every domain', () => {
    const l = (text: string): GtidList => GtidList.parse(text)!
    expect(covers(l('0-1-5,1-1-3'), l('0-2-5'))).toBe(true)
    expect(covers(l('0-1-5'), l('0-2-6'))).toBe(false)
    expect(covers(l('0-1-5'), l('2-2-1'))).toBe(false)
    expect(covers(l('0-1-5'), l(''))).toBe(true)
    expect(covers(l('0-1-5'), set(`${A}:1`))).toBe(false)
  })
  test('texts tell their server', () => {
    expect([flavorOf('0-1-5'), flavorOf(`${A}:1-5`), flavorOf(`12345678${A.slice(8)}:1`)]).toEqual(['mariadb', 'mysql', 'mysql'])
  })
})
