import { Failure } from '../../failure/failure.ts'
import { KafkaCluster } from './cluster.ts'
import { codecOf } from './compression.ts'
import { newestRecord, offsetPartition } from './offset-reader.ts'
import {
  CURSOR_HEADER,
  cursorText,
  type NumberedCursor,
  OFFSETS_SETTINGS,
  type OffsetRecord,
  offsetBytes,
  offsetKey,
} from './offset-record.ts'
import type { KafkaOptions } from './options.ts'
import { PartitionWriter, type SealableBatch } from './record-batch.ts'
import { ensureTopic, topicConfig } from './topics.ts'
import { TransactionalProducer, TransactionLost, transactionalId } from './transaction.ts'
import { NotReady } from './trouble.ts'

/** Where the position of a name is kept. */
export interface OffsetPlace {
  readonly kafka: KafkaOptions
  readonly topic: string
  readonly name: string
  readonly connector: string
  readonly prefix: string
}

/** The newest committed offset record; null: none, or it was reset. Disturbs nobody. */
export async function readOffset(place: OffsetPlace): Promise<OffsetRecord | null> {
  const cluster = new KafkaCluster(place.kafka)
  try {
    const record = await newestRecord(cluster, place.topic, offsetKey(place.connector, { server: place.prefix }))
    return record === null || record.value === null ? null : record
  } finally {
    await cluster.close()
  }
}

/**
 * Writes an offset as the position of a name, or takes it away (null). A run that goes on under this name is fenced: it would go on from
 * another position.
 */
export async function writeOffset(
  place: OffsetPlace,
  offset: { readonly value: string; readonly cursor: NumberedCursor } | null,
): Promise<void> {
  const { kafka, topic, name, connector, prefix } = place
  const cluster = new KafkaCluster(kafka)
  try {
    const layout = await ensureTopic(cluster, topic, OFFSETS_SETTINGS, () => undefined)
    const policy = (await topicConfig(cluster, topic, ['cleanup.policy'])).get('cleanup.policy') ?? ''
    if (policy !== 'compact') throw new Failure('TRB-KAFKA-009', { topic, policy })
    const key = offsetKey(connector, { server: prefix })
    const partitions = layout.leaders.length
    const writer = new PartitionWriter(topic, codecOf('none'), { partitions, maxBytes: 1 << 16 })
    const headers = new Map(offset === null ? [] : [[CURSOR_HEADER, cursorText(offset.cursor)]])
    const records = offsetBytes({ key, value: offset?.value ?? null, headers }, kafka.clock.now())
    writer.add({ topic, partition: 0, count: 1, keySchema: 0, valueSchema: 0, records, headers: null, runs: [] })
    const producer = new TransactionalProducer(cluster, transactionalId(name), name, 30_000)
    await producer.start()
    const partition = offsetPartition(key, partitions)
    await writeAlone(cluster, producer, { topic, partition }, writer.finish())
  } finally {
    await cluster.close()
  }
}

/** One transaction, done again where a try is lost. Fails with TRB-KAFKA-005 when another process takes the name over meanwhile. */
async function writeAlone(
  cluster: KafkaCluster,
  producer: TransactionalProducer,
  { topic, partition }: { readonly topic: string; readonly partition: number },
  batches: readonly SealableBatch[],
): Promise<void> {
  // A topic that has just been made may have no leader that knows of it.
  await cluster.retrying(`writing to ${topic}`, async () => {
    try {
      await producer.add(new Map([[topic, new Set([partition])]]))
      await producer.produce(batches)
      await producer.commit()
    } catch (e) {
      if (e instanceof Failure) throw e
      await producer.renew()
      throw e instanceof TransactionLost ? new NotReady(e.message) : e
    }
  })
}
