import { expect, test } from 'vitest'
import type { TableSpec } from '../../../src/contract/table.ts'
import {
  checkReadable,
  checkWritable,
  parseTableProperties,
  printTableProperties,
  propertiesOf,
  specOf,
  storedColumns,
  tableChecksum,
} from '../../../src/lake/layout/table-properties.ts'
import { COW_TABLES, goldenFiles } from '../../support/golden-table.ts'

const SPEC: TableSpec = {
  name: 'orders',
  database: 'shop',
  path: 'shop/public/orders',
  columns: [
    { name: 'id', type: { kind: 'long' } },
    { name: 'total', type: { kind: 'decimal', precision: 12, scale: 2 } },
    { name: 'at', type: { kind: 'timestamp-micros' }, doc: 'no time zone' },
    { name: '_event_lsn', type: { kind: 'long' } },
  ],
  key: ['id'],
  orderingField: '_event_lsn',
  partition: null,
  buckets: 4,
  tableType: 'COPY_ON_WRITE',
  tableVersion: 6,
}

function reread(spec: TableSpec): Map<string, string> {
  const parsed = parseTableProperties(printTableProperties(propertiesOf(spec), 'Properties saved on', 0))
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}

test.each(COW_TABLES)('the configuration of %s, as Spark wrote it, is read', (name) => {
  const p = parseTableProperties(goldenFiles(name).get('.hoodie/hoodie.properties')!)
  if (typeof p === 'string') throw new Error(p)
  expect(p.get('hoodie.table.checksum')).toBe(tableChecksum(p.get('hoodie.database.name') ?? '', p.get('hoodie.table.name') ?? ''))
  const spec = specOf(p, name, [])
  expect(spec.key[0]).toBe('id')
  expect(spec.orderingField).toBe('ts')
  expect(spec.buckets).toBe(0)
  expect(spec.partition?.column ?? '').toBe(p.get('hoodie.table.partition.fields'))
})

test('a table is described by its configuration alone', () => {
  expect(specOf(reread(SPEC), SPEC.path, null)).toEqual(SPEC)
})

test('a table without a key has a row id as record key, which is no column of its own', () => {
  const bag = { ...SPEC, key: [] }
  const p = reread(bag)
  expect(p.get('hoodie.table.recordkey.fields')).toBe('_tributary_row_id')
  expect(p.get('hoodie.table.create.schema')).toContain('_tributary_row_id')
  expect(p.has('hoodie.index.type')).toBe(false)
  expect(specOf(p, SPEC.path, null)).toEqual(bag)
})

test.each([
  [{ column: 'id', truncate: 'none' }, ['id'], 'SimpleKeyGenerator'],
  [{ column: 'id', truncate: 'none' }, ['id', 'at'], 'ComplexKeyGenerator'],
  [{ column: 'at', truncate: 'month' }, ['id'], 'SimpleKeyGenerator'],
  [{ column: 'total', truncate: 'none' }, ['id', 'at'], 'ComplexKeyGenerator'],
  [null, ['id', 'at'], 'NonpartitionedKeyGenerator'],
] as const)('partition %j with key %j is written by %s', (partition, key, generator) => {
  const plain = partition === null || partition.column === 'id'
  const spec: TableSpec = { ...SPEC, partition, key }
  const p = reread(spec)
  expect(p.get('hoodie.table.keygenerator.class')).toBe(`org.apache.hudi.keygen.${generator}`)
  expect(p.get('hoodie.table.partition.fields')).toBe(plain ? (partition?.column ?? '') : '_tributary_partition')
  expect(storedColumns(spec).length).toBe(SPEC.columns.length + (plain ? 0 : 1))
  expect(specOf(p, SPEC.path, null)).toEqual(spec)
})

test('a table of version 9 is described by its configuration alone, and names no key of version 6', () => {
  const spec: TableSpec = { ...SPEC, tableVersion: 9, tableType: 'MERGE_ON_READ', partition: { column: 'id', truncate: 'none' } }
  const p = reread(spec)
  expect(specOf(p, SPEC.path, null)).toEqual(spec)
  expect(p.get('hoodie.table.ordering.fields')).toBe(SPEC.orderingField)
  expect(p.get('hoodie.table.keygenerator.type')).toBe('SIMPLE')
  for (const old of ['hoodie.table.precombine.field', 'hoodie.table.keygenerator.class', 'hoodie.compaction.payload.class']) {
    expect(p.has(old)).toBe(false)
  }
  expect(() => checkWritable(p, 't')).not.toThrow()
})

test('a torn configuration is told from a whole one', () => {
  const text = printTableProperties(propertiesOf(SPEC), 'Updated at', 0).toString()
  expect(parseTableProperties(Buffer.from(text.slice(0, text.indexOf('hoodie.table.name'))))).toBe('hoodie.table.name is missing')
  expect(parseTableProperties(Buffer.from(text.replace(/checksum=\d+/, 'checksum=1')))).toMatch(
    /^hoodie\.table\.checksum is 1, but .* give \d+$/,
  )
})

test.each([
  [{ 'hoodie.table.version': '9' }, 'TRB-LAKE-002'],
  [{ 'hoodie.timeline.layout.version': '2' }, 'TRB-LAKE-002'],
  [{ 'hoodie.table.metadata.partitions': 'files,secondary_index_name' }, 'TRB-LAKE-009'],
  [{ 'hoodie.table.metadata.partitions.inflight': 'files' }, 'TRB-LAKE-009'],
  [{ 'hoodie.table.version': '8', 'hoodie.timeline.layout.version': '2' }, 'TRB-LAKE-002'],
  [{ 'hoodie.table.version': '7' }, 'TRB-LAKE-002'],
  [{ 'hoodie.populate.meta.fields': 'false' }, 'TRB-LAKE-003'],
  [{ 'hoodie.datasource.write.drop.partition.columns': 'true' }, 'TRB-LAKE-027'],
])('%j is refused for writing with %s', (change, code) => {
  const p = new Map([...reread(SPEC), ...Object.entries(change)])
  expect(() => checkWritable(p, 't')).toThrow(expect.objectContaining({ code }))
})

test.each([
  { 'hoodie.table.base.file.format': 'ORC' },
  { 'hoodie.table.multiple.base.file.formats.enable': 'true' },
  { 'hoodie.bootstrap.base.path': '/elsewhere' },
  { 'hoodie.datasource.write.drop.partition.columns': 'true' },
])('rows that are not in the Parquet files of the table are not read: %j', (change) => {
  const p = new Map([...reread(SPEC), ...Object.entries(change)])
  expect(() => checkReadable(p, 't')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-027' }))
})

test('tables of this and of other writers are read while their version is known', () => {
  expect(() => checkReadable(reread(SPEC), 't')).not.toThrow()
  expect(() => checkReadable(new Map(), 't')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-002' }))
  expect(() => specOf(new Map([['hoodie.table.type', 'OTHER']]), 't', [])).toThrow(expect.objectContaining({ code: 'TRB-LAKE-003' }))
})
