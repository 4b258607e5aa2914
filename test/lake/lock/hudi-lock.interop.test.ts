import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { parseLease, printLease } from '../../../src/lake/lock/lease.ts'
import { StorageLock } from '../../../src/lake/lock/storage-lock.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { root } from '../../tidy/tree.ts'

const run = promisify(execFile)
const dir = mkdtempSync(join(tmpdir(), 'trib-hudi-lock-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const KEY = 't/.hoodie/.locks/table_lock.json'
const TIMES = { validityMs: 10_000, renewMs: 1_000, driftMs: 500, waitMs: 120_000, retryMs: 20 }
const ROUNDS = 15

test("Hudi's own StorageBasedLockProvider and ours keep each other out, and read what the other wrote", async () => {
  const store = new DiskStore(dir, systemClock)
  const counter = join(dir, 'counter')
  writeFileSync(counter, '0')
  // A lease of a writer of ours that died: Hudi takes it over when it has run out.
  await store.putIfAbsent(KEY, printLease({ expired: false, validUntil: Date.now() + 1_500, owner: 'dead' }))
  let waited = 0
  const us = async (): Promise<void> => {
    const lock = new StorageLock({ store: new DiskStore(dir, systemClock), table: 't', clock: systemClock, times: TIMES })
    for (let i = 0; i < ROUNDS; i++) {
      const asked = Date.now()
      const held = await lock.acquire()
      waited = Math.max(waited, Date.now() - asked)
      const n = Number(readFileSync(counter, 'utf8'))
      await systemClock.sleep(15)
      await held.check()
      writeFileSync(counter, String(n + 1))
      await held.release()
      await systemClock.sleep(10)
    }
  }
  const java = (): Promise<{ stdout: string }> =>
    run('bash', [join(root, 'test/services/spark.sh'), 'lock', dir, 't', counter, String(ROUNDS)], { timeout: 200_000 })
  const first = java()
  // The JVM is up when it has taken the dead writer's lock.
  while (Number(readFileSync(counter, 'utf8')) === 0) await systemClock.sleep(50)
  const [missed] = await Promise.all([first, java(), us(), us()])
  expect(Number(readFileSync(counter, 'utf8'))).toBe(4 * ROUNDS)
  const last = parseLease(await store.get(KEY), KEY)
  expect(last.expired).toBe(true)
  expect(Number(missed.stdout) + waited, 'they met').toBeGreaterThan(0)
}, 240_000)
