import { Admin, Producer } from '@platformatic/kafka'
import avsc from 'avsc'
import { wire } from '../test/support/topic-producer.ts'
import { random } from './orders-changes.ts'

const MICROS = { type: 'long', 'connect.version': 1, 'connect.name': 'io.debezium.time.MicroTimestamp' }
const optional = (type: string) => ['null', type]
const ROW = {
  type: 'record',
  name: 'Value',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'customer', type: 'int' },
    { name: 'status', type: optional('string') },
    { name: 'city', type: optional('string') },
    { name: 'amount', type: ['null', 'double'] },
    { name: 'created_at', type: ['null', MICROS] },
    { name: 'updated_at', type: ['null', MICROS] },
    { name: 'note', type: optional('string') },
  ],
}
const SOURCE = {
  type: 'record',
  name: 'Source',
  namespace: 'io.debezium.connector.postgresql',
  fields: [
    ...['version', 'connector', 'name'].map((name) => ({ name, type: 'string' })),
    { name: 'ts_ms', type: 'long' },
    { name: 'snapshot', type: optional('string') },
    { name: 'db', type: 'string' },
    { name: 'sequence', type: optional('string') },
    ...['ts_us', 'ts_ns'].map((name) => ({ name, type: optional('long') })),
    ...['schema', 'table'].map((name) => ({ name, type: 'string' })),
    ...['txId', 'lsn', 'xmin'].map((name) => ({ name, type: optional('long') })),
  ],
}
const BLOCK = { type: 'record', name: 'block', namespace: 'event', fields: [{ name: 'id', type: 'string' }] }
const KEY = JSON.stringify({ type: 'record', name: 'Key', namespace: 'bench.public.orders', fields: [{ name: 'id', type: 'long' }] })
const VALUE = JSON.stringify({
  type: 'record',
  name: 'Envelope',
  namespace: 'bench.public.orders',
  fields: [
    { name: 'before', type: ['null', ROW] },
    { name: 'after', type: ['null', 'Value'] },
    { name: 'source', type: SOURCE },
    { name: 'transaction', type: ['null', BLOCK] },
    { name: 'op', type: 'string' },
    ...['ts_ms', 'ts_us', 'ts_ns'].map((name) => ({ name, type: optional('long') })),
  ],
})

export const eventSchemas = (): Map<number, string> => new Map([[1, KEY], [2, VALUE]]) // biome-ignore format: a pair a line

/** Changes as Debezium's Postgres connector writes them, Avro and zstd: the first half inserts, the second updates of the same rows. */
export async function produceEvents(bootstrap: string, topic: string, events: number): Promise<void> {
  const base = { clientId: 'bench', bootstrapBrokers: [bootstrap] }
  const admin = new Admin(base)
  await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 })
  await admin.close()
  const producer = new Producer({ ...base, acks: -1, compression: 'zstd' })
  const key = avsc.Type.forSchema(JSON.parse(KEY))
  const value = avsc.Type.forSchema(JSON.parse(VALUE), { wrapUnions: false } as never)
  const next = random(7)
  for (let i = 0; i < events; i += 2000) {
    const messages = Array.from({ length: Math.min(2000, events - i) }, (_, n) => {
      const id = (i + n) % (events / 2)
      const bytes = wire(2, value.toBuffer(event(id, i + n, next)))
      return { topic, partition: id & 1, key: wire(1, key.toBuffer({ id })), value: bytes }
    })
    await producer.send({ messages })
  }
  await producer.close()
}

function event(id: number, n: number, next: () => number): object {
  const ms = 1_763_700_000_000 + n
  const note = (next() * 1e9).toString(36).padEnd(14, 'x') + (next() * 1e9).toString(36) + (next() * 1e9).toString(36)
  const row = { id, customer: next() % 10_000, status: 'paid', city: 'Osaka', amount: (next() % 1e6) / 100, note }
  const source = { version: '3.6.1.Final', connector: 'postgresql', name: 'bench', ts_ms: ms, snapshot: 'false', db: 'shop' }
  const place = { sequence: `["${n}","${n + 8}"]`, ts_us: ms * 1000, ts_ns: null, schema: 'public', table: 'orders' }
  return {
    before: null,
    after: { ...row, created_at: ms * 1000, updated_at: ms * 1000 },
    source: { ...source, ...place, txId: n >> 4, lsn: n * 64, xmin: null },
    transaction: null,
    op: n < 500_000 ? 'c' : 'u',
    ts_ms: ms,
    ts_us: ms * 1000,
    ts_ns: null,
  }
}
