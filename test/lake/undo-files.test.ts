import { expect, test } from 'vitest'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { parseRollbackMetadata } from '../../src/lake/metadata/rollback-files.ts'
import { columnsAt } from '../../src/lake/open-table.ts'
import { TimelineStore } from '../../src/lake/timeline-store.ts'
import type { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { show } from '../format/parquet/values.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenStore } from '../support/golden-table.ts'
import { storedRows } from './write/stored-rows.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

async function rows(store: MemoryStore, table: string): Promise<string[]> {
  const ts = new TimelineStore(store, table, clock)
  await ts.refresh()
  const columns = (await columnsAt(ts, null)) ?? []
  return (await storedRows(store, table, columns)).map((r) => r.map(show).join(' ')).sort()
}

const dataFiles = (store: MemoryStore): string[] =>
  [...store.snapshot().keys()].filter((k) => /[.](parquet|log[.])/.test(k) && !k.includes('/.hoodie/')).sort()

async function withoutMarkers(store: MemoryStore): Promise<void> {
  await store.delete([...store.snapshot().keys()].filter((k) => k.includes('/.hoodie/.temp/')))
}

test.each([true, false])('a delta commit of Spark that died, version 6, is rolled back as Spark does it (markers: %s)', async (markers) => {
  const table = 'v6_mor_rollback_pending'
  const store = await goldenStore(table)
  const dead = '20261121033410416'
  if (!markers) await withoutMarkers(store)
  const before = { rows: await rows(store, table), files: dataFiles(store) }
  const [done] = await new CommitProtocol(store, table, clock).recover()
  expect(done).toMatchObject({ time: dead, action: 'deltacommit' })
  expect(await rows(store, table)).toEqual(before.rows)
  const after = dataFiles(store)
  const gone = before.files.filter((f) => !after.includes(f))
  expect(gone.every((f) => f.endsWith(`_${dead}.parquet`)) && gone.length).toBe(3)
  const added = after.filter((f) => !before.files.includes(f))
  expect(added.map((f) => /[.]log[.](\d+_\d+-\d+-\d+)$/.exec(f)?.[1])).toEqual(['3_1-0-1', '3_1-0-1', '3_1-0-1'])
  for (const f of added) expect((await store.get(f)).length).toBe(105)
  const metadata = parseRollbackMetadata(await store.get(`${table}/.hoodie/${done.by}.rollback`), 'rollback')
  expect([...metadata.logs!.values()].flatMap((l) => [...l.appended.values()])).toEqual([105, 105, 105])
  expect([...store.snapshot().keys()].filter((k) => k.includes(`/${dead}.`) || k.includes('.marker.'))).toEqual([])
})

test.each([true, false])('a delta commit of Spark that died, version 9, leaves no file (markers: %s)', async (markers) => {
  const table = 'v9_mor_rollback_pending'
  const store = await goldenStore(table)
  const dead = '20261121034145587'
  if (!markers) await withoutMarkers(store)
  const before = { rows: await rows(store, table), files: dataFiles(store) }
  expect(await new CommitProtocol(store, table, clock).recover()).toMatchObject([{ time: dead, action: 'deltacommit' }])
  expect(await rows(store, table)).toEqual(before.rows)
  expect(dataFiles(store)).toEqual(before.files.filter((f) => !f.includes(`_${dead}.`)))
  expect([...store.snapshot().keys()].filter((k) => k.includes(dead) && !k.includes('rollback'))).toEqual([])
})
