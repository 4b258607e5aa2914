// In a process of its own: one row per transaction at RATE per second, and how long each takes from just before its INSERT is sent until a
// read_committed consumer of kafkajs has it. node pg-kafka-latency.ts URL BOOTSTRAP TOPIC
import { setTimeout as sleep } from 'node:timers/promises'
import { zstdDecompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { startWork } from './measure.ts'

const RATE = 2000
const SECONDS = 10
const CLIENTS = 8
const INSERT = 'INSERT INTO bench_orders (id, customer_id, note) VALUES ($1, 1, $2)'
/** The first of them meet a cold consumer. */
const WARM_UP = RATE * 2
const [url, bootstrap, topic] = process.argv.slice(2) as [string, string, string]

kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: () => Promise.reject(new Error('not asked for')),
  decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
})
const total = RATE * SECONDS
const sentAt = new Float64Array(total)
const took: number[] = []
const consumer = new kafkajs.Kafka({ brokers: [bootstrap], logLevel: kafkajs.logLevel.ERROR }).consumer({
  groupId: 'latency',
  maxWaitTimeInMs: 100,
  minBytes: 1,
})
const seen = Promise.withResolvers<void>()
await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: false })
const joined = new Promise<void>((done) => consumer.on(consumer.events.GROUP_JOIN, () => done()))
await consumer.run({
  autoCommit: false,
  async eachBatch({ batch, resolveOffset }) {
    const now = performance.now()
    for (const m of batch.messages) {
      // `note` holds `#<n>#`: found in the bytes without an Avro decoder.
      const text = m.value?.toString('latin1') ?? ''
      const n = Number(/#(\d+)#/.exec(text)?.[1])
      if (n >= 0) took.push(n < WARM_UP ? -1 : now - sentAt[n]!)
    }
    resolveOffset(batch.lastOffset())
    if (took.length >= total) seen.resolve()
  },
})
await joined
await sleep(1500)

const clients = await Promise.all(
  Array.from({ length: CLIENTS }, async () => {
    const c = new pg.Client({ connectionString: url })
    await c.connect()
    return c
  }),
)
const report = startWork()
const start = performance.now()
let next = 0
/** Takes the next row that is due; one INSERT of a client at a time, so that none waits in a queue of ours. */
const insertAll = async (client: pg.Client): Promise<void> => {
  while (next < total) {
    const n = next++
    const due = start + (n * 1000) / RATE
    if (due > performance.now() + 1) await sleep(due - performance.now())
    sentAt[n] = performance.now()
    await client.query({ name: 'i', text: INSERT, values: [10_000_000 + n, `#${n}#`] })
  }
}
await Promise.all(clients.map(insertAll))
const rate = Math.round(total / ((performance.now() - start) / 1000))
await Promise.race([seen.promise, sleep(30_000)])
const times = took.filter((t) => t >= 0).sort((a, b) => a - b)
const at = (q: number): string => (times[Math.floor((times.length - 1) * q)] ?? Number.NaN).toFixed(1)
report(
  total,
  `${rate} commits/s, insert → consumer p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms (${times.length} of ${total - WARM_UP})`,
)
for (const c of clients) await c.end()
await consumer.disconnect()
