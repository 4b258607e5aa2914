import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Failure } from '../../../src/failure/failure.ts'
import { goldenFiles } from '../../support/golden-table.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { type Ended, envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-answers-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

async function lake(...args: string[]): Promise<Ended> {
  return await runInProcess('lake', args, { cwd: home })
}

function put(path: string, text: string | Buffer): void {
  mkdirSync(dirname(join(home, path)), { recursive: true })
  writeFileSync(join(home, path), text)
}

async function write(table: string, text: string, ...flags: string[]): Promise<Ended> {
  put('in.jsonl', text)
  return await lake('write', table, '--input', 'in.jsonl', ...flags)
}

test('lake tables lists what is whole beside what is damaged, names both, and exits with 1', async () => {
  await write('l/a', '{"id":1}\n', '--key', 'id')
  await write('l/b', '{"id":1}\n', '--key', 'id')
  await write('l/c', '{"id":1}\n', '--key', 'id')
  put('l/b/.hoodie/hoodie.properties', 'hoodie.table.version=6\n')
  const people = await lake('tables', '--lake', 'l')
  expect(people.code).toBe(1)
  expect(people.stdout).toMatch(/main\.a .*\n.*main\.c /s)
  expect(people.stdout).toContain('✗ main.b  TRB-LAKE-025')
  expect(people.stdout).toContain('2 tables in')
  expect(people.stderr).toContain('TRB-LAKE-029')
  const program = envelope<{ tables: { path: string }[]; unreadable: { path: string; code: string }[] }>(
    await lake('tables', '--lake', 'l', '--json'),
  )
  expect(program.ok).toBe(false)
  expect(program.result.tables.map((t) => t.path)).toEqual(['a', 'c'])
  expect(program.result.unreadable).toMatchObject([{ path: 'b', code: 'TRB-LAKE-025' }])
})

test('lake timeline shows both times of a commit where --from and --to go by its completion', async () => {
  for (const [path, body] of goldenFiles('v9_mor_event_time')) put(`l/t/${path}`, body)
  for (const [path, body] of goldenFiles('v6_mor_event_time')) put(`m/t/${path}`, body)
  const nine = await lake('timeline', '--lake', 'l')
  expect(nine.stdout).toMatch(/^ *instant +completed +action/)
  const found = envelope<{ instants: { instant: string; completed: string; action: string }[] }>(
    await lake('timeline', '--lake', 'l', '--json'),
  ).result.instants
  const commits = found.filter((i) => i.action === 'deltacommit').reverse()
  expect(commits.every((i) => i.completed > i.instant)).toBe(true)
  // what is printed is what the flag takes: after the second commit, only what the later ones wrote
  const read = await lake('read', 'l/t', '--type', 'incremental', '--from', commits[1].completed, '--json')
  const { rows } = envelope<{ rows: { _hoodie_commit_time: string }[] }>(read).result
  expect(rows.every((r) => r._hoodie_commit_time > commits[1].instant)).toBe(true)
  expect((await lake('timeline', '--lake', 'm')).stdout).toMatch(/^ *instant +action/)
})

test('an input without a line is nothing to write, and makes no table; it empties one that is overwritten whole', async () => {
  const none = await write('t', '', '--key', 'id')
  expect([none.code, none.stdout]).toEqual([0, expect.stringContaining('nothing to write')])
  expect((await lake('read', 't')).stderr).toContain('TRB-LAKE-001')
  await write('t', '{"id":1,"v":"x"}\n', '--key', 'id')
  for (const op of ['upsert', 'insert', 'bulk_insert', 'delete', 'insert_overwrite']) {
    const r = await write('t', '\n', '--op', op)
    expect([op, r.code, r.stdout]).toEqual([op, 0, expect.stringContaining('nothing to write')])
  }
  expect((await lake('read', 't')).stdout).toContain('"v":"x"')
  expect((await write('t', '', '--op', 'insert_overwrite_table')).code).toBe(0)
  expect((await lake('read', 't')).stdout).toBe('')
  await write('t', '{"id":2,"v":"y"}\n')
  expect((await lake('read', 't')).stdout).toContain('"v":"y"')
})

test('one thing is not called things', async () => {
  await write('l/t', '{"id":1}\n', '--key', 'id')
  expect((await lake('tables', '--lake', 'l')).stdout).toContain('\n1 table in ')
  expect((await lake('archive', 'l/t', '--plan')).stdout).toContain('0 instants of')
  expect((await lake('savepoint', 'create', 'l/t')).code).toBe(0)
  expect((await lake('savepoint', 'list', 'l/t')).stdout).toContain('\n1 savepoint of')
  const one = new Failure('TRB-LAKE-074', { count: 1, table: 't', first: 'x' }).explain()
  expect(one.what).toBe('1 thing is wrong with the table t: x')
  expect(new Failure('TRB-LAKE-074', { count: 2, table: 't', first: 'x' }).message).toContain('2 things are wrong')
  expect(new Failure('TRB-LAKE-069', { count: 1, table: 't' }).message).toContain('1 row of t differs')
})

/** Seconds each: both where there is time for more than the fewest runs. */
const WIDE = propertyRuns(1) > 1 ? ['cow', 'mor'] : ['cow']

test.each(WIDE)(
  '10,000 columns are written, and written again over what is stored (%s)',
  async (type) => {
    const row = (id: number, from: number, value: number): string =>
      `${JSON.stringify({ id, ts: value, ...Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`c${i}`, i >= from ? value : null])) })}\n`
    const created = await write('t', row(1, 0, 1) + row(2, 0, 1), '--key', 'id', '--ordering', 'ts', '--table-type', type)
    expect(created.stderr).toBe('')
    const again = await write('t', row(2, 5000, 2) + row(3, 0, 2))
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining(type === 'cow' ? '1 inserted, 1 updated' : '')])
    const found = (await lake('read', 't')).stdout
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l) as Record<string, unknown>)
      .sort((a, b) => (a['id'] as number) - (b['id'] as number))
    expect(found.map((r) => [r['id'], r['c0'], r['c4999'], r['c5000'], r['c9999']])).toEqual([
      [1, 1, 1, 1, 1],
      [2, null, null, 2, 2],
      [3, 2, 2, 2, 2],
    ])
  },
  180_000,
)
