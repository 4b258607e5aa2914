import { gunzipSync } from 'node:zlib'
import { parquetReadObjects } from 'hyparquet'
import { expect, test } from 'vitest'
import type { View } from '../../../src/contract/table-reader.ts'
import { latestBaseFiles } from '../../../src/lake/read/slices.ts'
import { LakeTableReader } from '../../../src/lake/read/table-reader.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { COW_TABLES, goldenAnswers, goldenStore } from '../../support/golden-table.ts'
import { checkpointOf, SPEC, TrivialWriter } from '../trivial-writer.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

async function rowsOf(store: MemoryStore, keys: readonly string[]): Promise<string[]> {
  const out: string[] = []
  for (const key of keys) {
    const body = await store.get(key)
    const file = new Uint8Array(body).buffer
    const compressors = { GZIP: (bytes: Uint8Array): Uint8Array => gunzipSync(bytes) }
    for (const row of await parquetReadObjects({ file, compressors, columns: ['id', 'name', 'ts'] })) out.push(line(row))
  }
  return out.sort()
}

function line(row: Record<string, unknown>): string {
  return JSON.stringify([row.id, row.name ?? null, row.ts === null || row.ts === undefined ? null : String(row.ts)])
}

test.each(COW_TABLES)("the files of %s hold the rows of Spark's answers, now and at every instant", async (name) => {
  const store = await goldenStore(name, 't')
  const reader = new LakeTableReader(store, 't', clock)
  const { queries } = goldenAnswers(name)
  const asked: { view: View; rows: readonly Record<string, unknown>[] }[] = []
  for (const [query, rows] of Object.entries(queries)) {
    if (query === 'snapshot') asked.push({ view: { kind: 'latest' }, rows })
    if (query.startsWith('as_of:')) asked.push({ view: { kind: 'asOf', instant: query.slice(6) }, rows })
  }
  expect(asked.length).toBeGreaterThan(0)
  for (const { view, rows } of asked) {
    const plan = await reader.plan(view)
    expect(
      await rowsOf(
        store,
        plan.files.map((f) => f.key),
      ),
      JSON.stringify(view),
    ).toEqual(rows.map(line).sort())
    const known = plan.files.filter((f) => f.rows >= 0)
    expect(known.reduce((n, f) => n + f.rows, 0)).toBeLessThanOrEqual(rows.length)
    if (known.length === plan.files.length) expect(known.reduce((n, f) => n + f.rows, 0)).toBe(rows.length)
  }
})

test('a log file where only base files should be is refused by a writer of base files', async () => {
  const ts = new TimelineStore(await goldenStore('v6_mor_nonpart_logs', 't'), 't', clock)
  await ts.refresh()
  await expect(latestBaseFiles(ts, null)).rejects.toMatchObject({ code: 'TRB-LAKE-008' })
})

test('a table without a commit is empty; a time before the first commit is an error that names the first', async () => {
  const store = new MemoryStore(clock)
  const writer = new TrivialWriter(store, clock)
  await writer.write(new Map([['p', new Map([[0, 'a']])]]), checkpointOf(1))
  const reader = new LakeTableReader(store, SPEC.path, clock)
  const { instant } = await reader.plan({ kind: 'latest' })
  await expect(reader.plan({ kind: 'asOf', instant: '20200101000000000' })).rejects.toMatchObject({
    code: 'TRB-LAKE-018',
    details: { first: instant },
  })
  const keys = [...store.snapshot().keys()].filter((k) => /\/\d{17}\./.test(k))
  await store.delete(keys)
  expect(await reader.plan({ kind: 'latest' })).toMatchObject({ instant: null, files: [], totalFiles: 0 })
  expect(await reader.checkpointAt({ kind: 'latest' })).toBeNull()
})

test('I3: a file whose size is not the recorded one is an error', async () => {
  const store = new MemoryStore(clock)
  await new TrivialWriter(store, clock).write(new Map([['p', new Map([[0, 'a']])]]), checkpointOf(1))
  const [key] = [...store.snapshot().keys()].filter((k) => k.endsWith('.parquet'))
  const { tag } = (await store.head(key))!
  await store.replaceIfTag(key, Buffer.from('damaged'), tag)
  const reader = new LakeTableReader(store, SPEC.path, clock)
  await expect(reader.plan({ kind: 'latest' })).rejects.toMatchObject({ code: 'TRB-LAKE-014', details: { found: 7, recorded: 1 } })
})
