import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { goldenFiles } from '../../support/golden-table.ts'
import type { Ended } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

let home = ''
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'tributary-elsewhere-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

type Row = Readonly<Record<string, unknown>>

async function lake(...args: string[]): Promise<Ended> {
  return await runInProcess('lake', args, { cwd: home })
}

async function write(rows: readonly Row[], ...flags: string[]): Promise<Ended> {
  writeFileSync(join(home, 'in.jsonl'), rows.map((r) => `${JSON.stringify(r)}\n`).join(''))
  return await lake('write', 't', '--input', 'in.jsonl', ...flags)
}

async function rows(): Promise<Row[]> {
  const r = await lake('read', 't')
  return r.stdout
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as Row)
    .map((r) => Object.fromEntries(Object.entries(r).filter(([k]) => !k.startsWith('_hoodie_'))))
}

test.each(['cow', 'mor'])('%s: insert_overwrite refuses keys that are in partitions which stay', async (type) => {
  const before = [
    { id: 1, ts: 1, p: 'a' },
    { id: 2, ts: 1, p: 'b' },
  ]
  await write(before, '--key', 'id', '--partition', 'p', '--ordering', 'ts', '--table-type', type)
  const refused = await write([{ id: 2, ts: 2, p: 'a' }], '--op', 'insert_overwrite')
  expect(refused.stderr).toContain('TRB-LAKE-064')
  expect(await rows()).toEqual(before)
  // Partition b of a row that is superseded in the input is not touched; that of its newer row is.
  const twice = await write(
    [2, 3].flatMap((ts) => ({ id: 2, ts, p: ts === 2 ? 'a' : 'b' })),
    '--op',
    'insert_overwrite',
  )
  expect(twice.code).toBe(0)
  expect(await rows()).toEqual([before[0], { id: 2, ts: 3, p: 'b' }])
})

test.each(['v9_mor_logs_latest', 'v6_mor_logs_latest'])(
  '%s merges by commit time: rows with a smaller ordering value take the place of stored ones; in Hudi 0.x not that of others in the logs',
  async (table) => {
    for (const [path, body] of goldenFiles(table)) {
      mkdirSync(join(home, 't', dirname(path)), { recursive: true })
      writeFileSync(join(home, 't', path), body)
    }
    const before = await rows()
    const older = before.map((r) => ({ ...r, ts: 1, name: 'newest commit' }))
    expect((await write(older)).code).toBe(0)
    // all but one of them are in logs since
    const stays = (r: Record<string, unknown>): boolean => table.startsWith('v6') && r['ts'] !== 1
    expect(await rows()).toEqual(before.map((r) => (stays(r) ? r : { ...r, ts: 1, name: 'newest commit' })))
  },
)

test.each(['cow', 'mor'])('%s: partition values that are names of other directories take no other place', async (type) => {
  const all = ['.', '..', '.hoodie', '.hoodie/x', 'a'].map((p, id) => ({ id, p, ts: 1 }))
  expect((await write(all, '--key', 'id', '--partition', 'p', '--ordering', 'ts', '--table-type', type)).code).toBe(0)
  expect((await write(all)).code).toBe(0)
  expect((await rows()).sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual(all)
  expect((await lake('verify', 't')).code).toBe(0)
  expect((await lake('write', 't', '--op', 'delete_partition', '--partitions', '%2Ehoodie')).code).toBe(0)
  expect((await rows()).map((r) => r['p'])).not.toContain('.hoodie')
})

test('messages name the table as it was given', async () => {
  await write([{ id: 1, ts: 1 }], '--key', 'id', '--ordering', 'ts')
  expect((await lake('read', 't', '--as-of', '20200101000000000')).stderr).toContain('The table t has no commit')
  expect((await lake('savepoint', 'delete', './t', '--at', '20200101000000000')).stderr).toContain('lake savepoint list ./t shows')
  expect((await lake('diff', './nothing', '--from', '20200101000000000', '--json')).stdout).toContain('There is no Hudi table at ./nothing')
})
