import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import { type Failure, isFailure } from '../../src/failure/failure.ts'
import { rowToJson, writeRows } from '../../src/query/format.ts'
import { SqlParser, SqlSession, type SqlTable } from '../../src/query/sql.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-sql-'))
const spill = join(root, 'spill')
let parser: SqlParser
const quiet = new AbortController().signal

beforeAll(async () => {
  mkdirSync(spill)
  mkdirSync(join(root, 'region=eu'))
  const writer = await (await DuckDBInstance.create(':memory:')).connect()
  await writer.run(`COPY (SELECT 1::INTEGER AS id, 'old' AS name) TO '${root}/v1.parquet'`)
  await writer.run(`COPY (SELECT 'new' AS name, 5000000000::BIGINT AS id, 7 AS extra, 'dropped' AS gone) TO '${root}/v2.parquet'`)
  await writer.run(`COPY (SELECT 1::BIGINT AS id, 'asia' AS region) TO '${root}/region=eu/p.parquet'`)
  await writer.run(
    `COPY (SELECT TIMESTAMPTZ '2026-11-21 10:00:00.000001+00' AS tz, TIMESTAMPTZ '2026-11-21 10:00:00+00' AS local) TO '${root}/ts.parquet'`,
  )
  parser = await SqlParser.open()
})

afterAll(() => {
  parser.close()
  rmSync(root, { recursive: true, force: true })
})

const long = (name: string): LakeColumn => ({ name, type: { kind: 'long' } })
const string = (name: string): LakeColumn => ({ name, type: { kind: 'string' } })

async function rows(tables: readonly SqlTable[], sql: string, memoryBytes = 256 << 20): Promise<unknown[]> {
  const session = await SqlSession.open(tables, {
    clock: systemClock,
    memoryBytes,
    threads: 1,
    spill,
    outputs: [],
    hint: 'Tables: shop.t.',
  })
  try {
    const result = await session.run(await parser.inspect(sql), quiet)
    const toText = rowToJson(result.columns)
    const out: unknown[] = []
    for await (const block of result.blocks) for (const row of block) out.push(JSON.parse(toText(row)))
    return out
  } finally {
    session.close()
  }
}

const failure = async (work: Promise<unknown>): Promise<Failure> => {
  try {
    await work
  } catch (e) {
    if (isFailure(e)) return e
    throw e
  }
  throw new Error('nothing failed')
}

describe('tables as views', () => {
  test('a file older than a column or a wider type reads as the schema of the table', async () => {
    const t: SqlTable = {
      schema: 'shop',
      table: 't',
      columns: [long('id'), string('name'), long('extra')],
      files: { whole: ['v1', 'v2'].map((f) => `${root}/${f}.parquet`), merged: [] },
    }
    expect(await rows([t], 'SELECT * FROM shop.t ORDER BY id')).toEqual([
      { id: 1, name: 'old', extra: null },
      { id: 5000000000, name: 'new', extra: 7 },
    ])
  })

  test('a table without files has its columns and no rows', async () => {
    const t: SqlTable = {
      schema: 'shop',
      table: 't',
      columns: [long('id'), { name: 'p', type: { kind: 'decimal', precision: 9, scale: 2 } }],
      files: { whole: [], merged: [] },
    }
    expect(await rows([t], 'SELECT * FROM t')).toEqual([])
    expect(await rows([t], 'SELECT column_name, column_type FROM (DESCRIBE t)')).toEqual([
      { column_name: 'id', column_type: 'BIGINT' },
      { column_name: 'p', column_type: 'DECIMAL(9,2)' },
    ])
  })

  test('of a file with logs the hidden rows are left out and the others put in, whatever is asked', async () => {
    const instance = await DuckDBInstance.create(':memory:')
    const c = await instance.connect()
    await c.run(`COPY (SELECT range AS id, 'base' AS name FROM range(1000)) TO '${root}/base.parquet' (ROW_GROUP_SIZE 128)`)
    await c.run(`COPY (SELECT range * 7 AS "row" FROM range(100)) TO '${root}/hidden.parquet'`)
    await c.run(`COPY (SELECT range * 7 AS id, 'log' AS name FROM range(60)) TO '${root}/rows.parquet'`)
    const merged = [{ base: `${root}/base.parquet`, hidden: `${root}/hidden.parquet`, rows: `${root}/rows.parquet` }]
    const t: SqlTable = { schema: 'shop', table: 't', columns: [long('id'), string('name')], files: { whole: [], merged } }
    expect(await rows([t], 'SELECT name, count(*) n, sum(id) s FROM t GROUP BY 1 ORDER BY 1')).toEqual([
      { name: 'base', n: 900, s: 999 * 500 - 7 * 99 * 50 },
      { name: 'log', n: 60, s: 7 * 59 * 30 },
    ])
    expect(await rows([t], "SELECT * FROM t WHERE id IN (7, 8, 693) AND name <> 'x' ORDER BY 1")).toEqual([
      { id: 7, name: 'log' },
      { id: 8, name: 'base' },
    ])
    const bare: SqlTable = {
      ...t,
      files: { whole: [`${root}/rows.parquet`], merged: [{ base: `${root}/base.parquet`, hidden: null, rows: null }] },
    }
    expect(await rows([bare], 'SELECT count(*) n FROM t')).toEqual([{ n: 1060 }])
  })

  test('a directory named like a partition does not shadow the column', async () => {
    const t: SqlTable = {
      schema: 'shop',
      table: 't',
      columns: [long('id'), string('region')],
      files: { whole: [`${root}/region=eu/p.parquet`], merged: [] },
    }
    expect(await rows([t], 'SELECT region FROM t')).toEqual([{ region: 'asia' }])
  })

  test('a bare name works only where it is unique; names of any spelling are quoted', async () => {
    const t = (schema: string, table: string): SqlTable => ({ schema, table, columns: [string('a"b')], files: { whole: [], merged: [] } })
    expect(await rows([t('shop', 'orders'), t('x.y "z"', 'odd table')], 'SELECT count("a""b") n FROM "odd table"')).toEqual([{ n: 0 }])
    const e = await failure(rows([t('a', 'orders'), t('b', 'Orders')], 'SELECT * FROM orders'))
    expect(e.code).toBe('TRB-QUERY-006')
    expect(e.explain().fix).toContain('Tables: shop.t.')
  })

  test('timestamps are points in time, and wall clock where the source has no zone', async () => {
    const doc = 'timestamp without time zone, wall clock as if UTC'
    const columns: LakeColumn[] = [
      { name: 'tz', type: { kind: 'timestamp-micros' } },
      { name: 'local', type: { kind: 'timestamp-micros' }, doc },
    ]
    const t: SqlTable = { schema: 'shop', table: 't', columns, files: { whole: [`${root}/ts.parquet`], merged: [] } }
    expect(await rows([t], 'SELECT * FROM t')).toEqual([{ tz: '2026-11-21T10:00:00.000001Z', local: '2026-11-21T10:00:00.000000' }])
  })

  test('a file that has vanished or is damaged is named', async () => {
    const gone: SqlTable = { schema: 'shop', table: 't', columns: [long('id')], files: { whole: [`${root}/gone.parquet`], merged: [] } }
    expect((await failure(rows([gone], 'SELECT * FROM t'))).code).toBe('TRB-QUERY-013')
  })

  test('running out of memory and of room to spill says so', async () => {
    const full = join(root, 'not-a-directory')
    writeFileSync(full, '')
    const session = await SqlSession.open([], { clock: systemClock, memoryBytes: 16 << 20, threads: 1, spill: full, outputs: [], hint: '' })
    const sql = 'SELECT i, md5(i::VARCHAR) AS m FROM range(3000000) r(i) ORDER BY m'
    const run = async (): Promise<void> => {
      const result = await session.run(await parser.inspect(sql), quiet)
      await writeRows(result, 'csv', 0, async () => undefined)
    }
    const e = await failure(run())
    session.close()
    expect(['TRB-QUERY-012', 'TRB-QUERY-013']).toContain(e.code)
  })
})

describe('errors of SQL', () => {
  test('a syntax error points at the place, in characters, also behind multi-byte ones', async () => {
    const e = await failure(parser.inspect("SELECT 'ü€😀',\n  count( FROM x"))
    expect(e.code).toBe('TRB-QUERY-006')
    expect(e.explain().why).toBe('Line 2, column 10:\n  count( FROM x\n         ^')
  })

  test('an unknown column points at it', async () => {
    const t: SqlTable = { schema: 'shop', table: 't', columns: [long('id')], files: { whole: [], merged: [] } }
    const e = await failure(rows([t], 'SELECT id,\n  idd FROM t'))
    expect(e.explain().what).toContain('"idd" not found')
    expect(e.explain().why).toBe('Line 2:\n  idd FROM t\n  ^')
  })

  test('an error while rows are read is one of SQL too', async () => {
    expect((await failure(rows([], "SELECT CAST(x AS INT) FROM (VALUES ('1'), ('z')) v(x)"))).code).toBe('TRB-QUERY-006')
  })

  test('aborting stops a running query', async () => {
    const session = await SqlSession.open([], { clock: systemClock, memoryBytes: 256 << 20, threads: 1, spill, outputs: [], hint: '' })
    const stop = new AbortController()
    const shape = await parser.inspect('SELECT count(*) FROM range(100000000000) a')
    const started = performance.now()
    const timer = setTimeout(() => stop.abort(new Error('enough')), 200)
    const read = async (): Promise<void> => {
      for await (const block of (await session.run(shape, stop.signal)).blocks) expect(block.length).toBeLessThan(0)
    }
    await expect(read()).rejects.toThrow('enough')
    clearTimeout(timer)
    expect(performance.now() - started).toBeLessThan(10_000)
    session.close()
  })

  test('a query that is aborted before or while it begins does not run on', async () => {
    const session = await SqlSession.open([], { clock: systemClock, memoryBytes: 256 << 20, threads: 1, spill, outputs: [], hint: '' })
    const shape = await parser.inspect('SELECT count(*) FROM range(100000000000) a')
    for (const turns of [0, 1, 2, 3, 5, 8, 13, 21]) {
      const stop = new AbortController()
      const read = async (): Promise<void> => {
        for await (const block of (await session.run(shape, stop.signal)).blocks) expect(block.length).toBeLessThan(0)
      }
      if (turns === 0) stop.abort(new Error('enough'))
      const reading = read()
      const refused = expect(reading).rejects.toThrow('enough')
      for (let i = 0; i < turns; i++) await new Promise((next) => setImmediate(next))
      stop.abort(new Error('enough'))
      await refused
    }
    session.close()
  })
})
