import { describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import { PartitionPaths } from '../../../src/lake/index/partition-path.ts'
import { tableChecksum } from '../../../src/lake/layout/table-properties.ts'
import { TimelineStore } from '../../../src/lake/timeline-store.ts'
import { writableSpec } from '../../../src/lake/write/writable-spec.ts'
import { fixedClock } from '../../support/fixed-clock.ts'
import { goldenStore } from '../../support/golden-table.ts'

const clock = fixedClock(Date.UTC(2026, 10, 22))

async function changed(name: string, entries: Readonly<Record<string, string | null>>): Promise<ObjectStore> {
  const store = await goldenStore(name, 't')
  await new TimelineStore(store, 't', clock).updateProperties((p) => {
    for (const [key, value] of Object.entries(entries)) {
      if (value === null) p.delete(key)
      else p.set(key, value)
    }
    p.set('hoodie.table.checksum', tableChecksum(p.get('hoodie.database.name') ?? '', p.get('hoodie.table.name') ?? ''))
  })
  return store
}

test('a table that is not there is none; one of Spark has one place for new rows', async () => {
  const store = await goldenStore('v6_cow_part', 't')
  expect(await writableSpec(store, 'elsewhere', clock)).toBeNull()
  expect(await writableSpec(store, 't', clock)).toMatchObject({ key: ['id'], orderingField: 'ts', buckets: 1, tableVersion: 6 })
  expect(await writableSpec(await goldenStore('v9_mor_part_logs', 't'), 't', clock)).toMatchObject({
    tableType: 'MERGE_ON_READ',
    tableVersion: 9,
  })
})

describe('what cannot be written as its engine expects is refused with TRB-LAKE-003', () => {
  const CLASS = 'hoodie.table.keygenerator.class'
  test.each<[string, Readonly<Record<string, string | null>>, string]>([
    ['v6_cow_part', { [CLASS]: 'org.apache.hudi.keygen.TimestampBasedKeyGenerator' }, 'TimestampBasedKeyGenerator'],
    ['v6_cow_part', { [CLASS]: 'org.apache.hudi.keygen.CustomKeyGenerator' }, 'CustomKeyGenerator'],
    ['v6_cow_part', { [CLASS]: 'com.example.KeyGenerator' }, 'com.example.KeyGenerator'],
    ['v9_cow_part', { 'hoodie.table.keygenerator.type': 'USER_PROVIDED' }, 'USER_PROVIDED'],
    ['v6_cow_part', { 'hoodie.table.recordkey.fields': '' }, 'record key'],
    ['v6_cow_part', { 'hoodie.table.partition.fields': 'region,ratio' }, 'ratio is a double'],
    ['v6_cow_part', { 'hoodie.table.partition.fields': 'nowhere' }, 'nowhere'],
    ['v6_mor_bucket_logonly', {}, 'bucket index'],
  ])('%s with %j', async (name, entries, words) => {
    const refused = writableSpec(await changed(name, entries), 't', clock)
    await expect(refused).rejects.toMatchObject({ code: 'TRB-LAKE-003', details: { detail: expect.stringContaining(words) } })
  })
})

test('a bucket index whose size is recorded is kept', async () => {
  const store = await changed('v6_mor_bucket_logonly', { 'hoodie.index.type': 'BUCKET', 'hoodie.bucket.index.num.buckets': '2' })
  expect(await writableSpec(store, 't', clock)).toMatchObject({ buckets: 2 })
})

test('partition paths are those of the table: with names, and with values as they are', async () => {
  const STYLE = 'hoodie.datasource.write.hive_style_partitioning'
  const ENCODE = 'hoodie.datasource.write.partitionpath.urlencode'
  const paths = async (hive: string, encode: string): Promise<readonly string[]> => {
    const spec = await writableSpec(await changed('v6_cow_part', { [STYLE]: hive, [ENCODE]: encode }), 't', clock)
    const made = new PartitionPaths(spec!)
    const values = ['eu', 'a/b=c', '']
    const data = Buffer.from(values.join(''))
    const vector = { kind: 'bytes' as const, data, offsets: Int32Array.of(0, 2, 7, 7, 7), valid: Uint8Array.of(1, 1, 1, 0) }
    return [0, 1, 2, 3].map((r) => made.paths[made.of([vector], r)])
  }
  const none = '__HIVE_DEFAULT_PARTITION__'
  expect(await paths('false', 'true')).toEqual(['eu', 'a%2Fb%3Dc', none, none])
  expect(await paths('false', 'false')).toEqual(['eu', 'a/b=c', none, none])
  expect(await paths('true', 'true')).toEqual(['region=eu', 'region=a%2Fb%3Dc', `region=${none}`, `region=${none}`])
  expect(await paths('true', 'false')).toEqual(['region=eu', 'region=a/b=c', `region=${none}`, `region=${none}`])
})
