import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, test } from 'vitest'
import { baseFiles, lakeRows, newestWatermark } from '../../kill/oracle.ts'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'

const MAIN = fileURLToPath(new URL('../../kill/run-child.ts', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'trib-run-'))
const children = new Set<ChildProcess>()
const databases: TestDatabase[] = []
let n = 0

afterEach(async () => {
  for (const c of children) {
    c.kill('SIGKILL')
    if (c.exitCode === null && c.signalCode === null) await once(c, 'close')
  }
  children.clear()
  for (const d of databases.splice(0)) await d.drop()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Place {
  readonly db: TestDatabase
  readonly flags: readonly string[]
  readonly lake: string
  readonly state: string
  readonly slot: string
}

async function place(): Promise<Place> {
  const db = await freshDatabase('c')
  databases.push(db)
  const id = `run_${process.pid}_${n++}`
  const lake = join(root, id, 'lake')
  const state = join(root, id, 'state')
  const flags = [
    '--url',
    db.url,
    '--tables',
    's.*',
    '--name',
    id,
    '--state',
    state,
    '--lake',
    lake,
    '--flush-interval',
    '200ms',
    '--table-type',
    'cow',
  ]
  await db.sql(
    'CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text); INSERT INTO s.t SELECT i, i::text FROM generate_series(1, 10) i',
  )
  return { db, flags, lake, state, slot: id }
}

interface Run {
  readonly child: ChildProcess
  readonly text: { out: string; err: string }
  readonly closed: Promise<number | null>
}

/** Of a flag that is given twice the last one counts here; the program refuses that. */
function start(given: readonly string[]): Run {
  const flags = given.filter((f, i) => {
    const name = f.startsWith('--') ? f : given[i - 1]!
    const last = given.lastIndexOf(name)
    return i === last || (!f.startsWith('--') && i === last + 1)
  })
  const child = spawn(process.execPath, [MAIN, 'run', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  const text = { out: '', err: '' }
  child.stdout!.on('data', (d: Buffer) => {
    text.out += d.toString()
  })
  child.stderr!.on('data', (d: Buffer) => {
    text.err += d.toString()
  })
  return { child, text, closed: once(child, 'close').then(([code]) => code as number | null) }
}

async function once_(
  p: Place,
  more: readonly string[] = [],
): Promise<{ code: number | null; answer: { ok: boolean; error: { code: string } | null; result: never } }> {
  const run = start([...p.flags, '--once', '--json', ...more])
  const code = await run.closed
  if (run.text.out === '') throw new Error(run.text.err)
  return { code, answer: JSON.parse(run.text.out) }
}

async function until(what: () => boolean, run: Run): Promise<void> {
  for (let i = 0; i < 2000 && !what(); i++) await sleep(50)
  if (!what()) throw new Error(`waited in vain; the run says:\n${run.text.err}`)
}

/** What the source has been told: everything before this call is durable in the log. */
async function acknowledged(p: Place, run: Run): Promise<void> {
  const [now] = await p.db.sql<{ at: string }>('SELECT pg_current_wal_lsn() AS at')
  const passed = async (): Promise<boolean> => {
    const sql = 'SELECT confirmed_flush_lsn >= $2::pg_lsn AS passed FROM pg_replication_slots WHERE slot_name = $1'
    return (await p.db.sql<{ passed: boolean }>(sql, [p.slot, now!.at]))[0]?.passed === true
  }
  for (let i = 0; i < 2000; i++) {
    if (await passed()) return
    await sleep(50)
  }
  throw new Error(`nothing is acknowledged; the run says:\n${run.text.err}`)
}

function rows(p: Place, table = 't', columns = ['id', 'a']): Promise<string[]> {
  const files = baseFiles(join(p.lake, p.db.name, 's', table), null)
  return lakeRows(
    files,
    columns.map((name) => ({ name, pg: name, duck: `${name}::varchar` })),
  )
}

test('--once: snapshot, then changes, then nothing, each time up to the position at start', async () => {
  const p = await place()
  await p.db.sql('CREATE TABLE s.empty (id int PRIMARY KEY)')
  expect((await once_(p)).code).toBe(0)
  expect(await rows(p)).toHaveLength(10)
  expect(existsSync(join(p.lake, p.db.name, 's', 'empty', '.hoodie', 'hoodie.properties'))).toBe(true)
  await p.db.sql(`BEGIN; UPDATE s.t SET a = 'new' WHERE id = 3; DELETE FROM s.t WHERE id > 5; INSERT INTO s.empty VALUES (1); COMMIT`)
  const second = await once_(p)
  // An update, five deletes with their tombstones, an insert.
  expect(second.answer).toMatchObject({ ok: true, result: { reason: 'reached', records: 12 } })
  expect(await rows(p)).toEqual(['1|1', '2|2', '3|new', '4|4', '5|5'])
  expect(await rows(p, 'empty', ['id'])).toEqual(['1'])
  expect((await once_(p)).answer).toMatchObject({ ok: true, result: { records: 0 } })
  await p.db.sql('TRUNCATE s.t')
  expect((await once_(p)).code).toBe(0)
  expect(await rows(p)).toEqual([])
})

test('a new column arrives in the lake; rows written before have null in it', async () => {
  const p = await place()
  await once_(p)
  await p.db.sql(
    `ALTER TABLE s.t ADD COLUMN more numeric(8,3); UPDATE s.t SET more = 1.5 WHERE id = 2; ALTER TABLE s.t DROP COLUMN a; INSERT INTO s.t VALUES (11, 7)`,
  )
  expect((await once_(p)).code).toBe(0)
  const all = await rows(p, 't', ['id', 'more'])
  expect(all).toHaveLength(11)
  expect(all).toEqual(expect.arrayContaining(['1|\\N', '2|1.500', '11|7.000']))
})

test('the first SIGINT drains: what has been read is committed, the slot acknowledged, exit 0; the next run goes on', async () => {
  const p = await place()
  const run = start([...p.flags, '--flush-interval', '1h'])
  await until(() => newestWatermark(p.lake) !== null, run)
  await p.db.sql(`INSERT INTO s.t SELECT i, 'x' FROM generate_series(11, 500) i`)
  await acknowledged(p, run)
  run.child.kill('SIGINT')
  expect(await run.closed).toBe(0)
  expect(run.text.err).toContain('draining')
  expect(await rows(p)).toHaveLength(500)
  expect(existsSync(join(p.state, 'owner.json'))).toBe(false)
  expect(existsSync(join(p.lake, '.tributary', 'lock.json'))).toBe(false)
  expect((await once_(p)).answer).toMatchObject({ result: { records: 0 } })
})

test('a second run on the same state directory, or on the same lake, is refused by name; the first goes on', async () => {
  const p = await place()
  const run = start(p.flags)
  await until(() => newestWatermark(p.lake) !== null, run)
  const sameState = await once_(p)
  expect(sameState.code).toBe(3)
  expect(sameState.answer.error).toMatchObject({ code: 'TRB-LOG-001', details: { pid: run.child.pid } })
  const sameLake = await once_(p, ['--state', `${p.state}-2`])
  expect(sameLake.answer.error).toMatchObject({ code: 'TRB-LAKE-015', details: { pid: run.child.pid } })
  await p.db.sql(`INSERT INTO s.t VALUES (11, 'x')`)
  await acknowledged(p, run)
  run.child.kill('SIGTERM')
  expect(await run.closed).toBe(0)
  expect(await rows(p)).toHaveLength(11)
})

test('a lake that was fed from another state directory is refused and left as it is (TRB-LOG-009)', async () => {
  const p = await place()
  await once_(p)
  const before = readdirSync(join(p.lake, '.tributary', 'watermarks'))
  const other = await once_(p, ['--state', `${p.state}-2`, '--slot-name', `${p.slot}_b`])
  expect(other.answer.error).toMatchObject({ code: 'TRB-LOG-009' })
  expect(other.code).toBe(2)
  expect(readdirSync(join(p.lake, '.tributary', 'watermarks'))).toEqual(before)
})

test('--lake none captures into the log only', async () => {
  const p = await place()
  const { answer } = await once_(p, ['--lake', 'none'])
  expect(answer).toMatchObject({ ok: true, result: { records: 10, lake: null } })
  expect(existsSync(p.lake)).toBe(false)
})

test('a server that is not there ends, after its time, with its own failure; the state directory is free again', async () => {
  const p = await place()
  const run = start([...p.flags, '--url', 'postgres://nobody@127.0.0.1:1/none', '--once'])
  await until(() => run.text.err.includes('retry'), run)
  run.child.kill('SIGINT')
  expect(await run.closed).toBe(0)
  expect((await once_(p)).code).toBe(0)
})
