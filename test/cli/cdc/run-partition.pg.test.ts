import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { partitionsOf } from '../../../src/cli/cdc/run-partitions.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Ended, envelope, runBin } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-partition-'))
const databases: TestDatabase[] = []
afterEach(async () => {
  for (const d of databases.splice(0)) await d.drop()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

let n = 0
async function place(): Promise<{ db: TestDatabase; dir: string; run(...more: string[]): Promise<Ended>; verify(): Promise<Ended> }> {
  const db = await freshDatabase('c')
  databases.push(db)
  const name = `part_${process.pid}_${n++}`
  const dir = mkdtempSync(join(root, `${name}-`))
  const options = { cwd: dir, env: { DATABASE_URL: db.url, TRIBUTARY_NAME: name } }
  await db.sql(`CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, day timestamptz, kind text, n int);
    INSERT INTO s.t SELECT i, timestamptz '2026-01-01 22:00Z' + i * interval '1 hour', 'k' || i % 3, i FROM generate_series(1, 60) i;
    INSERT INTO s.t VALUES (100, NULL, NULL, 0), (101, 'infinity', 'a/b=c ü', 0); CREATE TABLE s.u AS SELECT * FROM s.t; ALTER TABLE s.u ADD PRIMARY KEY (id)`)
  return {
    db,
    dir,
    run: (...more) => runBin('cdc', ['run', '--once', '--json', ...more], options),
    verify: () => runInProcess('cdc', ['verify', '--wait', '5s', '--json'], options),
  }
}

/** Partition directories of a table. */
function partitions(dir: string, db: TestDatabase, table: string): string[] {
  const files = readdirSync(join(dir, 'lake', db.name, 's', table), { recursive: true, encoding: 'utf8' })
  return files
    .filter((f) => f.endsWith('.hoodie_partition_metadata'))
    .map((f) => f.slice(0, -'/.hoodie_partition_metadata'.length))
    .sort()
}

for (const type of ['mor', 'cow']) {
  test(`tables partitioned by day and by value (${type}): rows move between partitions, and the lake stays equal`, async () => {
    const p = await place()
    const flags = ['--table-type', type, '--partition', 's.t=day(day)', '--partition', 's.u=kind']
    expect((await p.run(...flags)).code).toBe(0)
    expect(partitions(p.dir, p.db, 't')).toEqual(['2026-01-01', '2026-01-02', '2026-01-03', '2026-01-04', '__HIVE_DEFAULT_PARTITION__'])
    expect(partitions(p.dir, p.db, 'u')).toHaveLength(5)
    expect(envelope(await p.verify())).toMatchObject({ ok: true })
    await p.db.sql(`UPDATE s.t SET day = day + interval '2 days', n = n + 1 WHERE id % 4 = 0;
      DELETE FROM s.t WHERE id % 7 = 0; UPDATE s.u SET kind = 'k9' WHERE id % 5 = 0;
      DELETE FROM s.u WHERE id % 6 = 0; UPDATE s.t SET id = id + 1000 WHERE id % 11 = 0; INSERT INTO s.t VALUES (7, now(), 'again', 1)`)
    expect((await p.run()).code).toBe(0)
    expect(partitions(p.dir, p.db, 'u')).toContain('k9')
    expect(envelope(await p.verify())).toMatchObject({ ok: true })
    const other = await p.run('--partition', 's.t=month(day)')
    expect([other.code, envelope(other).error]).toEqual([2, expect.objectContaining({ code: 'TRB-LAKE-019' })])
  })
}

test('a table that is not captured is refused at the first start, before anything is made, and warned of later', async () => {
  const p = await place()
  const first = await p.run('--partition', 's.t=day(day)', '--partition', 's.typo=kind')
  expect([first.code, envelope(first).error]).toEqual([
    2,
    expect.objectContaining({ code: 'TRB-CLI-004', what: expect.stringContaining('s.typo') }),
  ])
  expect(existsSync(join(p.dir, 'lake', p.db.name))).toBe(false)
  const made =
    'SELECT pubname AS name FROM pg_publication UNION ALL SELECT slot_name FROM pg_replication_slots WHERE database = current_database()'
  expect(await p.db.sql(made)).toEqual([])
  expect((await p.run('--partition', 's.t=day(day)')).code).toBe(0)
  expect(partitions(p.dir, p.db, 't')).toHaveLength(5)
  const later = await p.run('--partition', 's.typo=kind')
  expect([later.code, later.stderr]).toEqual([0, expect.stringContaining('--partition s.typo: no table of this name is captured')])
})

test('a partition column that is not there, or is no date where a date is cut, is refused', async () => {
  const p = await place()
  expect(envelope(await p.run('--partition', 's.t=nothing')).error).toMatchObject({ code: 'TRB-LAKE-405' })
  expect(envelope(await p.run('--partition', 's.t=day(n)')).error).toMatchObject({ code: 'TRB-LAKE-404' })
  expect((await p.run('--partition', 's.t=n')).code).toBe(0)
  expect(envelope(await p.verify())).toMatchObject({ ok: true })
})

test('--partition is a table and a column, or one of the three cuts, once for a table', () => {
  expect(partitionsOf('cdc run', ['s.t=a', 's.u=month(b c)'])).toEqual({
    's.t': { column: 'a', truncate: 'none' },
    's.u': { column: 'b c', truncate: 'month' },
  })
  for (const bad of [['t=a'], ['s.t'], ['s.t='], ['s.t=week(a)'], ['s.t=day()'], ['s.t=a', 's.t=b']]) {
    expect(() => partitionsOf('cdc run', bad)).toThrow(expect.objectContaining({ code: 'TRB-CLI-004' }))
  }
})
