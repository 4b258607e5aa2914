import { spawnSync } from 'node:child_process'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import kafkajs, { type Kafka } from 'kafkajs'
import { inject } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { KafkaOptions } from '../../src/log/kafka/options.ts'
import type { KafkaServer } from './kafka-server.ts'

/** The broker of `.kafka.test.ts` suites (test/support/kafka-server.ts). */
export function kafkaServer(): KafkaServer {
  return inject('kafka')
}

/** Without anything new for so long a reader has seen what there is. */
const IDLE_MS = 2500

let counter = 0

/** A name that no other test uses: topics, transactional ids and groups of a test begin with it. */
export function freshName(prefix: string): string {
  return `${prefix}-${process.pid}-${Date.now().toString(36)}-${++counter}`
}

/** The plaintext listener as our own client is told of it. */
export function plainOptions(more: Partial<KafkaOptions> = {}, port = kafkaServer().port): KafkaOptions {
  const bootstrap = [{ host: '127.0.0.1', port }]
  return { bootstrap, clientId: 'test', tls: null, sasl: null, outageMs: 15_000, clock: systemClock, ...more }
}

// kafkajs leaves zstd to whoever has an implementation.
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => zstdCompressSync(buffer),
  decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
})

/** kafkajs: the client that is not ours. */
export function foreignClient(bootstrap = kafkaServer().bootstrap): Kafka {
  return new kafkajs.Kafka({
    clientId: 'foreign',
    brokers: bootstrap.split(','),
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 20 },
  })
}

export interface ForeignRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

/** Everything that a read_committed consumer of kafkajs sees of these topics up to their present ends, partition by partition in order. */
export async function readCommitted(topics: readonly string[], client = foreignClient()): Promise<ForeignRecord[]> {
  const admin = client.admin()
  await admin.connect()
  const left = new Map<string, bigint>()
  for (const topic of topics) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
      if (BigInt(high) > BigInt(low)) left.set(`${topic}/${partition}`, BigInt(high))
    }
  }
  await admin.disconnect()
  const out: ForeignRecord[] = []
  if (left.size === 0) return out
  const consumer = client.consumer({ groupId: freshName('reader'), readUncommitted: false, maxWaitTimeInMs: 100 })
  const done = Promise.withResolvers<void>()
  let heard = Number.POSITIVE_INFINITY
  consumer.on(consumer.events.CRASH, (e) => done.reject(e.payload.error))
  consumer.on(consumer.events.GROUP_JOIN, () => {
    heard = Date.now()
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    async eachBatch({ batch, resolveOffset }) {
      const { topic, partition } = batch
      for (const m of batch.messages) {
        const headers = Object.fromEntries(Object.entries(m.headers ?? {}).map(([k, v]) => [k, String(v)]))
        out.push({ topic, partition, offset: m.offset, timestamp: m.timestamp, key: m.key, value: m.value, headers })
      }
      resolveOffset(batch.lastOffset())
      heard = Date.now()
      const end = left.get(`${topic}/${partition}`)
      // Behind the last record there is the marker of its transaction, which this client keeps to itself.
      if (end !== undefined && BigInt(batch.lastOffset()) + 2n >= end) left.delete(`${topic}/${partition}`)
      if (left.size === 0) done.resolve()
    },
  })
  // An aborted transaction at the end gives it nothing to tell either.
  const watch = setInterval(() => Date.now() - heard > IDLE_MS && done.resolve(), 50)
  try {
    await done.promise
  } finally {
    clearInterval(watch)
    await consumer.disconnect()
  }
  return out
}

/** Runs a class of Kafka's own tools; gives its stdout. */
export function kafkaTool(tool: string, ...args: string[]): string {
  const run = spawnSync('bash', ['test/services/kafka.sh', 'run', tool, ...args], { encoding: 'utf8', timeout: 60_000 })
  if (run.status !== 0) throw new Error(`${tool} ended with ${run.status}: ${run.stderr}\n${run.stdout}`)
  return run.stdout
}
