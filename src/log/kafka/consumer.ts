import { Admin, type BaseOptions, type ClusterMetadata, type Connection, ConnectionPool, Consumer } from '@platformatic/kafka'
import type { StoredBatch } from '../../contract/log.ts'
import type { AppendRecord, Assignment, PartitionedLog, PartitionRange, TopicInfo, TopicPartition } from '../../contract/partitioned-log.ts'
import { Failure } from '../../failure/failure.ts'
import { RecordReader } from '../../format/record-batch/reader.ts'
import { assignTables } from './consumer-assign.ts'
import { RecordBatchDecoder } from './consumer-batches.ts'
import { type ConsumerFailures, KAFKA_ERRORS } from './consumer-errors.ts'
import { type FetchedPartition, fetchPartition } from './consumer-fetch.ts'
import { DeadLetters, deadLetterHeaders } from './dead-letters.ts'
import { CURSOR_HEADER, ENDS_HEADER, parseCursor } from './offset-record.ts'
import type { KafkaOptions } from './options.ts'

export interface KafkaConsumerOptions extends KafkaOptions {
  readonly group: string
  /** How long a member may be silent before its partitions go to others. */
  readonly sessionMs: number
  /** Bytes of one fetch; up to two are held. */
  readonly fetchBytes: number
}

const LATEST = -1n
const EARLIEST = -2n
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1
const MAX_WAIT_MS = 500
const RETRY_MS = 250
const REBALANCE_MS = 60_000
const LATE_LOOKS = 4

/**
 * Kafka as the ingest reads it: topics, ranges and raw record batches of committed transactions at any offset, and membership of a group.
 * Group offsets are never read, only written (for tools that show lag).
 */
export class KafkaConsumer implements PartitionedLog {
  readonly #options: KafkaConsumerOptions
  readonly #failures: ConsumerFailures
  readonly #admin: Admin
  readonly #consumer: Consumer
  readonly #pool: ConnectionPool
  #metadata: ClusterMetadata | null = null
  /** Ids of the topics as they were listed last: what is read is of these, and not of others that took their names meanwhile. */
  #ids: ReadonlyMap<string, string> = new Map()
  #generation = 0
  #aside: DeadLetters | null = null

  constructor(options: KafkaConsumerOptions, failures: ConsumerFailures) {
    this.#options = options
    this.#failures = failures
    const base = baseOptions(options)
    this.#admin = new Admin(baseOptions(options))
    const group = { groupId: options.group, sessionTimeout: options.sessionMs, rebalanceTimeout: Math.max(REBALANCE_MS, options.sessionMs) }
    const heartbeatInterval = Math.max(100, Math.floor(options.sessionMs / 5))
    this.#consumer = new Consumer({ ...base, ...group, heartbeatInterval, partitionAssigner: assignTables })
    this.#consumer.on('consumer:group:join', () => {
      this.#generation++
    })
    const { tls, sasl, connectTimeout } = base
    this.#pool = new ConnectionPool(options.clientId, { tls, sasl, connectTimeout, requestTimeout: base.timeout })
  }

  /** Id of the cluster and the topics that `wanted` chooses, by name; internal ones are left out. */
  async topics(wanted: (topic: string) => boolean): Promise<readonly TopicInfo[]> {
    const names = (await this.#try('listTopics', () => this.#admin.listTopics({}))).filter(wanted)
    const metadata = await this.#refresh(names)
    const infos = names.flatMap((name) => {
      const found = metadata.topics.get(name)
      return found === undefined ? [] : [{ name, id: found.id, partitions: found.partitionsCount }]
    })
    this.#ids = new Map(infos.map((t) => [t.name, t.id]))
    return infos
  }

  /**
   * First offset held and end of the committed records of all partitions of the topics. `written`: the end of all records. A commit is answered
   * before its markers are in the partitions: the first of the two ends rises a moment later.
   */
  async ranges(topics: readonly string[], written = false): Promise<readonly PartitionRange[]> {
    if (topics.length === 0) return []
    const list = [...topics]
    const isolationLevel = written ? READ_UNCOMMITTED : READ_COMMITTED
    const [starts, ends] = await Promise.all([
      this.#try('listOffsets', () => this.#consumer.listOffsets({ topics: list, timestamp: EARLIEST })),
      this.#try('listOffsets', () => this.#consumer.listOffsets({ topics: list, timestamp: LATEST, isolationLevel })),
    ])
    return list.flatMap((topic) =>
      (ends.get(topic) ?? []).map((end, partition) => {
        return { topic, partition, start: Number(starts.get(topic)?.[partition] ?? 0n), end: Number(end) }
      }),
    )
  }

  async join(topics: readonly TopicInfo[]): Promise<void> {
    const names = topics.map((t) => t.name)
    this.#consumer.topics.clear()
    this.#consumer.topics.trackAll(...names)
    await this.#refresh(names)
    if (names.length > 0) await this.#try('joinGroup', () => this.#consumer.joinGroup({ partitionAssigner: assignTables }))
  }

  /** What this member owns now; null while the group is being rebalanced. */
  assignment(): Assignment | null {
    const { assignments } = this.#consumer
    if (!this.#consumer.isActive() || assignments === null) return null
    const partitions = assignments.flatMap(({ topic, partitions: list }) => list.map((partition) => ({ topic, partition })))
    return { generation: this.#generation, partitions }
  }

  /** For tools that show lag; nothing is resumed from it. A member that was put out of the group meanwhile is told so by the next poll. */
  async commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    if (offsets.length === 0) return
    const list = offsets.map((o) => ({ topic: o.topic, partition: o.partition, offset: BigInt(o.offset), leaderEpoch: -1 }))
    await this.#consumer.commit({ offsets: list })
  }

  /**
   * Committed records with from ≤ offset < to, in order; the next fetch is on its way while one is consumed. The bytes of a batch are good
   * until the next one is asked for. `to` must not be beyond the end that `ranges` gave. Fails with TRB-INGEST-005 when the topic is not the
   * one any more that `topics` has listed.
   */
  read(topic: string, partition: number, from: number, to: number, signal: AbortSignal): AsyncGenerator<StoredBatch, void, void> {
    return this.#batches(topic, partition, from, to, signal, false)
  }

  async *#batches(topic: string, partition: number, from: number, to: number, signal: AbortSignal, headers: boolean) {
    if (from >= to) return
    const decoder = new RecordBatchDecoder(topic, partition, headers)
    const fetch = (offset: number): Promise<FetchedPartition> => {
      const coming = this.#fetch(topic, partition, offset, signal)
      // It may fail while nobody waits for it yet; whoever then does is told.
      coming.catch(ignore)
      return coming
    }
    let at = from
    let coming: Promise<FetchedPartition> | null = fetch(at)
    while (coming !== null) {
      const answer: FetchedPartition = await coming
      const next = Math.max(at, endOf(answer.bytes))
      // Nothing below the end of ended transactions is left: compaction took the last records before `to`.
      const over = next >= to || (next === at && answer.lastStableOffset >= to)
      coming = over ? null : fetch(next)
      if (next > at) yield* decoder.decode(answer.bytes, answer.aborted, at, to)
      at = next
    }
  }

  async *appends(topic: string, from: number, to: number, signal: AbortSignal): AsyncGenerator<AppendRecord, void, void> {
    const records = new RecordReader()
    for await (const batch of this.#batches(topic, 0, from, to, signal, true)) {
      records.open(batch.records, batch.count)
      while (records.next()) {
        const headers = new Map(records.headers().map((h) => [h.name, h.value?.toString('utf8') ?? '']))
        const [cursor, ends] = [headers.get(CURSOR_HEADER), headers.get(ENDS_HEADER)]
        if (cursor === undefined || ends === undefined) continue
        const numbered = parseCursor(cursor, this.#options.group, topic)
        yield { offset: batch.baseOffset + records.index, append: numbered.append, cursor: numbered.cursor, ends: parseEnds(ends) }
      }
    }
  }

  async setAside(record: TopicPartition & { readonly offset: number }, to: string, why: Error): Promise<void> {
    const { topic, partition, offset } = record
    const group = this.#options.group
    const reader = new RecordReader()
    for await (const batch of this.#batches(topic, partition, offset, offset + 1, new AbortController().signal, true)) {
      reader.open(batch.records, batch.count)
      if (!reader.next()) continue
      this.#aside ??= new DeadLetters(baseOptions(this.#options))
      const aside = this.#aside
      await this.#try('Produce', () => aside.send(to, reader, deadLetterHeaders(record, group, why)))
    }
  }

  async close(): Promise<void> {
    await this.#aside?.close()
    await Promise.allSettled([this.#consumer.close(true), this.#admin.close(), this.#pool.close()])
  }

  async #fetch(topic: string, partition: number, offset: number, signal: AbortSignal): Promise<FetchedPartition> {
    const { clock, outageMs, fetchBytes } = this.#options
    const started = clock.now()
    for (let others = 0; ; ) {
      signal.throwIfAborted()
      try {
        const { connection, topicId } = await this.#leader(topic, partition)
        const listed = this.#ids.get(topic) ?? topicId
        // A broker may be late to know of the topic that was listed.
        if (listed !== topicId && ++others > LATE_LOOKS) throw this.#failures.recreated(topic, partition, offset, listed, topicId)
        if (listed !== topicId) throw new Error(`${topic} has the id ${topicId}, was ${listed}`)
        const answer = await fetchPartition(connection, { topicId, partition, offset, maxBytes: fetchBytes, maxWaitMs: MAX_WAIT_MS })
        if (answer.error === 0) return answer
        if (answer.error === KAFKA_ERRORS.offsetOutOfRange) throw await this.#lost(topic, partition, offset)
        if (!KAFKA_ERRORS.passing.has(answer.error)) throw this.#failures.answer('Fetch', topic, answer.error)
        if (clock.now() - started >= outageMs) throw this.#failures.answer('Fetch', topic, answer.error)
      } catch (e) {
        if (e instanceof Failure) throw e
        if (clock.now() - started >= outageMs) throw this.#failures.unreachable('Fetch', e)
      }
      this.#metadata = null
      await clock.sleep(RETRY_MS, signal)
    }
  }

  async #lost(topic: string, partition: number, offset: number): Promise<Failure> {
    const held = (await this.ranges([topic])).find((r) => r.partition === partition)
    return this.#failures.lost(topic, partition, offset, held?.start ?? 0, held?.end ?? 0)
  }

  async #leader(topic: string, partition: number): Promise<{ readonly connection: Connection; readonly topicId: string }> {
    const metadata =
      this.#metadata?.topics.has(topic) === true ? this.#metadata : await this.#refresh([topic, ...(this.#metadata?.topics.keys() ?? [])])
    const found = metadata.topics.get(topic)
    const broker = metadata.brokers.get(found?.partitions[partition]?.leader ?? -1)
    if (found === undefined || broker === undefined) throw new Error(`${topic} partition ${partition} has no leader`)
    return { connection: await this.#pool.get(broker), topicId: found.id }
  }

  async #refresh(topics: readonly string[]): Promise<ClusterMetadata> {
    const wanted = [...new Set(topics)]
    this.#metadata = await this.#try('Metadata', () => this.#consumer.metadata({ topics: wanted, forceUpdate: true }))
    return this.#metadata
  }

  async #try<T>(what: string, work: () => Promise<T>): Promise<T> {
    const { clock, outageMs } = this.#options
    const started = clock.now()
    for (;;) {
      try {
        return await work()
      } catch (e) {
        const failure = this.#failures.of(what, e)
        if (failure.entry.retry !== 'timed' || clock.now() - started >= outageMs) throw failure
        this.#options.onRetry?.(failure.message)
      }
      await clock.sleep(RETRY_MS)
    }
  }
}

/** `{"topic":{"partition":next offset}}`, as our producer wrote it. */
function parseEnds(text: string): Map<string, Map<number, number>> {
  const json = JSON.parse(text) as Record<string, Record<string, number>>
  return new Map(Object.entries(json).map(([t, own]) => [t, new Map(Object.entries(own).map(([p, o]) => [Number(p), o]))]))
}

/** Offset after the last whole batch of an answer; 0: there is none. */
function endOf(bytes: Buffer): number {
  let end = 0
  for (let at = 0; at + 61 <= bytes.length; ) {
    const next = at + 12 + bytes.readInt32BE(at + 8)
    if (next > bytes.length) break
    end = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1
    at = next
  }
  return end
}

function baseOptions(options: KafkaOptions) {
  const { tls, sasl } = options
  const secure =
    tls === null
      ? {}
      : {
          tls: {
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert, key: tls.key, passphrase: tls.passphrase }),
            ...(tls.verifyName === false ? { checkServerIdentity: () => undefined } : {}),
          },
        }
  const base = { clientId: options.clientId, bootstrapBrokers: options.bootstrap.map((b) => ({ ...b })), autocreateTopics: false }
  const times = { retries: 3, retryDelay: 200, timeout: 30_000, connectTimeout: 5_000 }
  return { ...base, ...times, ...secure, ...(sasl === null ? {} : { sasl: { ...sasl } }) } satisfies BaseOptions
}

const ignore = (): undefined => undefined
