import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { goldenFiles } from '../../support/golden-table.ts'
import type { Ended } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

type Row = Record<string, unknown>

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-nested-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

async function lake(...args: string[]): Promise<Ended> {
  return await runInProcess('lake', args, { cwd: home })
}

async function rows(table: string): Promise<Row[]> {
  const r = await lake('read', table)
  expect(r.stderr).not.toContain('✗')
  return r.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => Object.fromEntries(Object.entries(JSON.parse(l) as Row).filter(([k]) => !k.startsWith('_hoodie_'))))
    .sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))
}

async function write(table: string, changed: readonly Row[], ...flags: string[]): Promise<void> {
  writeFileSync(join(home, 'in.jsonl'), changed.map((r) => `${JSON.stringify(r)}\n`).join(''))
  const r = await lake('write', table, '--input', 'in.jsonl', ...flags)
  expect([r.code, r.stderr]).toEqual([0, ''])
}

test.each(['v6_cow_nested', 'v6_mor_nested', 'v6_mor_pq_nested', 'v9_cow_nested', 'v9_mor_nested', 'v9_mor_pq_nested'])(
  '%s: structs, arrays and maps of Spark are written on, and asked by SQL',
  async (table) => {
    for (const [path, body] of goldenFiles(table)) {
      mkdirSync(dirname(join(home, 'l', 't', path)), { recursive: true })
      writeFileSync(join(home, 'l', 't', path), body)
    }
    const before = await rows('l/t')
    const p = { x: 7, y: 'über', z: { d: '1.25', at: '2026-01-01T00:00:00.000001Z' } }
    const parts = [null, { k: null, n: '9007199254740993' }, { k: 'b', n: 1 }]
    const added = {
      id: 'k9',
      p,
      tags: [null, 't'],
      parts,
      m: { a: null, b: 2 },
      ms: { q: { a: 1 }, r: null },
      aa: [[1, null], null, []],
      ts: 9,
    }
    const changed = before.map((r) => ({ ...r, p: r['p'] === null ? { x: 1 } : null, ts: 10 }))
    await write('l/t', [...changed, added])
    const full = { x: 1, y: null, z: null }
    expect(await rows('l/t')).toEqual([...before.map((r) => ({ ...r, p: r['p'] === null ? full : null, ts: 10 })), added])
    const sql = "SELECT p.x, p.z.d AS d, parts[3].k AS k, ms['q'].a AS a, m['b'] AS b, len(aa) AS n FROM t WHERE id = 'k9'"
    expect((await lake('query', sql, '--lake', 'l', '--format', 'csv')).stdout).toBe('x,d,k,a,b,n\n7,1.25,b,1,2,3\n')
    expect((await lake('verify', 'l/t')).code).toBe(0)
    if (table.includes('_mor_')) {
      expect((await lake('compact', 'l/t')).code).toBe(0)
      expect(await rows('l/t')).toHaveLength(before.length + 1)
    }
  },
)

test('structs of a new table are declared, or come with a Parquet file; more fields may follow', async () => {
  const types = 'p:struct<x:int,y:list<struct<a:string,b:decimal(4,1)>>>,t:time'
  const one = {
    id: 1,
    p: {
      x: 1,
      y: [
        { a: 'q', b: '1.5' },
        { a: null, b: null },
      ],
    },
    t: '10:00:00.000000',
  }
  await write('l/t', [one, { id: 2, p: null, t: null }], '--key', 'id', '--types', types)
  expect(await rows('l/t')).toEqual([one, { id: 2, p: null, t: null }])
  expect((await lake('read', 'l/t', '--format', 'parquet', '--output', 'all.parquet')).code).toBe(0)
  expect((await lake('write', 'l/u', '--key', 'id', '--input', 'all.parquet')).code).toBe(0)
  expect((await rows('l/u')).map((r) => r['p'])).toEqual([one.p, null])
  const csv = (await lake('read', 'l/t', '--format', 'csv')).stdout
  writeFileSync(join(home, 'all.csv'), csv)
  const again = await lake('write', 'l/v', '--key', 'id', '--input', 'all.csv', '--types', types)
  expect([again.code, again.stderr]).toEqual([0, ''])
  expect(await rows('l/v')).toEqual([one, { id: 2, p: null, t: null }])
})

test('a member that is no field of the struct is refused, with its row', async () => {
  await write('t', [{ id: 1, p: { x: 1 } }], '--key', 'id', '--types', 'p:struct<x:int>')
  writeFileSync(join(home, 'in.jsonl'), '{"id":2,"p":{"x":2}}\n{"id":3,"p":{"z":2}}\n')
  const r = await lake('write', 't', '--input', 'in.jsonl')
  expect(r.stderr).toContain('TRB-LAKE-060')
  expect(r.stderr).toContain('row 2')
  expect(await rows('t')).toHaveLength(1)
})
