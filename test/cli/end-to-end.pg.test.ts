import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useDatabase } from '../support/postgres.ts'
import { type Ended, envelope, runBin } from './run-bin.ts'
import { runInProcess } from './run-in-process.ts'

const database = useDatabase('f')
const dir = mkdtempSync(join(tmpdir(), 'trib-e2e-'))
const name = `f_e2e_${process.pid}`
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const env = (): Record<string, string> => ({
  DATABASE_URL: database().url,
  TRIBUTARY_NAME: name,
  TRIBUTARY_TABLES: 'shop.*',
  TRIBUTARY_TABLE_TYPE: 'cow',
})
/** `cdc run` as a process of its own (it starts a thread); what only reads runs here. */
const cdc = (...args: string[]): Promise<Ended> => (args[0] === 'run' ? runBin : runInProcess)('cdc', args, { env: env(), cwd: dir })
const lake = (...args: string[]): Promise<Ended> => runInProcess('lake', args, { cwd: dir })

interface Moment {
  readonly lsn: string
  readonly at: string
  readonly orders: string
  readonly lines: string
}

async function moment(): Promise<Moment> {
  const [m] = await database().sql<Moment>(`SELECT pg_current_wal_lsn()::text AS lsn,
    to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
    (SELECT count(*) || '/' || sum(total) FROM shop.orders) AS orders, (SELECT count(*) || '/' || coalesce(sum(qty), 0) FROM shop.lines) AS lines`)
  return m!
}

const COUNTS =
  "SELECT (SELECT count(*) || '/' || sum(total) FROM shop.orders) AS o, (SELECT count(*) || '/' || coalesce(sum(qty), 0) FROM lines) AS l"
const moments: Moment[] = []

beforeAll(async () => {
  await database().sql(`CREATE SCHEMA shop;
    CREATE TYPE shop.mood AS ENUM ('sad', 'happy');
    CREATE TABLE shop.orders (id bigint PRIMARY KEY, total numeric(12,2), note text, at timestamp, tz timestamptz, mood shop.mood, tags text[],
      ratio double precision, r real, raw bytea, day date, t time, j jsonb, code char(4), iv interval, n numeric, ttz timetz, fl real[]);
    CREATE TABLE shop.lines (sku text, qty int); ALTER TABLE shop.lines REPLICA IDENTITY FULL;
    CREATE TABLE shop.nothing (id int PRIMARY KEY);
    INSERT INTO shop.orders SELECT 9007199254740990 + i, i / 3.0, CASE WHEN i % 2 = 0 THEN E'a "b"\\n' || i END,
      timestamp '2026-01-01' + i * interval '1.000001 s',
      now(), 'happy', CASE WHEN i % 3 = 0 THEN ARRAY['x', NULL, ''] WHEN i % 3 = 1 THEN '{}' END, CASE WHEN i % 50 = 0 THEN 'NaN' ELSE i / 7.0 END, i / 7.0,
      decode(md5(i::text), 'hex'), date '2000-01-01' + i, time '00:00' + i * interval '1 s', '{"a": [1, null]}', 'c' || i % 10,
      interval '1 month 2 days 3 hours', i / 9.0::numeric, '10:00:00.5+02', ARRAY[i / 3.0::real, NULL] FROM generate_series(1, 500) i;
    INSERT INTO shop.lines SELECT 's' || i % 5, i FROM generate_series(1, 100) i`)
  const first = await cdc('run', '--once')
  expect([first.code, first.code === 0 ? '' : first.stderr]).toEqual([0, ''])
  for (let i = 1; i <= 3; i++) {
    await database().sql(`BEGIN; UPDATE shop.orders SET total = total + ${i} WHERE id % 3 = ${i % 3};
      DELETE FROM shop.orders WHERE id = ${9007199254740990n + BigInt(i)};
      INSERT INTO shop.lines VALUES ('new', ${i}); DELETE FROM shop.lines WHERE qty = ${i * 10}; COMMIT`)
    moments.push(await moment())
    await new Promise((r) => setTimeout(r, 20))
  }
  const second = await cdc('run', '--once')
  expect([second.code, second.code === 0 ? '' : second.stderr]).toEqual([0, ''])
}, 120_000)

const counts = (m: Moment): { o: string; l: string }[] => [{ o: m.orders, l: m.lines }]

describe('the lake as of any moment', () => {
  test('the newest state', async () => {
    const e = await lake('query', COUNTS, '--format', 'json')
    expect(JSON.parse(e.stdout)).toEqual(counts(moments[2]!))
    expect(e.stderr).toMatch(/as of [0-9A-F]+\/[0-9A-F]+ \(2.*Z\) · 2 of 2 files · .* · \d+\.\d\ds\n$/)
  })

  test('every transaction between two commits of the lake is reached exactly, by LSN and by time, across tables', async () => {
    for (const m of moments.slice(0, 2)) {
      for (const asOf of [`lsn:${m.lsn}`, m.at]) {
        const e = await lake('query', COUNTS, '--as-of', asOf, '--exact', '--json')
        expect(envelope(e)).toMatchObject({ ok: true, result: { asOf: { exact: true }, rows: counts(m) } })
      }
    }
  })

  test('without the log the nearest commit answers and says so; --exact makes that an error', async () => {
    const query = ['query', 'SELECT count(*) AS n FROM shop.orders', '--as-of', `lsn:${moments[0]!.lsn}`, '--state', 'no-state']
    const near = envelope(await lake(...query, '--json'))
    expect(near).toMatchObject({ ok: true, result: { rows: [{ n: 500 }], asOf: { exact: false } } })
    expect((near.result as { asOf: { note: string } }).asOf.note).toContain('no log in')
    const exact = await lake(...query, '--exact')
    expect([exact.code, exact.stdout]).toEqual([1, ''])
    expect(exact.stderr).toContain('TRB-QUERY-004')
  })

  test('beyond the log: all it has, a note how far that is, and no exactness', async () => {
    const later = ['query', COUNTS, '--as-of', 'lsn:FFFF/0']
    const e = await lake(...later, '--format', 'json')
    expect(JSON.parse(e.stdout)).toEqual(counts(moments[2]!))
    expect(e.stderr).toContain('note: the log has reached commit')
    expect((await lake(...later, '--exact')).stderr).toContain('TRB-QUERY-004')
  })

  test('before the first state, and further back than there are states', async () => {
    const before = await lake('query', 'SELECT 1', '--as-of', 'lsn:0/1')
    expect(before.code).toBe(1)
    expect(before.stderr).toMatch(/TRB-QUERY-003[\s\S]*fix +--as-of lsn:/)
    expect((await lake('query', 'SELECT 1', '--as-of', 'commit:-99')).stderr).toContain('TRB-QUERY-005')
  })

  test('commit:-1 is the state before the last flush', async () => {
    const e = await lake('query', 'SELECT count(*) AS n FROM shop.orders', '--as-of', 'commit:-1', '--format', 'csv')
    expect(e.stdout).toBe('n\n500\n')
  })
})

describe('answers', () => {
  test('lake tables and lake timeline tell rows, positions and deletes', async () => {
    const tables = envelope(await lake('tables', '--json')).result as {
      watermark: { commit: string }
      tables: { table: string; rows: number; key: string[] }[]
    }
    expect(tables.watermark.commit).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    expect(tables.tables).toMatchObject([
      { table: 'lines', rows: 100, key: [] },
      { table: 'nothing', rows: 0 },
      { table: 'orders', rows: 497, key: ['id'] },
    ])
    const timeline = await lake('timeline', 'orders')
    expect(timeline.stdout).toMatch(
      /instant +action +state +took +rows +files +note\n \d{17} +commit +completed +\S+ +~\d+ -3 +1 +at [0-9A-F]+\/[0-9A-F]+\n/,
    )
    expect(timeline.stdout).toContain('pending 0 · time travel reaches back to')
    expect((await lake('timeline', 'shop.order')).stderr).toContain('TRB-QUERY-009')
  })

  test('--format parquet writes a file that another reader reads', async () => {
    const e = await lake(
      'query',
      'SELECT id, note FROM shop.orders ORDER BY id LIMIT 2 -- two',
      '--format',
      'parquet',
      '--output',
      'two.parquet',
    )
    expect([e.code, e.stdout]).toEqual([0, ''])
    const bytes = readFileSync(join(dir, 'two.parquet'))
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer
    expect((await parquetMetadataAsync(file)).num_rows).toBe(2n)
    const compressors = { ZSTD: (input: Uint8Array): Uint8Array => zstdDecompressSync(input) }
    expect(await parquetReadObjects({ file, compressors })).toMatchObject([{ id: 9007199254740994n }, { id: 9007199254740995n }])
  })

  test('an output that cannot be written is refused and leaves nothing', async () => {
    const e = await lake('query', 'SELECT 1', '--format', 'csv', '--output', 'no/such/dir/out.csv')
    expect(e.code).toBe(3)
    expect(e.stderr).toContain('TRB-QUERY-010')
    const failed = await lake('query', 'SELECT CAST(note AS INT) FROM shop.orders', '--format', 'csv', '--output', 'half.csv')
    expect(failed.code).toBe(1)
    expect(existsSync(join(dir, 'half.csv'))).toBe(false)
  })

  test('columns that Hudi and the capture add are there with --meta only', async () => {
    const plain = await lake('query', 'SELECT * FROM shop.lines LIMIT 1', '--format', 'csv')
    expect(plain.stdout.split('\n')[0]).toBe('sku,qty')
    const meta = await lake('query', 'SELECT * FROM shop.lines LIMIT 1', '--format', 'csv', '--meta')
    expect(meta.stdout.split('\n')[0]).toMatch(
      /^_hoodie_commit_time,.*,sku,qty,_change_operation_type,_event_origin_ts_ms,_event_tx_id,_event_lsn/,
    )
  })
})

describe('cdc doctor', () => {
  test('all well: exit 0 and findings', async () => {
    const e = await cdc('doctor')
    expect([e.code, e.stderr]).toEqual([0, ''])
    expect(e.stdout).toMatch(/^Source postgres .*\n {2}✓ connection +connected to Postgres \d+/)
    expect(e.stdout).toMatch(/Summary: \d+ passed · \d+ warnings? · 0 failed\n$/)
  })

  test('something failed: exit 3, ✗ with its fix', async () => {
    const e = await cdc('doctor', '--tables', 'nowhere.*', '--json')
    expect(e.code).toBe(3)
    const { result, error } = envelope<{ findings: { level: string; fix: string | null }[] }>(e)
    expect(error?.code).toBe('TRB-CLI-015')
    expect(result.findings.find((f) => f.level === 'failed')?.fix).not.toBeNull()
  })
})

describe('cdc verify', () => {
  test('lake and database are equal, value by value, with equal digests', async () => {
    const e = await cdc('verify', '--json')
    const report = envelope(e) as {
      ok: boolean
      result: { certain: boolean; tables: { verdict: string; notCompared: string[]; comparison: Record<string, unknown> }[] }
    }
    expect(report).toMatchObject({ ok: true, result: { certain: true } })
    expect(report.result.tables.map((t) => [t.verdict, t.notCompared])).toEqual(Array(3).fill(['equal', []]))
    for (const t of report.result.tables) expect(t.comparison['sourceDigest']).toBe(t.comparison['lakeDigest'])
  })

  test('what has not been captured yet is no verdict: exit 5, and the capture that is missing is named', async () => {
    await database().sql("UPDATE shop.orders SET note = 'later' WHERE id = 9007199254741000")
    const e = await cdc('verify', '--wait', '1s')
    expect(e.code).toBe(5)
    expect(e.stderr).toContain('TRB-QUERY-015')
    expect(e.stderr).toContain('cdc run is not running')
    expect((await cdc('run', '--once')).code).toBe(0)
    expect((await cdc('verify')).code).toBe(0)
  })

  test('a change that bypassed the capture is found, with the row and the columns: exit 4', async () => {
    const db = database()
    await db.sql(`ALTER PUBLICATION ${name} DROP TABLE shop.orders, shop.lines`)
    await db.sql(
      "UPDATE shop.orders SET total = total + 0.01, note = NULL WHERE id = 9007199254741000; INSERT INTO shop.lines VALUES ('s1', 1)",
    )
    const e = await cdc('verify', '--wait', '1s')
    expect(e.code).toBe(4)
    expect(e.stderr).toContain('TRB-QUERY-014')
    expect(e.stdout).toMatch(
      /shop\.orders id=9007199254741000: total is "\S+" in the database, "\S+" in the lake; note is NULL in the database, "later" in the lake/,
    )
    expect(e.stdout).toMatch(/✗ +shop\.lines +101 +100 .* 1 rows only in the database, 0 only in the lake/)
    expect(e.stdout).toMatch(/✓ +shop\.nothing/)
  })

  test('a database user who may not replicate is told what is needed', async () => {
    const role = `f_plain_${process.pid}`
    await database().sql(`CREATE ROLE ${role} LOGIN PASSWORD 'plain-secret-1'`)
    const url = new URL(database().url)
    url.username = role
    url.password = 'plain-secret-1'
    const e = await runInProcess('cdc', ['verify', '--url', url.href, '--name', name, '--wait', '1s'], { cwd: dir })
    await database().sql(`DROP ROLE ${role}`)
    expect(e.code).toBe(3)
    expect(e.stderr).toContain('TRB-CLI-016')
    expect(e.stdout + e.stderr).not.toContain('plain-secret-1')
  })
})
