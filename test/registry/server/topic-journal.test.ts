import { describe, expect, test } from 'vitest'
import { openRegistryService } from '../../../src/registry/server/registry-service.ts'
import { createTopicJournal, type SchemasTopic } from '../../../src/registry/server/topic-journal.ts'

type Line = readonly [key: string, value: string | null]

function topicOf(lines: readonly Line[]): SchemasTopic & { readonly lines: Line[] } {
  const held = [...lines]
  return {
    lines: held,
    read: async () => held.map(([key, value]) => ({ key, value })),
    append: async (records) => void held.push(...records.map((r) => [r.key, r.value] as const)),
    close: async () => undefined,
  }
}

const A = '{"type":"record","name":"A","fields":[{"name":"a","type":"int"}]}'
const schemaKey = (subject: string, version: number): string => `{"keytype":"SCHEMA","subject":"${subject}","version":${version},"magic":1}`
const given = (schema: string) => ({ schema, references: [], normalize: false })

/** What Confluent's registry (7.9) leaves in its topic, newer members of the values included. */
const CONFLUENT: readonly Line[] = [
  ['{"keytype":"NOOP","magic":0}', null],
  [
    schemaKey('t-value', 1),
    JSON.stringify({ subject: 't-value', version: 1, id: 1, guid: '0f0e', schema: A, deleted: false, ts: 1, offset: 1 }),
  ],
  [schemaKey('u-value', 1), JSON.stringify({ subject: 'u-value', version: 1, id: 7, schema: '"string"', deleted: false })],
  ['{"keytype":"CONFIG","subject":"t-value","magic":0}', '{"subject":"t-value","compatibilityLevel":"NONE"}'],
  ['{"keytype":"CONFIG","subject":null,"magic":0}', '{"compatibilityLevel":"FULL"}'],
  [schemaKey('t-value', 2), JSON.stringify({ subject: 't-value', version: 2, id: 2, schema: '"int"', deleted: true })],
  ['{"keytype":"DELETE_SUBJECT","subject":"u-value","magic":0}', '{"subject":"u-value","version":1}'],
  [schemaKey('gone', 1), JSON.stringify({ subject: 'gone', version: 1, id: 9, schema: '"bytes"', deleted: true })],
  [schemaKey('gone', 1), null],
  ['{"keytype":"MODE","subject":"t-value","magic":0}', '{"mode":"READONLY"}'],
  ['{"keytype":"MODE","subject":"t-value","magic":0}', null],
]

describe('the topic of schemas', () => {
  test('of Confluent is gone on with: schemas, deletions, levels, and ids that were given', async () => {
    const service = await openRegistryService(createTopicJournal(topicOf(CONFLUENT), '_schemas'), 'BACKWARD')
    expect(service.subjects('live')).toEqual(['t-value'])
    expect(service.subjects('deleted')).toEqual(['t-value', 'u-value'])
    expect(service.versions('t-value', 'live').map((v) => [v.version, v.id, v.schema])).toEqual([[1, 1, A]])
    expect([service.levelOf('t-value'), service.levelOf('x'), service.modeOf('t-value')]).toEqual(['NONE', 'FULL', 'READWRITE'])
    expect(await service.registerVersion('new', given('"bytes"'))).toBe(10)
    expect(await service.registerVersion('t-value', given('"string"')), 'the id of a soft-deleted version').toBe(7)
    expect(service.version('t-value', 'latest', 'live').version).toBe(3)
  })
  test('holds records as Confluent writes them', async () => {
    const topic = topicOf([])
    const service = await openRegistryService(createTopicJournal(topic, '_schemas'), 'BACKWARD')
    await service.registerVersion('t', given(A))
    await service.registerVersion('u', { ...given('["A","null"]'), references: [{ name: 'A', subject: 't', version: 1 }] })
    await service.setLevel('t', 'none')
    await service.setLevel(null, 'FULL')
    await service.setMode('u', 'READONLY', false)
    await service.setMode('u', null, false)
    await service.deleteVersion('u', 1, false)
    await service.deleteVersion('u', 1, true)
    await service.deleteSubject('t', false)
    const value = (v: object): string => JSON.stringify(v)
    const references = [{ name: 'A', subject: 't', version: 1 }]
    expect(topic.lines).toEqual([
      [schemaKey('t', 1), value({ subject: 't', version: 1, id: 1, schema: A, deleted: false })],
      [schemaKey('u', 1), value({ subject: 'u', version: 1, id: 2, references, schema: '["A","null"]', deleted: false })],
      ['{"keytype":"CONFIG","subject":"t","magic":0}', '{"compatibilityLevel":"NONE"}'],
      ['{"keytype":"CONFIG","subject":null,"magic":0}', '{"compatibilityLevel":"FULL"}'],
      ['{"keytype":"MODE","subject":"u","magic":0}', '{"mode":"READONLY"}'],
      ['{"keytype":"MODE","subject":"u","magic":0}', null],
      [schemaKey('u', 1), value({ subject: 'u', version: 1, id: 2, references, schema: '["A","null"]', deleted: true })],
      [schemaKey('u', 1), null],
      ['{"keytype":"DELETE_SUBJECT","subject":"t","magic":0}', '{"subject":"t","version":1}'],
      ['{"keytype":"CONFIG","subject":"t","magic":0}', null],
    ])
  })
  test.each([
    [
      'a schema of another type',
      schemaKey('t', 1),
      '{"subject":"t","version":1,"id":1,"schemaType":"PROTOBUF","schema":"x","deleted":false}',
    ],
    ['an unknown key type', '{"keytype":"CONTEXT","tenant":"x","context":"y","magic":0}', '{}'],
    ['no JSON', 'key', 'value'],
  ])('that holds %s is not served', async (_what, key, value) => {
    const journal = createTopicJournal(topicOf([[key, value]]), '_schemas')
    await expect(openRegistryService(journal, 'BACKWARD')).rejects.toMatchObject({ code: 'TRB-REG-014' })
  })
})
