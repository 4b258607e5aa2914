import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { Failure } from '../../src/failure/failure.ts'
import { SqlParser, SqlSession, type SqlTable } from '../../src/query/sql.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-confine-'))
const chosen = join(root, 'lake', 'chosen.parquet')
const other = join(root, 'lake', 'other.parquet')
const secret = join(root, 'secret.csv')
const spill = join(root, 'spill')
let server: Server
let requests = 0
let parser: SqlParser
let session: SqlSession
let port = 0

beforeAll(async () => {
  mkdirSync(join(root, 'lake'))
  mkdirSync(spill)
  writeFileSync(secret, 'word\nopensesame\n')
  const writer = await (await DuckDBInstance.create(':memory:')).connect()
  await writer.run(`COPY (SELECT 1::BIGINT AS id, 'a' AS name) TO '${chosen}'`)
  await writer.run(`COPY (SELECT 'opensesame' AS word) TO '${other}'`)
  await writer.run(`ATTACH '${root}/x.duckdb' AS x; CREATE TABLE x.t AS SELECT 'opensesame' AS word; DETACH x`)
  server = createServer((_, answer) => {
    requests++
    answer.end('word\nopensesame\n')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  port = (server.address() as { port: number }).port
  parser = await SqlParser.open()
  const columns = [
    { name: 'id', type: { kind: 'long' as const } },
    { name: 'name', type: { kind: 'string' as const } },
  ]
  const table: SqlTable = { schema: 'shop', table: 'orders', columns, files: { whole: [chosen], merged: [] } }
  session = await SqlSession.open([table], {
    clock: systemClock,
    memoryBytes: 256 << 20,
    threads: 1,
    spill,
    outputs: [join(root, 'out.parquet')],
    hint: '',
  })
})

afterAll(() => {
  session.close()
  parser.close()
  server.close()
  rmSync(root, { recursive: true, force: true })
})

/** Rows of the query as text, or the code that it failed with. `guarded` false: past our own first wall, straight into DuckDB. */
async function run(sql: string, guarded = true): Promise<string> {
  try {
    const shape = guarded
      ? await parser.inspect(sql)
      : { sql, tables: [], usesCatalog: false, needs: { columns: null, rows: { kind: 'anything' as const } } }
    const rows: unknown[] = []
    for await (const block of (await session.run(shape, new AbortController().signal)).blocks) rows.push(...block)
    return rows.map(String).join('\n')
  } catch (e) {
    if (e instanceof Failure) return e.code
    return `${e}`
  }
}

const FILES = (): string[] => [
  `SELECT * FROM read_csv('${secret}')`,
  `SELECT * FROM read_csv_auto('${secret}')`,
  `SELECT * FROM read_text('${secret}')`,
  `SELECT * FROM read_blob('${secret}')`,
  `SELECT * FROM read_json('${secret}')`,
  `SELECT * FROM sniff_csv('${secret}')`,
  `SELECT * FROM '${secret}'`,
  `SELECT * FROM "${secret}"`,
  `SELECT * FROM '${other}'`,
  `SELECT * FROM read_parquet('${other}')`,
  `SELECT * FROM read_parquet(['${chosen}', '${other}'])`,
  `SELECT * FROM parquet_metadata('${other}')`,
  `SELECT * FROM parquet_schema('${other}')`,
  `SELECT * FROM glob('${root}/*')`,
  `SELECT * FROM read_parquet('${chosen}/../other.parquet')`,
  `SELECT (SELECT content FROM read_text('${secret}'))`,
  `WITH a AS (SELECT * FROM read_text('${secret}')) SELECT * FROM a`,
  `SELECT * FROM shop.orders WHERE name IN (SELECT content FROM read_text('${secret}'))`,
  `SELECT * FROM query('SELECT * FROM read_text(''${secret}'')')`,
  `SELECT * FROM query_table('${secret}')`,
  `FROM read_text('${secret}') SELECT content`,
  `SUMMARIZE FROM read_text('${secret}')`,
  `DESCRIBE SELECT * FROM read_text('${secret}')`,
  `EXPLAIN ANALYZE SELECT * FROM read_text('${secret}')`,
  `PIVOT (FROM read_text('${secret}')) ON size IN (1) USING count(*)`,
]

const STATEMENTS = (): string[] => [
  `COPY (SELECT 1) TO '${root}/written.csv'`,
  `COPY shop.orders TO '${root}/written.parquet'`,
  `COPY (SELECT 1) TO '${chosen}' (FORMAT parquet, USE_TMP_FILE false)`,
  `COPY shop.orders FROM '${secret}'`,
  `EXPLAIN ANALYZE COPY (SELECT 1) TO '${chosen}' (FORMAT parquet, USE_TMP_FILE false)`,
  `EXPORT DATABASE '${root}/written'`,
  `IMPORT DATABASE '${root}'`,
  `ATTACH '${root}/x.duckdb' AS y`,
  `ATTACH ':memory:' AS m`,
  'INSTALL httpfs',
  'LOAD httpfs',
  `LOAD '${root}/evil.duckdb_extension'`,
  'SET enable_external_access = true',
  'RESET allowed_paths',
  `SET temp_directory = '${root}/elsewhere'`,
  'SET lock_configuration = false',
  "SET profiling_output = '/tmp/x'",
  'PRAGMA enable_profiling',
  'PRAGMA database_list',
  'CALL enable_logging()',
  `CALL enable_logging(storage = 'file', storage_path = '${root}/log')`,
  "CREATE SECRET (TYPE s3, KEY_ID 'k', SECRET 's')",
  'CREATE TABLE t AS SELECT 1',
  'CREATE OR REPLACE VIEW shop.orders AS SELECT 2',
  "CREATE MACRO f() AS TABLE SELECT * FROM read_text('/etc/passwd')",
  'DROP VIEW shop.orders',
  'INSERT INTO shop.orders VALUES (2)',
  'DELETE FROM shop.orders',
  'UPDATE shop.orders SET id = 2',
  'CHECKPOINT',
  'VACUUM',
  'BEGIN',
  'USE shop',
  'PREPARE p AS SELECT 1',
  'SELECT 1; SELECT 2',
  `SELECT 1; COPY (SELECT 1) TO '${root}/written.csv'`,
  '',
  '  -- nothing',
]

describe('SQL reaches the chosen files and nothing else', () => {
  test('the tables themselves are read', async () => {
    expect(await run('SELECT * FROM shop.orders')).toBe('1,a')
    expect(await run('SELECT count(*) FROM orders o JOIN shop.orders p USING (id)')).toBe('1')
    expect(await run('SHOW TABLES')).toContain('orders')
    expect(await run('SELECT i FROM range(3) r(i) WHERE i IN (SELECT unnest([1, 2]))')).toBe('1\n2')
  })

  test.each(FILES())('no other file: %s', async (sql) => {
    expect(await run(sql)).toMatch(/^TRB-QUERY-00[67]$/)
    expect(await run(sql, false)).not.toContain('opensesame')
  })

  test.each(STATEMENTS())('no statement but one SELECT: %s', async (sql) => {
    expect(await run(sql)).toBe('TRB-QUERY-007')
  })

  test('functions that switch the engine are refused inside a SELECT too', async () => {
    for (const f of [
      'enable_logging()',
      'disable_logging()',
      'truncate_duckdb_logs()',
      'duckdb_secrets()',
      'duckdb_settings()',
      'test_all_types()',
    ]) {
      expect(await run(`SELECT * FROM ${f}`)).toBe('TRB-QUERY-007')
    }
    expect(await run("SELECT write_log('x')")).toBe('TRB-QUERY-007')
  })

  test('behind our own wall stands the confinement of DuckDB: writes, network and settings fail there too', async () => {
    const before = readdirSync(root).sort()
    const bytes = readFileSync(chosen)
    for (const sql of [
      `COPY (SELECT 1) TO '${root}/written.csv'`,
      `ATTACH '${root}/x.duckdb' AS y`,
      `SELECT * FROM read_csv('http://127.0.0.1:${port}/x.csv')`,
      `SELECT * FROM 'http://127.0.0.1:${port}/x.parquet'`,
      "SELECT * FROM 's3://bucket/x.parquet'",
      'INSTALL httpfs',
      'LOAD httpfs',
      'SET enable_external_access = true',
      'RESET allowed_paths',
      `EXPORT DATABASE '${root}/written'`,
    ]) {
      expect(await run(sql, false)).toMatch(/TRB-QUERY-0|Error/)
    }
    expect(readdirSync(root).sort()).toEqual(before)
    expect(readFileSync(chosen).equals(bytes)).toBe(true)
    expect(requests).toBe(0)
  })

  test('the network is refused before it is tried', async () => {
    for (const sql of [`FROM read_csv('http://127.0.0.1:${port}/x')`, `SELECT * FROM 'http://127.0.0.1:${port}/x.csv'`]) {
      expect(await run(sql)).toMatch(/^TRB-QUERY-00[67]$/)
    }
    expect(requests).toBe(0)
  })

  test('a deep expression is walked without running out of stack', async () => {
    const sql = `SELECT count(*) FROM shop.orders WHERE ${Array.from({ length: 900 }, (_, i) => `id = ${i}`).join(' OR ')}`
    expect(await run(sql)).toBe('1')
  })

  test('our own Parquet output goes to its one file', async () => {
    const file = join(root, 'out.parquet')
    const shape = await parser.inspect('SELECT * FROM shop.orders; -- the end')
    expect(await session.writeParquet(shape, file, new AbortController().signal)).toBe(1n)
    expect(statSync(file).size).toBeGreaterThan(100)
    await expect(session.writeParquet(shape, join(root, 'elsewhere.parquet'), new AbortController().signal)).rejects.toThrow(
      'TRB-QUERY-007',
    )
  })
})
