import { ConfigResourceTypes, createTopicsV7, describeConfigsV4 } from '@platformatic/kafka'
import { Failure } from '../../failure/failure.ts'
import type { KafkaCluster, TopicLayout } from './cluster.ts'
import type { TopicSettings } from './options.ts'
import { NotReady } from './trouble.ts'

const CREATE_MS = 30_000

/** What a topic has that was asked for differently. */
export interface TopicDifference {
  readonly topic: string
  readonly text: string
}

/**
 * Makes sure that a topic exists and gives its layout. A topic that is there already is used as it is; `differs` is told what was asked
 * for otherwise. Fails with TRB-KAFKA-007, -004.
 */
export async function ensureTopic(
  cluster: KafkaCluster,
  topic: string,
  settings: TopicSettings,
  differs: (difference: TopicDifference) => void,
): Promise<TopicLayout> {
  const found = (await cluster.layout([topic])).get(topic)
  if (found !== undefined) {
    const text = await differences(cluster, topic, found, settings)
    if (text !== '') differs({ topic, text })
    return found
  }
  await create(cluster, topic, settings)
  return await cluster.retrying(`waiting for the topic ${topic}`, async () => {
    const layout = (await cluster.layout([topic])).get(topic)
    if (layout === undefined || layout.leaders.some((l) => l < 0)) throw new NotReady('it has no leader yet')
    return layout
  })
}

/** Values of a topic's configuration. Fails with TRB-KAFKA-004 when they may not be read. */
export async function topicConfig(cluster: KafkaCluster, topic: string, keys: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: [...keys] }
  const answer = await cluster.retrying(
    `reading the configuration of ${topic}`,
    () => cluster.send(null, describeConfigsV4.api, [resource], false, false),
    (t) => {
      const refused = t.errors.some((e) => e.id === 'TOPIC_AUTHORIZATION_FAILED')
      const doing = 'reading its configuration'
      return refused ? new Failure('TRB-KAFKA-004', { operation: 'DescribeConfigs', resource: `topic ${topic}`, doing }) : null
    },
  )
  return new Map(answer.results[0]!.configs.map((c) => [c.name, c.value ?? '']))
}

async function create(cluster: KafkaCluster, topic: string, settings: TopicSettings): Promise<void> {
  const request = {
    name: topic,
    numPartitions: settings.partitions,
    replicationFactor: settings.replication,
    assignments: [],
    configs: [...settings.config].map(([name, value]) => ({ name, value })),
  }
  await cluster.retrying(
    `creating the topic ${topic}`,
    async () => {
      try {
        await cluster.send(null, createTopicsV7.api, [request], CREATE_MS, false)
      } catch (e) {
        // Another process, or an earlier attempt whose answer was lost, was first.
        if (!(e instanceof AggregateError) || !e.errors.every((x: { apiId?: string }) => x.apiId === 'TOPIC_ALREADY_EXISTS')) throw e
      }
    },
    (t) => {
      if (t.errors.some((e) => /AUTHORIZATION/.test(e.id))) {
        return new Failure('TRB-KAFKA-004', { operation: 'Create', resource: `topic ${topic}`, doing: 'creating it' })
      }
      return new Failure('TRB-KAFKA-007', { topic, detail: t.text })
    },
  )
}

async function differences(cluster: KafkaCluster, topic: string, layout: TopicLayout, settings: TopicSettings): Promise<string> {
  const out: string[] = []
  const has = layout.leaders.length
  if (settings.partitions > 0 && settings.partitions !== has) out.push(`${has} partitions instead of ${settings.partitions}`)
  const { replicas } = layout
  if (settings.replication > 0 && settings.replication !== replicas) out.push(`${replicas} replicas instead of ${settings.replication}`)
  if (settings.config.size > 0) {
    const config = await topicConfig(cluster, topic, [...settings.config.keys()])
    for (const [key, value] of settings.config) {
      if (config.get(key) !== value) out.push(`${key}=${config.get(key) ?? 'unset'} instead of ${value}`)
    }
  }
  return out.join(', ')
}
