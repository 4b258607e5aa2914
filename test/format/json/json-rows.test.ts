import { expect, test } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import { csvRows } from '../../../src/format/csv/csv-rows.ts'
import { type ByteSource, guessJsonColumns, jsonRows } from '../../../src/format/json/json-rows.ts'
import { rowLines } from '../../../src/format/json/row-lines.ts'

function source(text: string): ByteSource {
  return {
    name: 'input.jsonl',
    async *open() {
      yield Buffer.from(text)
    },
  }
}

async function one(type: LakeType, value: string): Promise<unknown> {
  const columns: LakeColumn[] = [{ name: 'x', type }]
  for await (const r of jsonRows(source(`{"x":${value}}`), columns, () => false)) {
    return (JSON.parse(rowLines(columns)(r.vectors, r.count)) as { x: unknown }).x
  }
  return undefined
}

async function drain(rows: AsyncIterable<unknown>): Promise<number> {
  let n = 0
  for await (const _ of rows) n++
  return n
}

test.each<[LakeType['kind'], string, unknown]>([
  ['date', '"2024-02-29"', '2024-02-29'],
  ['date', '19782', '2024-02-29'],
  ['timestamp-micros', '"2024-02-29T12:00:00+02:00"', '2024-02-29T10:00:00.000000Z'],
  ['timestamp-micros', '"1969-12-31 23:59:59.999999"', '1969-12-31T23:59:59.999999Z'],
  ['timestamp-micros', '-1', '1969-12-31T23:59:59.999999Z'],
  ['time-micros', '"23:59:59.5"', '23:59:59.500000'],
  ['boolean', '"t"', true],
  ['long', '"9223372036854775807"', '9223372036854775807'],
  ['string', '{"a": [1]}', '{"a": [1]}'],
  ['string', '1.10', '1.10'],
  ['double', '"NaN"', 'NaN'],
  ['float', '0.1', 0.1],
])('%s takes %s', async (kind, value, expected) => {
  expect(await one({ kind } as LakeType, value)).toEqual(expected)
})

test.each<[LakeType, string]>([
  [{ kind: 'int' }, '2147483648'],
  [{ kind: 'int' }, '1.0'],
  [{ kind: 'long' }, '9223372036854775808'],
  [{ kind: 'long' }, '1e3'],
  [{ kind: 'decimal', precision: 5, scale: 2 }, '1000.00'],
  [{ kind: 'decimal', precision: 5, scale: 2 }, '1.005'],
  [{ kind: 'decimal', precision: 5, scale: 2 }, '"1,00"'],
  [{ kind: 'float' }, '1e39'],
  [{ kind: 'double' }, '1e309'],
  [{ kind: 'boolean' }, '1'],
  [{ kind: 'date' }, '"2023-02-29"'],
  [{ kind: 'date' }, '"2024-02-29T00:00:00Z"'],
  [{ kind: 'timestamp-micros' }, '"2024-02-29T24:00:00Z"'],
  [{ kind: 'timestamp-micros' }, '"2024-02-29T12:00:00.1234567Z"'],
  [{ kind: 'time-micros' }, '"12:00:00Z"'],
  [{ kind: 'bytes' }, '"not base64!"'],
  [{ kind: 'bytes' }, '1'],
  [{ kind: 'list', element: { kind: 'long' } }, '[1,"x"]'],
  [{ kind: 'list', element: { kind: 'long' } }, '{"a":1}'],
  [{ kind: 'map', value: { kind: 'long' } }, '[1]'],
])('%j does not take %s', async (type, value) => {
  await expect(one(type, value)).rejects.toMatchObject({ code: 'TRB-LAKE-060', details: { row: 1, column: 'x' } })
})

test.each([
  '{"x":1',
  '{"x":1}}',
  '{"x":1} {"x":2}',
  '{"x":01}',
  '{"x":"\u0001"}',
  '{"x":"\\q"}',
  '{"x":nul}',
  '[1]',
  '{"x":1,"x":2}',
  '{"y":1}',
  '{x:1}',
])('%s is refused', async (line) => {
  const columns: LakeColumn[] = [{ name: 'x', type: { kind: 'long' } }]
  await expect(drain(jsonRows(source(`{"x":0}\n\n${line}\n`), columns, () => false))).rejects.toMatchObject({
    code: 'TRB-LAKE-061',
    details: { row: 2 },
  })
})

test('types are guessed from all rows; a mixture is text', async () => {
  const rows = [
    { a: 1, b: 1.5, c: true, d: 'x', e: [1], f: { k: 1 }, g: 1, h: null },
    { a: 2, b: 2, c: false, d: 'y', e: [], f: {}, g: 'x', i: 1 },
  ]
  const text = `\ufeff${rows.map((r) => JSON.stringify(r)).join('\r\n')}`
  expect(await guessJsonColumns(source(text), (n) => n === 'i')).toMatchObject({
    rows: 2,
    columns: [
      { name: 'a', type: { kind: 'long' } },
      { name: 'b', type: { kind: 'double' } },
      { name: 'c', type: { kind: 'boolean' } },
      { name: 'd', type: { kind: 'string' } },
      { name: 'e', type: { kind: 'list', element: { kind: 'long' } } },
      { name: 'f', type: { kind: 'map', value: { kind: 'long' } } },
      { name: 'g', type: { kind: 'string' } },
      { name: 'h', type: { kind: 'string' } },
    ],
  })
})

test.each([
  ['a,a\n1,2\n', 0],
  ['x,b\n1,2\n', 0],
  ['x\n1,2\n', 1],
  ['x\n"1\n', 0],
  ['x\n"1"2\n', 0],
])('the CSV %j is refused', async (text, row) => {
  await expect(drain(csvRows(source(text), [{ name: 'x', type: { kind: 'long' } }], () => false))).rejects.toMatchObject({
    code: 'TRB-LAKE-061',
    details: { row },
  })
})
