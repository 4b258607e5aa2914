import { expect, test } from 'vitest'
import { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { manualClock } from '../../support/manual-clock.ts'

/** A cluster whose brokers answer every question for metadata with these topics. */
function clusterOf(topics: readonly string[]): KafkaCluster {
  const bootstrap = [{ host: '127.0.0.1', port: 9 }]
  const cluster = new KafkaCluster({ bootstrap, clientId: 't', tls: null, sasl: null, clock: manualClock(), outageMs: 1000 })
  const partitions = [{ partitionIndex: 0, leaderId: 1, replicaNodes: [1] }]
  const answer = {
    brokers: [{ nodeId: 1, host: '127.0.0.1', port: 9 }],
    topics: topics.map((name) => ({ name, errorCode: 0, partitions })),
  }
  cluster.send = <R>() => Promise.resolve(answer as R)
  return cluster
}

test('a list of topics stays whole while what was known of the layout is forgotten', async () => {
  const cluster = clusterOf(['shop.a', 'shop.b', 'shop.c'])
  const walked: string[] = []
  for (const [topic] of await cluster.allTopics()) {
    walked.push(topic)
    // As any passing trouble does, of a question asked on the way.
    cluster.forget()
  }
  expect(walked).toEqual(['shop.a', 'shop.b', 'shop.c'])
  await cluster.close()
})
