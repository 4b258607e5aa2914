import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { displayWidth, visible } from '../../src/query/display-width.ts'
import { type TextFormat, writeRows } from '../../src/query/format.ts'
import { SqlParser, SqlSession } from '../../src/query/sql.ts'

const spill = mkdtempSync(join(tmpdir(), 'trib-format-'))
let parser: SqlParser
let session: SqlSession

beforeAll(async () => {
  mkdirSync(spill, { recursive: true })
  parser = await SqlParser.open()
  session = await SqlSession.open([], { clock: systemClock, memoryBytes: 256 << 20, threads: 1, spill, outputs: [], hint: '' })
})

afterAll(() => {
  session.close()
  parser.close()
  rmSync(spill, { recursive: true, force: true })
})

async function print(sql: string, format: TextFormat, maxRows = 0): Promise<string> {
  let text = ''
  await writeRows(await session.run(await parser.inspect(sql), new AbortController().signal), format, maxRows, async (t) => {
    text += t
  })
  return text
}

const ODD = `SELECT * FROM (VALUES
  (1, 'plain', NULL), (2, '', 'x'), (3, 'comma, "quote"', E'line\\nfeed'), (4, ' spaces ', E'\\ttab'), (5, 'NULL', 'ü€😀'), (6, E'cr\\r', ',')) v(n, a, b)`

const EXACT = `SELECT 9007199254740993::BIGINT AS big, 9007199254740991::BIGINT AS safe, '-9223372036854775808'::BIGINT AS low,
  12345678901234567890.123456789012345678::DECIMAL(38,18) AS d, 0.10::DECIMAL(4,2) AS cents, 0.1::FLOAT AS f, 0.1::DOUBLE AS g, 'NaN'::DOUBLE AS nan,
  170141183460469231731687303715884105727::HUGEINT AS huge, TIMESTAMPTZ '2026-11-21 10:00:00.5+00' AS ts, DATE '0044-03-15' AS day, TIME '24:00:00' AS t,
  '\\x00\\xFF'::BLOB AS bytes, [1.50::DECIMAL(4,2), NULL] AS list, {'a': 9007199254740993, 'b': 'x'} AS s, MAP {'k': 0.1::FLOAT} AS m, true AS yes`

describe('output', () => {
  test('JSON holds every digit: integers beyond 2^53 and decimals are texts', async () => {
    const [row] = JSON.parse(await print(EXACT, 'json')) as [Record<string, unknown>]
    expect(row).toEqual({
      big: '9007199254740993',
      safe: 9007199254740991,
      low: '-9223372036854775808',
      d: '12345678901234567890.123456789012345678',
      cents: '0.10',
      f: 0.1,
      g: 0.1,
      nan: 'NaN',
      huge: '170141183460469231731687303715884105727',
      ts: '2026-11-21T10:00:00.500000Z',
      day: '0044-03-15',
      t: '24:00:00',
      bytes: 'AP8=',
      list: ['1.50', null],
      s: { a: '9007199254740993', b: 'x' },
      m: { k: 0.1 },
      yes: true,
    })
  })

  test('jsonl is the same rows, one per line; no rows are [] and nothing', async () => {
    const lines = (await print(ODD, 'jsonl')).trimEnd().split('\n')
    expect(lines.map((l) => JSON.parse(l))).toEqual(JSON.parse(await print(ODD, 'json')))
    expect(await print('SELECT 1 WHERE false', 'json')).toBe('[]\n')
    expect(await print('SELECT 1 WHERE false', 'jsonl')).toBe('')
  })

  test('column names that repeat stay apart in JSON', async () => {
    expect(JSON.parse(await print('SELECT 1 AS a, 2 AS a, 3 AS a', 'json'))).toEqual([{ a: 1, a_1: 2, a_2: 3 }])
  })

  test("CSV reads back in DuckDB's own reader, NULL apart from the empty text", async () => {
    const csv = await print(ODD, 'csv')
    const reader = await (await DuckDBInstance.create(':memory:')).connect()
    const file = join(spill, 'odd.csv')
    const { writeFileSync } = await import('node:fs')
    writeFileSync(file, csv)
    const form = `header = true, all_varchar = true, delim = ',', quote = '"', escape = '"', new_line = '\\n'`
    const read = `SELECT * FROM read_csv('${file}', ${form}, nullstr = '', allow_quoted_nulls = false)`
    const back = (await reader.runAndReadAll(read)).getRows()
    const expected = (await reader.runAndReadAll(ODD)).getRows().map((r) => r.map((v) => (v === null ? null : String(v))))
    expect(back).toEqual(expected)
  })

  test('a table is aligned, numbers to the right, NULL visible, and cannot steer the terminal', async () => {
    const text = await print("SELECT * FROM (VALUES (1, 'a', NULL), (1000, '日本', E'\\x1b[31mred\\n')) v(n, name, note)", 'table')
    expect(text).toBe(['    n  name  note', '    1  a     NULL', ' 1000  日本  \\u001b[31mred\\n', ''].join('\n'))
  })

  test('a table shows at most the rows asked for, and counts all', async () => {
    let text = ''
    const result = await session.run(await parser.inspect('SELECT i FROM range(5000) r(i)'), new AbortController().signal)
    const count = await writeRows(result, 'table', 3, async (t) => {
      text += t
    })
    expect(count).toBe(5000)
    expect(text).toBe(' i\n 0\n 1\n 2\n')
  })

  test('widths count what a terminal shows', () => {
    expect([displayWidth('abc'), displayWidth('日本'), displayWidth('é'), displayWidth('😀'), displayWidth('e\u0301')]).toEqual([
      3, 4, 1, 2, 1,
    ])
    expect(visible('a\tb\u202ec')).toBe('a\\tb\\u202ec')
  })
})
