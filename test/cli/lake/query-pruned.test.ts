import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''

async function lake(...args: string[]): Promise<{ stdout: string; code: number | null }> {
  const r = await runInProcess('lake', args, { cwd: home })
  expect(r.stderr).not.toContain('✗')
  return r
}

async function write(table: string, rows: readonly object[], ...flags: string[]): Promise<void> {
  writeFileSync(join(home, 'in.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''))
  await lake('write', `l/${table}`, '--input', 'in.jsonl', ...flags)
}

interface Explained {
  readonly files: number
  readonly totalFiles: number
  readonly bytes: number
  readonly tables: readonly { readonly files: readonly { readonly file: string; readonly kind: string; readonly bytes: number }[] }[]
}

async function explain(sql: string): Promise<Explained> {
  return envelope<Explained>(await runInProcess('lake', ['query', sql, '--lake', 'l', '--explain', '--json'], { cwd: home })).result
}

async function answer(sql: string): Promise<string> {
  return (await lake('query', sql, '--lake', 'l', '--format', 'csv')).stdout
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'tributary-prune-'))
  const rows = (from: number, to: number, p: string): object[] =>
    Array.from({ length: to - from }, (_, i) => ({ id: from + i, name: `n${String(from + i).padStart(4, '0')}`, p, ts: 1, v: i }))
  const create = ['--key', 'id', '--ordering', 'ts', '--partition', 'p', '--table-version', '9']
  for (const type of ['cow', 'mor']) {
    await write(type, [...rows(0, 100, 'a'), ...rows(100, 200, 'b/c'), ...rows(200, 300, 'd')], ...create, '--table-type', type)
    await write(type, [{ id: 150, name: 'new', p: 'b/c', ts: 2, v: -1 }])
  }
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

describe.each(['cow', 'mor'])('%s', (type) => {
  test('only the partition that is asked for is read', async () => {
    const found = await explain(`SELECT sum(v) FROM ${type} WHERE p = 'b/c'`)
    expect(found.files).toBe(type === 'cow' ? 1 : 2)
    expect(found.totalFiles).toBe(type === 'cow' ? 3 : 4)
    expect(found.tables[0].files.every((f) => f.file.includes('b%2Fc'))).toBe(true)
    expect(found.bytes).toBe(found.tables[0].files.reduce((n, f) => n + f.bytes, 0))
    expect(await answer(`SELECT count(*), sum(v) FROM ${type} WHERE p = 'b/c'`)).toBe('count_star(),sum(v)\n100,4899\n')
    expect(await answer(`SELECT count(*) FROM ${type} WHERE p IN ('a', 'd', 'none')`)).toBe('count_star()\n200\n')
    expect(await answer(`SELECT count(*) FROM ${type} WHERE p = 'none'`)).toBe('count_star()\n0\n')
  })

  test('files whose values cannot fit are not opened', async () => {
    // Our own logs record no ranges of values: their slices stay.
    const more = type === 'mor' ? 2 : 0
    expect((await explain(`SELECT * FROM ${type} WHERE id < 100`)).files).toBe(1 + more)
    expect((await explain(`SELECT * FROM ${type} WHERE id BETWEEN 250 AND 260`)).files).toBe(1 + more)
    expect((await explain(`SELECT * FROM ${type} WHERE id >= 250 OR name LIKE 'n00%'`)).files).toBe(2 + more)
    expect((await explain(`SELECT * FROM ${type} WHERE NOT (id < 250 OR name LIKE 'n00%')`)).files).toBe(1 + more)
    expect((await explain(`SELECT * FROM ${type} WHERE id NOT BETWEEN 0 AND 250`)).files).toBe(1 + more)
    expect((await explain(`SELECT * FROM ${type} WHERE p <> 'a' AND p NOT IN ('d')`)).files).toBe(1 + (type === 'mor' ? 1 : 0))
    expect((await explain(`SELECT * FROM ${type} WHERE p NOT LIKE 'b/%'`)).files).toBe(2 + more)
    expect((await explain(`SELECT * FROM ${type} WHERE p = 'a' OR p = 'd'`)).files).toBe(2)
    expect((await explain(`SELECT * FROM ${type} WHERE name > 'n0150' AND name < 'n0199'`)).files).toBe(type === 'cow' ? 1 : 2)
    expect((await explain(`SELECT * FROM ${type} WHERE id >= 100 OR v = 1`)).files).toBe(type === 'cow' ? 3 : 4)
    expect(await answer(`SELECT id, name, v FROM ${type} WHERE id IN (5, 150, 205) ORDER BY id`)).toBe(
      'id,name,v\n5,n0005,5\n150,new,-1\n205,n0205,5\n',
    )
  })

  test('only columns that are named are merged, and the answer is the same', async () => {
    expect(await answer(`SELECT v FROM ${type} WHERE id = 150`)).toBe('v\n-1\n')
    expect(await answer(`SELECT x.name FROM ${type} x WHERE x.id = 150`)).toBe('name\nnew\n')
    expect(await answer(`SELECT (x).name FROM ${type} x WHERE id = 150`)).toContain('new')
    expect(await answer(`SELECT a.name FROM ${type} a JOIN ${type} b USING (id) WHERE b.v = -1`)).toBe('name\nnew\n')
  })
})
