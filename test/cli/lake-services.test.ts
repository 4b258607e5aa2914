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

const root = mkdtempSync(join(tmpdir(), 'lake-verbs-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const TABLE = join(root, 'orders')
const times: string[] = []

beforeAll(async () => {
  const clock = fixedClock(Date.UTC(2026, 10, 20))
  const shape = {
    key: ['id'],
    orderingField: '_event_lsn',
    partition: null,
    tableType: 'COPY_ON_WRITE',
    tableVersion: 6,
    buckets: 1,
  } as const
  const spec = { name: 'orders', database: 'd', path: 'orders', columns: COLUMNS, ...shape }
  const writer = await openTableWriter(new DiskStore(root, clock), spec, { clock, scratchDir: join(root, 'scratch') })
  for (let n = 0; n < 5; n++) {
    const staged = await writer.stage([changesOf(COLUMNS, [{ op: 'u', row: [1, BigInt(n)], gone: [] }], false)])
    await writer.commit(staged, null)
    times.push(staged.instant)
  }
})

interface Envelope {
  readonly ok: boolean
  readonly result: Record<string, unknown>
  readonly error: { readonly code: string } | null
}

async function lake(...args: string[]): Promise<{ code: number | null; text: string; json: Envelope }> {
  const [text, json] = [await runInProcess('lake', args), await runInProcess('lake', [...args, '--json'])]
  return { code: text.code, text: text.stdout + text.stderr, json: JSON.parse(json.stdout) as Envelope }
}

const dataFiles = (): string[] => readdirSync(TABLE).filter((f) => f.endsWith('.parquet'))

test('clean, archive, rollback and restore show with --plan what they would do, and change nothing', async () => {
  const before = readdirSync(TABLE, { recursive: true }).length
  expect((await lake('clean', TABLE, '--keep-commits', '2', '--plan')).json.result).toMatchObject({
    planned: true,
    files: [expect.any(String), expect.any(String)],
  })
  expect((await lake('archive', TABLE, '--keep-min', '2', '--keep-max', '2', '--plan')).json.result).toMatchObject({
    instants: times.slice(0, 3).map((instant) => ({ instant, action: 'commit' })),
  })
  const rollback = await lake('rollback', TABLE, '--instant', times[4]!, '--plan')
  expect(rollback.json.result).toMatchObject({ instants: [{ time: times[4], files: [expect.stringContaining(times[4]!)] }] })
  expect(rollback.text).toContain('nothing was changed')
  expect((await lake('savepoint', 'create', TABLE, '--plan')).json.result).toMatchObject({ at: times[4] })
  expect(readdirSync(TABLE, { recursive: true })).toHaveLength(before)
})

test('a savepoint is made, listed, restored to and deleted', async () => {
  expect((await lake('savepoint', 'create', TABLE, '--at', times[3]!, '--comment', 'before')).text).toContain(
    `at ${times[3]} is kept: 1 file`,
  )
  expect((await lake('savepoint', 'list', TABLE)).json.result).toMatchObject({
    savepoints: [{ at: times[3], comment: 'before', complete: true }],
  })
  expect((await lake('restore', TABLE, '--to', times[3]!, '--plan')).json.result).toMatchObject({ instants: [{ time: times[4] }] })
  expect((await lake('restore', TABLE, '--to', times[3]!)).text).toContain('1 later write is gone')
  expect(dataFiles()).toHaveLength(4)
  const wrong = await lake('savepoint', 'delete', TABLE, '--at', times[0]!)
  expect([wrong.code, wrong.json.error?.code]).toEqual([2, 'TRB-LAKE-073'])
  expect((await runInProcess('lake', ['savepoint', 'delete', TABLE, '--at', times[3]!])).code).toBe(0)
})

test('a clean and an archive do what was planned; the table stays sound', async () => {
  expect((await lake('clean', TABLE, '--keep-commits', '1')).text).toContain('2 files of orders are gone')
  expect(dataFiles()).toHaveLength(2)
  expect((await lake('archive', TABLE, '--keep-min', '1', '--keep-max', '1')).text).toContain('3 instants of orders archived')
  expect((await lake('rollback', TABLE)).text).toContain('no failed write of orders')
  const verify = await lake('verify', TABLE)
  expect([verify.code, verify.json.ok]).toEqual([0, true])
  expect(verify.text).toMatch(/orders is sound: \d instants, 3 archived ones, \d files, 1 row$/m)
})

test('wrong usage is refused: two policies, an action that is none, a directory without a table', async () => {
  expect((await lake('clean', TABLE, '--keep', '24h', '--keep-commits', '2')).code).toBe(2)
  expect((await lake('clean', TABLE, '--keep', '90m')).code).toBe(2)
  expect((await lake('savepoint', 'make', TABLE)).code).toBe(2)
  expect((await lake('archive', TABLE, '--keep-min', '9', '--keep-max', '2')).code).toBe(2)
  expect((await lake('verify', join(root, 'nothing'))).json.error?.code).toBe('TRB-LAKE-001')
})

test('verify ends with status 4 and names what is wrong (TRB-LAKE-074)', async () => {
  rmSync(join(TABLE, dataFiles().sort().at(-1)!))
  const verify = await lake('verify', TABLE)
  expect([verify.code, verify.json.error?.code]).toEqual([4, 'TRB-LAKE-074'])
  expect(verify.text).toContain('✗ I3  a completed commit names a file that is not there')
  expect(verify.text).toMatch(/do {3}\S+/)
})
