import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, test } from 'vitest'
import { newestWatermark } from '../../kill/oracle.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

const MAIN = fileURLToPath(new URL('../../kill/run-child.ts', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'trib-run-mor-'))
const children = new Set<ChildProcess>()
const databases: TestDatabase[] = []

afterEach(async () => {
  for (const c of children) {
    c.kill('SIGKILL')
    if (c.exitCode === null && c.signalCode === null) await once(c, 'close')
  }
  children.clear()
  for (const d of databases.splice(0)) await d.drop()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const DIGEST = `count(*) || '/' || sum(id * n) || '/' || max(a)`
const COMMITS = 13

interface Moment {
  readonly lsn: string
  readonly digest: string
}

/** One change after the other, each committed to the lake before the next; what the database held after each of them. */
async function moments(db: TestDatabase, lake: string): Promise<Moment[]> {
  const out: Moment[] = []
  for (let i = 1; i <= COMMITS; i++) {
    await db.sql(`BEGIN; UPDATE s.t SET n = n + ${i}, a = 'u${i}' WHERE id % 20 = ${i}; DELETE FROM s.t WHERE id = ${i * 3};
      INSERT INTO s.t VALUES (${1000 + i}, 'new', 1); COMMIT`)
    const [m] = await db.sql<Moment>(`SELECT pg_current_wal_lsn()::text AS lsn, (SELECT ${DIGEST} FROM s.t) AS digest`)
    out.push(m)
    const before = newestWatermark(lake)?.commit
    for (let wait = 0; wait < 3000 && newestWatermark(lake)?.commit === before; wait++) await sleep(20)
  }
  return out
}

for (const version of ['6', '9']) {
  test(`merge-on-read is the default (version ${version}): compacted and archived on the way, and every state of the past stays what it was`, async () => {
    const db = await freshDatabase('c')
    databases.push(db)
    const id = `mor_${process.pid}_${version}`
    const [lake, state] = [join(root, id, 'lake'), join(root, id, 'state')]
    await db.sql(`CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text, n numeric(10,2));
      INSERT INTO s.t SELECT i, i::text, i FROM generate_series(1, 100) i`)
    const places = ['--url', db.url, '--name', id, '--state', state, '--lake', lake]
    const pace = [
      '--flush-interval',
      '50ms',
      '--compact-logs',
      '2',
      '--compact-share',
      '1',
      '--keep-commits',
      '2',
      '--table-version',
      version,
    ]
    const child = spawn(process.execPath, [MAIN, 'run', '--tables', 's.*', ...places, ...pace], { stdio: ['ignore', 'ignore', 'pipe'] })
    children.add(child)
    let said = ''
    child.stderr.on('data', (d: Buffer) => {
      said += d.toString()
    })
    for (let i = 0; i < 2000 && newestWatermark(lake) === null; i++) await sleep(50)
    const past = await moments(db, lake)
    child.kill('SIGTERM')
    const [code] = (await once(child, 'close')) as [number | null]
    expect([code, code === 0 ? '' : said]).toEqual([0, ''])
    expect(said).toMatch(/^services {2}.*\/s\/t: 1 file groups compacted/m)
    expect(said).toMatch(/instants archived/)
    const found: Moment[] = []
    const looked = past.filter((_, i) => i % 3 === 0)
    for (const { lsn } of looked) {
      const sql = `SELECT ${DIGEST} AS digest FROM s.t`
      const answer = await runInProcess('lake', ['query', sql, '--lake', lake, '--state', state, '--as-of', `lsn:${lsn}`, '--json'], {
        cwd: root,
      })
      found.push({ lsn, digest: envelope<{ rows: { digest: string }[] }>(answer).result.rows[0].digest })
    }
    expect(found).toEqual(looked)
    const verified = await runInProcess('cdc', ['verify', ...places, '--tables', 's.*', '--json'], { cwd: root })
    expect(envelope(verified)).toMatchObject({ ok: true })
  })
}
