import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { LakeColumn } from '../../src/contract/columns.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import { changesOf } from '../lake/write/model.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { runInProcess } from './run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'lake-compact-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const TABLE = join(root, 'orders')
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]

beforeAll(async () => {
  const clock = fixedClock(Date.UTC(2026, 10, 20))
  const shape = {
    key: ['id'],
    orderingField: '_event_lsn',
    partition: null,
    tableType: 'MERGE_ON_READ',
    tableVersion: 6,
    buckets: 1,
  } as const
  const spec = { name: 'orders', database: 'd', path: 'orders', columns: COLUMNS, ...shape }
  const writer = await openTableWriter(new DiskStore(root, clock), spec, { clock, scratchDir: join(root, 'scratch') })
  for (let n = 0; n < 4; n++) {
    const staged = await writer.stage([changesOf(COLUMNS, [{ op: 'u', row: [1, BigInt(n)], gone: [] }], false)])
    await writer.commit(staged, null)
  }
})

const files = (end: RegExp): string[] => readdirSync(TABLE).filter((f) => end.test(f))

async function compact(...args: string[]): Promise<{ code: number | null; text: string; result: Record<string, unknown> }> {
  const found = await runInProcess('lake', ['compact', TABLE, ...args, '--json'])
  const json = JSON.parse(found.stdout) as { result: Record<string, unknown>; summary?: string }
  return { code: found.code, text: found.stdout, result: json.result }
}

test('a plan shows the file groups and changes nothing; groups with fewer logs are left out', async () => {
  const logs = files(/\.log\./).length
  expect(logs).toBe(3)
  expect((await compact('--plan')).result).toMatchObject({ planned: true, groups: [{ logs: 3 }] })
  expect((await compact('--plan', '--min-logs', '4')).result).toMatchObject({ groups: [] })
  expect((await compact('--plan', '--min-log-bytes', '1GiB')).result).toMatchObject({ groups: [] })
  expect((await compact('--plan', '--min-age', '0s')).result).toMatchObject({ groups: [{ logs: 3 }] })
  expect((await compact('--plan', '--min-age', '20000d')).result).toMatchObject({ groups: [] })
  expect(files(/\.parquet$/)).toHaveLength(1)
})

test('log files become one', async () => {
  expect((await compact('--log-files')).result).toMatchObject({ instants: [{ fileGroups: 1 }] })
  expect([files(/\.parquet$/).length, files(/\.log\./).length]).toEqual([1, 4])
})

test('a scheduled compaction waits, and is carried out by the next command; then nothing is due', async () => {
  const scheduled = await compact('--schedule')
  const [instant] = scheduled.result.instants as string[]
  expect(scheduled.result).toMatchObject({ fileGroups: 1 })
  expect(files(/\.parquet$/)).toHaveLength(1)
  expect((await compact('--pending')).result).toMatchObject({ instants: [{ instant, fileGroups: 1, rows: 1, resumed: true }] })
  expect(files(/\.parquet$/)).toHaveLength(2)
  const again = await runInProcess('lake', ['compact', TABLE])
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing of orders is due')])
  const verify = await runInProcess('lake', ['verify', TABLE])
  expect(verify.code).toBe(0)
})

test('two ways at once are refused', async () => {
  expect((await runInProcess('lake', ['compact', TABLE, '--plan', '--schedule'])).code).toBe(2)
  expect((await runInProcess('lake', ['compact', TABLE, '--log-files', '--schedule'])).code).toBe(2)
})

test('cluster shows what it would do, sorts, and refuses a column that is not there', async () => {
  const lake = (...args: string[]) => runInProcess('lake', ['cluster', TABLE, ...args])
  expect((await lake()).stdout).toContain('nothing of orders is due')
  expect((await lake('--sort', 'id', '--plan')).stdout).toContain('1 file group of orders would be rewritten; nothing was changed')
  const wrong = await lake('--sort', 'nothing')
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('TRB-LAKE-091')])
  const done = JSON.parse((await lake('--sort', 'id', '--json')).stdout) as { result: { instants: object[] } }
  expect(done.result.instants).toMatchObject([{ replaced: 1, written: 1, rows: 1, resumed: false }])
  expect((await runInProcess('lake', ['verify', TABLE])).code).toBe(0)
})
