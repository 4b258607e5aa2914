import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import type { S3Request } from '../../../src/storage/s3/s3-link.ts'
import type { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { checkpointOf } from '../../lake/trivial-writer.ts'
import { changesOf } from '../../lake/write/model.ts'
import { newBucket, newStore } from '../../support/s3.ts'

// What a commit costs on S3 is part of the design: requests are what the service charges for, and what a commit waits for.
const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'v', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const dir = mkdtempSync(join(tmpdir(), 'trib-cost-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
let bucket = ''
beforeAll(async () => {
  bucket = await newBucket()
})

async function open(store: S3Store, tableType: TableSpec['tableType'], buckets: number): Promise<TableWriter> {
  const spec: TableSpec = {
    ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], partition: null, orderingField: '_event_lsn', buckets },
    ...{ tableType, tableVersion: 6 },
  }
  return await openTableWriter(store, spec, { clock: systemClock, scratchDir: join(dir, 'scratch') })
}

async function commit(writer: TableWriter, ids: readonly number[], n: number): Promise<void> {
  const rows = ids.map((id) => ({ op: 'u' as const, row: [BigInt(id), `v${n}`, BigInt(n)], gone: [] }))
  const staged = await writer.stage([changesOf(COLUMNS, rows, false)])
  expect(await writer.commit(staged, checkpointOf(n))).toBe('committed')
}

/** Requests that `work` makes, by name. */
async function cost(store: S3Store, work: () => Promise<unknown>): Promise<Partial<Record<S3Request, number>>> {
  const counts = (): Map<S3Request, number> => new Map([...store.link.requests.counts].map(([k, c]) => [k, c.calls]))
  const before = counts()
  await work()
  const out: Partial<Record<S3Request, number>> = {}
  for (const [k, n] of counts()) if (n !== (before.get(k) ?? 0)) out[k] = n - (before.get(k) ?? 0)
  return out
}

describe('requests of one commit to a table that is open', () => {
  test.each([
    ['COPY_ON_WRITE', 1],
    ['MERGE_ON_READ', 1],
    ['COPY_ON_WRITE', 4],
    ['MERGE_ON_READ', 4],
  ] as const)('%s, %i file groups', async (type, groups) => {
    const store = newStore(bucket)
    const writer = await open(store, type, groups)
    const ids = Array.from({ length: 64 }, (_, i) => i)
    await commit(writer, ids, 1)
    await commit(writer, ids, 2)
    const third = await cost(store, () => commit(writer, ids, 3))
    const seven = await cost(store, async () => {
      for (let n = 4; n <= 10; n++) await commit(writer, ids, n)
    })
    // Three files of the instant, a marker and a file for each group; the configuration, and of each old base file its footer and its rows;
    // the end of the timeline is listed when it begins and when it completes, the markers are deleted.
    const read = type === 'COPY_ON_WRITE' ? 1 + 3 * groups : 1
    expect(third).toEqual({ PutObject: 3 + 2 * groups, GetObject: read, ListObjectsV2: 2, DeleteObjects: 1 })
    // It does not grow with the commits there are.
    for (const [name, n] of Object.entries(seven)) expect(n, name).toBe(7 * third[name as S3Request]!)
  })
})

test('planning a query of the newest state: the listings of the table, its configuration, and each commit of the active timeline once at most', async () => {
  const store = newStore(bucket)
  const writer = await open(store, 'MERGE_ON_READ', 1)
  for (let n = 1; n <= 5; n++) await commit(writer, [1, 2, 3], n)
  const plan = await cost(store, () => new LakeTableReader(store, 't', systemClock).plan({ kind: 'latest' }))
  expect(plan).toEqual({ ListObjectsV2: 3, GetObject: expect.any(Number) })
  expect(plan.GetObject).toBeLessThanOrEqual(3 + 5)
})
