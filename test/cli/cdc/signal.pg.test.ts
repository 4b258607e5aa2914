import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, test } from 'vitest'
import { freshDatabase, type TestDatabase } from '../../support/postgres.ts'
import { type Envelope, runBin } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

const MAIN = fileURLToPath(new URL('../../kill/run-child.ts', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'trib-signal-'))
/** More by hand. */
const KILLS = Number(process.env['TRIBUTARY_KILLS'] ?? '1')
const children = new Set<ChildProcess>()
const databases: TestDatabase[] = []

afterEach(async () => {
  for (const c of children) await kill(c)
  children.clear()
  for (const d of databases.splice(0)) await d.drop()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function database(): Promise<TestDatabase> {
  const db = await freshDatabase('sig')
  databases.push(db)
  await db.sql(`CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text); INSERT INTO s.t SELECT i, i::text FROM generate_series(1, 60) i;
    CREATE TABLE s.late (id int PRIMARY KEY, a text); INSERT INTO s.late SELECT i, 'old' FROM generate_series(1, 500) i`)
  return db
}

const SIGNALS = 'CREATE TABLE signals (id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))'

interface Run {
  readonly child: ChildProcess
  err: string
}

function start(flags: readonly string[]): Run {
  const child = spawn(process.execPath, [MAIN, 'run', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
  children.add(child)
  const run: Run = { child, err: '' }
  child.stderr!.on('data', (d: Buffer) => {
    run.err += d.toString()
  })
  return run
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
}

async function until(what: () => Promise<boolean> | boolean, run: Run): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (await what()) return
    if (run.child.exitCode !== null) break
    await sleep(50)
  }
  throw new Error(`waited in vain; the run says:\n${run.err}`)
}

test('a table that came later, and a column added with a default, get their old rows by cdc signal, whatever kills the run meanwhile', {
  timeout: 400_000,
}, async () => {
  const db = await database()
  await db.sql(SIGNALS)
  const at = join(root, 'late')
  const where = ['--url', db.url, '--name', db.name, '--state', join(at, 'state')]
  const lake = ['--lake', join(at, 'lake')]
  const signals = ['--signal-table', 'signals', '--signal-chunk-rows', '10', '--flush-interval', '200ms', '--heartbeat', '500ms']
  const first = start([...where, ...lake, ...signals, '--tables', 's.t'])
  await until(() => first.err.includes('streaming from'), first)
  await db.sql("ALTER TABLE s.t ADD COLUMN d text DEFAULT 'given'; UPDATE s.t SET a = 'seen' WHERE id = 1")
  await until(() => first.err.includes('added with a default'), first)
  await kill(first.child)

  const marks = async (): Promise<number> => Number((await db.sql<{ n: string }>('SELECT count(*) AS n FROM signals'))[0]!.n)
  const all = [...where, ...lake, ...signals, '--tables', 's.*']
  let run = start(all)
  await until(() => run.err.includes('streaming from'), run)
  const asked = await runInProcess('cdc', [
    'signal',
    'execute-snapshot',
    '--json',
    ...where.slice(0, 4),
    '--signal-table',
    'signals',
    '--tables',
    's.*',
  ])
  const { result } = JSON.parse(asked.stdout) as Envelope<{ type: string; data: { 'data-collections': string[] } }>
  expect(result).toMatchObject({ type: 'execute-snapshot', data: { 'data-collections': ['s\\..*'] } })

  let over = false
  const writer = (async () => {
    const client = await db.connect()
    for (let i = 0; !over; i++) {
      await client.query(`UPDATE s.late SET a = 'new ${i}' WHERE id % 97 = ${i % 97}`)
      await client.query(`DELETE FROM s.late WHERE id = ${1 + (i % 500)} AND id % 5 = 0`)
      await client.query(`INSERT INTO s.late VALUES (${1 + (i % 500)}, 'again') ON CONFLICT DO NOTHING`)
    }
  })()
  for (let kills = 0; kills < KILLS; kills++) {
    const before = await marks()
    await until(async () => (await marks()) >= before + 8, run)
    await kill(run.child)
    run = start(all)
  }
  await until(() => run.err.includes('incremental snapshot of s.late is done') && /snapshot of s\.t is done/.test(run.err), run)
  over = true
  await writer

  // While the run goes on: one that is told to stop reads no further than it has come.
  const verified = await runInProcess('cdc', ['verify', '--json', ...where, ...lake, '--tables', 's.*', '--wait', '2m'])
  expect(verified.code, `${verified.stdout}\n${verified.stderr}`).toBe(0)
  expect(verified.stdout).toContain('"table":"late","verdict":"equal"')
  run.child.kill('SIGTERM')
  if (run.child.exitCode === null) await once(run.child, 'close')
  const tables = await runInProcess('lake', ['tables', '--json', ...lake])
  expect(tables.stdout).not.toContain('signals')
})

test('a signal table that is not there is refused with the SQL that makes it; so are actions without what they need', {
  timeout: 200_000,
}, async () => {
  const db = await database()
  const where = ['--url', db.url, '--name', db.name, '--signal-table', 'signals']
  const run = await runBin('cdc', ['run', '--once', '--json', ...where, '--state', join(root, 'none'), '--lake', 'none', '--tables', 's.t'])
  expect(JSON.parse(run.stdout)).toMatchObject({ ok: false, error: { code: 'TRB-SIG-002' } })
  expect(run.stdout).toContain('CREATE TABLE')
  const signal = async (...args: string[]): Promise<string | undefined> =>
    (JSON.parse((await runInProcess('cdc', ['signal', ...args, '--json', ...where])).stdout) as Envelope<null>).error?.code
  expect(await signal('pause-snapshot')).toBe('TRB-SIG-002')
  await db.sql(SIGNALS)
  expect(await signal('pause-snapshot')).toBeUndefined()
  expect(await signal('execute-snapshot')).toBe('TRB-CLI-004')
  expect(await signal('schema-changes')).toBe('TRB-CLI-004')
  expect(await db.sql('SELECT type, data FROM signals')).toEqual([{ type: 'pause-snapshot', data: '{"type":"incremental"}' }])
})
