import { describe, expect, test } from 'vitest'
import { commitOrder, compareGtid, epochOf, isPart, parseGtid } from '../../src/query/commit-order.ts'

const UUID = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const OTHER = '3e11fa47-71ca-11e1-9e33-c80aa9429563'

describe('order of commits', () => {
  test('LSNs are numbers, as they always were', () => {
    expect(commitOrder('16/B374D848')).toBe(0x16b374d848n)
  })

  test('places in the binlog grow by file, then by byte; a part stands behind the transaction that ends where it begins', () => {
    const texts = [
      'bin.000001:900/0-1-1',
      'bin.000002:4/0-1-2',
      'bin.000002:4+',
      'bin.000002:5',
      `bin.000010:4/${UUID}:1-7`,
      'bin.1000000:4',
    ]
    const orders = texts.map((t) => commitOrder(t)!)
    expect(orders).toEqual(orders.toSorted((a, b) => (a < b ? -1 : 1)))
    expect(new Set(orders).size).toBe(texts.length)
    expect(texts.map(isPart)).toEqual([false, false, true, false, false, false])
  })

  test('behind a failover every place is later than all before it', () => {
    const texts = ['bin.000900:99/0-1-5', 'bin.000001:4+~1', 'bin.000001:900/0-2-6~1', 'bin.000001:4/0-3-7~2']
    const orders = texts.map((t) => commitOrder(t)!)
    expect(orders).toEqual(orders.toSorted((a, b) => (a < b ? -1 : 1)))
    expect(texts.map(epochOf)).toEqual([0, 1, 1, 2])
    expect(texts.map(isPart)).toEqual([false, true, false, false])
    expect(compareGtid(texts[2]!, '0-2-6')).toBe(0)
  })

  test.each(['', 'bin.000001', 'bin:x', '16/', 'a b:3'])('%j is none', (text) => {
    expect(commitOrder(text)).toBeNull()
  })
})

describe('GTIDs of commits', () => {
  test('one of a transaction, in both dialects', () => {
    expect(parseGtid(`${UUID.toUpperCase()}:23`)).toEqual({ of: UUID, number: 23n })
    expect(parseGtid(`${UUID}:blue:23`)).toEqual({ of: `${UUID}:blue`, number: 23n })
    expect(parseGtid('0-7-23')).toEqual({ of: '0', number: 23n })
    expect(parseGtid(`${UUID}:1-23`)).toBeNull()
  })

  test.each([
    [`bin.000001:4/${UUID}:22`, `${UUID}:23`, -1],
    [`bin.000001:4/${UUID}:23`, `${UUID}:23`, 0],
    [`bin.000001:4/${UUID}:1-5:7-24,${OTHER}:1`, `${UUID}:23`, 1],
    [`bin.000001:4/${UUID}:1-5:blue:1-9`, `${UUID}:23`, -1],
    [`bin.000001:4/${UUID}:1-5:blue:1-9`, `${UUID}:blue:9`, 0],
    ['bin.000001:4/0-2-9', '0-1-9', 0],
    ['bin.000001:4/0-2-9,1-1-100', '0-1-10', -1],
    [`bin.000001:4/${OTHER}:1-5`, `${UUID}:1`, null],
    ['bin.000001:4', '0-1-1', null],
  ])('%s against %s is %s', (commit, gtid, order) => {
    expect(compareGtid(commit, gtid)).toBe(order)
  })
})
