import { expect, test } from 'vitest'
import type { LakeColumn } from '../../src/contract/columns.ts'
import type { TableSpec } from '../../src/contract/table.ts'
import { LakeCatalog } from '../../src/lake/catalog.ts'
import { CommitProtocol } from '../../src/lake/commit-protocol.ts'
import { avroSchemaText } from '../../src/lake/metadata/avro-schema.ts'
import { checkpointExtra } from '../../src/lake/metadata/checkpoint.ts'
import { commitMetadata } from '../../src/lake/metadata/commit-metadata.ts'
import { createOrOpenTable, openTable, tableSchemaText } from '../../src/lake/open-table.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { goldenStore } from '../support/golden-table.ts'
import { checkpointOf, SPEC, TrivialWriter } from './trivial-writer.ts'

const clock = fixedClock()

test('a table is created once; afterwards it keeps its bucket count', async () => {
  const store = new MemoryStore(clock)
  expect(await createOrOpenTable(store, SPEC, clock)).toEqual(SPEC)
  expect(await createOrOpenTable(store, { ...SPEC, buckets: 99 }, clock)).toEqual(SPEC)
})

test.each<[string, Partial<TableSpec>]>([
  ['key is id, wanted id,x', { key: ['id', 'x'] }],
  ['ordering field is _event_lsn, wanted id', { orderingField: 'id' }],
  ['partition column is id, wanted none; partition truncation is none, wanted none', { partition: null }],
  ['table name is orders, wanted other', { name: 'other' }],
  ['database is shop, wanted none', { database: '' }],
])('another shape is refused: %s', async (difference, change) => {
  const store = new MemoryStore(clock)
  await createOrOpenTable(store, SPEC, clock)
  const failure = await createOrOpenTable(store, { ...SPEC, ...change }, clock).catch((e: unknown) => e)
  expect(failure).toMatchObject({ code: 'TRB-LAKE-019' })
  expect((failure as Error).message).toContain(difference.split(';')[0])
})

test('tables of other engines, versions and types are refused for writing', async () => {
  const store = await goldenStore('v6_cow_part', SPEC.path)
  await expect(createOrOpenTable(store, { ...SPEC, name: 'v6_cow_part' }, clock)).rejects.toMatchObject({ code: 'TRB-LAKE-019' })
  await expect(openTable(new MemoryStore(clock), 'nothing', clock)).rejects.toMatchObject({ code: 'TRB-LAKE-001' })
})

test('tables of both versions and types are created, and opened as what they are', async () => {
  for (const tableVersion of [6, 9] as const) {
    for (const tableType of ['COPY_ON_WRITE', 'MERGE_ON_READ'] as const) {
      const store = new MemoryStore(clock)
      const spec = { ...SPEC, tableVersion, tableType }
      expect(await createOrOpenTable(store, spec, clock)).toEqual(spec)
      // An existing table keeps its version.
      expect(await createOrOpenTable(store, { ...spec, tableVersion: 6 }, clock)).toEqual(spec)
    }
  }
})

test('a damaged configuration is told from a missing one', async () => {
  const store = new MemoryStore(clock)
  await createOrOpenTable(store, SPEC, clock)
  const key = `${SPEC.path}/.hoodie/hoodie.properties`
  const text = (await store.get(key)).toString('latin1')
  await store.delete([key])
  await store.put(key, Buffer.from(text.replace(/checksum=\d+/, 'checksum=7'), 'latin1'))
  await expect(openTable(store, SPEC.path, clock)).rejects.toMatchObject({ code: 'TRB-LAKE-025' })
  await store.put(`${key}.backup`, Buffer.from(text, 'latin1'))
  expect(await openTable(store, SPEC.path, clock)).toEqual(SPEC)
})

test("a table's columns are those of its newest commit", async () => {
  const store = await goldenStore('v6_cow_evolve', 't')
  const names = (await openTable(store, 't', clock)).columns.map((c) => c.name)
  expect(names).toContain('id')
  expect(names.length).toBeGreaterThan(10)
})

test("after another engine's commit, docs and times of day that its schema has no place for are kept", async () => {
  const store = new MemoryStore(clock)
  const columns: LakeColumn[] = [...SPEC.columns, { name: 't', type: { kind: 'time-micros' }, doc: 'time(6)' }]
  const ours = { ...SPEC, columns }
  await createOrOpenTable(store, ours, clock)
  const protocol = new CommitProtocol(store, SPEC.path, clock)
  const commit = async (schema: string, extra: (readonly [string, string])[]): Promise<void> => {
    const time = await protocol.begin('commit', 'UPSERT')
    expect(await protocol.complete(time, commitMetadata({ operation: 'UPSERT', stats: [], schema, extra }))).toBe('committed')
  }
  await commit(tableSchemaText(ours), [...checkpointExtra(checkpointOf(1))])
  const bare: LakeColumn[] = [
    { name: 'new', type: { kind: 'int' } },
    ...columns.map((c): LakeColumn => ({ name: c.name, type: c.name === 't' ? { kind: 'long' } : c.type })),
  ]
  await commit(avroSchemaText('orders', bare, true), [])
  expect((await openTable(store, SPEC.path, clock)).columns).toEqual([{ name: 'new', type: { kind: 'int' } }, ...columns])
})

test('the catalogue finds every table of the lake, by two calls each, and nothing inside them', async () => {
  const store = await goldenStore('v6_cow_mdt', 'a/mdt')
  for (const path of ['a/orders', 'a/orders-old', 'a/orders.x', 'b']) {
    await createOrOpenTable(store, { ...SPEC, path }, clock)
    await store.put(`${path}/-1/x.parquet`, Buffer.from('x'))
    await store.put(`${path}/z/y.parquet`, Buffer.from('x'))
  }
  await store.put('.tributary/watermarks/1.json', Buffer.from('x'))
  await store.put('a/readme.txt', Buffer.from('x'))
  const catalog = new LakeCatalog(store, clock)
  const found = async (prefix?: string): Promise<string[]> => {
    const out: string[] = []
    for await (const p of catalog.paths(prefix)) out.push(p)
    return out
  }
  const lists = (): number => store.counter.counts.get('list')?.calls ?? 0
  const before = lists()
  expect(await found()).toEqual(['a/mdt', 'a/orders-old', 'a/orders.x', 'a/orders', 'b'])
  expect(lists() - before).toBeLessThanOrEqual(6)
  expect(await found('a/orders')).toEqual(['a/orders'])
  expect(await found('none')).toEqual([])
})

test('a table at the root of the lake is found', async () => {
  const store = new MemoryStore(clock)
  await createOrOpenTable(store, { ...SPEC, path: '' }, clock)
  const out: string[] = []
  for await (const p of new LakeCatalog(store, clock).paths()) out.push(p)
  expect(out).toEqual([''])
})

test('a table is opened with what is needed to read it', async () => {
  const store = new MemoryStore(clock)
  await new TrivialWriter(store, clock).write(new Map([['p', new Map([[0, 'a']])]]), checkpointOf(7))
  const { spec, reader } = await new LakeCatalog(store, clock).open(SPEC.path)
  expect(spec).toEqual(SPEC)
  expect((await reader.checkpointAt({ kind: 'latest' }))?.nextOffset).toBe(7)
})
