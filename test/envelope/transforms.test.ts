import { describe, expect, it } from 'vitest'
import { encodeText } from '../../src/capture/types/text.ts'
import type { Column } from '../../src/contract/change.ts'
import { payloadJson } from '../../src/envelope/connect-json.ts'
import { createEnvelopeEncoder } from '../../src/envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../src/envelope/options.ts'
import { expandedPayload } from '../../src/envelope/transform/json-payload.ts'
import { javaReplacement, routed } from '../../src/envelope/transform/routers.ts'
import { transformsOf } from '../../src/envelope/transform/settings.ts'
import { TransformingEncoder } from '../../src/envelope/transform/transforming-encoder.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { RecordReader } from '../../src/format/record-batch/reader.ts'
import { MemoryRegistry } from '../../src/registry/memory/memory-registry.ts'
import { fixedClock } from '../support/fixed-clock.ts'
import { type FakeChange, fakeBatch, tableOf } from './fake-batch.ts'

const UNWRAP = 'io.debezium.transforms.ExtractNewRecordState'
const REGEX = 'org.apache.kafka.connect.transforms.RegexRouter'

const text = (name: string, optional: boolean): Column => ({
  name,
  sourceType: 'text',
  connect: { type: 'string', optional },
  encode: encodeText,
  unavailable: null,
  fallback: optional ? null : Buffer.from([0]),
})
const TABLE = tableOf([text('id', false), text('v', true)], [0])

interface Shown {
  readonly topic: string
  readonly key: unknown
  readonly value: unknown
  readonly headers: readonly (string | null)[]
}

/** The records of one transaction, as consumers of the topic get them. */
async function shown(config: Record<string, string>, changes: readonly FakeChange[]): Promise<Shown[]> {
  const registry = new MemoryRegistry()
  const source = {
    schema: { type: 'struct', optional: false, name: 's.Source', fields: [] },
    write: () => undefined,
    transactionId: () => '',
  } as const
  const names = { prefix: 'p', connector: 'c', runId: 'r', headerFormat: 'simple' } as const
  const clock = fixedClock()
  const encoder = createEnvelopeEncoder({ ...DEFAULT_ENVELOPE_SETTINGS, contextHeaders: false, ...names, source, registry, clock })
  const transforms = transformsOf(new Map(Object.entries(config)), 'x.properties', 'simple')
  const transforming = new TransformingEncoder({ encoder, transforms, registry, keepsSchemaOfNull: false })
  await transforming.prepare([TABLE])
  const out: Shown[] = []
  for (const batch of await transforming.encode(fakeBatch([TABLE], [changes]))) {
    expect(batch.runs.reduce((n, r) => n + r.count, 0)).toBe(batch.count)
    const r = new RecordReader()
    r.open(batch.records, batch.count)
    const part = (start: number, end: number): unknown =>
      start < 0 ? null : JSON.parse(payloadJson(transforming.connectSchema(r.buf.readInt32BE(start + 1)), r.buf.subarray(start + 5, end)))
    while (r.next()) {
      const headers = r.headers().map((h) => `${h.name}=${h.value?.toString() ?? null}`)
      out.push({ topic: batch.topic, key: part(r.keyStart, r.keyEnd), value: part(r.valueStart, r.valueEnd), headers })
    }
  }
  return out
}

const CHANGES: readonly FakeChange[] = [
  { op: 'c', after: ['1', 'a'] },
  { op: 'd', before: ['1', 'a'] },
]

describe('transforms of what goes to Kafka', () => {
  it('ExtractNewRecordState gives rows, and for a delete the one tombstone that compaction needs', async () => {
    expect(await shown({ transforms: 'u', 'transforms.u.type': UNWRAP, 'transforms.u.add.headers': 'op' }, CHANGES)).toEqual([
      { topic: 'p.public.t', key: { id: '1' }, value: { id: '1', v: 'a' }, headers: ['__op=c'] },
      { topic: 'p.public.t', key: { id: '1' }, value: null, headers: ['__op=d'] },
    ])
  })

  it('are applied one after the other, and RegexRouter gives another topic', async () => {
    const config = {
      ...{ transforms: 'u, r', 'transforms.u.type': UNWRAP, 'transforms.r.type': REGEX },
      ...{ 'transforms.r.regex': '(.*)\\.(?<name>[^.]+)', 'transforms.r.replacement': '$\u007bname}-of-$1' },
    }
    expect((await shown(config, CHANGES)).map((r) => [r.topic, r.value])).toEqual([
      ['t-of-p.public', { id: '1', v: 'a' }],
      ['t-of-p.public', null],
    ])
  })

  it.each([
    [{ 'delete.handling.mode': 'none' }, [{ id: '1', v: 'a' }, null]],
    [
      { 'delete.handling.mode': 'rewrite' },
      [
        { id: '1', v: 'a', __deleted: 'false' },
        { id: '1', v: 'a', __deleted: 'true' },
      ],
    ],
    [{ 'drop.tombstones': 'false' }, [{ id: '1', v: 'a' }, null]],
    [{}, [{ id: '1', v: 'a' }, null]],
  ])('the settings of older versions %j are understood', async (older, values) => {
    const own = Object.fromEntries(Object.entries(older).map(([k, v]) => [`transforms.u.${k}`, v]))
    expect((await shown({ transforms: 'u', 'transforms.u.type': UNWRAP, ...own }, CHANGES)).map((r) => r.value)).toEqual(values)
  })

  it('leave a heartbeat as it is, which is in no transaction', async () => {
    const registry = new MemoryRegistry()
    const source = {
      schema: { type: 'struct', optional: false, name: 's.Source', fields: [] },
      write: () => undefined,
      transactionId: () => '',
    } as const
    const names = { prefix: 'p', connector: 'c', runId: 'r', headerFormat: 'simple' } as const
    const encoder = createEnvelopeEncoder({ ...DEFAULT_ENVELOPE_SETTINGS, ...names, source, registry, clock: fixedClock() })
    const transforms = transformsOf(new Map(Object.entries({ transforms: 'u', 'transforms.u.type': UNWRAP })), 'x.properties', 'simple')
    const transforming = new TransformingEncoder({ encoder, transforms, registry, keepsSchemaOfNull: false })
    await transforming.prepareHeartbeat()
    const batches = await transforming.encode({ ...fakeBatch([TABLE], []), heartbeat: true })
    expect(batches.map((b) => [b.topic, b.count, b.runs])).toEqual([['__debezium-heartbeat.p', 1, []]])
  })

  it('one that asks for what the records have not ends the run', async () => {
    const config = { transforms: 'u', 'transforms.u.type': UNWRAP, 'transforms.u.add.fields': 'no_such' }
    await expect(shown(config, CHANGES)).rejects.toSatisfy((e) => isFailure(e, 'TRB-ENV-013'))
  })

  it.each([
    [{ 'transforms.t.type': 'io.debezium.transforms.Filter' }, 'TRB-ENV-002'],
    [{}, 'TRB-ENV-002'],
    [{ 'transforms.t.type': UNWRAP, 'transforms.t.drop.fields.header.name': 'x' }, 'TRB-ENV-007'],
    [{ 'transforms.t.type': UNWRAP, 'transforms.t.delete.tombstone.handling.mode': 'keep' }, 'TRB-ENV-002'],
    [{ 'transforms.t.type': UNWRAP, 'transforms.t.predicate': 'p' }, 'TRB-ENV-007'],
    [{ 'transforms.t.type': UNWRAP, 'transforms.other.type': UNWRAP }, 'TRB-ENV-007'],
    [{ 'transforms.t.type': REGEX, 'transforms.t.regex': '(' }, 'TRB-ENV-002'],
    [{ 'transforms.t.type': REGEX, 'transforms.t.regex': 'a' }, 'TRB-ENV-002'],
    [
      { 'transforms.t.type': 'io.debezium.transforms.outbox.EventRouter', 'transforms.t.table.fields.additional.placement': 'a:partition' },
      'TRB-ENV-002',
    ],
  ])('%j is refused by name', (config, code) => {
    let refusal: unknown = null
    try {
      transformsOf(new Map(Object.entries({ transforms: 't', ...config })), 'x.properties', 'simple')
    } catch (e) {
      refusal = e
    }
    expect(refusal).toSatisfy((e) => isFailure(e) && e.code === code)
  })
})

describe('replacements in Java notation', () => {
  it.each([
    ['(.*)(ord|nok).*', '$1$2_all', 'p.public.ord_1', 'p.public.ord_all'],
    ['p\\.(?<t>.*)', 'x-$\u007bt}', 'p.a', 'x-a'],
    ['p', '\\$1', 'p', '$1'],
    ['p', '', 'p', null],
    ['q', 'x', 'p', null],
  ])('%s → %s of %s is %s', (regex, replacement, topic, out) => {
    expect(routed({ regex: new RegExp(`^(?:${regex})$`), replacement: javaReplacement(replacement) }, topic)).toBe(out)
  })
})

describe('expanded JSON', () => {
  it('has a schema of its values; numbers keep 64 bits, nulls and empty arrays are left out', () => {
    const json = '{"a": 1, "b": [1, null, 2], "c": 9007199254740993, "d": 1.50, "e": {"f": true, "g": null}, "h": [], "s": "t"}'
    const { schema, avro } = expandedPayload(json)!
    expect(payloadJson({ ...schema, optional: false }, avro)).toBe(
      '{"a":1,"b":[1,null,2],"c":9007199254740993,"d":1.5,"e":{"f":true},"s":"t"}',
    )
  })

  it.each(['plain', '"text"', '[1, "a"]', '{"a": 99999999999999999999}', '{broken', 'null'])('%s stays text', (json) => {
    expect(expandedPayload(json)).toBeNull()
  })
})
