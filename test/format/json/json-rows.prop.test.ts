import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import { csvRows, guessCsvColumns } from '../../../src/format/csv/csv-rows.ts'
import { type ByteSource, guessJsonColumns, jsonRows } from '../../../src/format/json/json-rows.ts'
import { rowLines } from '../../../src/format/json/row-lines.ts'

const none = (): boolean => false

/** The bytes in parts of a given size, so that every cut through a row, a character and an escape is tried. */
function source(text: string, part: number): ByteSource {
  const bytes = Buffer.from(text)
  return {
    name: 'input',
    async *open() {
      for (let at = 0; at < bytes.length; at += part) yield bytes.subarray(at, at + part)
    },
  }
}

async function print(columns: readonly LakeColumn[], rows: AsyncIterable<{ vectors: readonly never[]; count: number }>): Promise<string> {
  const write = rowLines(columns)
  let out = ''
  for await (const r of rows) out += write(r.vectors, r.count)
  return out
}

const COLUMNS: readonly LakeColumn[] = [
  { name: 'b', type: { kind: 'boolean' } },
  { name: 'i', type: { kind: 'int' } },
  { name: 'n', type: { kind: 'long' } },
  { name: 'f', type: { kind: 'float' } },
  { name: 'd', type: { kind: 'double' } },
  { name: 's', type: { kind: 'string' } },
  { name: 'y', type: { kind: 'bytes' } },
  { name: 'c', type: { kind: 'decimal', precision: 38, scale: 9 } },
  { name: 'l', type: { kind: 'list', element: { kind: 'long' } } },
  { name: 'm', type: { kind: 'map', value: { kind: 'string' } } },
]

const long = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .map((n) => (n > 2n ** 53n - 1n || n < -(2n ** 53n) + 1n ? `"${n}"` : `${n}`))
const text = fc.string({ unit: 'binary', maxLength: 12 }).map((s) => s.toWellFormed())
const decimal = fc.bigInt({ min: -(10n ** 38n) + 1n, max: 10n ** 38n - 1n }).map((n) => {
  const digits = String(n < 0n ? -n : n).padStart(10, '0')
  return `"${n < 0n ? '-' : ''}${digits.slice(0, -9)}.${digits.slice(-9)}"`
})
const number = (n: number): string => (Object.is(n, -0) ? '-0.0' : String(n))
const cells = fc.tuple(
  fc.boolean().map(String),
  fc.integer().map(String),
  long,
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000, noInteger: true }).map((x) => String(Number(x.toPrecision(9)))),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(number),
  text.map((s) => JSON.stringify(s)),
  fc.uint8Array({ maxLength: 9 }).map((u) => `"${Buffer.from(u).toString('base64')}"`),
  decimal,
  fc.array(long, { maxLength: 3 }).map((a) => `[${a.join(',')}]`),
  fc.uniqueArray(text, { maxLength: 3 }).map((a) => `{${a.map((k) => `${JSON.stringify(k)}:${JSON.stringify(`${k}!`)}`).join(',')}}`),
)

test('what lake read prints is read back to the same bytes, wherever the input is cut', async () => {
  const row = fc.tuple(cells, fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }))
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 8 }), fc.integer({ min: 1, max: 40 }), async (rows, part) => {
      const lines = rows.map(([c, nulls]) => `{${COLUMNS.map((x, i) => `"${x.name}":${nulls[i] ? 'null' : c[i]}`).join(',')}}\n`)
      const once = await print(COLUMNS, jsonRows(source(lines.join(''), 1 << 20), COLUMNS, none) as never)
      const again = await print(COLUMNS, jsonRows(source(once, part), COLUMNS, none) as never)
      expect(again).toBe(once)
      expect(once.split('\n').length).toBe(rows.length + 1)
      for (const i of [0, 1, 2, 5, 6, 7, 8]) {
        once.split('\n').forEach((l, r) => {
          if (l !== '' && !rows[r][1][i]) expect(JSON.parse(l)[COLUMNS[i].name]).toEqual(JSON.parse(rows[r][0][i]))
        })
      }
    }),
    { numRuns: 200 },
  )
})

test('guessed types hold every number exactly', async () => {
  const literal = fc.oneof(
    long.map((s) => s.replaceAll('"', '')),
    fc.tuple(fc.integer({ min: 0, max: 10 ** 9 }), fc.stringMatching(/^\d{1,20}$/)).map(([a, b]) => `${a}.${b}`),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(number),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(literal, { minLength: 1, maxLength: 5 }), async (values) => {
      const input = source(values.map((v) => `{"x":${v}}\n`).join(''), 7)
      const { columns, rows: counted } = await guessJsonColumns(input, none)
      expect(counted).toBe(values.length)
      const out = (await print(columns, jsonRows(input, columns, none) as never)).trimEnd().split('\n')
      values.forEach((v, i) => {
        const { x } = JSON.parse(out[i], (_k, value: unknown, c?: { source?: string }) => (typeof value === 'number' ? c!.source : value))
        if (columns[0].type.kind === 'double') expect(Number(x)).toBe(Number(v))
        else if (columns[0].type.kind === 'string') expect(x).toBe(v)
        else expect(plain(x)).toBe(plain(v))
      })
    }),
    { numRuns: 300 },
  )
})

/** A number without exponent and needless zeros. */
function plain(text: string): string {
  const m = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text)!
  const fraction = (m[3] ?? '').replace(/0+$/, '')
  const whole = m[2].replace(/^0+(?=\d)/, '')
  return `${/^0*$/.test(whole + fraction) ? '' : m[1]}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

test('CSV fields are read as written, wherever the input is cut', async () => {
  const field = fc.option(fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'ü', ' ', '0'), maxLength: 6 }), { nil: null })
  const columns: LakeColumn[] = ['p', 'q', 'r'].map((name) => ({ name, type: { kind: 'string' } }))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(field, field, field), { maxLength: 6 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom('\n', '\r\n', '\r'),
      async (rows, part, end) => {
        const quoted = (f: string | null): string => (f === null ? '' : `"${f.replaceAll('"', '""')}"`)
        const text = [`p,q,r`, ...rows.map((r) => r.map(quoted).join(','))].join(end)
        const out = await print(columns, csvRows(source(text, part), columns, none) as never)
        const found = out.split('\n').filter((l) => l !== '')
        expect(found.map((l) => Object.values(JSON.parse(l)))).toEqual(rows)
      },
    ),
    { numRuns: 300 },
  )
})

test('a CSV column with leading zeros or quotes around words is text, one of plain numbers is numeric', async () => {
  const { columns } = await guessCsvColumns(source('zip,n,x,ok,t,none\n01234,9007199254740993,1.5,true,a,\n99999,2,2,false,b,\n', 5), none)
  expect(columns.map((c) => c.type.kind)).toEqual(['string', 'long', 'double', 'boolean', 'string', 'string'])
})
