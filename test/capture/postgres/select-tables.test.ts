import { describe, expect, test } from 'vitest'
import { tableMatcher } from '../../../src/capture/select-tables.ts'

const patterns = (text: string, names: readonly string[]): string[] => {
  const m = tableMatcher({ kind: 'patterns', patterns: text })
  return names.filter((n) => m.matches(n.split('.')[0], n.split('.').slice(1).join('.')))
}

describe('table selection', () => {
  const all = ['public.orders', 'public.order_lines', 'shop.orders', 'shop.a+b', 'shopX.orders']

  test.each([
    ['*', all],
    ['shop.*', ['shop.orders', 'shop.a+b']],
    ['orders', ['public.orders']],
    ['public.order*', ['public.orders', 'public.order_lines']],
    ['*.orders', ['public.orders', 'shop.orders', 'shopX.orders']],
    ['shop.a+b, orders', ['public.orders', 'shop.a+b']],
    ['*,!shop.*', ['public.orders', 'public.order_lines', 'shopX.orders']],
  ])('%s', (text, expected) => {
    expect(patterns(text, all)).toEqual(expected)
  })

  test("Debezium's lists match whole names, case-insensitively, and give the order", () => {
    const m = tableMatcher({
      kind: 'regex',
      tableInclude: 'shop\\.(b|a){1,2}, PUBLIC\\..*',
      tableExclude: 'public\\.secret.*',
      schemaInclude: null,
      schemaExclude: null,
    })
    expect([m.matches('shop', 'ab'), m.matches('shop', 'abc'), m.matches('Public', 'x'), m.matches('public', 'secrets')]).toEqual([
      true,
      false,
      true,
      false,
    ])
    expect([m.rank('shop', 'a'), m.rank('public', 'a')]).toEqual([0, 1])
    const schemas = tableMatcher({ kind: 'regex', tableInclude: null, tableExclude: null, schemaInclude: 'a.*', schemaExclude: 'ab' })
    expect([schemas.matches('ax', 't'), schemas.matches('ab', 't'), schemas.matches('b', 't')]).toEqual([true, false, false])
  })

  test('what is no list or no expression is refused (TRB-PG-025)', () => {
    expect(() => patterns('', [])).toThrow(expect.objectContaining({ code: 'TRB-PG-025' }))
    expect(() => patterns('!a.b', [])).toThrow(expect.objectContaining({ code: 'TRB-PG-025' }))
    const bad = { kind: 'regex', tableInclude: 'a(', tableExclude: null, schemaInclude: null, schemaExclude: null } as const
    expect(() => tableMatcher(bad)).toThrow(expect.objectContaining({ code: 'TRB-PG-025' }))
  })
})
