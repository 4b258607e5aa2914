import type { KafkaCluster } from './cluster.ts'
import { EARLIEST, endOffset, LATEST } from './offset-reader.ts'

/** Offsets of all partitions of a topic together: those still held, and those ever given. */
export interface TopicExtent {
  readonly topic: string
  readonly partitions: number
  readonly held: bigint
  readonly next: bigint
}

/** How far the chosen topics go, up to the end of ended transactions; by name. */
export async function topicExtents(cluster: KafkaCluster, chosen: (topic: string) => boolean): Promise<TopicExtent[]> {
  const found: TopicExtent[] = []
  for (const [topic, layout] of await cluster.allTopics()) {
    if (!chosen(topic)) continue
    let [first, next] = [0n, 0n]
    for (let partition = 0; partition < layout.leaders.length; partition++) {
      first += await endOffset(cluster, { topic, partition }, EARLIEST, 1)
      next += await endOffset(cluster, { topic, partition }, LATEST, 1)
    }
    found.push({ topic, partitions: layout.leaders.length, held: next - first, next })
  }
  return found.sort((a, b) => (a.topic < b.topic ? -1 : 1))
}
