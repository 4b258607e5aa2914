import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

const dir = mkdtempSync(join(tmpdir(), 'trib-shared-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const lock = join(dir, 't/.hoodie/.locks/table_lock.json')
const lease = (): { expired: boolean; validUntil: number; owner: string } => JSON.parse(readFileSync(lock, 'utf8'))
const lake = (...args: string[]): ReturnType<typeof runInProcess> => runInProcess('lake', args, { cwd: dir })
const write = (n: number, ...more: string[]): ReturnType<typeof runInProcess> => {
  writeFileSync(join(dir, 'in.jsonl'), `{"id": ${n}, "v": "v${n}"}\n`)
  return lake('write', 't', '--op', 'upsert', '--key', 'id', '--input', 'in.jsonl', ...more, '--json')
}

test('a write that shares its table leaves the lock of Hudi, given free', async () => {
  expect(envelope(await write(1)).ok).toBe(true)
  expect(() => lease()).toThrow()
  expect(envelope(await write(2, '--write-concurrency-mode', 'optimistic_concurrency_control')).ok).toBe(true)
  expect(lease()).toMatchObject({ expired: true })
})

test('from then on writes and services take it without being told to, and wait for whoever has it', async () => {
  for (const act of [() => write(3), () => lake('clean', 't', '--keep', '24h', '--json'), () => lake('rollback', 't', '--json')]) {
    const until = Date.now() + 700
    writeFileSync(lock, JSON.stringify({ expired: false, validUntil: until, owner: 'spark' }))
    expect(envelope(await act())).toMatchObject({ ok: true })
    expect(Date.now()).toBeGreaterThanOrEqual(until + 500)
    expect(lease()).toMatchObject({ expired: true })
    expect(lease().owner).not.toBe('spark')
  }
  const rows = (await lake('read', 't')).stdout.trim().split('\n')
  expect(rows).toHaveLength(3)
})
