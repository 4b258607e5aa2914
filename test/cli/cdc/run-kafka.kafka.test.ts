import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, test } from 'vitest'
import { baseFiles, lakeNumber } from '../../kill/oracle.ts'
import { freshName, kafkaServer, readCommitted } from '../../support/kafka.ts'
import { useDatabase } from '../../support/postgres.ts'

const MAIN = fileURLToPath(new URL('../../kill/run-child.ts', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'trib-run-kafka-'))
const children = new Set<ChildProcess>()
const db = useDatabase('k1')

afterEach(async () => {
  for (const c of children) {
    c.kill('SIGKILL')
    if (c.exitCode === null && c.signalCode === null) await once(c, 'close')
  }
  children.clear()
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Run {
  readonly child: ChildProcess
  readonly text: () => string
  readonly closed: Promise<unknown>
  until(sign: string): Promise<void>
}

function run(name: string, state: string, ...more: string[]): Run {
  const where = ['--url', db().url, '--tables', 's.*', '--name', name, '--state', join(root, state), '--kafka', kafkaServer().bootstrap]
  const child = spawn(process.execPath, [MAIN, 'run', ...where, '--registry-listen', 'none', ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.add(child)
  let text = ''
  for (const s of [child.stdout, child.stderr]) s.on('data', (d: Buffer) => (text += d.toString()))
  const closed = once(child, 'close')
  const until = async (sign: string): Promise<void> => {
    for (let i = 0; i < 1500 && !text.includes(sign) && child.exitCode === null; i++) await new Promise((r) => setTimeout(r, 20))
    expect(text).toContain(sign)
  }
  return { child, text: () => text, closed, until }
}

test('one process captures into Kafka and brings the topics into the lake', async () => {
  await db().sql(
    'CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, n int); INSERT INTO s.t SELECT i, i FROM generate_series(1, 100) i',
  )
  const name = freshName('b').replaceAll('-', '_')
  const lake = join(root, 'lake')
  const flags = ['--lake', lake, '--table-type', 'cow', '--once', '--kafka-partitions', '3']
  const first = run(name, 'lake-state', ...flags)
  await first.closed
  expect([first.child.exitCode, first.text()]).toEqual([0, expect.stringContaining('100 records into the lake')])
  await db().sql('UPDATE s.t SET n = -n WHERE id <= 10; DELETE FROM s.t WHERE id > 90')
  // A DELETE is an event and a tombstone.
  const second = run(name, 'lake-state', ...flags)
  await second.closed
  expect([second.child.exitCode, second.text()]).toEqual([0, expect.stringContaining('30 changes captured')])
  const files = new Map([['t', baseFiles(join(lake, new URL(db().url).pathname.slice(1), 's', 't'), null)]])
  const [{ sum }] = await db().sql<{ sum: string }>('SELECT sum(n * 1000 + 1) AS sum FROM s.t')
  expect(await lakeNumber('SELECT sum(n * 1000 + 1)::bigint FROM $t', files)).toBe(Number(sum))
})

test('two processes with one name: the older one is fenced with a clear error, the newer one goes on, nothing is twice', async () => {
  await db().sql('CREATE TABLE IF NOT EXISTS s.z (id int PRIMARY KEY)')
  const name = freshName('z').replaceAll('-', '_')
  const older = run(name, 'older', '--lake', 'none')
  await older.until('streaming from')
  await db().sql('INSERT INTO s.z SELECT generate_series(1, 5)')
  const newer = run(name, 'newer', '--lake', 'none')
  await newer.until('source    ')
  // The newer one has the name; the slot it gets once the older one has found out.
  await db().sql('INSERT INTO s.z SELECT generate_series(6, 10)')
  await older.closed
  expect(older.child.exitCode).toBe(1)
  expect(older.text()).toContain('TRB-KAFKA-005  Another process has taken over the name')
  await newer.until('streaming from')
  await db().sql('INSERT INTO s.z SELECT generate_series(11, 15)')
  newer.child.kill('SIGINT')
  await newer.closed
  const last = run(name, 'newer', '--lake', 'none', '--once')
  await last.closed
  expect(last.child.exitCode).toBe(0)
  expect(await readCommitted([`${name}.s.z`])).toHaveLength(15)
})
