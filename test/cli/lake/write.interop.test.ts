import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readWith } from '../../interop/readers.ts'
import { parseExact, type Row, type Spark, startSpark } from '../../interop/spark.ts'
import { goldenFiles } from '../../support/golden-table.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-write-interop-'))
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

async function write(table: string, flags: readonly string[], rows: readonly Row[]): Promise<void> {
  writeFileSync(join(home, 'in.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''))
  const args = ['write', table, ...flags, ...(flags.includes('--partitions') ? [] : ['--input', 'in.jsonl'])]
  const r = await runInProcess('lake', args, { cwd: home })
  expect(r.stderr).toBe('')
  expect(r.code).toBe(0)
}

async function ours(table: string, ...flags: string[]): Promise<string[]> {
  const r = await runInProcess('lake', ['read', table, ...flags], { cwd: home })
  expect(r.code).toBe(0)
  return lines(
    r.stdout
      .split('\n')
      .filter((l) => l !== '')
      .map((l) => parseExact(l) as Row),
  )
}

/** The row's own columns, in the form that all readers can be brought to. */
function lines(rows: readonly Row[]): string[] {
  const plain = (v: unknown): unknown => {
    if (typeof v === 'string') return v.replace(/(\d{2}:\d{2}:\d{2}\.\d{6})Z$/, '$1')
    if (Array.isArray(v)) return v.map(plain)
    return typeof v === 'object' && v !== null ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, plain(x)])) : v
  }
  return rows
    .map((r) =>
      JSON.stringify(
        Object.entries(r)
          .filter(([k]) => !k.startsWith('_hoodie_'))
          .map(([k, v]) => [k, plain(v) ?? null])
          .sort(),
      ),
    )
    .sort()
}

const row = (id: number, ts: number, p: string, name = `n${id}`): Row => {
  return { id, k2: `x${id % 3}`, p, ts, name, amount: `${id}.50`, at: `2025-01-0${(id % 9) + 1}T00:00:00.000001Z`, ok: id % 2 === 0 }
}
const range = (from: number, to: number, make: (i: number) => Row): Row[] => Array.from({ length: to - from }, (_, i) => make(from + i))
const TYPES = ['--types', 'amount:decimal(12,2),at:timestamp']

describe.each([
  ['6', '0.15'],
  ['9', '1.2'],
] as const)('table version %s, read by Spark with Hudi %s and hudi-rs', (version, release) => {
  let spark: Spark
  beforeAll(async () => {
    spark = await startSpark(release)
  })
  afterAll(async () => {
    await spark?.close()
  })

  async function agree(table: string): Promise<void> {
    const expected = await ours(table)
    expect(lines(await spark.read(join(home, table)))).toEqual(expected)
    expect(lines(await readWith('hudi-rs', [join(home, table)]))).toEqual(expected)
  }

  test.each(['cow', 'mor'])(
    'what lake write makes of a new %s table, operation by operation',
    async (type) => {
      const table = `new_${type}_${version}`
      const create = ['--key', 'id,k2', '--partition', 'p', '--ordering', 'ts', '--table-type', type, '--table-version', version, ...TYPES]
      await write(
        table,
        create,
        range(0, 30, (i) => row(i, 1000, i % 2 === 0 ? 'eu' : 'us')),
      )
      await write(table, [], [...range(0, 10, (i) => row(i, 2000, 'eu', 'changed')), ...range(30, 35, (i) => row(i, 1, 'ap'))])
      await agree(table)
      await write(
        table,
        ['--op', 'delete'],
        range(3, 6, (i) => row(i, 3000, 'eu')),
      )
      await write(
        table,
        ['--op', 'insert'],
        range(40, 44, (i) => ({ ...row(i, 1, 'eu'), more: i })),
      )
      await agree(table)
      await write(
        table,
        ['--op', 'insert_overwrite'],
        range(50, 55, (i) => row(i, 1, 'us')),
      )
      await write(table, ['--op', 'delete_partition', '--partitions', 'ap'], [])
      await write(table, [], [row(50, 5, 'eu', 'moved'), row(0, 1, 'eu', 'late')])
      await agree(table)
      expect((await ours(table)).join()).toContain('"moved"')
      expect((await ours(table)).join()).not.toContain('"late"')
    },
    240_000,
  )

  test.each([
    `v${version}_cow_two_partitions`,
    `v${version}_mor_two_partitions`,
    `v${version}_cow_complex_one_key`,
    `v${version}_cow_day_partitions`,
  ])(
    'keys and paths that lake write makes for %s are those by which Spark finds the rows',
    async (table) => {
      for (const [path, body] of goldenFiles(table)) {
        mkdirSync(dirname(join(home, table, path)), { recursive: true })
        writeFileSync(join(home, table, path), body)
      }
      const before = await spark.read(join(home, table))
      const last = before.at(-1)!
      const added = { ...last, id: 'k999', ts: 5000, name: 'ours' }
      await write(table, [], [{ ...last, ts: 5000, name: 'ours' }, added])
      await agree(table)
      expect((await ours(table)).length).toBe(before.length + 1)
      const generator = table.includes('day') ? 'SimpleKeyGenerator' : 'ComplexKeyGenerator'
      await spark.upsert(
        join(home, table),
        [
          { ...last, ts: 6000, name: 'theirs' },
          { ...added, ts: 6000, name: 'theirs' },
        ],
        {
          'hoodie.datasource.write.keygenerator.class': `org.apache.hudi.keygen.${generator}`,
        },
      )
      expect((await ours(table)).filter((l) => l.includes('"theirs"'))).toHaveLength(2)
      expect((await ours(table)).length).toBe(before.length + 1)
      await agree(table)
    },
    240_000,
  )

  test.each([`v${version}_cow_nested`, `v${version}_mor_nested`])(
    'structs, arrays and maps that lake write adds to %s are read, and written on, by Spark',
    async (table) => {
      for (const [path, body] of goldenFiles(table)) {
        mkdirSync(dirname(join(home, table, path)), { recursive: true })
        writeFileSync(join(home, table, path), body)
      }
      const p = { x: 7, y: 'über', z: { d: '1.25', at: '2026-01-01T00:00:00.000001Z' } }
      const more = {
        tags: ['t'],
        parts: [
          { k: null, n: 5 },
          { k: 'b', n: 1 },
        ],
        m: { b: 2 },
        ms: { q: { a: 1 } },
        aa: [[1], []],
        ts: 9,
      }
      await write(
        table,
        [],
        [
          { id: 'k9', p, ...more },
          { id: 'k3', p: null, tags: null, parts: [], m: {}, ms: null, aa: null, ts: 9 },
        ],
      )
      const read = async (): Promise<string[]> => lines(await spark.read(join(home, table)))
      expect(await read()).toEqual(await ours(table))
      const stored = (await spark.read(join(home, table))).filter((r) => r['id'] === 'k9' || r['id'] === 'k1')
      expect(stored).toHaveLength(2)
      await spark.upsert(
        join(home, table),
        stored.map((r) => ({ ...r, ts: 10 })),
      )
      expect(await read()).toEqual(await ours(table))
      expect((await ours(table)).filter((l) => l.includes('["ts",10]'))).toHaveLength(2)
    },
    240_000,
  )

  test.each([`v${version}_cow_part`, `v${version}_mor_part_logs`, `v${version}_mor_pqblk`])(
    'what lake write adds to %s, a table of Spark, and Spark after it',
    async (table) => {
      for (const [path, body] of goldenFiles(table)) {
        mkdirSync(dirname(join(home, table, path)), { recursive: true })
        writeFileSync(join(home, table, path), body)
      }
      const before = await ours(table)
      const change = (id: string, region: string, ts: number, name: string): Row => ({ id, region, ts, name, amount: '7.25', qty: 1 })
      await write(table, [], [change('k002', 'ap', 9000, 'ours'), change('k003', 'us', 9000, 'moved'), change('new1', 'eu', 1, 'new')])
      await write(table, ['--op', 'delete'], [{ id: 'k004', region: 'us', ts: 9000 }])
      const now = await ours(table)
      const named = (rows: readonly string[], name: string): number => rows.filter((l) => l.includes(`["name","${name}"]`)).length
      expect([named(now, 'ours'), named(now, 'moved'), named(now, 'new')]).toEqual([1, 1, 1])
      const had = (id: string): number => before.filter((l) => l.includes(`["id","${id}"]`)).length
      expect(now.length).toBe(before.length + 3 - had('k002') - had('k003') - had('k004'))
      await agree(table)
      const rows = await spark.read(join(home, table))
      await spark.upsert(
        join(home, table),
        rows.filter((r) => r['id'] === 'new1').map((r) => ({ ...r, ts: 9001, name: 'spark found it' })),
      )
      expect(named(await ours(table), 'spark found it')).toBe(1)
      expect((await ours(table)).length).toBe(now.length)
      await agree(table)
    },
    240_000,
  )
})
