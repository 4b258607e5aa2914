import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Ended, envelope, runBin } from './run-bin.ts'
import { runInProcess } from './run-in-process.ts'

/** What users do to a capture: each ends in the right state, or in an error that names what is wrong and loses nothing. */

const root = mkdtempSync(join(tmpdir(), 'trib-faults-'))
const databases: TestDatabase[] = []
let n = 0
afterEach(async () => {
  for (const d of databases.splice(0)) await d.drop()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Place {
  readonly db: TestDatabase
  readonly dir: string
  readonly name: string
  run(...more: string[]): Promise<Ended>
  verify(...more: string[]): Promise<Ended>
  query(sql: string, ...more: string[]): Promise<Ended>
}

async function place(sql: string): Promise<Place> {
  const db = await freshDatabase('h')
  databases.push(db)
  await db.sql(sql)
  const name = `h_${process.pid}_${n++}`
  const dir = mkdtempSync(join(root, `${name}-`))
  const options = { cwd: dir, env: { DATABASE_URL: db.url, TRIBUTARY_NAME: name } }
  return {
    db,
    dir,
    name,
    run: (...more) => runBin('cdc', ['run', '--once', '--json', ...more], options),
    verify: (...more) => runInProcess('cdc', ['verify', '--wait', '5s', '--json', ...more], options),
    query: (text, ...more) => runInProcess('lake', ['query', text, '--format', 'csv', ...more], { cwd: dir }),
  }
}

function failed(e: Ended): { exit: number | null; code: unknown; text: string } {
  const { error } = envelope(e)
  return { exit: e.code, code: error?.['code'], text: JSON.stringify(error) }
}

async function expectEqual(p: Place): Promise<void> {
  const run = await p.run()
  expect(run.code, run.stdout).toBe(0)
  const verdict = await p.verify()
  expect(verdict.code, verdict.stdout).toBe(0)
}

describe('names and values at their edges', () => {
  test('any name, no columns, hundreds of digits, infinities and times beyond 64 bits', async () => {
    const p = await place(`CREATE SCHEMA "Ünï"; CREATE SCHEMA a;
      CREATE TABLE "Ünï"."Mixed Case%20/x" ("Id" int PRIMARY KEY, "Val" text); INSERT INTO "Ünï"."Mixed Case%20/x" VALUES (1, 'q');
      CREATE TABLE a."dot.ted" (id int PRIMARY KEY, "select" text); INSERT INTO a."dot.ted" VALUES (1, E'\\\\N'), (2, E'a\\tb\\n\\\\.');
      CREATE TABLE a.nums (id int PRIMARY KEY, n numeric, d date, ts timestamp, tz timestamptz);
      INSERT INTO a.nums VALUES (1, 'NaN', 'infinity', 'infinity', '-infinity'),
        (2, repeat('9', 1000)::numeric, '0044-03-15 BC', '0044-03-15 12:00 BC', '0044-03-15 BC'),
        (3, -0.000, '9999-12-31', '294276-12-31 23:59:59.999999', '294276-01-01 00:00+00'), (4, 1e-100, NULL, NULL, NULL);`)
    const run = await p.run()
    expect(run.code, run.stdout).toBe(0)
    expect(envelope<{ nulled: number }>(run).result.nulled).toBe(6)
    const warnings = run.stderr.split('\n').filter((l) => l.startsWith('warning'))
    expect(warnings.map((l) => /a[./]nums\S*/.exec(l)?.[0]).sort()).toEqual(['a.nums.n:', 'a.nums.ts:', 'a/nums:'])
    await expectEqual(p)
  })

  test('a table without columns is no error, and its rows pass', async () => {
    const p = await place(
      'CREATE TABLE z(); ALTER TABLE z REPLICA IDENTITY FULL; INSERT INTO z DEFAULT VALUES; CREATE TABLE t (id int PRIMARY KEY)',
    )
    expect((await p.run()).code).toBe(0)
    await p.db.sql('INSERT INTO z DEFAULT VALUES; INSERT INTO t VALUES (1)')
    expect((await p.run()).code).toBe(0)
    expect((await p.verify('--tables', 'public.t')).code).toBe(0)
  })

  test('a value of 20 MB, in the snapshot and in the stream', async () => {
    const p = await place(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, repeat('0123456789', 2000000))`)
    expect((await p.run()).code).toBe(0)
    await p.db.sql(`INSERT INTO t VALUES (2, repeat('abcdefghij', 2000000)); UPDATE t SET id = 3 WHERE id = 1`)
    await expectEqual(p)
  })
})

describe('schema changes while nobody captures', () => {
  test('columns renamed, dropped, added and widened between writes: each row has the values it was written with', async () => {
    const p = await place(
      `CREATE TABLE t (id int PRIMARY KEY, a text, b text, n int, v varchar(5)); INSERT INTO t VALUES (1, 'a', 'b', 1, 'v')`,
    )
    expect((await p.run()).code).toBe(0)
    await p.db.sql(`INSERT INTO t VALUES (2, 'x', 'y', 2, 'w')`)
    await p.db.sql(`ALTER TABLE t RENAME COLUMN b TO c; INSERT INTO t VALUES (3, 'p', 'q', 3, 'w')`)
    await p.db.sql(`ALTER TABLE t DROP COLUMN a; INSERT INTO t VALUES (4, 'z', 4, 'w')`)
    await p.db.sql('ALTER TABLE t ALTER n TYPE bigint, ALTER v TYPE varchar(50), ADD COLUMN e numeric(10,2)')
    await p.db.sql(`INSERT INTO t VALUES (5, 'zz', 5000000000, repeat('v', 50), 1.5); UPDATE t SET c = c`)
    await expectEqual(p)
    const old = await p.query('SELECT id, a, b FROM t WHERE a IS NOT NULL')
    expect(old.stdout).toBe('id,a,b\n')
  })

  test('a type that older rows cannot follow is refused, also when it was taken back before it was captured (TRB-LAKE-406)', async () => {
    const p = await place('CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 1)')
    expect((await p.run()).code).toBe(0)
    await p.db.sql(`ALTER TABLE t ALTER n TYPE text; INSERT INTO t VALUES (2, 'hello')`)
    await p.db.sql('DELETE FROM t WHERE id = 2; ALTER TABLE t ALTER n TYPE int USING n::int; INSERT INTO t VALUES (3, 3)')
    expect(failed(await p.run())).toMatchObject({ exit: 1, code: 'TRB-LAKE-406' })
    expect((await p.query('SELECT * FROM t')).stdout).toBe('id,n\n1,1\n')
  })

  test('a renamed key column is refused by name (TRB-LAKE-019), the rows before it are in the lake', async () => {
    const p = await place('CREATE TABLE t (id int PRIMARY KEY, v text)')
    expect((await p.run()).code).toBe(0)
    await p.db.sql(`INSERT INTO t VALUES (1, 'a'); ALTER TABLE t RENAME COLUMN id TO pk; INSERT INTO t VALUES (2, 'b')`)
    const e = failed(await p.run())
    expect(e).toMatchObject({ exit: 2, code: 'TRB-LAKE-019' })
    expect(e.text).toContain('key is id, of newer rows pk')
  })

  test('a type without a mapping stops the capture, until it is told to leave the column out (TRB-PG-016)', async () => {
    const p = await place('CREATE TABLE t (id int PRIMARY KEY, q tsquery, v text)')
    const refused = failed(await p.run())
    expect(refused).toMatchObject({ exit: 2, code: 'TRB-PG-016' })
    expect(refused.text).toContain('public.t.q tsquery')
    await p.db.sql(`INSERT INTO t VALUES (1, 'a & b', 'x')`)
    const run = await p.run('--ignore-unsupported-types')
    expect(run.code, run.stdout).toBe(0)
    expect(run.stderr).toContain('public.t.q tsquery')
    expect((await p.query('SELECT * FROM t')).stdout).toBe('id,v\n1,x\n')
  })
})

describe('what others do behind our back', () => {
  const ONE = 'CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, v text); INSERT INTO s.t VALUES (1, $$a$$)'

  test('a slot that was dropped, or made anew, is noticed before anything is lost from view; the fix works', async () => {
    const p = await place(ONE)
    expect((await p.run()).code).toBe(0)
    await p.db.sql('SELECT pg_drop_replication_slot($1)', [p.name])
    await p.db.sql(`INSERT INTO s.t VALUES (2, 'in between')`)
    expect(failed(await p.run())).toMatchObject({ exit: 1, code: 'TRB-PG-008' })
    await p.db.sql(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [p.name])
    expect(failed(await p.run())).toMatchObject({ exit: 1, code: 'TRB-PG-010' })
    await p.db.sql('SELECT pg_drop_replication_slot($1)', [p.name])
    const fresh = ['--state', 'fresh-state', '--lake', 'fresh-lake']
    expect((await p.run(...fresh)).code).toBe(0)
    expect((await p.verify(...fresh)).code).toBe(0)
  })

  test('a flipped bit in the log is found before its records are used (TRB-LOG-002)', async () => {
    const p = await place(ONE)
    expect((await p.run()).code).toBe(0)
    await p.db.sql(`UPDATE s.t SET v = 'b'`)
    expect((await p.run('--lake', 'none')).code).toBe(0)
    const log = new Database(join(p.dir, '.tributary', 'tributary.db'))
    const row = log.prepare('SELECT rowid AS id, records FROM batches ORDER BY rowid DESC LIMIT 1').get() as { id: number; records: Buffer }
    row.records[row.records.length >> 1]! ^= 1
    log.prepare('UPDATE batches SET records = ? WHERE rowid = ?').run(row.records, row.id)
    log.close()
    expect(failed(await p.run())).toMatchObject({ exit: 3, code: 'TRB-LOG-002' })
    expect((await p.query('SELECT v FROM s.t')).stdout).toBe('v\na\n')
  })

  test('a metadata table is taken away and told of; a table of a newer version is not written; put right, the run goes on', async () => {
    const p = await place(ONE)
    expect((await p.run()).code).toBe(0)
    await p.db.sql(`INSERT INTO s.t VALUES (2, 'b')`)
    const file = join(p.dir, 'lake', p.db.name, 's', 't', '.hoodie', 'hoodie.properties')
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, `${text}hoodie.table.metadata.partitions=files\n`)
    const without = await p.run()
    expect([without.code, without.stderr]).toEqual([0, expect.stringMatching(/^warning .*metadata table/m)])
    expect(readFileSync(file, 'utf8')).not.toContain('partitions=files')
    writeFileSync(file, text.replace('hoodie.table.version=6', 'hoodie.table.version=8'))
    expect(failed(await p.run())).toMatchObject({ exit: 2, code: 'TRB-LAKE-002' })
    writeFileSync(file, text)
    await expectEqual(p)
  })

  test('a state before the first commit, by instant, names the first one', async () => {
    const p = await place(ONE)
    expect((await p.run()).code).toBe(0)
    const before = await p.query('SELECT * FROM s.t', '--as-of', '20200101000000000')
    expect(before.code).toBe(1)
    expect(before.stderr).toMatch(/TRB-LAKE-018 .*no commit at or before 20200101000000000; its first is 20\d{15}/)
  })
})

test('a password is in no output, whatever goes wrong', async () => {
  const url = new URL((await place('CREATE TABLE t (id int PRIMARY KEY)')).db.url)
  url.password = 's3cr3t%40x'
  const bad = [
    `${url.href}-absent`,
    url.href.replace('127.0.0.1', 'no.such.host.invalid'),
    `${url.href}?sslmode=require`,
    `${url.href}?x=1`,
  ]
  for (const u of bad) {
    for (const verb of ['doctor', 'verify']) {
      const e = await runInProcess('cdc', [verb, '--url', u, '--json'], { cwd: root })
      expect(e.code, u).toBeGreaterThan(0)
      expect(e.stdout + e.stderr).not.toMatch(/s3cr3t/)
    }
  }
})
