import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Ended, repository } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-write-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

type Row = Readonly<Record<string, unknown>>

function file(name: string, text: string | readonly Row[]): string {
  writeFileSync(join(home, name), typeof text === 'string' ? text : text.map((r) => `${JSON.stringify(r)}\n`).join(''))
  return name
}

async function write(...args: string[]): Promise<Ended> {
  return await runInProcess('lake', ['write', 't', ...args], { cwd: home })
}

async function ok(...args: string[]): Promise<string> {
  const r = await write(...args)
  expect(r.stderr).toBe('')
  expect(r.code).toBe(0)
  return r.stdout
}

async function rows(...flags: string[]): Promise<Row[]> {
  const r = await runInProcess('lake', ['read', 't', ...flags], { cwd: home })
  expect(r.code).toBe(0)
  return r.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Row)
    .map((r) => Object.fromEntries(Object.entries(r).filter(([k]) => !k.startsWith('_hoodie_'))))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

async function refused(code: string, ...args: string[]): Promise<Ended> {
  const r = await write(...args)
  expect(r.stderr).toContain(code)
  expect(r.code).toBeGreaterThan(0)
  return r
}

describe.each([
  ['cow', '6'],
  ['cow', '9'],
  ['mor', '6'],
  ['mor', '9'],
])('%s, version %s', (type, version) => {
  const create = ['--key', 'id', '--ordering', 'ts', '--table-type', type, '--table-version', version]

  test('upserts, deletes and inserts are what they say', async () => {
    const first = [
      { id: 1, ts: 5, name: 'a' },
      { id: 2, ts: 5, name: 'b' },
      { id: 1, ts: 4, name: 'older' },
    ]
    expect(await ok(...create, '--input', file('1.jsonl', first))).toMatch(
      /^upsert \d{17}: 2 inserted, .* 1 superseded .*; the table was created/,
    )
    await ok(
      '--input',
      file('2.jsonl', [
        { id: 1, ts: 1, name: 'late' },
        { id: 2, ts: 5, name: 'same' },
        { id: 3, ts: 1, name: 'c' },
      ]),
    )
    expect(await rows()).toEqual([
      { id: 1, ts: 5, name: 'a' },
      { id: 2, ts: 5, name: 'same' },
      { id: 3, ts: 1, name: 'c' },
    ])
    await ok('--op', 'delete', '--input', file('3.csv', 'id\n2\n77\n'))
    await refused('TRB-LAKE-064', '--op', 'insert', '--input', file('4.jsonl', [{ id: 4, ts: 1, name: 'd' }, first[0]]))
    await ok('--op', 'bulk_insert', '--input', file('5.jsonl', [{ id: 2, ts: 6, name: 'again' }]))
    expect((await rows()).map((r) => r['name'])).toEqual(['a', 'again', 'c'])
    await ok('--op', 'delete', '--input', '3.csv')
    const older = await ok('--input', file('6.jsonl', [{ id: 2, ts: 3, name: 'back' }]))
    // Written into a log, it would bring the row of ts 5 in the base file back to life.
    if (type === 'mor') expect(older).toContain('1 older than the stored row')
    expect((await rows()).map((r) => r['name'])).toEqual(type === 'mor' ? ['a', 'c'] : ['a', 'back', 'c'])
    await ok('--input', file('7.jsonl', [{ id: 2, ts: 7, name: 'newest' }]))
    expect((await rows()).map((r) => r['name'])).toEqual(['a', 'newest', 'c'])
    expect(await rows('--as-of', '29991231000000000')).toHaveLength(3)
  })

  test('a row older than the stored one does not move its key to another partition', async () => {
    await ok(...create, '--partition', 'p', '--input', file('1.jsonl', [{ id: 1, ts: 5, p: 'a', name: 'newest' }]))
    expect(await ok('--input', file('2.jsonl', [{ id: 1, ts: 4, p: 'b', name: 'late' }]))).toContain('1 older than the stored row')
    expect(await rows()).toEqual([{ id: 1, ts: 5, p: 'a', name: 'newest' }])
  })

  test('changes of keys that move between partitions can be applied as they come: deletes first', async () => {
    const at = (from: number, to: number): string =>
      file(`${from}-${to}.jsonl`, [
        { id: 1, ts: to, p: from === 1 ? 'a' : 'b' },
        { id: 2, ts: to, p: from === 1 ? 'b' : 'a' },
      ])
    await ok(...create, '--partition', 'p', '--input', at(1, 1))
    await ok('--input', at(2, 2))
    const r = await runInProcess('lake', ['read', 't', '--type', 'cdc', '--from', '0'], { cwd: home })
    expect(r.stdout.match(/"op":"."/g)).toEqual(['i', 'i', 'd', 'd', 'i', 'i'].map((op) => `"op":"${op}"`))
  })

  test('deletes of a partition whose files have been cleaned are not left out of the changes', async () => {
    await ok(
      ...create,
      '--partition',
      'p',
      '--input',
      file(
        '1.jsonl',
        ['a', 'b'].map((p, i) => ({ id: i, ts: 1, p })),
      ),
    )
    await ok('--op', 'delete_partition', '--partitions', 'a')
    await ok('--input', file('2.jsonl', [{ id: 7, ts: 1, p: 'b' }]))
    const changes = async (): Promise<Ended> => await runInProcess('lake', ['read', 't', '--type', 'cdc', '--from', '0'], { cwd: home })
    expect((await changes()).stdout).toContain('"op":"d"')
    expect((await runInProcess('lake', ['clean', 't', '--keep-commits', '1'], { cwd: home })).code).toBe(0)
    expect((await changes()).stderr).toContain('TRB-LAKE-068')
  })

  test('partitions are overwritten and deleted as wholes, and keys move between them', async () => {
    const part = [...create, '--partition', 'p']
    const all = ['a/b', 'c=d', 'grüße', ''].map((p, i) => ({ id: i, ts: 1, p }))
    await ok(...part, '--input', file('1.jsonl', all))
    await ok('--input', file('2.jsonl', [{ id: 0, ts: 2, p: 'c=d' }]))
    expect((await rows()).map((r) => r['p'])).toEqual(['c=d', 'c=d', 'grüße', ''])
    await ok('--op', 'insert_overwrite', '--input', file('3.jsonl', [{ id: 9, ts: 1, p: 'c=d' }]))
    expect((await rows()).map((r) => r['id'])).toEqual([2, 3, 9])
    await refused('TRB-LAKE-066', '--op', 'delete_partition', '--partitions', 'c=d')
    await ok('--op', 'delete_partition', '--partitions', 'c%3Dd,grüße')
    expect((await rows()).map((r) => r['id'])).toEqual([3])
    await ok('--op', 'insert_overwrite_table', '--input', file('4.jsonl', [{ id: 5, ts: 1, p: 'a/b' }]))
    expect((await rows()).map((r) => r['id'])).toEqual([5])
  })
})

test('types are kept exact, declared or guessed, and columns are added', async () => {
  const create = ['--key', 'id', '--types', 'price:decimal(38,10),at:timestamp,d:date,raw:bytes,tags:list<string>']
  const line =
    '{"id":"k","price":12345678901234567890.0123456789,"at":"2025-01-01T00:00:00.123456+01:00","d":"1582-10-15","raw":"AP8=","tags":["a",null],"big":9223372036854775807,"x":0.1}\n'
  await ok(...create, '--input', file('1.jsonl', line))
  await ok('--input', file('2.jsonl', '{"id":"l","new":{"a":1}}\n'))
  expect(await rows()).toEqual([
    {
      id: 'k',
      price: '12345678901234567890.0123456789',
      at: '2024-12-31T23:00:00.123456Z',
      d: '1582-10-15',
      raw: 'AP8=',
      tags: ['a', null],
      big: '9223372036854775807',
      x: 0.1,
      new: null,
    },
    { id: 'l', price: null, at: null, d: null, raw: null, tags: null, big: null, x: null, new: { a: 1 } },
  ])
  const r = await refused('TRB-LAKE-060', '--input', file('3.jsonl', '{"id":"m","x":1.5}\n{"id":"n","x":"many"}\n'))
  expect(r.stderr).toContain('row 2: x is "many", which is no double')
  expect(await rows()).toHaveLength(2)
})

test('Parquet of another writer goes in as it is', async () => {
  const c = await (await DuckDBInstance.create(':memory:')).connect()
  await c.run("SET TimeZone = 'UTC'")
  const values =
    "1::BIGINT AS id, 1.50::DECIMAL(9,2) AS p, 'x' AS s, TIMESTAMPTZ '2025-01-01 00:00:00.5Z' AS at, [1, NULL] AS l, 7::TINYINT AS t"
  await c.run(`COPY (SELECT ${values}) TO '${join(home, 'in.parquet')}'`)
  await ok('--key', 'id', '--input', 'in.parquet')
  expect(await rows()).toEqual([{ id: 1, p: '1.50', s: 'x', at: '2025-01-01T00:00:00.500000Z', l: [1, null], t: 7 }])
})

test('types of Parquet widen the table, or are refused; a delete adds no columns', async () => {
  const c = await (await DuckDBInstance.create(':memory:')).connect()
  const parquet = async (name: string, values: string): Promise<string> => {
    await c.run(`COPY (SELECT ${values}) TO '${join(home, name)}'`)
    return name
  }
  await ok('--key', 'id', '--input', await parquet('1.parquet', '1::BIGINT AS id, 7::INTEGER AS n, 1.5::DECIMAL(5,1) AS p'))
  await ok('--input', await parquet('2.parquet', '2::INTEGER AS id, 5000000000::BIGINT AS n, 123456.5::DECIMAL(9,1) AS p'))
  const both = [
    { id: 1, n: 7, p: '1.5' },
    { id: 2, n: 5000000000, p: '123456.5' },
  ]
  expect(await rows()).toEqual(both)
  const r = await refused('TRB-LAKE-061', '--input', await parquet('3.parquet', "3::BIGINT AS id, 'x' AS n"))
  expect(r.stderr).toContain('its column n is string, which long does not hold')
  await ok('--op', 'delete', '--input', file('4.jsonl', [{ id: 1, why: 'gone' }]))
  expect(await rows()).toEqual([both[1]])
})

test.each([
  ['6', [], '128MiB', ['p', 'id']],
  ['9', ['--sort', 'v'], '128MiB', ['p', 'v']],
  ['9', [], '4KiB', ['p', 'id']],
] as const)('bulk_insert of version %s, %s, with %s of memory sorts the rows of each file by %s', async (version, sort, memory, by) => {
  const input = Array.from({ length: 3000 }, (_, i) => ({ id: (i * 1301) % 3001, ts: 1, p: `p${i % 2}`, v: (i * 77) % 97 }))
  const create = ['--key', 'id', '--partition', 'p', '--buckets', '2', '--table-version', version, '--memory', memory]
  await ok('--op', 'bulk_insert', ...create, ...sort, '--input', file('1.jsonl', input))
  const c = await (await DuckDBInstance.create(':memory:')).connect()
  const files = (readdirSync(join(home, 't'), { recursive: true }) as string[]).filter((f) => f.endsWith('.parquet'))
  expect(files).toHaveLength(4)
  let rows = 0
  for (const f of files) {
    const read = await c.runAndReadAll(`SELECT ${by.join(', ')} FROM read_parquet('${join(home, 't', f)}')`)
    const values = read.getRows().map(([, v]) => Number(v))
    expect(values).toEqual([...values].sort((a, b) => a - b))
    rows += values.length
  }
  expect(rows).toBe(3000)
})

test.each([
  ['6', 'insert_overwrite', 1],
  ['6', 'insert_overwrite_table', 0],
  ['9', 'insert_overwrite', 0],
] as const)('version %s: %s with a wider type compacts logs that stay, where Hudi 0.x reads the table', async (version, op, expected) => {
  const create = ['--key', 'id', '--ordering', 'ts', '--partition', 'p', '--table-type', 'mor', '--table-version', version]
  const row = (id: number, p: string, n: number, ts: number): Row => ({ id, ts, p, n })
  await ok(...create, '--types', 'n:int', '--input', file('1.jsonl', [row(1, 'a', 7, 1), row(2, 'b', 8, 1)]))
  await ok('--input', file('2.jsonl', [row(1, 'a', 17, 2), row(2, 'b', 18, 2)]))
  const c = await (await DuckDBInstance.create(':memory:')).connect()
  const values = "3::BIGINT AS id, 1::BIGINT AS ts, 'a' AS p, 5000000000::BIGINT AS n"
  await c.run(`COPY (SELECT ${values}) TO '${join(home, 'wide.parquet')}'`)
  await ok('--op', op, '--input', 'wide.parquet')
  const timeline = readdirSync(join(home, 't/.hoodie'), { recursive: true }) as string[]
  expect(timeline.filter((f) => f.endsWith('.compaction.requested'))).toHaveLength(expected)
  const now = await rows()
  expect(now.map((r) => [r['id'], r['n']])).toEqual(
    op === 'insert_overwrite'
      ? [
          [2, 18],
          [3, 5000000000],
        ]
      : [[3, 5000000000]],
  )
})

test('what lake read prints can be written into another table', async () => {
  await ok('--key', 'id', '--input', file('1.jsonl', [{ id: 1, s: 'a' }]))
  const printed = await runInProcess('lake', ['read', 't'], { cwd: home })
  file('copy.jsonl', printed.stdout)
  const r = await runInProcess('lake', ['write', 'u', '--key', 'id', '--input', 'copy.jsonl'], { cwd: home })
  expect(r.code).toBe(0)
  expect(readFileSync(join(home, 'u/.hoodie/hoodie.properties'), 'utf8')).not.toContain('_hoodie_commit_time')
})

test('the CSV of lake read is read back as the same rows', async () => {
  const types = 'id:long,s:string,n:decimal(9,2),d:date,at:timestamp,b:bytes,f:double,y:boolean'
  const values = [
    { id: 1, s: 'a,"b"\n c ', n: '1.50', d: '2026-01-02', at: '2026-01-02T03:04:05.000006Z', b: 'AAH/', f: 0.1, y: true },
    { id: 2, s: '', n: '-0.05', d: '1969-12-31', at: '1969-12-31T23:59:59.999999Z', b: '', f: -1e300, y: false },
    { id: 9007199254740993n, s: null, n: null, d: null, at: null, b: null, f: null, y: null },
  ]
  const text = values.map((v) => JSON.stringify(v, (_, x) => (typeof x === 'bigint' ? String(x) : x)))
  await ok('--key', 'id', '--types', types, '--input', file('1.jsonl', `${text.join('\n')}\n`))
  const printed = await runInProcess('lake', ['read', 't', '--format', 'csv'], { cwd: home })
  expect(printed.code).toBe(0)
  expect(printed.stdout).toContain(',1,"a,""b""\n c ",1.50,2026-01-02,2026-01-02T03:04:05.000006Z,AAH/,0.1,true\n')
  expect(printed.stdout).toContain(',9007199254740993,,,,,,,\n')
  file('copy.csv', printed.stdout)
  const before = await rows()
  const r = await runInProcess('lake', ['write', 'u', '--key', 'id', '--types', types, '--input', 'copy.csv'], { cwd: home })
  expect([r.code, r.stderr]).toEqual([0, ''])
  const copy = await runInProcess('lake', ['read', 'u'], { cwd: home })
  const own = (l: string): Row => Object.fromEntries(Object.entries(JSON.parse(l) as Row).filter(([k]) => !k.startsWith('_hoodie_')))
  expect(copy.stdout.trim().split('\n').map(own)).toHaveLength(3)
  expect(
    copy.stdout
      .trim()
      .split('\n')
      .map(own)
      .map((x) => JSON.stringify(x))
      .sort(),
  ).toEqual(before.map((x) => JSON.stringify(x)).sort())
  for (const flags of [['--json'], ['--type', 'cdc', '--from', '0']]) {
    const refused = await runInProcess('lake', ['read', 't', '--format', 'csv', ...flags], { cwd: home })
    expect(`${refused.stdout}${refused.stderr}`).toContain('TRB-CLI-004')
  }
})

test('the Parquet of lake read holds the rows with their types, merged', async () => {
  const create = ['--key', 'id', '--ordering', 'ts', '--types', 'n:decimal(9,2),at:timestamp', '--table-type', 'mor']
  const first = [1, 2].map((id) => ({ id, ts: 1, n: '1.50', at: '2026-01-02T03:04:05.000006Z', l: ['x', null] }))
  await ok(...create, '--input', file('1.jsonl', first))
  await ok('--input', file('2.jsonl', [{ ...first[1], ts: 2, n: '-0.05' }]))
  const read = (...flags: string[]): Promise<Ended> => runInProcess('lake', ['read', 't', '--format', 'parquet', ...flags], { cwd: home })
  file('out.parquet', 'is replaced')
  const r = await read('--output', 'out.parquet')
  expect([r.code, r.stdout]).toEqual([0, ''])
  const c = await (await DuckDBInstance.create(':memory:')).connect()
  await c.run("SET TimeZone = 'UTC'")
  const text = 'id, n::VARCHAR, typeof(n), "at"::VARCHAR, l::VARCHAR, _hoodie_record_key'
  const found = await c.runAndReadAll(`SELECT ${text} FROM read_parquet('${join(home, 'out.parquet')}') ORDER BY id`)
  const same = ['2026-01-02 03:04:05.000006+00', '[x, NULL]']
  expect(found.getRows()).toEqual([
    [1n, '1.50', 'DECIMAL(9,2)', ...same, '1'],
    [2n, '-0.05', 'DECIMAL(9,2)', ...same, '2'],
  ])
  await runInProcess('lake', ['write', 'u', '--key', 'id', '--input', 'out.parquet'], { cwd: home })
  const copy = await runInProcess('lake', ['read', 'u'], { cwd: home })
  expect(copy.stdout.trim().split('\n')).toHaveLength(2)
  const refusals = [
    await read(),
    await read('--output', 'none/x.parquet'),
    await read('--type', 'cdc', '--from', '0', '--output', 'x.parquet'),
  ]
  expect(refusals.map((x) => /TRB-[A-Z]+-\d+/.exec(x.stderr)?.[0])).toEqual(['TRB-QUERY-011', 'TRB-QUERY-010', 'TRB-CLI-004'])
  expect(readdirSync(home).sort()).toEqual(['1.jsonl', '2.jsonl', 'out.parquet', 't', 'u'])
})

describe('what is refused leaves everything as it was', () => {
  test.each<[string, string, readonly string[]]>([
    ['TRB-CLI-005', '{"id":1}', []],
    ['TRB-CLI-005', '{"id":1}', ['--key', 'id', '--table-type', 'mor']],
    ['TRB-LAKE-063', '{"x":1}', ['--key', 'id']],
    ['TRB-LAKE-063', '{"id":1}', ['--key', 'id', '--ordering', 'ts']],
    ['TRB-LAKE-063', '{"id":1}', ['--key', 'id', '--partition', 'p']],
    ['TRB-LAKE-093', '{"id":1}\n{"id":null}', ['--key', 'id']],
    ['TRB-LAKE-062', '{"id":1,"ts":1}\n{"id":2,"ts":null}', ['--key', 'id', '--ordering', 'ts']],
    ['TRB-LAKE-061', '{"id":1', ['--key', 'id']],
    ['TRB-LAKE-060', '{"id":1,"v":1}\n{"id":2,"v":1.5}', ['--key', 'id', '--types', 'v:long']],
    ['TRB-LAKE-005', '{"id":1,"bad name":1}', ['--key', 'id']],
    ['TRB-LAKE-404', '{"id":[1]}', ['--key', 'id']],
    ['TRB-LAKE-023', '{"id":1,"ts":[1]}', ['--key', 'id', '--ordering', 'ts']],
    ['TRB-LAKE-001', '{"id":1}', ['--op', 'delete']],
    ['TRB-CLI-004', '{"id":1}', ['--key', 'id', '--types', 'x:varchar']],
    ['TRB-CLI-004', '{"id":1}', ['--key', 'id', '--partitions', 'x']],
    ['TRB-CLI-004', '{"id":1}', ['--key', 'id', '--sort', 'id']],
    ['TRB-LAKE-091', '{"id":1}', ['--key', 'id', '--op', 'bulk_insert', '--sort', 'x']],
    ['TRB-CLI-004', '{"id":1}', ['--op', 'delete_partition', '--partitions', 'x']],
  ])('%s for %s with %s', async (code, text, flags) => {
    await refused(code, ...flags, '--input', file('in.jsonl', text))
    const read = await runInProcess('lake', ['read', 't'], { cwd: home })
    expect(read.stderr).toContain('TRB-LAKE-001')
  })

  test('flags that contradict the table', async () => {
    await ok('--key', 'id', '--ordering', 'ts', '--input', file('1.jsonl', [{ id: 1, ts: 1 }]))
    const again = ['--input', '1.jsonl']
    await refused('TRB-LAKE-065', '--key', 'ts', ...again)
    await refused('TRB-LAKE-065', '--ordering', 'id', ...again)
    await refused('TRB-LAKE-065', '--partition', 'id', ...again)
    await refused('TRB-LAKE-065', '--types', 'ts:string', ...again)
    expect((await refused('TRB-LAKE-065', '--table-type', 'mor', ...again)).stderr).toContain('its type is cow, wanted mor')
    await refused('TRB-LAKE-065', '--table-version', '9', ...again)
    await ok('--table-type', 'cow', '--table-version', '6', ...again)
    expect((await refused('TRB-LAKE-093', '--input', file('2.jsonl', [{ id: 2, ts: 2 }, { ts: 3 }]))).stderr).toContain('2.jsonl, row 2')
    await refused('TRB-CLI-004', '--input', 'none.jsonl')
    await refused('TRB-CLI-004', '--input', file('x.dat', ''))
    await refused('TRB-CLI-005', '--op', 'delete_partition')
    await refused('TRB-CLI-005')
  })
})

test.each(['op_key_only', 'data_before', 'data_before_after'])(
  'a table with change logs of mode %s answers what was changed',
  async (mode) => {
    await ok(
      '--key',
      'id',
      '--cdc',
      mode,
      '--input',
      file('1.jsonl', [
        { id: 1, v: 'a' },
        { id: 2, v: 'b' },
      ]),
    )
    await ok(
      '--input',
      file('2.jsonl', [
        { id: 2, v: 'c' },
        { id: 3, v: 'd' },
      ]),
    )
    await ok('--op', 'delete', '--input', file('3.jsonl', [{ id: 1 }]))
    const r = await runInProcess('lake', ['read', 't', '--type', 'cdc', '--from', '0'], { cwd: home })
    const changes = r.stdout
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l) as { op: string; before: Row | null; after: Row | null })
      .map(({ op, before, after }) => [op, before, after])
    expect(changes).toEqual([
      ['i', null, { id: 1, v: 'a' }],
      ['i', null, { id: 2, v: 'b' }],
      ['u', { id: 2, v: 'b' }, { id: 2, v: 'c' }],
      ['i', null, { id: 3, v: 'd' }],
      ['d', { id: 1, v: 'a' }, null],
    ])
  },
)

test('ten thousand columns', async () => {
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`c${i}`, i]))
  await ok('--key', 'c0', '--input', file('1.jsonl', [wide]))
  const [row] = await rows()
  expect(row).toEqual(wide)
}, 180_000)

test('stdin is read once and may be used as often as needed', async () => {
  const { spawnSync } = await import('node:child_process')
  const input = '{"id":1,"ts":1}\n{"id":1,"ts":2}\n'
  const args = [`${repository}bin/lake.mjs`, 'write', 't', '--key', 'id', '--ordering', 'ts', '--input', '-']
  const r = spawnSync(process.execPath, args, { cwd: home, input, encoding: 'utf8' })
  expect(r.stderr).toBe('')
  expect(await rows()).toEqual([{ id: 1, ts: 2 }])
})
