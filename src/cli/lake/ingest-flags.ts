import { RUN_FLAGS } from '../cdc/run-flags.ts'
import { concurrencyFlags } from '../concurrency-flags.ts'
import { lakeFlag } from '../defaults.ts'
import { bool, choice, duration, integer, list, text } from '../flag.ts'
import { kafkaFlags } from '../kafka-flags.ts'
import { registryFlags } from '../registry-flags.ts'
import { s3Flags } from '../s3-flags.ts'

/** Flags of `lake ingest`; those of the tables are the ones of `cdc run`. */
export const INGEST_FLAGS = {
  ...kafkaFlags,
  topics: list({ help: 'topics to bring in, with * for any text; a leading ! excludes', placeholder: 'PATTERN,…' }),
  lake: lakeFlag,
  group: text({
    help: 'consumer group; its members share the partitions, and its tables remember its name',
    placeholder: 'NAME',
    default: 'tributary',
  }),
  once: bool({ help: 'stop when everything that was in the topics at start has been committed' }),
  'flush-interval': RUN_FLAGS['flush-interval'],
  'flush-rows': integer({
    help: 'records after which a commit starts earlier; at most four times as many of a partition go into one',
    default: 50_000,
    min: 1,
  }),
  'table-type': RUN_FLAGS['table-type'],
  'table-version': RUN_FLAGS['table-version'],
  partition: RUN_FLAGS.partition,
  'compact-logs': RUN_FLAGS['compact-logs'],
  'compact-age': RUN_FLAGS['compact-age'],
  'compact-share': RUN_FLAGS['compact-share'],
  'compact-log-files': RUN_FLAGS['compact-log-files'],
  'cluster-sort': RUN_FLAGS['cluster-sort'],
  'cluster-every': RUN_FLAGS['cluster-every'],
  'bucket-size': RUN_FLAGS['bucket-size'],
  'keep-history': RUN_FLAGS['keep-history'],
  'keep-commits': RUN_FLAGS['keep-commits'],
  'offsets-topic': text({
    help: 'topic in which cdc run --kafka tells where transactions of the source end: tables are then committed at one state of it; none: at any',
    placeholder: 'TOPIC',
    defaultText: 'the one that --topics matches',
  }),
  'transaction-topic': text({
    help: 'topic in which Debezium (provide.transaction.metadata) tells where transactions of the source end; none: at any',
    placeholder: 'TOPIC',
    defaultText: 'the one that --topics matches',
  }),
  'on-lost': choice({
    help: 'records that were not brought in yet are gone from Kafka (retention): stop, or go on without them',
    choices: ['stop', 'continue'],
    default: 'stop',
  }),
  'on-poison': choice({
    help: 'a record that cannot be read: stop, or move it to the dead-letter topic (with the headers of Kafka Connect) and go on',
    choices: ['stop', 'dead-letter'],
    default: 'stop',
  }),
  'dead-letter-topic': text({
    help: 'where --on-poison dead-letter moves records',
    placeholder: 'TOPIC',
    defaultText: '<group>.dead-letters',
  }),
  placeholder: text({
    help: 'what stands for a value that was not in the source’s log (Debezium: unavailable.value.placeholder)',
    placeholder: 'TEXT',
    default: '__debezium_unavailable_value',
  }),
  'session-timeout': duration({ help: 'how long a member may be silent before its partitions go to others', default: 10_000 }),
  state: text({
    help: 'state directory of a cdc run on this machine: its built-in registry is used when there is no --registry',
    placeholder: 'DIR',
  }),
  ...registryFlags,
  ...concurrencyFlags,
  ...s3Flags,
}

export type IngestFlags = typeof INGEST_FLAGS
