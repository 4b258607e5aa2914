import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka'
import kafkajs, { type Kafka } from 'kafkajs'

/** Without anything new for so long, and so many answers of brokers, a reader has seen what there is; a busy machine pauses for seconds. */
const IDLE_MS = 8000
const IDLE_ANSWERS = 20

let counter = 0

// kafkajs leaves zstd to whoever has an implementation.
kafkajs.CompressionCodecs[kafkajs.CompressionTypes.ZSTD] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) => zstdCompressSync(buffer),
  decompress: async (buffer: Buffer) => zstdDecompressSync(buffer),
})

/** kafkajs: the client that is not ours. */
export function foreignClient(bootstrap: string): Kafka {
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

/**
 * Ends of the partitions that hold something, open transactions included. kafkajs lists committed ends only, and those rise a moment after the
 * commit was answered: the coordinator writes the markers behind its answer.
 */
async function highWatermarks(topics: readonly string[], bootstrap: string): Promise<Map<string, bigint>> {
  const client = new Consumer({ clientId: 'ends', groupId: 'ends', bootstrapBrokers: bootstrap.split(',') })
  const list = [...topics]
  const lows = await client.listOffsets({ topics: list, timestamp: ListOffsetTimestamps.EARLIEST })
  const highs = await client.listOffsets({ topics: list, timestamp: ListOffsetTimestamps.LATEST, isolationLevel: 0 })
  await client.close()
  const entries = list.flatMap((t) => (highs.get(t) ?? []).map((high, p) => ({ at: `${t}/${p}`, high, low: lows.get(t)?.[p] ?? 0n })))
  return new Map(entries.filter((e) => e.high > e.low).map((e) => [e.at, e.high]))
}

/** Everything that a read_committed consumer of kafkajs sees of these topics up to their present ends, partition by partition in order. */
export async function readCommitted(topics: readonly string[], bootstrap: string): Promise<ForeignRecord[]> {
  const client = foreignClient(bootstrap)
  const left = await highWatermarks(topics, bootstrap)
  const out: ForeignRecord[] = []
  if (left.size === 0) return out
  const consumer = client.consumer({
    groupId: `reader-${process.pid}-${Date.now().toString(36)}-${++counter}`,
    readUncommitted: false,
    maxWaitTimeInMs: 100,
  })
  const done = Promise.withResolvers<void>()
  let heard = Number.POSITIVE_INFINITY
  let answers = 0
  const read = new Map<string, bigint>()
  // A passing trouble of the group is a crash too, after which it starts again by itself.
  consumer.on(consumer.events.CRASH, (e) => {
    if (!e.payload.restart) done.reject(e.payload.error)
  })
  consumer.on(consumer.events.GROUP_JOIN, () => {
    heard = Date.now()
  })
  consumer.on(consumer.events.FETCH, () => {
    answers++
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    async eachBatch({ batch, resolveOffset }) {
      const { topic, partition } = batch
      const at = `${topic}/${partition}`
      for (const m of batch.messages) {
        // A member that a pause of the machine put out of its group begins anew where nothing was committed: at the start.
        if (BigInt(m.offset) <= (read.get(at) ?? -1n)) continue
        read.set(at, BigInt(m.offset))
        const headers = Object.fromEntries(Object.entries(m.headers ?? {}).map(([k, v]) => [k, String(v)]))
        out.push({ topic, partition, offset: m.offset, timestamp: m.timestamp, key: m.key, value: m.value, headers })
      }
      resolveOffset(batch.lastOffset())
      heard = Date.now()
      answers = 0
      const end = left.get(at)
      // Behind the last record there is the marker of its transaction, which this client keeps to itself.
      if (end !== undefined && BigInt(batch.lastOffset()) + 2n >= end) left.delete(at)
      if (left.size === 0) done.resolve()
    },
  })
  // An aborted transaction at the end gives it nothing to tell either.
  const watch = setInterval(() => answers >= IDLE_ANSWERS && Date.now() - heard > IDLE_MS && done.resolve(), 50)
  try {
    await done.promise
  } finally {
    clearInterval(watch)
    await consumer.disconnect()
  }
  return out
}
