import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Ended } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-changes-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

async function lake(...args: string[]): Promise<Ended> {
  return await runInProcess('lake', args, { cwd: home })
}

async function upsert(rows: readonly unknown[], ...flags: string[]): Promise<void> {
  writeFileSync(join(home, 'in.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''))
  expect((await lake('write', 't', '--input', 'in.jsonl', ...flags)).code).toBe(0)
}

test.each([
  ['cow', '6', 'upsert'],
  ['mor', '6', 'upsert'],
  ['mor', '9', 'upsert'],
  ['cow', '6', 'delete_partition'],
  ['mor', '6', 'delete_partition'],
  ['mor', '9', 'delete_partition'],
])(
  '%s, version %s: a version that a savepoint keeps is not taken for a later one that has been cleaned (%s)',
  async (type, version, op) => {
    const create = ['--key', 'id', '--partition', 'p', '--ordering', 'ts', '--table-type', type, '--table-version', version]
    const rows = (ts: number): unknown[] => [1, 2].map((id) => ({ id, p: id === 1 ? 'a' : 'b', ts, v: ts }))
    await upsert(rows(1), ...create)
    expect((await lake('savepoint', 'create', 't')).code).toBe(0)
    await upsert(rows(2))
    if (type === 'mor') expect((await lake('compact', 't')).code).toBe(0)
    const lost = op === 'upsert' ? upsert(rows(3)) : lake('write', 't', '--op', 'delete_partition', '--partitions', 'a')
    await lost
    for (const ts of [4, 5]) {
      await upsert(rows(ts))
      if (type === 'mor') expect((await lake('compact', 't')).code).toBe(0)
    }
    const changes = (): Promise<Ended> => lake('read', 't', '--type', 'cdc', '--from', '0')
    const before = await changes()
    expect(before.code).toBe(0)
    expect((await lake('clean', 't', '--keep-commits', '1')).code).toBe(0)
    const { stderr } = await changes()
    expect(stderr).toContain('TRB-LAKE-068')
    // What the fix says leads on: at most to the next such commit.
    let from = /--from (\d+)/.exec(stderr)![1]!
    for (let i = 0; ; i++) {
      expect(i).toBeLessThan(6)
      const later = await lake('read', 't', '--type', 'cdc', '--from', from)
      if (later.code === 0) break
      const next = /--from (\d+)/.exec(later.stderr)![1]!
      expect(next > from).toBe(true)
      from = next
    }
  },
)
