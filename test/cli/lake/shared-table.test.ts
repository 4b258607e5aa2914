import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

test('keys that another writer adds between the look at the table and the begin of an insert are refused; rows older than its own are left out', async () => {
  const lines = (name: string, rows: readonly object[]): string => {
    writeFileSync(join(dir, name), rows.map((r) => `${JSON.stringify(r)}\n`).join(''))
    return name
  }
  const into = (name: string, ...more: string[]): ReturnType<typeof runInProcess> => lake('write', 'o', '--input', name, '--json', ...more)
  const shared = ['--write-concurrency-mode', 'optimistic_concurrency_control']
  const first = await into(
    lines('o1.jsonl', [{ id: 1, ts: 1, v: 'old', p: 'a' }]),
    '--key',
    'id',
    '--ordering',
    'ts',
    '--partition',
    'p',
    ...shared,
  )
  expect(envelope(first).ok).toBe(true)
  const theirs = join(dir, 'o/.hoodie/.locks/table_lock.json')
  /** Starts a write while somebody else has the lock, who writes in the meantime. */
  const overtaken = async (name: string, op: string, rival: string): ReturnType<typeof runInProcess> => {
    writeFileSync(theirs, JSON.stringify({ expired: false, validUntil: Date.now() + 3000, owner: 'spark' }))
    const ours = into(name, '--op', op)
    await sleep(600)
    expect(envelope(await into(rival, '--op', 'upsert', '--write-concurrency-mode', 'single_writer')).ok).toBe(true)
    writeFileSync(theirs, JSON.stringify({ expired: true, validUntil: Date.now(), owner: 'spark' }))
    return await ours
  }
  const both = lines('o2.jsonl', [{ id: 2, ts: 5, v: 'mine', p: 'a' }])
  const refused = await overtaken(both, 'insert', lines('o3.jsonl', [{ id: 2, ts: 6, v: 'theirs', p: 'a' }]))
  expect(envelope(refused).error).toMatchObject({ code: 'TRB-LAKE-064' })
  const late = await overtaken(
    lines('o4.jsonl', [
      { id: 1, ts: 2, v: 'mine', p: 'a' },
      { id: 3, ts: 1, v: 'mine', p: 'a' },
    ]),
    'upsert',
    lines('o5.jsonl', [{ id: 1, ts: 3, v: 'theirs', p: 'a' }]),
  )
  expect(envelope(late).result).toMatchObject({ late: 1, counts: { inserted: 1, updated: 0, deleted: 0 } })
  const elsewhere = lines('o7.jsonl', [{ id: 4, ts: 1, v: 'theirs', p: 'b' }])
  const twice = await overtaken(lines('o6.jsonl', [{ id: 4, ts: 2, v: 'mine', p: 'a' }]), 'insert_overwrite', elsewhere)
  expect(envelope(twice).error).toMatchObject({ code: 'TRB-LAKE-064' })
  const rows = (await lake('read', 'o')).stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l) as { id: number; v: string })
  expect(rows.map((r) => [r.id, r.v]).sort()).toEqual([
    [1, 'theirs'],
    [2, 'theirs'],
    [3, 'mine'],
    [4, 'theirs'],
  ])
  expect((await lake('timeline', 'o')).stdout).not.toContain('inflight')
})
