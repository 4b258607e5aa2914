import type { TopicBatch } from '../../contract/log.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { KafkaCluster } from './cluster.ts'
import { codecOf } from './compression.ts'
import { committedRecords, newestRecord } from './offset-reader.ts'
import { offsetBytes } from './offset-record.ts'
import type { KafkaOptions, TopicSettings } from './options.ts'
import { PartitionWriter } from './record-batch.ts'
import { ensureTopic, topicConfig } from './topics.ts'
import { TransactionalProducer, TransactionLost } from './transaction.ts'
import { troubleOf } from './trouble.ts'

/** `key` and `value` of one record; value null: the key is taken away. */
export interface KeyedText {
  readonly key: string
  readonly value: string | null
}

export interface CompactedLogOptions {
  readonly kafka: KafkaOptions
  readonly topic: string
  /** Who writes it: one writer at a time, a new one shuts the one before out. */
  readonly writer: string
  /** −1: the broker's default. */
  readonly replication: number
}

/** Records are small, and a batch of them below any broker's limit. */
const BATCH_BYTES = 512 << 10
const TRANSACTION_MS = 60_000
const ATTEMPTS = 5

/**
 * A topic of one partition that Kafka compacts by key, written by one process at a time. Fails with TRB-REG-015 (a topic of another shape),
 * TRB-REG-016 (another process has taken over), and TRB-KAFKA codes.
 */
export class CompactedLog {
  private readonly cluster: KafkaCluster
  private readonly options: CompactedLogOptions
  private readonly producer: TransactionalProducer

  private constructor(options: CompactedLogOptions) {
    this.options = options
    this.cluster = new KafkaCluster(options.kafka)
    this.producer = new TransactionalProducer(this.cluster, `${options.topic}.${options.writer}`, options.writer, TRANSACTION_MS)
  }

  static async open(options: CompactedLogOptions): Promise<CompactedLog> {
    const log = new CompactedLog(options)
    try {
      await log.prepare()
      // First the name, then the records: what an earlier writer was just committing is decided before it is read.
      await log.producer.start()
      return log
    } catch (e) {
      await log.close()
      throw e
    }
  }

  /** Every committed record, oldest first. Those without a key are left out: no writer of such a topic makes them. */
  async read(): Promise<readonly KeyedText[]> {
    const found: KeyedText[] = []
    for await (const { key, value } of committedRecords(this.cluster, { topic: this.options.topic, partition: 0 })) {
      if (key !== null) found.push({ key, value })
    }
    return found
  }

  /** All of the records or none, in one transaction. They are not empty, and their last one differs from the newest of its key. */
  async append(records: readonly KeyedText[]): Promise<void> {
    const last = records.at(-1)!
    for (let attempt = 1; ; attempt++) {
      try {
        await this.transaction(records)
        return
      } catch (e) {
        const text = this.passing(e)
        if (attempt === ATTEMPTS) throw new Failure('TRB-KAFKA-012', { doing: `writing to ${this.options.topic}`, detail: text }, e)
        this.cluster.say(`writing to ${this.options.topic}`, text)
        this.cluster.forget()
        await this.renew()
        // The commit may have got through although its answer did not.
        if ((await newestRecord(this.cluster, this.options.topic, last.key))?.value === last.value) return
      }
    }
  }

  /** What a transaction may be done again after; anything else is thrown, by its own name. */
  private passing(e: unknown): string {
    if (e instanceof TransactionLost) return e.message
    const trouble = troubleOf(e)
    if (trouble.kind === 'retry') return trouble.text
    if (trouble.kind === 'failure') throw this.named(trouble.failure)
    throw new Failure('TRB-KAFKA-012', { doing: `writing to ${this.options.topic}`, detail: trouble.text }, e)
  }

  private async renew(): Promise<void> {
    try {
      await this.producer.renew()
    } catch (e) {
      throw this.named(e)
    }
  }

  private named(e: unknown): unknown {
    return isFailure(e, 'TRB-KAFKA-005') ? new Failure('TRB-REG-016', { topic: this.options.topic }, e) : e
  }

  async close(): Promise<void> {
    await this.cluster.close()
  }

  private async prepare(): Promise<void> {
    const { topic, replication } = this.options
    const settings: TopicSettings = { partitions: 1, replication, config: new Map([['cleanup.policy', 'compact']]) }
    const layout = await ensureTopic(this.cluster, topic, settings, () => undefined)
    if (layout.leaders.length !== 1) {
      throw new Failure('TRB-REG-015', { topic, detail: `it has ${layout.leaders.length} partitions, and its order needs one` })
    }
    const policy = (await topicConfig(this.cluster, topic, ['cleanup.policy'])).get('cleanup.policy') ?? ''
    if (policy !== 'compact')
      throw new Failure('TRB-REG-015', { topic, detail: `it has cleanup.policy=${policy}, and must keep the newest record of each key` })
  }

  private async transaction(records: readonly KeyedText[]): Promise<void> {
    const { topic } = this.options
    const now = this.cluster.options.clock.now()
    const writer = new PartitionWriter(topic, codecOf('none'), { partitions: 1, maxBytes: BATCH_BYTES })
    const bytes = records.map(({ key, value }) => offsetBytes({ key, value, headers: new Map() }, now))
    const batch: TopicBatch = {
      ...{ topic, partition: 0, count: records.length, keySchema: 0, valueSchema: 0, headers: null, runs: [] },
      records: Buffer.concat(bytes),
    }
    writer.add(batch)
    await this.producer.add(new Map([[topic, new Set([0])]]))
    await this.producer.produce(writer.finish())
    await this.producer.commit()
  }
}
