import fc from 'fast-check'
import { expect, test } from 'vitest'
import { javaDate, parseProperties, printProperties } from '../../../src/lake/layout/java-properties.ts'

test('what is printed is read back, whatever it holds', () => {
  const entries = fc.array(fc.tuple(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary' })), { maxLength: 8 })
  fc.assert(
    fc.property(entries, (list) => {
      const map = new Map(list)
      const text = printProperties(['a comment'], map)
      expect(/^[\x20-\x7e\n]*$/.test(text)).toBe(true)
      expect(parseProperties(text)).toEqual(map)
    }),
  )
})

test('every form that java.util.Properties loads', () => {
  const text = [
    '# comment = 1',
    '  ! another',
    'a=1',
    'b : 2',
    'c 3',
    '  d\t=\t4 ',
    'e',
    'f\\ g\\=h = i\\:j',
    'k = one,\\',
    '    two,\\',
    '  # three',
    'l = back\\\\',
    'm=\\u00e4\\u4E2D\\t\\q',
    'a=again',
    '',
  ].join('\r\n')
  expect(Object.fromEntries(parseProperties(text))).toEqual({
    a: 'again',
    b: '2',
    c: '3',
    d: '4 ',
    e: '',
    'f g=h': 'i:j',
    k: 'one,two,# three',
    l: 'back\\',
    m: 'ä中\tq',
  })
})

test('values are escaped as Java stores them', () => {
  expect(printProperties([], [['k e:y', ' {"type":"ü"} #!\\']])).toBe('k\\ e\\:y=\\ {"type"\\:"\\u00FC"} \\#\\!\\\\\n')
})

test("a date as Java's Date.toString in UTC", () => {
  expect(javaDate(Date.UTC(2026, 10, 1, 3, 4, 5))).toBe('Sun Nov 01 03:04:05 UTC 2026')
})
