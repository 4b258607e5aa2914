import { addPartitionsToTxnV3, type Connection, endTxnV3, initProducerIdV4, produceV11, Writer } from '@platformatic/kafka'
import { assert, Failure } from '../../failure/failure.ts'
import { authorization, type KafkaCluster, type Patience } from './cluster.ts'
import { type SealableBatch, seal } from './record-batch.ts'
import { agreedProtocol, endTxnV5, markersWritten, type TransactionProtocol } from './transaction-protocol.ts'
import { NotReady, type Trouble, troubleOf } from './trouble.ts'

const PRODUCE_KEY = 0
/** By protocol. The request is the same; from 10 on the answer may carry tags. */
const PRODUCE_VERSION: Readonly<Record<TransactionProtocol, number>> = { 1: 9, 2: 12 }
/** A request to a broker may hold up to this many bytes of batches, or one batch. */
const REQUEST_BYTES = 8 << 20
const ACKS_ALL = -1
const FENCED: ReadonlySet<string> = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH'])
/** The coordinator has another producer id for the transactional id, or none: it forgets one that was idle for `transactional.id.expiration.ms`. */
const FORGOTTEN = 'INVALID_PRODUCER_ID_MAPPING'
/** What ends a transaction, and nothing else: it timed out, or the broker lost track of the sequence numbers. */
const ENDING: ReadonlySet<string> = new Set([
  ...FENCED,
  FORGOTTEN,
  'INVALID_TXN_STATE',
  'TRANSACTION_ABORTABLE',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'CORRUPT_MESSAGE',
])

/** The transactional id of a name: what fences a second process, and what an access list must allow. */
export function transactionalId(name: string): string {
  return `tributary-${name}`
}

/** The transaction cannot be committed any more, or it is not known whether it was: `renew`, and look. */
export class TransactionLost extends Error {}

/** A batch above what its topic takes. */
export class BatchTooLarge extends Error {
  readonly batch: SealableBatch

  constructor(batch: SealableBatch) {
    super(`a batch of ${batch.bytes.length} bytes is too large for ${batch.topic}`)
    this.batch = batch
  }
}

/**
 * The broker still writes the markers of the transaction before: a matter of a millisecond or two, and no sign of an outage. (A pause of
 * a second, as clients make it by default, would be most of the time of a busy writer.)
 */
const MARKERS: Patience = {
  pause: (text, attempt) => (text.startsWith('CONCURRENT_TRANSACTIONS') ? Math.min(100, 1 + (attempt >> 2)) : null),
}

/** Partitions of a transaction, and next offsets by partition after it was produced. */
export type TopicPartitions = ReadonlyMap<string, ReadonlySet<number>>
export type NextOffsets = Map<string, Map<number, bigint>>

/**
 * Kafka's transactional producer, as far as one writer needs it: one transaction at a time, every batch sent at most once under its
 * sequence number. Whatever goes wrong inside a transaction ends it: `renew` aborts it under a new epoch, and the caller does it again.
 * So no answer that was lost can lead to a record twice, or to two records in another order.
 */
export class TransactionalProducer {
  private readonly cluster: KafkaCluster
  private readonly id: string
  private readonly name: string
  private readonly timeoutMs: number
  private producerId = -1n
  private epoch = -1
  private protocol: TransactionProtocol = 1
  /** The markers of the transaction before are written, or nobody can tell. */
  private settled: Promise<void> = Promise.resolve()
  private readonly sequences = new Map<string, number>()

  /** `name` is what people know the writer by. */
  constructor(cluster: KafkaCluster, transactionalId: string, name: string, timeoutMs: number) {
    this.cluster = cluster
    this.id = transactionalId
    this.name = name
    this.timeoutMs = timeoutMs
  }

  /**
   * Takes the name over from whoever had it: their open transaction is aborted, one being committed is committed before this returns, and
   * they are refused from now on.
   */
  async start(): Promise<void> {
    this.producerId = -1n
    this.epoch = -1
    await this.renew()
  }

  /**
   * Aborts what is open, if anything, and goes on under a new epoch. Fails with TRB-KAFKA-005 when another process has taken the name over.
   * Of an id that the brokers have forgotten they cannot say so: whether somebody wrote meanwhile is to be seen in the topics.
   */
  async renew(): Promise<void> {
    try {
      if (this.protocol === 1 && this.producerId >= 0n) await this.abort()
      await this.init()
    } catch (e) {
      if (!(e instanceof TransactionLost)) throw e
      this.producerId = -1n
      this.epoch = -1
      await this.init()
    }
  }

  /**
   * With protocol 1 a producer that asks for a new epoch amid its own transaction is taken for its own zombie: the coordinator aborts under a
   * next epoch that nobody is told of. What an abort is refused with is left to who asks for the epoch.
   */
  private async abort(): Promise<void> {
    const { cluster, id } = this
    const doing = 'aborting a transaction'
    const attempt = async (): Promise<void> => {
      await cluster.send(await cluster.coordinator(id), endTxnV3.api, id, this.producerId, this.epoch, false)
    }
    try {
      await cluster.retrying(doing, attempt, (t) => new TransactionLost(t.text), MARKERS)
    } catch (e) {
      if (!(e instanceof TransactionLost)) throw e
    }
  }

  private async init(): Promise<void> {
    const answer = await this.cluster.retrying(
      `taking the transactional id ${this.id}`,
      async () => {
        const node = await this.cluster.coordinator(this.id)
        this.protocol = await agreedProtocol(this.cluster, node)
        return await this.cluster.send(node, initProducerIdV4.api, this.id, this.timeoutMs, this.producerId, this.epoch)
      },
      (t) => this.forgotten(t) ?? this.explain(t, 'taking the transactional id'),
      MARKERS,
    )
    this.goOn(answer)
  }

  /** Sequence numbers begin anew with an epoch. */
  private goOn({ producerId, producerEpoch }: { readonly producerId: bigint; readonly producerEpoch: number }): void {
    this.producerId = producerId
    this.epoch = producerEpoch
    this.sequences.clear()
  }

  /** Starts a transaction over these partitions, or adds them to it. */
  async add(partitions: TopicPartitions): Promise<void> {
    // The records themselves add their partitions.
    if (this.protocol === 2) return await this.settled
    const topics = [...partitions].map(([name, p]) => ({ name, partitions: [...p] }))
    const { id: transactionalId } = this
    await this.cluster.retrying(
      'starting a transaction',
      async () => {
        const { producerId, epoch: producerEpoch } = this
        const request = { transactionalId, producerId, producerEpoch, verifyOnly: false, topics }
        const node = await this.cluster.coordinator(transactionalId)
        await this.cluster.send(node, addPartitionsToTxnV3.api, [request])
      },
      (t) => refusedTopic(t) ?? ending(t) ?? this.explain(t, 'starting a transaction'),
      MARKERS,
    )
  }

  /**
   * Sends batches to the leaders of their partitions, those of one partition in order. Gives the offset after the last record of each
   * partition. Not retried: a rejection leaves the transaction to `renew`.
   */
  async produce(batches: readonly SealableBatch[]): Promise<NextOffsets> {
    assert(this.producerId >= 0n, 'brokers take records of no producer at all, outside of any transaction')
    const layout = await this.cluster.layout([...new Set(batches.map((b) => b.topic))])
    const byLeader = new Map<number, SealableBatch[]>()
    for (const b of batches) {
      const leader = layout.get(b.topic)?.leaders[b.partition] ?? -1
      if (leader < 0) throw new NotReady(`${b.topic}-${b.partition} has no leader`)
      seal(b, this.producerId, this.epoch, this.sequence(b))
      const held = byLeader.get(leader)
      if (held === undefined) byLeader.set(leader, [b])
      else held.push(b)
    }
    const ends: NextOffsets = new Map()
    const sent = [...byLeader].map(([leader, own]) => this.sendTo(leader, own, ends))
    const settled = await Promise.allSettled(sent)
    for (const s of settled) if (s.status === 'rejected') throw s.reason
    return ends
  }

  /** Commits. Retried while the outcome is only delayed; a rejection leaves the outcome open: `renew`, then look whether it is there. */
  async commit(): Promise<void> {
    const { cluster, id, producerId, epoch } = this
    const next = await cluster.retrying(
      'committing a transaction',
      async () => {
        const node = await cluster.coordinator(id)
        if (this.protocol === 2) return await cluster.send(node, endTxnV5, id, producerId, epoch, true)
        await cluster.send(node, endTxnV3.api, id, producerId, epoch, true)
        return null
      },
      (t) => ending(t) ?? this.explain(t, 'committing a transaction'),
      MARKERS,
    )
    if (next === null) return
    // An epoch that stays goes on with its sequence numbers: the broker would take a number it has seen for a batch it has.
    if (next.producerId >= 0n && (next.producerId !== producerId || next.producerEpoch !== epoch)) this.goOn(next)
    this.settled = markersWritten(cluster, id)
    // What it fails with is for the next transaction, if there is one.
    this.settled.catch(ignore)
  }

  private sequence(batch: SealableBatch): number {
    const key = `${batch.topic}/${batch.partition}`
    const sequence = this.sequences.get(key) ?? 0
    // Kafka's sequence numbers go on at 0 after 2^31 - 1.
    this.sequences.set(key, (sequence + batch.count) % 0x80000000)
    return sequence
  }

  /** One request after the other on one connection: the broker answers, and appends, in this order. */
  private async sendTo(leader: number, batches: readonly SealableBatch[], ends: NextOffsets): Promise<void> {
    const connection = await this.cluster.connection(leader)
    const settled = await Promise.allSettled([...requests(batches)].map((r) => this.request(connection, r)))
    for (const s of settled) if (s.status === 'rejected') throw s.reason
    for (const answer of settled.map((s) => (s as PromiseFulfilledResult<produceV11.ProduceResponse>).value)) {
      for (const { name, partitionResponses } of answer.responses) {
        const topic = ends.get(name) ?? new Map<number, bigint>()
        ends.set(name, topic)
        for (const p of partitionResponses) {
          const count = batches.findLast((b) => b.topic === name && b.partition === p.index)!.count
          const next = p.baseOffset + BigInt(count)
          if ((topic.get(p.index) ?? -1n) < next) topic.set(p.index, next)
        }
      }
    }
  }

  private async request(connection: Connection, batches: readonly SealableBatch[]): Promise<produceV11.ProduceResponse> {
    const payload = (): Writer => produceRequest(this.id, this.timeoutMs, batches)
    try {
      return await new Promise<produceV11.ProduceResponse>((resolve, reject) => {
        connection.send(PRODUCE_KEY, PRODUCE_VERSION[this.protocol], payload, produceV11.parseResponse, true, true, (error, answer) => {
          if (error) reject(error)
          else resolve(answer!)
        })
      })
    } catch (e) {
      const trouble = troubleOf(e)
      throw trouble.kind === 'protocol' ? refusedBatch(trouble, batches, e) : e
    }
  }

  private forgotten(t: Trouble & { kind: 'protocol' }): TransactionLost | null {
    return this.producerId >= 0n && t.errors.every((e) => e.id === FORGOTTEN) ? new TransactionLost(t.text) : null
  }

  private explain(t: Trouble & { kind: 'protocol' }, doing: string): Failure | null {
    if (t.errors.some((e) => FENCED.has(e.id))) return new Failure('TRB-KAFKA-005', { name: this.name, detail: t.text })
    if (t.errors.some((e) => e.id === 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED')) {
      return new Failure('TRB-KAFKA-004', { operation: 'Write', resource: `transactional id ${this.id}`, doing })
    }
    return null
  }
}

/** The topic that an access list refuses. The broker answers in an order of its own. */
function refusedTopic(t: Trouble & { kind: 'protocol' }): Failure | null {
  const { resultsByTransaction } = t.response as {
    resultsByTransaction: addPartitionsToTxnV3.AddPartitionsToTxnResponse['resultsByTransaction']
  }
  for (const { id, path } of t.errors) {
    const index = /topic_results\/(\d+)\//.exec(path)?.[1]
    if (id !== 'TOPIC_AUTHORIZATION_FAILED' || index === undefined) continue
    const resource = `topic ${resultsByTransaction[0]!.topicResults[Number(index)]!.name}`
    return new Failure('TRB-KAFKA-004', { operation: 'Write', resource, doing: 'starting a transaction' })
  }
  return null
}

function ending(t: Trouble & { kind: 'protocol' }): TransactionLost | null {
  return t.errors.every((e) => ENDING.has(e.id)) ? new TransactionLost(t.text) : null
}

/** Names what a broker refused of a Produce request. */
function refusedBatch(t: Trouble & { kind: 'protocol' }, batches: readonly SealableBatch[], e: unknown): Error {
  const { response } = e as { response: produceV11.ProduceResponse }
  for (const { id, path } of t.errors) {
    const at = /^\/responses\/(\d+)\/partition_responses\/(\d+)/.exec(path)
    const topic = at === null ? undefined : response.responses[Number(at[1])]
    const partition = topic?.partitionResponses[Number(at?.[2])]
    const batch = batches.find((b) => b.topic === topic?.name && b.partition === partition?.index)
    if (batch === undefined) continue
    if (id === 'MESSAGE_TOO_LARGE' || id === 'RECORD_LIST_TOO_LARGE') return new BatchTooLarge(batch)
    if (id === 'INVALID_TIMESTAMP') {
      const time = new Date(Number(batch.bytes.readBigInt64BE(35))).toISOString()
      return new Failure('TRB-KAFKA-011', { topic: batch.topic, time }, e)
    }
    if (id === 'TOPIC_AUTHORIZATION_FAILED') {
      return new Failure('TRB-KAFKA-004', { operation: 'Write', resource: `topic ${batch.topic}`, doing: 'writing to it' }, e)
    }
  }
  const doing = `writing to ${[...new Set(batches.map((b) => b.topic))].join(', ')}`
  return ending(t) ?? authorization(t, doing, e) ?? new Failure('TRB-KAFKA-012', { doing, detail: t.text }, e)
}

/** Groups of batches for one request each: one batch per partition, so that those of one partition come one after the other. */
function* requests(batches: readonly SealableBatch[]): Generator<SealableBatch[]> {
  let group: SealableBatch[] = []
  let bytes = 0
  for (const b of batches) {
    const again = group.some((g) => g.topic === b.topic && g.partition === b.partition)
    if (group.length > 0 && (again || bytes + b.bytes.length > REQUEST_BYTES)) {
      yield group
      group = []
      bytes = 0
    }
    group.push(b)
    bytes += b.bytes.length
  }
  if (group.length > 0) yield group
}

/**
 * Produce v9 to v12 => transactionalId acks:i16 timeoutMs:i32 topic* tags
 *   topic => name partition* tags,  partition => index:i32 records:(length + 1):varint bytes tags
 */
function produceRequest(transactionalId: string, timeoutMs: number, batches: readonly SealableBatch[]): Writer {
  const byTopic = [...Map.groupBy(batches, (b) => b.topic)]
  return Writer.create()
    .appendString(transactionalId)
    .appendInt16(ACKS_ALL)
    .appendInt32(timeoutMs)
    .appendArray(byTopic, (w, [topic, own]) => {
      w.appendString(topic).appendArray(own, (p, b) => {
        p.appendInt32(b.partition)
          .appendUnsignedVarInt(b.bytes.length + 1)
          .append(b.bytes)
      })
    })
    .appendTaggedFields()
}

function ignore(): void {
  // Told to whoever awaits the same promise.
}
