import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import { S3Store } from '../../src/storage/s3/s3-store.ts'
import { useDatabase } from '../support/postgres.ts'
import { newBucket, S3_ENV, s3Options } from '../support/s3.ts'
import { type Ended, envelope, runBin } from './run-bin.ts'
import { runInProcess } from './run-in-process.ts'

const RUN = fileURLToPath(new URL('../kill/run-child.ts', import.meta.url))
const database = useDatabase('x')
const dir = mkdtempSync(join(tmpdir(), 'trib-s3-e2e-'))
let uri = ''

beforeAll(async () => {
  uri = `s3://${await newBucket()}/lakes/shop`
  await database().sql(`CREATE SCHEMA shop; CREATE TABLE shop.orders (id bigint PRIMARY KEY, total numeric(12,2), note text);
    CREATE TABLE shop.lines (id int PRIMARY KEY, order_id bigint, qty int);
    INSERT INTO shop.orders SELECT i, i / 4.0, 'n' || i FROM generate_series(1, 2000) i;
    INSERT INTO shop.lines SELECT i, 1 + i % 2000, i % 7 FROM generate_series(1, 5000) i`)
}, 300_000)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const env = (): Record<string, string> => ({
  ...S3_ENV,
  DATABASE_URL: database().url,
  TRIBUTARY_NAME: `x_s3_${process.pid}`,
  TRIBUTARY_TABLES: 'shop.*',
  TRIBUTARY_LAKE: uri,
  AWS_ENDPOINT_URL: inject('s3Endpoint'),
  AWS_REGION: 'us-east-1',
  XDG_CACHE_HOME: join(dir, 'cache'),
})
const lake = (...args: string[]): Promise<Ended> => runInProcess('lake', args, { env: env(), cwd: dir })
const QUERY = `SELECT (SELECT count(*) || '/' || sum(total) FROM shop.orders) AS o, (SELECT count(*) || '/' || sum(qty) FROM lines) AS l`

async function expectEqual(): Promise<void> {
  const [want] = await database().sql(`SELECT (SELECT count(*) || '/' || sum(total) FROM shop.orders) AS o,
    (SELECT count(*) || '/' || sum(qty) FROM shop.lines) AS l`)
  const e = await lake('query', QUERY, '--json')
  expect(envelope<{ rows: unknown[] }>(e).result.rows).toEqual([want])
  const verified = await runInProcess('cdc', ['verify', '--json'], { env: env(), cwd: dir })
  expect(envelope(verified)).toMatchObject({ ok: true })
}

function startRun(): ChildProcess {
  return spawn(process.execPath, [RUN, 'run', '--flush-interval', '200ms'], {
    cwd: dir,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TZ: 'UTC', ...env() },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** Kills it at a moment when it has committed at least once; returns what it had said. */
async function killAfter(child: ChildProcess, ms: number): Promise<void> {
  const exited = once(child, 'exit')
  await new Promise((done) => setTimeout(done, ms))
  child.kill('SIGKILL')
  await exited
}

test('cdc run into S3, killed again and again, goes on and ends equal to the database', async () => {
  for (const [round, ms] of [1200, 2000, 2600].entries()) {
    const child = startRun()
    let said = ''
    child.stderr!.on('data', (d: Buffer) => {
      said += d.toString()
    })
    const killed = killAfter(child, ms)
    for (let i = 0; i < 5; i++) {
      await database().sql(`UPDATE shop.orders SET total = total + 1 WHERE id % 50 = ${round * 5 + i};
        DELETE FROM shop.lines WHERE id = ${round * 100 + i + 1}; INSERT INTO shop.orders VALUES (${10_000 + round * 10 + i}, 1, NULL)`)
    }
    await killed
    expect(said).not.toContain('✗')
  }
  const ended = await runBin('cdc', ['run', '--once'], { env: env(), cwd: dir })
  expect([ended.code, ended.code === 0 ? '' : ended.stderr]).toEqual([0, ''])
  await expectEqual()
}, 300_000)

test('every verb that reads finds the lake, by environment and by flags', async () => {
  const tables = envelope<{ lake: string; tables: { path: string; rows: number }[] }>(await lake('tables', '--json')).result
  expect(tables.lake).toBe(uri)
  expect(tables.tables.map((t) => t.path.split('/').at(-1))).toEqual(['lines', 'orders'])
  const timeline = await lake('timeline', '--json')
  expect(envelope(timeline).ok).toBe(true)
  const path = tables.tables[1]!.path
  const read = await lake('read', `${uri}/${path}`, '--format', 'jsonl')
  expect(read.stdout.trim().split('\n')).toHaveLength(2015)
  for (const t of tables.tables) {
    const verified = await lake('verify', `${uri}/${t.path}`)
    expect([verified.code, verified.stdout], t.path).toEqual([0, expect.any(String)])
  }
  const { AWS_ENDPOINT_URL: _, ...bare } = env()
  const flagged = await runInProcess('lake', ['query', QUERY, '--s3-endpoint', inject('s3Endpoint'), '--s3-path-style', '--json'], {
    env: bare,
    cwd: dir,
  })
  expect(envelope(flagged)).toMatchObject({ ok: true })
}, 300_000)

test('tables are written, kept, cleaned, archived, taken back and verified on S3', async () => {
  const table = `${uri}-written/t`
  for (const [i, row] of ['{"id":1,"v":"a"}', '{"id":2,"v":"b"}', '{"id":1,"v":"c"}'].entries()) {
    writeFileSync(join(dir, 'in.jsonl'), `${row}\n`)
    const written = await lake('write', table, '--op', 'upsert', '--key', 'id', '--input', 'in.jsonl', '--json')
    expect(envelope(written), `write ${i}`).toMatchObject({ ok: true })
  }
  const ok = async (...args: string[]): Promise<void> => {
    const e = await lake(...args, '--json')
    expect(envelope(e), args.join(' ')).toMatchObject({ ok: true })
  }
  await ok('savepoint', 'create', table)
  await ok('clean', table, '--keep-versions', '1')
  await ok('archive', table)
  await ok('rollback', table)
  await ok('verify', table)
  const rows = (await lake('read', table)).stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { id: number; v: string })
  expect(rows.map((r) => `${r.id}${r.v}`).sort()).toEqual(['1c', '2b'])
  const found = envelope<{ tables: unknown[] }>(await lake('tables', '--lake', `${uri}-written`, '--json'))
  expect(found.result.tables).toHaveLength(1)
}, 300_000)

test('a query copies files once; the cache keeps to its limit, and one query that needs more is refused: TRB-QUERY-016', async () => {
  const kept = join(dir, 'cache/tributary/files')
  const before = readdirSync(kept).length
  expect(before).toBeGreaterThan(0)
  await lake('query', QUERY, '--json')
  expect(readdirSync(kept)).toHaveLength(before)
  expect(readdirSync(join(dir, 'cache/tributary/in-use'))).toEqual([])
  const e = await lake('query', QUERY, '--cache-bytes', '1KiB')
  expect([e.code, e.stdout]).toEqual([3, ''])
  expect(e.stderr).toContain('TRB-QUERY-016')
  const other = join(dir, 'small')
  const one = await lake('query', 'SELECT count(*) AS n FROM shop.lines', '--cache-dir', other, '--cache-bytes', '120KiB', '--json')
  expect(envelope(one).ok).toBe(true)
  await lake('query', 'SELECT count(*) AS n FROM shop.orders', '--cache-dir', other, '--cache-bytes', '120KiB', '--json')
  expect(readdirSync(join(other, 'files'))).toHaveLength(1)
}, 300_000)

test('two runs do not write one lake: the second is told who has it', async () => {
  const child = startRun()
  const store = new S3Store(uri, systemClock, s3Options())
  try {
    for (let i = 0; i < 1000 && (await store.head('.tributary/lock.json')) === null; i++) await new Promise((done) => setTimeout(done, 50))
    const second = await runBin('cdc', ['run', '--once', '--state', join(dir, 'other'), '--name', 'x_other'], { env: env(), cwd: dir })
    expect([second.code, second.stderr]).toEqual([1, expect.stringContaining('TRB-LAKE-015')])
  } finally {
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  }
  expect(await store.head('.tributary/lock.json')).toBeNull()
}, 300_000)

test('a bucket that is missing, and a place that is none, are said in one screen', async () => {
  const missing = await lake('tables', '--lake', 's3://no-such-bucket-here/x')
  expect([missing.code, missing.stderr]).toEqual([3, expect.stringContaining('TRB-STORE-010')])
  const none = await lake('tables', '--lake', 's3://x')
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('TRB-STORE-014')])
})
