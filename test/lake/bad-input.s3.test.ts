import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec } from '../../src/contract/table.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { scanTable, type TableScan } from '../../src/lake/read/table-scan.ts'
import { openTableWriter } from '../../src/lake/write/open-table.ts'
import { S3Store } from '../../src/storage/s3/s3-store.ts'
import { runInProcess } from '../cli/run-in-process.ts'
import { keysOf } from '../conformance/object-store.ts'
import { FaultProxy, type HttpFault } from '../support/fault-proxy.ts'
import { newBucket, newStore, s3Options } from '../support/s3.ts'
import { checkpointOf } from './trivial-writer.ts'
import { changesOf } from './write/model.ts'

// Each error of the service, each where a table is read and where it is written: what it is told as, and that the table is whole after it.

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'long' } },
  { name: 'v', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]
const dir = mkdtempSync(join(tmpdir(), 'trib-bad-s3-'))
let proxy: FaultProxy
let through = ''
let bucket = ''
/** Of one table that goes through all of them. */
let shared = ''

beforeAll(async () => {
  bucket = await newBucket()
  shared = (await table()).root
  proxy = new FaultProxy(inject('s3Endpoint'))
  through = await proxy.listen()
})
afterEach(() => proxy.inject(() => null))
afterAll(async () => {
  await proxy?.close()
  rmSync(dir, { recursive: true, force: true })
})

const viaProxy = (root: string): S3Store => new S3Store(root, systemClock, s3Options({ attempts: 2 }, { endpoint: through }))

async function stageAndCommit(store: S3Store, v: string): Promise<string> {
  const where = { name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], partition: null, orderingField: '_event_lsn' }
  const spec: TableSpec = { ...where, buckets: 1, tableType: 'COPY_ON_WRITE', tableVersion: 6 }
  const writer = await openTableWriter(store, spec, { clock: systemClock, scratchDir: join(dir, 'scratch') })
  const rows = [1n, 2n].map((id) => ({ op: 'u' as const, row: [id, v, id], gone: [] }))
  const staged = await writer.stage([changesOf(COLUMNS, rows, false)])
  return writer.commit(staged, checkpointOf(1))
}

const write = async (store: S3Store, v: string): Promise<void> => expect(await stageAndCommit(store, v)).toBe('committed')

const plan = (store: S3Store): Promise<TableScan> => scanTable(store, 't', systemClock, { kind: 'snapshot', asOf: null })

async function rowsOf(scan: TableScan): Promise<number> {
  let n = 0
  for await (const { count } of scan.rows()) n += count
  return n
}

const readAll = async (store: S3Store): Promise<number> => rowsOf(await plan(store))

/** A table of two rows after two commits. */
async function table(): Promise<S3Store> {
  const store = newStore(bucket)
  await write(store, 'a')
  await write(store, 'b')
  return store
}

const CASES = [
  ['403 AccessDenied', { status: 403, code: 'AccessDenied' }, 'TRB-STORE-009', 'TRB-STORE-009'],
  ['403 RequestTimeTooSkewed', { status: 403, code: 'RequestTimeTooSkewed' }, 'TRB-STORE-013', 'TRB-STORE-013'],
  ['403 ExpiredToken', { status: 403, code: 'ExpiredToken' }, 'TRB-STORE-011', 'TRB-STORE-011'],
  ['404 NoSuchBucket', { status: 404, code: 'NoSuchBucket' }, 'TRB-STORE-010', 'TRB-STORE-010'],
  ['500 InternalError', { status: 500, code: 'InternalError' }, 'TRB-STORE-013', 'TRB-STORE-013'],
  ['503 SlowDown', { status: 503, code: 'SlowDown' }, 'TRB-STORE-013', 'TRB-STORE-013'],
] as const satisfies readonly (readonly [string, HttpFault, string, string])[]

describe.each(CASES)('%s, whenever it comes', (_, fault, reading, writing) => {
  test('reading and writing end with its code, and the table is whole after it', async () => {
    const root = shared
    const store = viaProxy(root)
    // At the listing, at the configuration, at a commit, at a data file.
    for (const at of ['list', 'hoodie.properties', '.commit', '.parquet']) {
      proxy.inject((s) => (s.method === 'GET' && (s.query.has('list-type') ? at === 'list' : s.path.endsWith(at)) ? fault : null))
      await expect(readAll(store), at).rejects.toMatchObject({ code: reading })
    }
    // At the requested and the completed instant, at the data file.
    for (const at of ['.commit.requested', '.parquet', '.commit']) {
      proxy.inject((s) => (s.method === 'PUT' && s.path.endsWith(at) ? fault : null))
      await expect(write(viaProxy(root), 'c'), at).rejects.toMatchObject({ code: writing })
    }
    proxy.inject(() => null)
    expect(await readAll(store)).toBe(2)
    await write(viaProxy(root), 'd')
    expect(await readAll(store)).toBe(2)
  })
})

describe('404 NoSuchKey', () => {
  const GONE = { status: 404, code: 'NoSuchKey' }
  const isCommit = (s: { method: string; path: string }): boolean => s.method === 'GET' && s.path.endsWith('.commit')

  test('a data file that a commit names and that no listing shows: TRB-LAKE-028', async () => {
    const store = await table()
    const newest = (await keysOf(store, 't/')).filter((k) => k.endsWith('.parquet')).at(-1)!
    await store.delete([newest])
    await expect(readAll(store)).rejects.toMatchObject({ code: 'TRB-LAKE-028', details: { file: newest } })
  })

  test('a data file that vanishes between the plan and the reading: TRB-STORE-001 names it, no row is passed over', async () => {
    const store = await table()
    const scan = await plan(store)
    const key = scan.slices[0]!.base!.key
    await store.delete([key])
    await expect(rowsOf(scan)).rejects.toMatchObject({ code: 'TRB-STORE-001', details: { key } })
  })

  test('a commit that vanishes between the listing and the reading: looked at again; when it stays listed and unreadable, TRB-STORE-001', async () => {
    const store = viaProxy((await table()).root)
    let times = 0
    proxy.inject((s) => (isCommit(s) && times++ === 0 ? GONE : null))
    expect(await readAll(store)).toBe(2)
    expect(times).toBeGreaterThan(1)
    proxy.inject((s) => (isCommit(s) ? GONE : null))
    await expect(readAll(store)).rejects.toMatchObject({ code: 'TRB-STORE-001', details: { key: expect.stringMatching(/\.commit$/) } })
  })

  test('a configuration that is not there: no table, TRB-LAKE-001', async () => {
    const store = await table()
    await store.delete(['t/.hoodie/hoodie.properties'])
    await expect(readAll(store)).rejects.toMatchObject({ code: 'TRB-LAKE-001' })
  })
})

describe('412 PreconditionFailed: another writer was first', () => {
  test.each([
    ['.commit.requested', 'TRB-LAKE-011'],
    ['.inflight', 'TRB-LAKE-011'],
    ['.parquet', 'TRB-STORE-005'],
    // The instant is somebody else's now: what was staged is taken back, and begun again with what they wrote in sight.
    ['.commit', 'conflict'],
  ] as const)('at %s: %s, and the next write is done', async (at, told) => {
    const { root } = await table()
    let times = 0
    proxy.inject((s) => (s.method === 'PUT' && s.path.endsWith(at) && times++ === 0 ? { status: 412, code: 'PreconditionFailed' } : null))
    const answer = await stageAndCommit(viaProxy(root), 'c').catch((e: unknown) => (isFailure(e) ? e.code : Promise.reject(e)))
    expect([answer, times > 0]).toEqual([told, true])
    await write(viaProxy(root), 'd')
    expect(await readAll(viaProxy(root))).toBe(2)
  })
})

test('a bucket that is missing is told as such by the verbs that take a table: TRB-STORE-010, exit status 3', async () => {
  writeFileSync(join(dir, 'in.jsonl'), '{"id":1}\n')
  for (const [verb, ...flags] of [['read'], ['verify'], ['compact'], ['clean'], ['write', '--input', 'in.jsonl', '--key', 'id']]) {
    const args = [verb!, 's3://no-such-bucket-here/shop/t', '--s3-endpoint', inject('s3Endpoint'), ...flags]
    const { code, stdout, stderr } = await runInProcess('lake', args, { cwd: dir })
    expect([code, stdout], verb).toEqual([3, ''])
    expect(stderr, verb).toContain('TRB-STORE-010  There is no bucket no-such-bucket-here')
  }
})
