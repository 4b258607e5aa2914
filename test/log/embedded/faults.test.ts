import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterAll, expect, test } from 'vitest'
import type { Clock } from '../../../src/contract/clock.ts'
import { Failure } from '../../../src/failure/failure.ts'
import { logFailure, openStateDatabase, openStateReader } from '../../../src/log/embedded/database.ts'
import { createEmbeddedLog, createLogReader } from '../../../src/log/embedded/embedded-log.ts'
import { lockState, readOwner } from '../../../src/log/embedded/state-lock.ts'
import { readAll } from '../../conformance/log.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-log-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let n = 0
const fresh = (): string => join(root, `d${n++}`)
const clock: Clock = { now: () => 0, sleep: async () => undefined, uuid: () => 'u', random: () => 0 }
const options = { clock, retention: { maxAgeMs: 0, maxBytes: 0 } }
const owner = { pid: process.pid, started: '2026-01-01T00:00:00Z', command: 'cdc run' }

function failure(work: () => unknown): Failure {
  try {
    work()
  } catch (e) {
    if (e instanceof Failure) return e
    throw e
  }
  throw new Error('no failure was raised')
}

async function logWith(dir: string, records: number): Promise<void> {
  const log = createEmbeddedLog(openStateDatabase(dir), options)
  await log.append([makeBatch('a', 0, records, 50)], makeCursor('1'))
  log.close()
}

test('a flipped byte in the records is found by the checksum and named (TRB-LOG-002)', async () => {
  for (const records of [3, 5000]) {
    const dir = fresh()
    await logWith(dir, records)
    const db = new Database(join(dir, 'tributary.db'))
    const blob = db.prepare('SELECT records FROM batches').pluck().get() as Buffer
    blob[blob.length >> 1]! ^= 1
    db.prepare('UPDATE batches SET records = ?').run(blob)
    db.close()
    const log = createEmbeddedLog(openStateDatabase(dir), options)
    const f = failure(() => readAll(log, 'a', 0, 9))
    expect(f.code).toBe('TRB-LOG-002')
    expect(f.message).toContain('checksum of a offset 0')
    expect(f.explain().fix).toContain(dir)
    log.close()
  }
})

test('records that pass the checksum but do not decompress or have another length are named (TRB-LOG-002)', async () => {
  for (const [change, text] of [
    ['UPDATE batches SET codec = 1', 'do not decompress'],
    ['UPDATE batches SET raw = raw + 1', 'instead of'],
  ] as const) {
    const dir = fresh()
    await logWith(dir, 3)
    const db = new Database(join(dir, 'tributary.db'))
    db.exec(change)
    db.close()
    const log = createEmbeddedLog(openStateDatabase(dir), options)
    expect(failure(() => readAll(log, 'a', 0, 9)).message).toContain(text)
    log.close()
  }
})

test('a file cut short is named as damaged (TRB-LOG-002)', async () => {
  const dir = fresh()
  await logWith(dir, 20_000)
  truncateSync(join(dir, 'tributary.db'), 3 * 8192)
  const f = failure(() => {
    const log = createEmbeddedLog(openStateDatabase(dir), options)
    try {
      readAll(log, 'a', 0, 9)
    } finally {
      log.close()
    }
  })
  expect(f.code).toBe('TRB-LOG-002')
})

test('a file that is no database, one of another program, one of a newer version are refused and left as they are', async () => {
  const garbage = fresh()
  mkdirSync(garbage)
  writeFileSync(join(garbage, 'tributary.db'), 'this is not a database, it is a text file that is long enough to be one'.repeat(20))
  const before = readFileSync(join(garbage, 'tributary.db'))
  expect(failure(() => openStateDatabase(garbage)).code).toBe('TRB-LOG-002')
  expect(readFileSync(join(garbage, 'tributary.db'))).toEqual(before)

  const foreign = fresh()
  mkdirSync(foreign)
  const db = new Database(join(foreign, 'tributary.db'))
  db.exec('CREATE TABLE x (y)')
  db.close()
  expect(failure(() => openStateDatabase(foreign)).code).toBe('TRB-LOG-004')

  const newer = fresh()
  await logWith(newer, 1)
  const later = new Database(join(newer, 'tributary.db'))
  later.pragma('user_version = 99')
  later.close()
  const f = failure(() => openStateDatabase(newer))
  expect(f.code).toBe('TRB-LOG-004')
  expect(f.message).toContain('format 99')
  expect(failure(() => openStateReader(newer)).code).toBe('TRB-LOG-004')
})

test('no log in the directory (TRB-LOG-007); a directory that cannot be made (TRB-LOG-005)', () => {
  expect(failure(() => openStateReader(fresh())).code).toBe('TRB-LOG-007')
  const file = fresh()
  writeFileSync(file, 'x')
  expect(failure(() => openStateDatabase(join(file, 'state'))).code).toBe('TRB-LOG-005')
  expect(failure(() => lockState(join(file, 'state'), owner)).code).toBe('TRB-LOG-005')
  const inside = fresh()
  mkdirSync(join(inside, 'tributary.db'), { recursive: true })
  expect(failure(() => openStateDatabase(inside)).code).toBe('TRB-LOG-005')
})

test('a full disk fails the append (TRB-LOG-003), keeps what was there, and the log goes on when there is room', async () => {
  const dir = fresh()
  const db = openStateDatabase(dir)
  const log = createEmbeddedLog(db, options)
  await log.append([makeBatch('a', 0, 2)], makeCursor('1'))
  db.pragma(`max_page_count = ${(db.pragma('page_count', { simple: true }) as number) + 4}`)
  const noise = { ...makeBatch('a', 2, 1), records: randomBytes(200_000) }
  const refused = await log.append([noise], makeCursor('2')).then(
    () => null,
    (e: unknown) => e,
  )
  expect(refused).toBeInstanceOf(Failure)
  expect((refused as Failure).code).toBe('TRB-LOG-003')
  expect(log.cursor('s')?.at).toBe('1')
  db.pragma('max_page_count = 1000000')
  expect(await log.append([makeBatch('a', 2, 3)], makeCursor('2'))).toBe(2)
  expect(readAll(log, 'a', 0, 9).count).toBe(5)
  log.close()
})

test('other errors of SQLite keep their code (TRB-LOG-008); errors of others pass through', () => {
  const e = logFailure(new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC'), '/x/tributary.db')
  expect((e as Failure).code).toBe('TRB-LOG-008')
  expect((e as Failure).explain().why).toContain('SQLITE_IOERR_FSYNC')
  const other = new RangeError('x')
  expect(logFailure(other, '/x')).toBe(other)
})

test('reading what retention has removed is refused with the first offset held (TRB-LOG-006)', async () => {
  const log = createEmbeddedLog(openStateDatabase(fresh()), options)
  for (let i = 0; i < 4; i++) await log.append([makeBatch('a', i * 10, 10)], makeCursor(String(i)))
  log.release(2)
  expect(log.range('a', 0)).toEqual({ start: 20, end: 40 })
  const f = failure(() => readAll(log, 'a', 5, 9))
  expect(f.code).toBe('TRB-LOG-006')
  expect(f.details['start']).toBe(20)
  expect(readAll(log, 'a', 20, 9).count).toBe(20)
  log.close()
})

test('retention keeps what is not released, young, or within the size; never the newest cursor', async () => {
  let now = 1000
  const kept = { clock: { ...clock, now: () => now }, retention: { maxAgeMs: 500, maxBytes: 4000 } }
  const log = createEmbeddedLog(openStateDatabase(fresh()), kept)
  for (let i = 0; i < 10; i++) {
    await log.append([makeBatch('a', i, 1, 900), makeBatch(`t${i % 2}`, i >> 1, 1, 10)], makeCursor(String(i)))
    now += 100
  }
  const start = (): number => log.range('a', 0).start
  const stored = (): number => [...log.read('a', 0, start(), 99)].length
  now = 1000
  log.release(1)
  expect(start()).toBe(1)
  log.release(10)
  const bySize = start()
  expect(bySize).toBeGreaterThan(3)
  expect(stored()).toBe(10 - bySize)
  log.release(10)
  expect(start()).toBe(bySize)
  now = 1000 + 500 + 850
  log.release(10)
  expect(start()).toBe(9)
  now = 1e9
  log.release(10)
  expect(log.range('a', 0)).toEqual({ start: 10, end: 10 })
  expect(log.range('t1', 0)).toEqual({ start: 5, end: 5 })
  expect(log.cursor('s')?.at).toBe('9')
  expect(await log.append([makeBatch('a', 10, 1)], makeCursor('10'))).toBe(11)
  expect(readAll(log, 'a', 10, 99)).toMatchObject({ first: 10, count: 1 })
  log.close()
})

test('retention keeps up with many small appends: what one call leaves goes along with later appends', async () => {
  const log = createEmbeddedLog(openStateDatabase(fresh()), { clock: { ...clock, now: () => 1 }, retention: { maxAgeMs: 0, maxBytes: 0 } })
  for (let i = 1; i <= 1000; i++) {
    await log.append([makeBatch('a', i - 1, 1), makeBatch('b', i - 1, 1)], makeCursor(String(i)))
    if (i === 900) log.release(900)
  }
  expect(log.range('a', 0).start).toBeGreaterThan(128 + 2 * 128)
  expect([...log.appends(0)].length).toBeLessThan(1000 - 300)
  for (let i = 1001; i <= 1200; i++) await log.append([], makeCursor(String(i)))
  expect(log.range('b', 0)).toEqual({ start: 900, end: 1000 })
  log.close()
})

test('one owner: a second lock names the first; a lock ends with its process', async () => {
  const dir = fresh()
  const first = lockState(dir, owner)
  const f = failure(() => lockState(dir, { ...owner, pid: 1 }))
  expect(f.code).toBe('TRB-LOG-001')
  expect(f.message).toContain(`process ${process.pid} (cdc run, started 2026-01-01`)
  first.release()
  expect(readOwner(dir)).toBeNull()

  const script = fileURLToPath(new URL('./lock-child.ts', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', script, dir], { stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(child, 'exit')
  try {
    await once(child.stdout, 'data')
    expect(failure(() => lockState(dir, owner)).details['pid']).toBe(child.pid)
  } finally {
    child.kill('SIGKILL')
    await exited
  }
  const taken = lockState(dir, owner)
  expect(readOwner(dir)?.pid).toBe(process.pid)
  taken.release()
})

test('an unreadable name file does not hide that the lock is held', () => {
  const dir = fresh()
  const first = lockState(dir, owner)
  writeFileSync(join(dir, 'owner.json'), '{"pid":')
  expect(failure(() => lockState(dir, owner)).details['pid']).toBe('unknown')
  first.release()
  chmodSync(dir, 0o700)
})

test('kill -9 in mid-append: each append is there whole or not at all, and every confirmed one is there', async () => {
  const dir = fresh()
  const child = fileURLToPath(new URL('./append-child.ts', import.meta.url))
  let confirmed = 0
  for (let round = 0; round < 6; round++) {
    const process_ = spawn(process.execPath, [child, dir], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    process_.stdout.on('data', (d: Buffer) => {
      text += d.toString()
    })
    await once(process_.stdout, 'data')
    await new Promise((r) => setTimeout(r, 40 + round * 25))
    process_.kill('SIGKILL')
    await once(process_, 'close')
    const ids = text.slice(0, text.lastIndexOf('\n')).split('\n').map(Number)
    confirmed = Math.max(confirmed, ...ids)
    const log = createLogReader(openStateReader(dir))
    const appends = [...log.appends(0)]
    expect(appends.length).toBeGreaterThanOrEqual(confirmed)
    expect(appends.map((a) => a.id)).toEqual(appends.map((_, i) => i + 1))
    const expected = appends.reduce((sum, a) => sum + (a.id % 700), 0)
    for (const topic of ['a', 'b']) {
      const all = readAll(log, topic, 0, appends.length)
      expect(all.count).toBe(expected)
      expect(all.bytes.equals(makeBatch(topic, 0, expected, 300).records as Buffer)).toBe(true)
    }
    expect(log.cursor('s')?.at).toBe(String(appends.length))
    log.close()
  }
  expect(confirmed).toBeGreaterThan(5)
}, 180_000)
