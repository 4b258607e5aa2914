import avro from 'avsc'
import { describe, expect, it } from 'vitest'
import { postgresSourceBlock } from '../../src/capture/postgres/origin.ts'
import type { ChangeBatch, SnapshotMark } from '../../src/contract/change.ts'
import type { TopicBatch } from '../../src/contract/log.ts'
import { createEnvelopeEncoder, type EnvelopeEncoder } from '../../src/envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS, type EnvelopeOptions } from '../../src/envelope/options.ts'
import { isFailure } from '../../src/failure/failure.ts'
import { RecordReader, readHeaders } from '../../src/format/record-batch/reader.ts'
import { MemoryRegistry } from '../../src/registry/memory/memory-registry.ts'
import { column, numericTypmod } from './catalog.ts'
import { type FakeChange, fakeBatch, tableOf } from './fake-batch.ts'

const clock = {
  now: () => 1795231940000,
  sleep: () => Promise.resolve(),
  uuid: () => '00000000-0000-4000-8000-000000000000',
  random: () => 0,
}

function setup(settings: Partial<EnvelopeOptions> = {}): {
  encoder: EnvelopeEncoder
  registry: MemoryRegistry
} {
  const registry = new MemoryRegistry()
  const encoder = createEnvelopeEncoder({
    ...DEFAULT_ENVELOPE_SETTINGS,
    ...settings,
    prefix: 'p',
    connector: 'postgresql',
    source: postgresSourceBlock({ name: 'p', database: 'db' }),
    registry,
    clock,
    runId: clock.uuid(),
    headerFormat: 'json',
  })
  return { encoder, registry }
}

interface Decoded {
  readonly topic: string
  readonly key: unknown
  // biome-ignore lint/suspicious/noExplicitAny: decoded by avsc, shape known to each test
  readonly value: any
  readonly side: number[] | null
  readonly headers: { name: string; value: string }[]
}

const long = avro.types.LongType.__with({
  fromBuffer: (b: Buffer) => b.readBigInt64LE(),
  toBuffer: (n: bigint) => {
    const b = Buffer.alloc(8)
    b.writeBigInt64LE(n)
    return b
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

/** Every record of the batches, decoded by avsc with the schema that its wire header names. */
function decodeAll(batches: readonly TopicBatch[], registry: MemoryRegistry): Decoded[] {
  const out: Decoded[] = []
  const decode = (buf: Buffer, start: number, end: number): unknown => {
    if (start < 0) return null
    expect(buf[start]).toBe(0)
    const type = avro.Type.forSchema(JSON.parse(registry.schemaText(buf.readInt32BE(start + 1))), { registry: { long } })
    return type.fromBuffer(Buffer.from(buf.subarray(start + 5, end)))
  }
  for (const b of batches) {
    const r = new RecordReader()
    r.open(b.records, b.count)
    while (r.next()) {
      const side: number[] = []
      for (let p = r.sideStart; p >= 0 && p < r.sideEnd; p += 2) side.push(r.buf.readUInt16LE(p))
      out.push({
        topic: b.topic,
        key: decode(r.buf, r.keyStart, r.keyEnd),
        value: decode(r.buf, r.valueStart, r.valueEnd),
        side: r.sideStart < 0 ? null : side,
        headers: r.headers().map((h) => ({ name: h.name, value: String(h.value) })),
      })
    }
    expect(r.valueEnd <= r.buf.length).toBe(true)
  }
  return out
}

/** Key and whole value of every record, in hex. */
function valuesOf(batches: readonly TopicBatch[]): string[] {
  const out: string[] = []
  const r = new RecordReader()
  for (const b of batches) {
    const tail = Buffer.from(b.valueTail ?? []).toString('hex')
    r.open(b.records, b.count)
    while (r.next()) out.push(`${r.buf.toString('hex', r.keyStart, r.keyEnd)} ${r.buf.toString('hex', r.valueStart, r.valueEnd)}${tail}`)
  }
  return out
}

const columns = [
  column('id', 'int8', { notNull: true, isKey: true }),
  column('name', 'text'),
  column('n', 'numeric', { typmod: numericTypmod(8, 2) }),
]

describe('envelope encoder', () => {
  it('writes insert, update, delete with tombstone, and truncate as Debezium does', async () => {
    const { encoder, registry } = setup({ skipped: [] })
    const table = tableOf(columns, [0])
    await encoder.prepare([table])
    const batch = fakeBatch(
      [table],
      [
        [{ op: 'c', after: ['9007199254740993', 'añb', '12.50'], lsn: (1n << 33n) + 5n }],
        [
          { op: 'u', after: ['9007199254740993', 'x', null] },
          { op: 'd', before: ['9007199254740993', null, null], beforeKind: 1 },
        ],
        [{ op: 't' }],
      ],
    )
    const records = decodeAll(encoder.encode(batch), registry)
    expect(records.map((r) => r.value?.op ?? null)).toEqual(['c', 'u', 'd', null, 't'])
    expect(records[0].key).toEqual({ id: 9007199254740993n })
    expect(records[0].value.after).toEqual({ id: 9007199254740993n, name: 'añb', n: Buffer.from([0x04, 0xe2]) })
    expect(records[0].value.before).toBe(null)
    expect(records[0].value.source).toMatchObject({ lsn: (1n << 33n) + 5n, txId: 700n, snapshot: 'false', sequence: '[null,"8589934597"]' })
    expect(records[0].value.source.ts_us).toBe(1795231930430515n)
    expect(records[0].value.source.ts_ns).toBe(1795231930430515000n)
    expect(records[0].value.ts_ns).toBe(1795231940000000000n)
    expect(records[1].value.source.sequence).toBe('["4096","1001"]')
    expect(records[2].value.before).toEqual({ id: 9007199254740993n, name: null, n: null })
    expect(records[3]).toMatchObject({ key: { id: 9007199254740993n }, value: null })
    expect(records[4]).toMatchObject({ key: null, value: { before: null, after: null } })
  })

  it('gives the same records when it lends its memory, and uses it again only after recycle', async () => {
    const table = tableOf(columns, [0])
    const batchOf = (n: number): ChangeBatch =>
      fakeBatch(
        [table],
        [Array.from({ length: 400 }, (_, i) => ({ op: 'r' as const, mark: 1 as const, after: [`${n}${i}`, `row ${n}`, null] }))],
      )
    const own = setup()
    const lending = setup({ lends: true })
    await own.encoder.prepare([table])
    await lending.encoder.prepare([table])
    const [a, b] = [1, 2].map((n) => ({
      want: own.encoder.encode(batchOf(n))[0].records,
      got: lending.encoder.encode(batchOf(n))[0].records,
    }))
    for (const { want, got } of [a, b]) expect(Buffer.compare(want, got)).toBe(0)
    expect(b.got.buffer).not.toBe(a.got.buffer)
    lending.encoder.recycle()
    const again = lending.encoder.encode(batchOf(3))[0].records
    expect([a.got.buffer, b.got.buffer]).toContain(again.buffer)
    expect(Buffer.compare(again, own.encoder.encode(batchOf(3))[0].records)).toBe(0)
  })

  it('leaves out of snapshot rows what all of them end with, and nothing of other changes', async () => {
    const one = tableOf(columns, [0])
    const row = (mark: SnapshotMark, id: number, lsn = 9n): FakeChange => ({
      op: 'r',
      mark,
      lsn,
      after: [String(id), 'x'.repeat(id), null],
    })
    const marks: SnapshotMark[] = [2, 1, 1, 1, 5]
    const rows = marks.map((m, i) => row(m, i))
    const truncate: FakeChange = { op: 't', mark: 1, lsn: 9n }
    const stream: FakeChange = { op: 'c', lsn: 12n, after: ['7', 'y', null] }
    const wild = Array.from({ length: 40 }, (_, i) => row(1, i, BigInt(i)))
    for (const changes of [rows, [truncate, ...rows], [stream, ...rows], [...rows, stream, ...rows], [row(6, 1), ...rows], wild]) {
      const batch = fakeBatch([one], [changes])
      const whole = setup({ skipped: [] })
      const sharing = setup({ skipped: [], sharesTails: true })
      await whole.encoder.prepare([one])
      await sharing.encoder.prepare([one])
      const got = sharing.encoder.encode(batch)
      expect(valuesOf(got)).toEqual(valuesOf(whole.encoder.encode(batch)))
      expect(got.length).toBeLessThan(12)
    }
    const { encoder } = setup({ sharesTails: true })
    await encoder.prepare([one])
    expect(encoder.encode(fakeBatch([one], [rows])).map((b) => b.count)).toEqual([1, 3, 1])
    expect(encoder.encode(fakeBatch([one], [[stream, row(6, 1)]])).map((b) => b.valueTail)).toEqual([undefined])
  })

  it('writes the source of snapshot rows by mark, table and place, whichever came before', async () => {
    const { encoder, registry } = setup()
    const one = tableOf(columns, [0])
    const other = tableOf(columns, [0], 'other')
    await encoder.prepare([one, other])
    const row = (table: number, mark: SnapshotMark, lsn: bigint): FakeChange => ({ op: 'r', table, mark, lsn, after: ['1', 'x', null] })
    const rows = [row(0, 2, 9n), row(0, 1, 9n), row(0, 1, 9n), row(0, 1, 10n), row(1, 1, 10n), row(1, 1, 10n), row(0, 5, 10n)]
    const batch = fakeBatch([one, other], [rows])
    const seen = decodeAll(encoder.encode(batch), registry).map(
      ({ value: { source: s } }) => `${s.table} ${s.snapshot} ${s.lsn} ${s.sequence}`,
    )
    const at = (t: string, mark: string, lsn: number): string => `${t} ${mark} ${lsn} [null,"${lsn}"]`
    const own = ['first', 'true', 'true'].map((m) => at(one.id.table, m, 9))
    const tail = [at(one.id.table, 'true', 10), at(one.id.table, 'last', 10)]
    expect(seen).toEqual([...own, ...tail, at('other', 'true', 10), at('other', 'true', 10)])
  })

  it('splits a key change into delete, tombstone and create with headers', async () => {
    const { encoder, registry } = setup()
    const table = tableOf(columns, [0])
    await encoder.prepare([table])
    const batch = fakeBatch([table], [[{ op: 'u', before: ['1', null, null], beforeKind: 1, after: ['2', undefined, '1'] }]])
    const [d, tombstone, c] = decodeAll(encoder.encode(batch), registry)
    expect([d.value.op, tombstone.value, c.value.op]).toEqual(['d', null, 'c'])
    expect([d.key, tombstone.key, c.key]).toEqual([{ id: 1n }, { id: 1n }, { id: 2n }])
    const schema = '{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}],"optional":false,"name":"p.public.t.Key"}'
    expect(d.headers).toEqual([{ name: '__debezium.newkey', value: `{"schema":${schema},"payload":{"id":2}}` }])
    expect(tombstone.headers).toEqual(d.headers)
    expect(c.headers).toEqual([{ name: '__debezium.oldkey', value: `{"schema":${schema},"payload":{"id":1}}` }])
    expect(d.side).toBe(null)
    expect(c.side).toEqual([1])
    expect(c.value.after.name).toBe('__debezium_unavailable_value')
  })

  it('takes a value that is not in the new tuple from the whole old row', async () => {
    const { encoder, registry } = setup()
    const table = tableOf(columns, [0])
    await encoder.prepare([table])
    const batch = fakeBatch([table], [[{ op: 'u', before: ['1', 'long text', null], after: ['1', undefined, undefined] }]])
    const [u] = decodeAll(encoder.encode(batch), registry)
    expect(u.value.after).toEqual({ id: 1n, name: 'long text', n: null })
    expect(u.side).toBe(null)
  })

  it('carries the four context headers once per batch', async () => {
    const { encoder } = setup()
    const table = tableOf(columns, [0])
    await encoder.prepare([table])
    const [batch] = encoder.encode(fakeBatch([table], [[{ op: 'c', after: ['1', null, null] }]]))
    expect(readHeaders(batch.headers!).map((h) => h.name)).toEqual([
      '__debezium.context.connectorLogicalName',
      '__debezium.context.taskId',
      '__debezium.context.connectorName',
      '__debezium.context.runId',
    ])
  })

  it('tells once of a value that has no form, whether the old row of an update has it, too', async () => {
    const told: string[] = []
    const { encoder } = setup({ onUnshown: (t, c) => told.push(`${t.table}.${c}`) })
    const table = tableOf(columns, [0])
    await encoder.prepare([table])
    const counts: number[] = []
    const changes: FakeChange[] = [
      { op: 'c', after: ['1', 'a', 'NaN'] },
      { op: 'u', before: ['1', 'a', 'NaN'], after: ['1', 'b', 'NaN'] },
      { op: 'u', before: ['1', 'b', 'NaN'], after: ['2', 'b', 'NaN'] },
      { op: 'u', before: ['2', 'b', 'NaN'], after: ['2', 'b', '1'] },
      { op: 'd', before: ['2', 'b', 'NaN'] },
    ]
    for (const change of changes) {
      encoder.encode(fakeBatch([table], [[change]]))
      counts.push(told.splice(0).length)
    }
    expect(counts).toEqual([1, 1, 1, 0, 1])
  })

  it('refuses NaN in a NOT NULL decimal instead of inventing a number', async () => {
    const { encoder } = setup()
    const table = tableOf([columns[0], column('n', 'numeric', { notNull: true })], [0])
    await encoder.prepare([table])
    let caught: unknown
    try {
      encoder.encode(fakeBatch([table], [[{ op: 'c', after: ['1', 'NaN'] }]]))
    } catch (e) {
      caught = e
    }
    expect(isFailure(caught, 'TRB-ENV-005')).toBe(true)
  })

  it('counts events of a transaction over batches and after a restored state', async () => {
    const { encoder, registry } = setup({ transactions: true })
    const table = tableOf(columns, [0])
    await encoder.prepare([table])
    const whole = fakeBatch([table], [[{ op: 'c', after: ['1', null, null] }]])
    const open = { ...whole, transactions: [{ ...whole.transactions[0], ends: false }] }
    const first = decodeAll(encoder.encode(open), registry)
    expect(first.map((r) => r.topic)).toEqual(['p.transaction', 'p.public.t'])
    const again = setup({ transactions: true })
    again.encoder.restore(encoder.state())
    await again.encoder.prepare([table])
    const rest = decodeAll(
      again.encoder.encode({ ...whole, transactions: [{ ...whole.transactions[0], begins: false, firstIndex: 1 }] }),
      again.registry,
    )
    const data = rest.find((r) => r.topic === 'p.public.t')!
    expect(data.value.transaction).toMatchObject({ total_order: 2n, data_collection_order: 2n })
    const end = rest.find((r) => r.topic === 'p.transaction')!
    expect(end.value).toMatchObject({
      status: 'END',
      event_count: 2n,
      data_collections: [{ data_collection: 'public.t', event_count: 2n }],
    })
  })

  it('refuses two columns that would have one name in the record', async () => {
    const { encoder } = setup({ fieldNames: 'avro' })
    const error = await encoder.prepare([tableOf([column('a-b', 'text'), column('a b', 'text')], [])]).catch((e: unknown) => e)
    expect(isFailure(error, 'TRB-ENV-009')).toBe(true)
  })
})
