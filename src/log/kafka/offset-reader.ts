import { fetchV12, listOffsetsV7 } from '@platformatic/kafka'
import { Failure } from '../../failure/failure.ts'
import type { KafkaCluster } from './cluster.ts'
import { partitionOf } from './murmur2.ts'
import type { OffsetRecord } from './offset-record.ts'
import { NotReady } from './trouble.ts'

export const LATEST = -1n
export const EARLIEST = -2n
const UNCOMMITTED = 0
const COMMITTED = 1
const FETCH_BYTES = 4 << 20
/** Offsets looked through first, from the end; then twice as many, and so on to the topic's start. */
const FIRST_SPAN = 512n
/** No fetch session (an epoch of -1): each request stands alone. */
const NO_SESSION = -1

type Fetched = Awaited<ReturnType<typeof fetchV12.api.async>>['responses'][number]['partitions'][number]

/** Partition of an offset record: Connect's producers use Kafka's default partitioner. */
export function offsetPartition(key: string, partitions: number): number {
  const bytes = Buffer.from(key)
  return partitionOf(bytes, 0, bytes.length, partitions)
}

/**
 * The newest committed record of a key in a compacted topic; null: none. Searched from the end, so that the topic's length does not
 * matter. Waits until transactions of other writers that are open now have ended: they may stand before a record that is committed.
 */
export async function newestRecord(cluster: KafkaCluster, topic: string, key: string): Promise<OffsetRecord | null> {
  const layout = (await cluster.layout([topic])).get(topic)
  if (layout === undefined) return null
  const at = { topic, partition: offsetPartition(key, layout.leaders.length) }
  const end = await endOffset(cluster, at, LATEST, UNCOMMITTED)
  await settled(cluster, at, end)
  const start = await endOffset(cluster, at, EARLIEST, COMMITTED)
  let high = end
  for (let span = FIRST_SPAN; high > start; span *= 2n) {
    const low = start + span < high ? high - span : start
    const found = await newestWithin(cluster, at, key, low, high)
    if (found !== null) return found
    high = low
  }
  return null
}

/** Offset at a time marker of ListOffsets. */
export async function endOffset(cluster: KafkaCluster, at: Place, timestamp: bigint, isolation: 0 | 1): Promise<bigint> {
  const { topic, partition } = at
  const answer = await cluster.retrying(`asking for the offsets of ${topic}`, async () => {
    const partitions = [{ partitionIndex: partition, currentLeaderEpoch: -1, timestamp }]
    return await cluster.send(await leader(cluster, at), listOffsetsV7.api, -1, isolation, [{ name: topic, partitions }])
  })
  return answer.topics[0]!.partitions[0]!.offset
}

/** Offsets of a partition from its first committed record on; 0: it holds none (what was aborted does not count). */
export async function committedExtent(cluster: KafkaCluster, at: Place): Promise<bigint> {
  const end = await endOffset(cluster, at, LATEST, COMMITTED)
  let offset = await endOffset(cluster, at, EARLIEST, COMMITTED)
  while (offset < end) {
    const fetched = await fetch(cluster, at, offset, end)
    for (const batch of committed(fetched)) if (batch.records.length > 0) return end - batch.firstOffset
    const last = fetched.records?.at(-1)
    if (last === undefined) break
    offset = last.firstOffset + BigInt(last.lastOffsetDelta) + 1n
  }
  return 0n
}

/** Every committed record of a partition up to its present end, oldest first; keys and values as texts. */
export async function* committedRecords(
  cluster: KafkaCluster,
  at: Place,
): AsyncGenerator<{ readonly key: string | null; readonly value: string | null }> {
  const end = await endOffset(cluster, at, LATEST, UNCOMMITTED)
  await settled(cluster, at, end)
  let offset = await endOffset(cluster, at, EARLIEST, COMMITTED)
  while (offset < end) {
    const fetched = await fetch(cluster, at, offset, end)
    for (const batch of committed(fetched)) {
      for (const r of batch.records) {
        if (batch.firstOffset + BigInt(r.offsetDelta) < offset) continue
        yield { key: r.key === null ? null : String(r.key), value: r.value === null ? null : String(r.value) }
      }
    }
    const last = fetched.records?.at(-1)
    if (last === undefined) break
    offset = last.firstOffset + BigInt(last.lastOffsetDelta) + 1n
  }
}

interface Place {
  readonly topic: string
  readonly partition: number
}

async function settled(cluster: KafkaCluster, at: Place, end: bigint): Promise<void> {
  const { clock, outageMs } = cluster.options
  const start = clock.now()
  while ((await endOffset(cluster, at, LATEST, COMMITTED)) < end) {
    if (clock.now() - start > outageMs) {
      const doing = `reading ${at.topic}`
      throw new Failure('TRB-KAFKA-012', { doing, detail: 'an open transaction of another writer that does not end' })
    }
    await clock.sleep(20)
  }
}

async function newestWithin(cluster: KafkaCluster, at: Place, key: string, low: bigint, high: bigint): Promise<OffsetRecord | null> {
  let found: OffsetRecord | null = null
  let offset = low
  const wanted = Buffer.from(key)
  while (offset < high) {
    const fetched = await fetch(cluster, at, offset, high)
    const before = offset
    for (const batch of committed(fetched)) {
      for (const r of batch.records) {
        const o = batch.firstOffset + BigInt(r.offsetDelta)
        if (o < low || o >= high || r.key === null || !wanted.equals(r.key)) continue
        const headers = new Map([...r.headers].map(([k, v]) => [String(k), v === null ? '' : String(v)]))
        found = { key, value: r.value === null ? null : String(r.value), headers }
      }
    }
    const last = fetched.records?.at(-1)
    if (last !== undefined) offset = last.firstOffset + BigInt(last.lastOffsetDelta) + 1n
    // Compaction leaves gaps, at the end too.
    if (offset === before) break
  }
  return found
}

/**
 * What is at an offset and behind it; `end`: so far there are ended transactions. Nothing means that compaction took all of it. A leader that
 * has just been chosen gives nothing, too, while it does not know how far it may: that is waited for, or an older record would be the newest.
 */
async function fetch(cluster: KafkaCluster, at: Place, offset: bigint, end: bigint): Promise<Fetched> {
  const { topic, partition } = at
  const wanted = { partition, currentLeaderEpoch: -1, fetchOffset: offset, lastFetchedEpoch: -1, partitionMaxBytes: FETCH_BYTES }
  const answer = await cluster.retrying(
    `reading ${topic}`,
    async () => {
      const node = await leader(cluster, at)
      const topics = [{ topicId: topic, partitions: [wanted] }]
      const answered = await cluster.send(node, fetchV12.api, 100, 1, FETCH_BYTES, COMMITTED, 0, NO_SESSION, topics, [], '')
      const { records, lastStableOffset } = answered.responses[0]!.partitions[0]!
      if ((records ?? []).length === 0 && lastStableOffset < end) throw new NotReady(`${topic}-${partition} is not up to date`)
      return answered
    },
    (t) => {
      const refused = t.errors.some((e) => e.id === 'TOPIC_AUTHORIZATION_FAILED')
      return refused ? new Failure('TRB-KAFKA-004', { operation: 'Read', resource: `topic ${topic}`, doing: 'reading the position' }) : null
    },
  )
  return answer.responses[0]!.partitions[0]!
}

/** The batches of committed transactions, and those of none. A control batch ends an aborted transaction of its producer. */
function* committed(fetched: Fetched): Generator<NonNullable<Fetched['records']>[number]> {
  const aborted = [...(fetched.abortedTransactions ?? [])].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const open = new Set<bigint>()
  for (const batch of fetched.records ?? []) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta)
    while (aborted.length > 0 && aborted[0]!.firstOffset <= last) open.add(aborted.shift()!.producerId)
    const control = (batch.attributes & 0x20) !== 0
    if (control) open.delete(batch.producerId)
    else if ((batch.attributes & 0x10) === 0 || !open.has(batch.producerId)) yield batch
  }
}

async function leader(cluster: KafkaCluster, { topic, partition }: Place): Promise<number> {
  const node = (await cluster.layout([topic])).get(topic)?.leaders[partition] ?? -1
  if (node < 0) throw new NotReady(`${topic}-${partition} has no leader`)
  return node
}
