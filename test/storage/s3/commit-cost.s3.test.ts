import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import type { LakeColumn } from '../../../src/contract/columns.ts'
import type { TableSpec, TableWriter } from '../../../src/contract/table.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { compactAll } from '../../../src/lake/service/compaction.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { openTableWriter } from '../../../src/lake/write/open-table.ts'
import type { S3Request } from '../../../src/storage/s3/s3-link.ts'
import type { S3Store } from '../../../src/storage/s3/s3-store.ts'
import { tableRows } from '../../lake/table-rows.ts'
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

async function sizes(store: S3Store): Promise<Map<string, number>> {
  const out = new Map<string, number>()
  for await (const o of store.list('')) out.set(o.key, o.size)
  return out
}

/** Bytes that `work` sends and gets, by request, and the sizes of the objects that are new after it. */
async function traffic(store: S3Store, work: () => Promise<unknown>): Promise<{ sent: number; got: number; made: Map<string, number> }> {
  const before = await sizes(store)
  const bytes = (r: S3Request): number => store.link.requests.counts.get(r)?.bytes ?? 0
  const [put, get] = [bytes('PutObject'), bytes('GetObject')]
  await work()
  const [sent, got] = [bytes('PutObject') - put, bytes('GetObject') - get]
  return { sent, got, made: new Map([...(await sizes(store))].filter(([key]) => !before.has(key))) }
}

describe('bytes of one operation on a table of 20,000 rows in one file group', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => i)
  const sum = (m: Iterable<number>): number => [...m].reduce((n, x) => n + x, 0)
  /** Footers are read with what stands before them, and commits and configuration are small. */
  const AHEAD = 192 * 1024
  const CONFIGURATION = 't/.hoodie/hoodie.properties'

  test('COPY_ON_WRITE: a commit of ten rows sends what it makes, and gets the configuration and the base file before it, once', async () => {
    const store = newStore(bucket)
    const writer = await open(store, 'COPY_ON_WRITE', 1)
    await commit(writer, ids, 1)
    const base = [...(await sizes(store))].find(([key]) => key.endsWith('.parquet'))![1]
    const { sent, got, made } = await traffic(store, () => commit(writer, ids.slice(0, 10), 2))
    expect(sent).toBe(sum(made.values()))
    expect(got).toBeLessThanOrEqual(base + AHEAD)
  })

  test('MERGE_ON_READ: what a commit of ten rows, a compaction and a query send and get', async () => {
    const store = newStore(bucket)
    const writer = await open(store, 'MERGE_ON_READ', 1)
    await commit(writer, ids, 1)
    const base = [...(await sizes(store))].find(([key]) => key.endsWith('.parquet'))![1]
    const flush = await traffic(store, () => commit(writer, ids.slice(0, 10), 2))
    expect(flush.sent).toBe(sum(flush.made.values()))
    expect(flush.got).toBe((await sizes(store)).get(CONFIGURATION))
    // Nothing of it has to do with the rows that are there.
    expect(flush.sent).toBeLessThan(base / 4)

    const ts = new TimelineStore(store, 't', systemClock)
    await ts.properties()
    await ts.refresh()
    const deps = { scratchDir: join(dir, 'scratch'), memoryBudget: 1 << 26, rowGroupBytes: 1 << 20 }
    let done: Partial<Record<S3Request, number>> = {}
    const compaction = await traffic(store, async () => {
      done = await cost(store, () => compactAll(ts, deps))
    })
    expect(compaction.sent).toBe(sum(compaction.made.values()))
    // The plan and its three states, the new base file with its marker; the keys of the base file are read before its rows.
    expect(compaction.got).toBeLessThanOrEqual(2 * base + AHEAD)
    const most = { PutObject: 7, HeadObject: 2, GetObject: 12, ListObjectsV2: 5, DeleteObjects: 2 }
    expect(Object.keys(most)).toEqual(expect.arrayContaining(Object.keys(done)))
    for (const [name, n] of Object.entries(most)) expect(done[name as S3Request] ?? 0, name).toBeLessThanOrEqual(n)

    const read = await traffic(store, () => tableRows(store, 't', systemClock, 'snapshot'))
    expect([read.sent, read.made.size]).toEqual([0, 0])
    expect(read.got).toBeLessThanOrEqual(base + AHEAD)
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
