import { fetchV12, listOffsetsV7 } from '@platformatic/kafka'
import { expect, test } from 'vitest'
import { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { committedRecords, newestRecord } from '../../../src/log/kafka/offset-reader.ts'
import { manualClock } from '../../support/manual-clock.ts'

const TOPIC = 'shop.offsets'
const NO_WAIT = { ...manualClock(), sleep: async () => undefined }

/** Record i of the topic has the offset i and the value i, all under one key. */
function records(from: number, to: number) {
  const list = Array.from({ length: to - from }, (_, i) => ({
    offsetDelta: i,
    key: Buffer.from('k'),
    value: Buffer.from(String(from + i)),
  }))
  const rows = list.map((r) => ({ ...r, headers: new Map() }))
  return [{ firstOffset: BigInt(from), lastOffsetDelta: to - from - 1, attributes: 0, producerId: -1n, records: rows }]
}

/** A topic of one partition with `end` records, of which the leader knows at its first answers that `known` are committed, then all. */
function clusterOf(end: number, known: number, behind: number): KafkaCluster {
  const bootstrap = [{ host: '127.0.0.1', port: 9 }]
  const cluster = new KafkaCluster({ bootstrap, clientId: 't', tls: null, sasl: null, clock: NO_WAIT, outageMs: 1000 })
  let answers = 0
  const answer = (api: unknown, args: readonly unknown[]): unknown => {
    if (api === listOffsetsV7.api) {
      const [, , topics] = args as [unknown, unknown, { partitions: { timestamp: bigint }[] }[]]
      return { topics: [{ partitions: [{ offset: topics[0]!.partitions[0]!.timestamp === -1n ? BigInt(end) : 0n }] }] }
    }
    if (api === fetchV12.api) {
      const [, , , , , , topics] = args as [
        unknown,
        unknown,
        unknown,
        unknown,
        unknown,
        unknown,
        { partitions: { fetchOffset: bigint }[] }[],
      ]
      const from = Number(topics[0]!.partitions[0]!.fetchOffset)
      const to = answers++ < behind ? known : end
      const held = { records: from < to ? records(from, to) : [], lastStableOffset: BigInt(to), abortedTransactions: [] }
      return { responses: [{ partitions: [held] }] }
    }
    const partitions = [{ partitionIndex: 0, leaderId: 1, replicaNodes: [1] }]
    return { brokers: [{ nodeId: 1, host: '127.0.0.1', port: 9 }], topics: [{ name: TOPIC, errorCode: 0, partitions }] }
  }
  cluster.send = async <R>(_node: number | null, api: unknown, ...args: readonly unknown[]) => answer(api, args) as R
  return cluster
}

test('a leader that does not know yet how far records are committed is asked again: an older record is not the newest', async () => {
  const cluster = clusterOf(2000, 1000, 3)
  expect((await newestRecord(cluster, TOPIC, 'k'))?.value).toBe('1999')
  await cluster.close()
})

test('a list of committed records does not end early at such a leader', async () => {
  const cluster = clusterOf(20, 5, 3)
  const values: (string | null)[] = []
  for await (const r of committedRecords(cluster, { topic: TOPIC, partition: 0 })) values.push(r.value)
  expect(values).toEqual(Array.from({ length: 20 }, (_, i) => String(i)))
  await cluster.close()
})
