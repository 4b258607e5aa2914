import { describe, expect, test } from 'vitest'
import type { MergeRules } from '../../../src/contract/slice.ts'
import { mergeRulesOf } from '../../../src/lake/read/merge-rules.ts'

const MODEL = 'org.apache.hudi.common.model.'
const EVENT_TIME = 'eeb8d96f-b1e4-49fd-bbf8-28ac514178e5'

function rules(entries: Record<string, string>): MergeRules {
  return mergeRulesOf(new Map(Object.entries(entries)), 't')
}

const event = (...ordering: string[]): MergeRules => ({ mode: 'event-time', ordering, deleteMarker: null, unavailable: null })
const COMMIT: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }
/** Weighed among themselves, never against the stored row. */
const OVERWRITING: MergeRules = { ...event('ts'), overBase: 'always', overDelete: 'always' }
const DEBEZIUM_DELETE = { column: '_change_operation_type', value: 'd' }

describe('version 6: by payload class', () => {
  const of = (payload: string, more: Record<string, string> = {}): MergeRules =>
    rules({
      'hoodie.table.version': '6',
      'hoodie.table.precombine.field': 'ts',
      'hoodie.compaction.payload.class': MODEL + payload,
      ...more,
    })
  test.each([
    ['DefaultHoodieRecordPayload', event('ts')],
    ['EventTimeAvroPayload', event('ts')],
    ['OverwriteWithLatestAvroPayload', OVERWRITING],
    ['AWSDmsAvroPayload', { ...OVERWRITING, deleteMarker: { column: 'Op', value: 'D' } }],
    ['OverwriteNonDefaultsWithLatestAvroPayload', { ...OVERWRITING, nulls: 'base' }],
    ['PartialUpdateAvroPayload', { ...event('ts'), nulls: 'below' }],
    [
      'debezium.PostgresDebeziumAvroPayload',
      { ...event('_event_lsn'), deleteMarker: DEBEZIUM_DELETE, unavailable: '__debezium_unavailable_value' },
    ],
    ['debezium.MySqlDebeziumAvroPayload', { ...event('_event_seq'), deleteMarker: DEBEZIUM_DELETE }],
  ] as [string, MergeRules][])('%s', (payload, expected) => {
    expect(of(payload)).toEqual(expected)
  })
  test('Hudi writes the strategy of event time beside every payload: the payload decides', () => {
    expect(of('OverwriteWithLatestAvroPayload', { 'hoodie.compaction.record.merger.strategy': EVENT_TIME })).toEqual(OVERWRITING)
    expect(of('OverwriteWithLatestAvroPayload', { 'hoodie.table.precombine.field': '' })).toEqual(COMMIT)
  })
  test('without a payload the ordering field decides', () => {
    expect(rules({ 'hoodie.table.version': '6', 'hoodie.table.precombine.field': 'ts' })).toEqual(event('ts'))
    expect(rules({ 'hoodie.table.version': '6' })).toEqual(COMMIT)
    expect(of('DefaultHoodieRecordPayload', { 'hoodie.table.precombine.field': '' })).toEqual(COMMIT)
  })
})

describe('version 8: payloads as Hudi 1.0 reads them', () => {
  const of = (payload: string): MergeRules =>
    rules({
      'hoodie.table.version': '8',
      'hoodie.table.precombine.field': 'ts',
      'hoodie.record.merge.mode': 'CUSTOM',
      'hoodie.compaction.payload.class': MODEL + payload,
    })
  test.each([
    ['OverwriteWithLatestAvroPayload', COMMIT],
    ['OverwriteNonDefaultsWithLatestAvroPayload', { ...COMMIT, nulls: 'below' }],
    ['PartialUpdateAvroPayload', { ...event('ts'), nulls: 'below' }],
    ['AWSDmsAvroPayload', { ...event('ts'), overBase: 'always', deleteMarker: { column: 'Op', value: 'D' } }],
  ] as [string, MergeRules][])('%s', (payload, expected) => {
    expect(of(payload)).toEqual(expected)
  })
})

describe('version 9: by merge mode', () => {
  const of = (entries: Record<string, string>): MergeRules => rules({ 'hoodie.table.version': '9', ...entries })
  test('modes and ordering fields', () => {
    expect(of({ 'hoodie.record.merge.mode': 'EVENT_TIME_ORDERING', 'hoodie.table.ordering.fields': 'a,b' })).toEqual(event('a', 'b'))
    expect(of({ 'hoodie.record.merge.mode': 'COMMIT_TIME_ORDERING', 'hoodie.table.ordering.fields': 'a' })).toEqual(COMMIT)
  })
  test('nulls that keep what is stored', () => {
    const found = of({ 'hoodie.record.merge.mode': 'COMMIT_TIME_ORDERING', 'hoodie.table.partial.update.mode': 'IGNORE_DEFAULTS' })
    expect(found).toEqual({ ...COMMIT, nulls: 'below' })
  })
  test('what an upgraded table of Debezium changes has', () => {
    const found = of({
      'hoodie.record.merge.mode': 'EVENT_TIME_ORDERING',
      'hoodie.table.ordering.fields': '_event_lsn',
      'hoodie.legacy.payload.class': `${MODEL}debezium.PostgresDebeziumAvroPayload`,
      'hoodie.table.partial.update.mode': 'FILL_UNAVAILABLE',
      'hoodie.record.merge.property.hoodie.write.partial.update.unavailable.value': '__gone',
      'hoodie.record.merge.property.hoodie.payload.delete.field': '_change_operation_type',
      'hoodie.record.merge.property.hoodie.payload.delete.marker': 'd',
    })
    expect(found).toEqual({ ...event('_event_lsn'), deleteMarker: DEBEZIUM_DELETE, unavailable: '__gone' })
  })
})

describe('what only a Java class knows is refused with its name', () => {
  test.each([
    [{ 'hoodie.table.version': '6', 'hoodie.compaction.payload.class': 'com.example.Mine' }, 'com.example.Mine'],
    [
      { 'hoodie.table.version': '6', 'hoodie.compaction.payload.class': 'com.example.DefaultHoodieRecordPayload' },
      'com.example.DefaultHoodieRecordPayload',
    ],
    [{ 'hoodie.table.version': '6', 'hoodie.compaction.payload.class': `${MODEL}JsonPayload` }, `${MODEL}JsonPayload`],
    [
      {
        'hoodie.compaction.payload.class': `${MODEL}DefaultHoodieRecordPayload`,
        'hoodie.compaction.record.merger.strategy': '1897ef5f-18bc-4557-939c-9d6a8afd1519',
      },
      'merge strategy 1897ef5f-18bc-4557-939c-9d6a8afd1519',
    ],
    [{ 'hoodie.table.version': '9', 'hoodie.record.merge.mode': 'CUSTOM', 'hoodie.record.merge.strategy.id': 'mine' }, 'mine'],
    [
      {
        'hoodie.table.version': '9',
        'hoodie.record.merge.mode': 'COMMIT_TIME_ORDERING',
        'hoodie.table.partial.update.mode': 'KEEP_VALUES',
      },
      'partial update mode KEEP_VALUES',
    ],
  ] as [Record<string, string>, string][])('%j', (entries, name) => {
    expect(() => rules(entries)).toThrow(expect.objectContaining({ code: 'TRB-LAKE-022', details: { table: 't', name } }))
  })
})
