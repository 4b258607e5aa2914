import type { LogCursor, StoredBatch } from './log.ts'

export interface TopicInfo {
  readonly name: string
  /** UUID that the cluster gave it when it was created: another one after a topic was deleted and created again. */
  readonly id: string
  readonly partitions: number
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** What a partition holds of committed records: start ≤ offset < end. */
export interface PartitionRange extends TopicPartition {
  readonly start: number
  readonly end: number
}

/** A group's answer to which partitions this member is to bring into the lake. */
export interface Assignment {
  /** Higher after each rebalance. */
  readonly generation: number
  readonly partitions: readonly TopicPartition[]
}

/** What our own producer says with each of its appends, in a topic of its own: where the source is, and how far each topic it touched. */
export interface AppendRecord {
  /** Of this record in its topic. */
  readonly offset: number
  /** Number of the append, dense per producer; smaller ones may have been compacted away. */
  readonly append: number
  readonly cursor: LogCursor
  /** Next offset by topic and partition, of those that the append touched. */
  readonly ends: ReadonlyMap<string, ReadonlyMap<number, number>>
}

/** A log of topics with partitions that several processes read as members of a group: Kafka. */
export interface PartitionedLog {
  /** Topics that `wanted` chooses, by name. */
  topics(wanted: (topic: string) => boolean): Promise<readonly TopicInfo[]>
  /** All partitions of the topics; topics that are gone are left out. `written`: their ends with what is not committed yet. */
  ranges(topics: readonly string[], written?: boolean): Promise<readonly PartitionRange[]>
  /** Joins the group for these topics, or tells it that they have changed. */
  join(topics: readonly TopicInfo[]): Promise<void>
  /** Null: the group is being rebalanced, or was not joined yet. */
  assignment(): Assignment | null
  /** For tools that show lag; nothing is resumed from it. */
  commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>
  /** Committed records with from ≤ offset < to, in order. The bytes of a batch are good until the next one is asked for. */
  read(topic: string, partition: number, from: number, to: number, signal: AbortSignal): AsyncIterable<StoredBatch>
  /** Records of a topic of appends, of its first partition; what else is in it is left out. */
  appends(topic: string, from: number, to: number, signal: AbortSignal): AsyncIterable<AppendRecord>
  /** Writes a copy of a record to another topic, with headers that say why (those of Kafka Connect). Durable when it resolves. */
  setAside(record: TopicPartition & { readonly offset: number }, to: string, why: Error): Promise<void>
  close(): Promise<void>
}
