import { bool, choice, duration, integer, list, text } from '../flag.ts'
import { kafkaFlags } from '../kafka-flags.ts'

/** Flags of a run whose log is Kafka: how the cluster is reached, and what topics it writes. */
export const runKafkaFlags = {
  ...kafkaFlags,
  'registry-listen': text({
    help: 'Kafka without --registry: serve the built-in registry to consumers at this address; none: it is served otherwise',
    placeholder: 'HOST:PORT',
  }),
  'kafka-compression': choice({
    help: 'Kafka: compression of record batches',
    choices: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    default: 'zstd',
  }),
  'kafka-partitions': integer({
    help: 'Kafka: partitions of new topics; keys are spread as by the default partitioner of Kafka',
    defaultText: "the broker's",
    min: 1,
    max: 100_000,
  }),
  'kafka-replication': integer({ help: 'Kafka: replicas of new topics', defaultText: "the broker's", min: 1, max: 100 }),
  'kafka-topic-config': list({
    help: 'Kafka: configuration of new topics, e.g. cleanup.policy=compact,retention.ms=604800000',
    placeholder: 'KEY=VALUE',
  }),
  'kafka-existing': choice({
    help: 'Kafka: what to do about a topic that exists with other settings',
    choices: ['warn', 'refuse'],
    default: 'warn',
  }),
  'kafka-adopt': bool({ help: 'Kafka: take a snapshot into topics that hold records already, although no position is known' }),
  'kafka-offsets-topic': text({
    help: "Kafka: topic of the source's position, in the form of Kafka Connect's",
    placeholder: 'TOPIC',
    defaultText: '<name>.offsets',
  }),
  'kafka-connector': text({
    help: 'Kafka: name of the connector in the offsets topic, to take over from Debezium or hand over to it',
    placeholder: 'NAME',
    defaultText: 'as --name',
  }),
  'kafka-transaction-timeout': duration({
    help: 'Kafka: after how long the brokers abort what a vanished run has begun; readers wait so long for what comes after it',
    default: 60_000,
  }),
  'kafka-headers': bool({ help: "Kafka: Debezium's four context headers on every record", default: true }),
  'kafka-truncates': bool({ help: 'Kafka: records of TRUNCATE (op t); Debezium leaves them out by default', default: true }),
}
