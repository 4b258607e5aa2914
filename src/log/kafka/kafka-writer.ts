import type { LogCursor, LogWriter, TopicBatch } from '../../contract/log.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { KafkaCluster, type TopicLayout } from './cluster.ts'
import { type Codec, codecOf } from './compression.ts'
import { committedExtent, newestRecord, offsetPartition } from './offset-reader.ts'
import {
  CURSOR_HEADER,
  cursorText,
  ENDS_HEADER,
  endsText,
  type NumberedCursor,
  OFFSETS_SETTINGS,
  offsetBytes,
  offsetKey,
  parseCursor,
} from './offset-record.ts'
import type { Compression, KafkaOptions, TopicSettings } from './options.ts'
import { PartitionWriter, type SealableBatch } from './record-batch.ts'
import { ensureTopic, type TopicDifference, topicConfig } from './topics.ts'
import { BatchTooLarge, type NextOffsets, TransactionalProducer, TransactionLost, transactionalId } from './transaction.ts'
import { troubleOf } from './trouble.ts'

/** Uncompressed bytes of a batch, below the brokers' default of 1,048,588 for a batch as it is stored. */
const BATCH_BYTES = 960_000

export interface KafkaLogOptions {
  readonly kafka: KafkaOptions
  /** Name of the source: one writer per name. */
  readonly name: string
  /** Name of the connector in the offset's key. */
  readonly connector: string
  /** Topic prefix: Debezium's `server` in the offset's key. */
  readonly prefix: string
  readonly offsetsTopic: string
  readonly topics: TopicSettings
  readonly compression: Compression
  /** A topic that is there with other settings is an error (TRB-KAFKA-008), not a warning. */
  readonly refuseDifferent: boolean
  /** Topics of this prefix may hold records although no position is known. */
  readonly adopt: boolean
  /** Milliseconds after which the broker aborts a transaction whose writer is gone; consumers wait so long for what comes after it. */
  readonly transactionMs: number
  /** Debezium's offset for a cursor, as JSON text. */
  readonly describe: (cursor: LogCursor) => string
  /** The cursor that a Debezium offset stands for. Fails with TRB-KAFKA-015. */
  readonly understand: (offset: string) => LogCursor
  readonly warn: (text: string) => void
}

/**
 * Opens the log that is Kafka. One append is one Kafka transaction: the records of all topics, and the position in the offsets topic.
 * Takes the name over from any other process (which is fenced), then reads the position. Fails with TRB-KAFKA codes.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const cluster = new KafkaCluster(options.kafka)
  try {
    const log = new KafkaLog(options, cluster)
    await log.start()
    return log
  } catch (e) {
    await cluster.close()
    throw e
  }
}

interface Topic {
  readonly layout: TopicLayout
  readonly writer: PartitionWriter
}

export class KafkaLog implements LogWriter {
  private readonly options: KafkaLogOptions
  private readonly cluster: KafkaCluster
  private readonly producer: TransactionalProducer
  private readonly codec: Codec
  private readonly key: string
  private readonly topics = new Map<string, Topic>()
  /** Smaller than BATCH_BYTES where a topic took less. */
  private readonly limits = new Map<string, number>()
  /** Offset that the next record of a partition will have, by `topic/partition`; the marker that ends a transaction takes one. */
  private readonly next = new Map<string, bigint>()
  /** Topics that others write to as well: where a record will be is known when it is there. */
  private readonly shared = new Set<string>()
  private last: NumberedCursor | null = null

  constructor(options: KafkaLogOptions, cluster: KafkaCluster) {
    this.options = options
    this.cluster = cluster
    this.codec = codecOf(options.compression)
    this.key = offsetKey(options.connector, { server: options.prefix })
    this.producer = new TransactionalProducer(cluster, transactionalId(options.name), options.name, options.transactionMs)
  }

  /** The id first, then the position: what an earlier writer was just committing is decided before it is read. */
  async start(): Promise<void> {
    const { offsetsTopic, name } = this.options
    await this.prepareOffsets()
    await this.producer.start()
    this.last = await this.stored()
    if (this.last !== null) {
      const { source } = this.last.cursor
      const detail = `it is of the source ${source}`
      if (source !== name) throw new Failure('TRB-KAFKA-010', { name, topic: offsetsTopic, detail })
    } else if (!this.options.adopt) await this.requireEmpty()
  }

  cursor(source: string): LogCursor | null {
    return this.last !== null && this.last.cursor.source === source ? this.last.cursor : null
  }

  async append(batches: readonly TopicBatch[], cursor: LogCursor): Promise<number> {
    const append = (this.last?.append ?? 0) + 1
    const { clock, outageMs, bootstrap } = this.cluster.options
    const start = clock.now()
    for (;;) {
      try {
        await this.transaction(batches, { append, cursor })
        break
      } catch (e) {
        const text = this.passing(e)
        if (clock.now() - start > outageMs) {
          const hosts = bootstrap.map((b) => `${b.host}:${b.port}`).join(',')
          const seconds = Math.round(outageMs / 1000)
          throw new Failure('TRB-KAFKA-001', { hosts, doing: 'writing a transaction', detail: text, seconds }, e)
        }
        if (clock.now() - start >= 1000) this.cluster.say('writing a transaction', `${text}; it is aborted and done again`)
        this.topics.clear()
        this.next.clear()
        this.cluster.forget()
        await this.producer.renew()
        // The commit may have got through although its answer did not.
        if (this.isCommitted({ append, cursor }, await this.stored())) break
      }
    }
    this.last = { append, cursor }
    return append
  }

  async close(): Promise<void> {
    await this.cluster.close()
  }

  /**
   * Whether an append is the newest one. Fails with TRB-KAFKA-005 when neither it nor the one before it is: the brokers forget the id of an
   * idle writer, and with it who has taken the name over meanwhile.
   */
  private isCommitted(wanted: NumberedCursor, stored: NumberedCursor | null): boolean {
    const { name, offsetsTopic } = this.options
    if (isSame(stored, wanted)) return true
    if (isSame(stored, this.last)) return false
    const at = stored === null ? 'none' : `${stored.cursor.at} (append ${stored.append})`
    throw new Failure('TRB-KAFKA-005', { name, detail: `the position in ${offsetsTopic} is ${at}, which this process did not write` })
  }

  /** Newest committed cursor of this name in the offsets topic. */
  private async stored(): Promise<NumberedCursor | null> {
    const { offsetsTopic, name, understand } = this.options
    const record = await newestRecord(this.cluster, offsetsTopic, this.key)
    if (record === null || record.value === null) return null
    const header = record.headers.get(CURSOR_HEADER)
    if (header !== undefined) return parseCursor(header, name, offsetsTopic)
    return { append: 0, cursor: understand(record.value) }
  }

  /**
   * The offsets that the records get are told beside the position. They are foreseen where this process has written the records before, and
   * so all goes out at once; elsewhere the position is sent when the records have been answered. What was foreseen wrongly is not committed.
   */
  private async transaction(batches: readonly TopicBatch[], at: NumberedCursor): Promise<void> {
    const { offsetsTopic } = this.options
    const data = await this.encode(batches)
    const partitions = new Map<string, Set<number>>()
    for (const b of data) {
      const held = partitions.get(b.topic)
      if (held === undefined) partitions.set(b.topic, new Set([b.partition]))
      else held.add(b.partition)
    }
    const offsets = await this.topic(offsetsTopic)
    partitions.set(offsetsTopic, new Set([offsetPartition(this.key, offsets.layout.leaders.length)]))
    await this.producer.add(partitions)
    const foreseen = this.foresee(data)
    const first = foreseen === null ? await this.producer.produce(data) : null
    const position = this.offsetBatch(offsets.writer, at, foreseen ?? first!)
    const ends = await this.producer.produce(foreseen === null ? position : [...data, ...position])
    if (foreseen !== null) this.requireForeseen(foreseen, ends)
    await this.producer.commit()
    for (const [topic, ps] of first ?? foreseen!) for (const [p, end] of ps) this.next.set(`${topic}/${p}`, end + 1n)
  }

  /** Offsets after the last record of each partition that the batches go to; null: not known for each. */
  private foresee(data: readonly SealableBatch[]): NextOffsets | null {
    const ends: NextOffsets = new Map()
    for (const { topic, partition, count } of data) {
      const own = ends.get(topic) ?? new Map<number, bigint>()
      const from = own.get(partition) ?? this.next.get(`${topic}/${partition}`)
      if (from === undefined || this.shared.has(topic)) return null
      ends.set(topic, own.set(partition, from + BigInt(count)))
    }
    return ends
  }

  private requireForeseen(foreseen: NextOffsets, ends: NextOffsets): void {
    for (const [topic, partitions] of foreseen) {
      for (const [p, end] of partitions) {
        const found = ends.get(topic)?.get(p)
        if (found === end) continue
        this.shared.add(topic)
        throw new TransactionLost(`${topic}-${p} ends at ${found}, not at ${end}: something else writes to it`)
      }
    }
  }

  private async encode(batches: readonly TopicBatch[]): Promise<SealableBatch[]> {
    const used = new Set<PartitionWriter>()
    for (const batch of batches) {
      if (batch.count === 0) continue
      const { writer } = this.topics.get(batch.topic) ?? (await this.topic(batch.topic))
      writer.add(batch)
      used.add(writer)
    }
    return [...used].flatMap((w) => w.finish())
  }

  private offsetBatch(writer: PartitionWriter, at: NumberedCursor, ends: NextOffsets): SealableBatch[] {
    const headers = new Map([
      [CURSOR_HEADER, cursorText(at)],
      [ENDS_HEADER, endsText(ends)],
    ])
    const value = this.options.describe(at.cursor)
    const records = offsetBytes({ key: this.key, value, headers }, this.cluster.options.clock.now())
    const batch = {
      topic: this.options.offsetsTopic,
      partition: 0,
      count: 1,
      keySchema: 0,
      valueSchema: 0,
      records,
      headers: null,
      runs: [],
    }
    writer.add(batch)
    return writer.finish()
  }

  /** The writer of a topic; the topic is created when it is absent. */
  private async topic(name: string): Promise<Topic> {
    const known = this.topics.get(name)
    if (known !== undefined) return known
    const settings = name === this.options.offsetsTopic ? OFFSETS_SETTINGS : this.options.topics
    const layout = await ensureTopic(this.cluster, name, settings, (d) => this.differs(d))
    const limits = { partitions: layout.leaders.length, maxBytes: this.limits.get(name) ?? BATCH_BYTES }
    const topic = { layout, writer: new PartitionWriter(name, this.codec, limits) }
    this.topics.set(name, topic)
    return topic
  }

  private differs({ topic, text }: TopicDifference): void {
    if (topic === this.options.offsetsTopic) return
    if (this.options.refuseDifferent) throw new Failure('TRB-KAFKA-008', { topic, detail: text })
    this.options.warn(`topic ${topic} exists with other settings (${text}); it is used as it is`)
  }

  /** Text of a trouble after which the transaction can be done again; throws what cannot be mended. */
  private passing(e: unknown): string {
    if (e instanceof TransactionLost) return e.message
    if (e instanceof BatchTooLarge) {
      const { topic, count, bytes } = e.batch
      const needed = Math.ceil(bytes.length / 65536) * 65536
      if (count === 1) throw new Failure('TRB-KAFKA-006', { topic, bytes: bytes.length, needed }, e)
      this.limits.set(topic, Math.max(1, (this.limits.get(topic) ?? BATCH_BYTES) >> 2))
      return e.message
    }
    const trouble = troubleOf(e)
    if (trouble.kind === 'failure') throw trouble.failure
    if (trouble.kind === 'protocol') throw new Failure('TRB-KAFKA-012', { doing: 'writing a transaction', detail: trouble.text }, e)
    return trouble.text
  }

  /** The offsets topic exists, and nothing but compaction removes records from it. */
  private async prepareOffsets(): Promise<void> {
    const { offsetsTopic } = this.options
    await this.topic(offsetsTopic)
    const policy = (await topicConfig(this.cluster, offsetsTopic, ['cleanup.policy'])).get('cleanup.policy')
    assert(policy !== undefined, 'every topic has a cleanup.policy')
    if (policy !== 'compact') throw new Failure('TRB-KAFKA-009', { topic: offsetsTopic, policy })
  }

  /** Without a position a snapshot follows: topics that hold records already would hold every row twice. */
  private async requireEmpty(): Promise<void> {
    const { prefix, offsetsTopic, name } = this.options
    for (const [topic, layout] of await this.cluster.allTopics()) {
      if (!topic.startsWith(`${prefix}.`) || topic === offsetsTopic) continue
      for (let partition = 0; partition < layout.leaders.length; partition++) {
        const held = await committedExtent(this.cluster, { topic, partition })
        const example = `${topic} has about ${held}`
        if (held > 0n) throw new Failure('TRB-KAFKA-013', { name, topic: offsetsTopic, example })
      }
    }
  }
}

function isSame(a: NumberedCursor | null, b: NumberedCursor | null): boolean {
  return a === b || (a?.append === b?.append && a?.cursor.at === b?.cursor.at)
}
