import { describe, expect, it } from 'vitest'
import { postgresSourceBlock } from '../../src/capture/postgres/origin.ts'
import type { SnapshotMark } from '../../src/contract/change.ts'
import type { LakeType } from '../../src/contract/columns.ts'
import { createEnvelopeEncoder } from '../../src/envelope/encoder.ts'
import { lakeColumns } from '../../src/envelope/lake-columns.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../src/envelope/options.ts'
import { createRowDecoder, decodeRows } from '../../src/envelope/row-decoder.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { MemoryRegistry } from '../../src/registry/memory/memory-registry.ts'
import { column } from './catalog.ts'
import { type FakeChange, fakeBatch, tableOf } from './fake-batch.ts'
import { goldenBatches, goldenEvents, goldenSchemas, SCENARIOS } from './golden.ts'
import { decimalText, rows, values } from './vector-values.ts'

const clock = { now: () => 1795231940000, sleep: () => Promise.resolve(), uuid: () => 'u', random: () => 0 }

interface FieldSchema {
  readonly type: string
  readonly name?: string
  readonly items?: FieldSchema
  readonly fields?: readonly (FieldSchema & { field: string })[]
  readonly parameters?: Readonly<Record<string, string>>
}

const big = (b64: unknown): bigint => {
  const hex = Buffer.from(String(b64), 'base64').toString('hex')
  return BigInt.asIntN(hex.length * 4, BigInt(`0x${hex}`))
}

/** What the lake should hold for a JSON payload value, by a second, slow route. */
// biome-ignore lint/suspicious/noExplicitAny: payload of any type
function expected(s: FieldSchema, v: any): unknown {
  if (v === null || v === undefined) return null
  switch (s.name) {
    case 'org.apache.kafka.connect.data.Decimal': {
      return decimalText(big(v), Number(s.parameters?.['scale']))
    }
    case 'io.debezium.data.VariableScaleDecimal':
      return decimalText(big(v.value), Number(v.scale))
    case 'io.debezium.data.geometry.Point':
      return Buffer.from(v.wkb, 'base64').toString('hex')
    case 'io.debezium.time.Date':
      return [-2147472692n, -2147472691n, -622191234n, -625821272n].includes(BigInt(v)) ? null : BigInt(v)
    case 'io.debezium.time.Time':
      return BigInt(v) * 1000n
    case 'io.debezium.time.Timestamp':
      return [9223372036825200n, -9223372036832400n].includes(BigInt(v)) ? null : BigInt(v) * 1000n
    case 'io.debezium.time.MicroTimestamp':
      return [9223372036825200000n, -9223372036832400000n].includes(BigInt(v)) ? null : BigInt(v)
    case 'io.debezium.time.ZonedTimestamp':
      return zoned(v)
  }
  if (s.type === 'array') return v.map((e: unknown) => expected(s.items!, e))
  if (s.type.startsWith('int')) return BigInt(v)
  if (s.type === 'float') return Math.fround(Number(v))
  if (s.type === 'double') return Number(v)
  if (s.type === 'bytes') return Buffer.from(v, 'base64').toString('hex')
  return v
}

function zoned(text: string): bigint | null {
  const m = /^([+-]?\d+)-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z$/.exec(text)
  if (m === null) return null
  const [, y, mo, d, h, mi, s] = m.map(Number)
  // Date ends at year 275760; the calendar repeats after 400 years.
  const cycles = Math.floor(y / 400) - 5
  const date = new Date(0)
  date.setUTCFullYear(y - cycles * 400, mo - 1, d)
  date.setUTCHours(h, mi, s)
  const micros = BigInt(date.getTime() + cycles * 146097 * 86400000) * 1000n + BigInt((m[7] ?? '').padEnd(6, '0'))
  return BigInt.asIntN(64, micros) === micros ? micros : null
}

type Reviver = (key: string, value: unknown, context?: { readonly source?: string }) => unknown

/** Integers beyond 2^53 keep their text. */
function parse(text: string): unknown {
  const keep: Reviver = (_, v, c) => (typeof v === 'number' && c?.source !== undefined && /^-?\d{16,}$/.test(c.source) ? c.source : v)
  return JSON.parse(text, keep as (key: string, value: unknown) => unknown)
}

describe('row decoder on records of the real Debezium', () => {
  for (const scenario of SCENARIOS) {
    it(`gives the rows of ${scenario}`, () => {
      const schemas = goldenSchemas(scenario)
      let seen = 0
      for (const [topic, batches] of goldenBatches(scenario)) {
        if (topic === 'p.transaction') continue
        const got = rows(decodeRows(batches, { schema: (id) => schemas.get(id)! }))
        const events = goldenEvents(scenario).filter((e) => e.topic === topic && e.value !== null)
        expect(got.length).toBe(events.length)
        for (const [i, e] of events.entries()) {
          // biome-ignore lint/suspicious/noExplicitAny: recorded JSON
          const { schema, payload } = parse(e.value!) as any
          const image = payload.op === 'd' ? payload.before : payload.after
          const fields = schema.fields[1].fields as (FieldSchema & { field: string })[]
          const want = Object.fromEntries(fields.map((f) => [f.field, image === null ? null : expected(f, image[f.field])]))
          expect(got[i].op).toBe(payload.op)
          expect(got[i].row).toEqual({
            ...want,
            _change_operation_type: payload.op === 't' ? null : payload.op,
            _event_origin_ts_ms: BigInt(payload.source.ts_ms),
            _event_tx_id: BigInt(payload.source.txId),
            _event_lsn: BigInt(payload.source.lsn),
          })
          seen++
        }
      }
      expect(seen).toBeGreaterThan(0)
    })
  }

  it('gives the old row of a table without key', () => {
    const schemas = goldenSchemas('replica_identity')
    const batches = goldenBatches('replica_identity').get('p.public.nopk_full')!
    const [chunk] = [...decodeRows(batches, { schema: (id) => schemas.get(id)! })]
    expect(String.fromCharCode(...chunk.op)).toBe('rcud')
    expect(values({ kind: 'string' }, chunk.before![1], 4)).toEqual([null, null, 'i', 'u'])
    expect(values({ kind: 'string' }, chunk.vectors[1], 4)).toEqual(['s', 'i', 'u', 'u'])
    expect(chunk.before!.length).toBe(chunk.columns.length)
  })

  it('gives the same rows when the values of a batch share their tail, before and after others', async () => {
    const table = tableOf([column('id', 'int8', { notNull: true, isKey: true }), column('name', 'text')], [0])
    const row = (mark: SnapshotMark, id: number): FakeChange => ({ op: 'r', mark, lsn: 9n, after: [String(id), id % 2 === 0 ? null : 'x'] })
    const changes: FakeChange[] = [row(2, 1), row(1, 2), row(1, 3), row(5, 4), { op: 'c', lsn: 12n, after: ['5', 'y'] }]
    const results = []
    for (const sharesTails of [false, true]) {
      const registry = new MemoryRegistry()
      const source = postgresSourceBlock({ name: 'p', database: 'db' })
      const names = { prefix: 'p', connector: 'postgresql', runId: 'r', headerFormat: 'json' as const }
      const encoder = createEnvelopeEncoder({ ...DEFAULT_ENVELOPE_SETTINGS, ...names, source, registry, clock, sharesTails })
      await encoder.prepare([table])
      const batches = encoder.encode(fakeBatch([table], [changes]))
      expect(batches.some((b) => b.valueTail !== undefined)).toBe(sharesTails)
      let baseOffset = 0
      const stored = batches.map((b) => {
        baseOffset += b.count
        return { ...b, baseOffset: baseOffset - b.count, appendId: 1 }
      })
      results.push(rows(decodeRows(stored, { schema: (id) => registry.schemaText(id) })))
    }
    expect(results[1]).toEqual(results[0])
    expect(results[1].map((r) => `${r.op} ${r.row['id']} ${r.row['_event_lsn']}`)).toEqual(['r 1 9', 'r 2 9', 'r 3 9', 'r 4 9', 'c 5 12'])
  })

  it('starts at an offset, stops before a run, and cuts chunks by size', () => {
    const schemas = goldenSchemas('snapshot_markers')
    const batches = goldenBatches('snapshot_markers').get('p.public.a')!
    const schema = (id: number): string => schemas.get(id)!
    expect(rows(decodeRows(batches, { schema, from: 1 })).map((r) => r.row['id'])).toEqual([2n, 3n])
    expect(rows(decodeRows(batches, { schema, stop: (run) => run.commit === '0/3' })).map((r) => r.row['id'])).toEqual([1n, 2n])
    expect([...decodeRows(batches, { schema, maxBytes: 1 })].map((c) => c.count)).toEqual([1, 1, 1])
  })

  it('maps types as the lake needs them', () => {
    const types = (scenario: string, topic: string): Record<string, LakeType> => {
      const schemas = goldenSchemas(scenario)
      const id = goldenBatches(scenario).get(topic)![0].valueSchema
      return Object.fromEntries(lakeColumns(schemas.get(id)!).map((c) => [c.name, c.type]))
    }
    const num = types('types_numeric_precise', 'p.public.t_num')
    expect(num['n52']).toEqual({ kind: 'decimal', precision: 5, scale: 2 })
    expect(num['n']).toEqual({ kind: 'string' })
    expect(num['nneg']).toEqual({ kind: 'string' })
    expect(num['m']).toEqual({ kind: 'decimal', precision: 38, scale: 2 })
    const arrays = types('types_arrays', 'p.public.t_arr')
    expect(arrays['na']).toEqual({ kind: 'list', element: { kind: 'decimal', precision: 10, scale: 2 } })
    expect(arrays['tza']).toEqual({ kind: 'list', element: { kind: 'timestamp-micros' } })
    const decoder = createRowDecoder({ keySchema: null, valueSchema: [...goldenSchemas('truncate').values()][1] })
    expect(decoder.columns.at(-1)).toEqual({ name: '_event_lsn', type: { kind: 'long' } })
  })
})

describe('records that are not what they should be', () => {
  const failureOf = (run: () => unknown): string | null => {
    try {
      run()
      return null
    } catch (e) {
      return isFailure(e) ? e.code : String(e)
    }
  }
  const [, value] = [...goldenSchemas('truncate').values()]

  it('a value of another schema is refused', () => {
    const [batch] = goldenBatches('truncate').get('p.public.ta')!
    const decode = (): unknown => [...decodeRows([{ ...batch, valueSchema: batch.valueSchema + 1 }], { schema: () => value })]
    expect(failureOf(decode)).toBe('TRB-ENV-004')
  })

  it('a schema that is no envelope is refused', () => {
    const plain = '{"type":"record","name":"Value","fields":[{"name":"id","type":"int"}]}'
    expect(failureOf(() => createRowDecoder({ keySchema: null, valueSchema: plain }))).toBe('TRB-ENV-004')
    expect(failureOf(() => createRowDecoder({ keySchema: null, valueSchema: '{"type":"fixed","name":"f","size":2}' }))).toBe('TRB-ENV-004')
  })

  it('a field that the lake has no type for is refused by name', () => {
    const strange = value.replace('{"name":"id","type":"int"}', '{"name":"id","type":{"type":"record","name":"Strange","fields":[]}}')
    expect(strange).not.toBe(value)
    expect(failureOf(() => lakeColumns(strange))).toBe('TRB-ENV-003')
  })
})
