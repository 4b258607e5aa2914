import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, test } from 'vitest'
import { FOUND, runSchedules, WANTED } from './schedule.ts'
import type { Op, RowChange, Shape } from './world.ts'

const scratch = mkdtempSync(join(tmpdir(), 'lake-sim-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const COW: Shape = { tableType: 'COPY_ON_WRITE', tableVersion: 6, buckets: 1, partitioned: false }
const write = (...rows: RowChange[]): Op => ({ do: 'write', rows, wide: false })

/** Calls to the storage at which a sequence is broken off, at most: fewer in npm test. */
const MOST = Math.min(100, Math.ceil(WANTED / 5))

/** Sequences that once went wrong, as the search left them. */
const CASES: readonly (readonly [string, Shape, readonly Op[]])[] = [
  [
    'a rollback of the only commit that is not archived would hide all archived ones',
    COW,
    [
      write([0, 'a'], [1, null]),
      write([0, null]),
      { do: 'archive', min: 1, spare: 0 },
      { do: 'rollback' },
      write([0, null]),
      { do: 'archive', min: 1, spare: 0 },
    ],
  ],
  [
    'a clean by commits after one by versions says no longer that earlier states are whole',
    COW,
    [
      write([0, 'a']),
      write([0, 'b']),
      write([0, 'c']),
      { do: 'clean', policy: 'versions', retain: 1 },
      write([0, 'd']),
      { do: 'clean', policy: 'commits', retain: 1 },
    ],
  ],
  [
    'two writers that put one new key into two partitions: one of them writes again, and the key is there once',
    { ...COW, partitioned: true },
    [{ do: 'both', rows: [[3, 'a', false]], others: [[3, 'b', true]] }],
  ],
  [
    'the same of a merge-on-read table',
    { ...COW, tableType: 'MERGE_ON_READ', tableVersion: 9, partitioned: true },
    [{ do: 'both', rows: [[3, 'a', false]], others: [[3, 'b', true]] }, { do: 'compact' }],
  ],
  [
    'the same when one of the partitions has a file group already',
    { ...COW, tableType: 'MERGE_ON_READ', partitioned: true },
    [write([1, 'a', true]), { do: 'both', rows: [[0, 'a', true]], others: [[0, 'a', false]] }],
  ],
  [
    'a version that only a savepoint keeps is no predecessor of the newest one',
    COW,
    [
      write([0, 'a', true]),
      write([0, 'a', true]),
      { do: 'savepoint', back: 1 },
      write([1, 'a', true]),
      { do: 'clean', policy: 'versions', retain: 1 },
    ],
  ],
  [
    'a dropped partition does not come back by a rollback when a clean has taken all but the version of a savepoint',
    { ...COW, partitioned: true },
    [
      write([0, 'a', false]),
      { do: 'savepoint', back: 0 },
      write([0, null, true]),
      { do: 'drop', region: 'even' },
      { do: 'clean', policy: 'versions', retain: 1 },
      { do: 'rollback' },
    ],
  ],
  [
    'a restore behind a re-bucketing brings the number of buckets back before it completes',
    { ...COW, tableType: 'MERGE_ON_READ' },
    [write([0, 'a', true]), { do: 'savepoint', back: 0 }, write([0, null, true]), { do: 'cluster', buckets: 2 }, { do: 'restore' }],
  ],
  ['a clustering whose rollback has begun is not carried out again', COW, [write([0, 'a']), { do: 'cluster' }, { do: 'rollback' }]],
]

test.each(CASES)(
  '%s',
  async (_name, shape, ops) => {
    await runSchedules(shape, ops, { salt: 0, most: MOST, scratch }, () => true)
  },
  180_000,
)

const kept = existsSync(FOUND) ? readdirSync(FOUND).filter((f) => f.endsWith('.json')) : []
test.each(kept)(
  'as the search left it: %s',
  async (file) => {
    const [shape, ops, salt] = JSON.parse(readFileSync(new URL(file, FOUND), 'utf8')) as [Shape, readonly Op[], number]
    await runSchedules(shape, ops, { salt, most: Number.POSITIVE_INFINITY, scratch }, () => true)
  },
  180_000,
)
