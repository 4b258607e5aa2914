import { concurrencyFlags } from '../concurrency-flags.ts'
import { lockingFlag, nameFlag, serverIdFlag, sourceFlag, stateFlag, urlFlag } from '../defaults.ts'
import { bool, choice, duration, integer, list, size, text } from '../flag.ts'
import { registryFlags } from '../registry-flags.ts'
import { registryListenFlags } from '../registry-server.ts'
import { s3Flags } from '../s3-flags.ts'
import { eventSettingsFlag } from './event-settings.ts'
import { heartbeatFlags } from './heartbeat-flags.ts'
import { runKafkaFlags } from './run-kafka-flags.ts'
import { signalFlags } from './signal-flags.ts'

/** Flags of `cdc run`. */
export const RUN_FLAGS = {
  source: sourceFlag,
  url: urlFlag,
  tables: list({ help: 'tables to capture, as schema.table with * for any text; a leading ! excludes', default: ['*'] }),
  name: nameFlag,
  lake: text({
    help: 'where the lake is: a directory, or s3://BUCKET/PREFIX; none: capture into the log only',
    placeholder: 'URI',
    default: './lake',
  }),
  state: stateFlag,
  once: bool({ help: 'stop when the position current at start has been reached and committed' }),
  'flush-interval': duration({ help: 'longest time that a change waits in the log before its commit starts', default: 10_000 }),
  'flush-rows': integer({ help: 'changes after which a commit starts earlier', default: 50_000, min: 1 }),
  'flush-bytes': size({ help: 'bytes of changes after which a commit starts earlier', default: 64 * 1024 ** 2 }),
  'table-type': choice({
    help: 'type of new tables: merge-on-read (changes go to log files that readers merge) or copy-on-write (plain Parquet after each commit)',
    choices: ['mor', 'cow'],
    default: 'mor',
  }),
  'table-version': choice({
    help: 'Hudi table version of new tables: 6 (Hudi 0.14 and newer), 9 (1.1 and newer)',
    choices: ['6', '9'],
    default: '6',
  }),
  partition: list({
    help: 'how new tables are partitioned: schema.table=COLUMN, or day(COLUMN), month(COLUMN), year(COLUMN) of a date or time',
    placeholder: 'TABLE=EXPR',
  }),
  'compact-logs': integer({
    help: 'log files after which a file group is compacted, if they are worth it (10 % of its base file); 0: no compaction',
    default: 10,
  }),
  'compact-share': integer({ help: 'size of the logs, in percent of the base file, from which few ones are enough', default: 50, min: 1 }),
  'compact-age': duration({
    help: 'age of the oldest log (version 6: of the base file) from which any logs are enough, looked at after a commit; 0s: no matter',
    default: 0,
  }),
  'compact-log-files': integer({
    help: 'log files after which those of a file group that is not due for a compaction become one; 0: never',
    default: 30,
  }),
  'cluster-sort': list({
    help: 'columns that the rows of a table are sorted by, so that readers skip what they do not need: schema.table=COLUMN+COLUMN; none: not sorted',
    placeholder: 'TABLE=COLUMNS',
  }),
  'cluster-every': duration({
    help: 'time between two sorts of a table, the first one this long after --cluster-sort was first given; only what has changed is rewritten; 0s: never',
    default: 24 * 3_600_000,
  }),
  'bucket-size': size({
    help: 'size of base files that is wanted: a table whose buckets are twice as large on average gets more of them, which rewrites it; 0: never',
    default: 100 * 1024 ** 2,
  }),
  'keep-history': duration({
    help: 'how long every state of a table stays readable; what only older ones need is cleaned; 0s: for ever',
    default: 24 * 3_600_000,
  }),
  'keep-commits': integer({
    help: 'commits of a table that stay in its active timeline; older ones are archived, ten at a time; 0: never',
    default: 20,
  }),
  'log-retention': duration({ help: 'how long the log keeps what the lake already has', default: 24 * 3_600_000 }),
  'log-retention-bytes': size({ help: 'size beyond which the log drops what the lake already has', default: 8 * 1024 ** 3 }),
  'slot-name': text({ help: 'replication slot; created when absent', placeholder: 'SLOT', defaultText: 'after --name' }),
  'ignore-unsupported-types': bool({
    help: 'leave out columns whose type has no mapping (they are named in a warning), instead of refusing them',
  }),
  publication: text({ help: 'publication; created when absent', placeholder: 'NAME', defaultText: 'after --name' }),
  'server-id': serverIdFlag,
  'snapshot-locking': lockingFlag,
  'event-settings': eventSettingsFlag,
  ...heartbeatFlags,
  ...signalFlags,
  ...runKafkaFlags,
  ...registryFlags,
  ...registryListenFlags,
  ...concurrencyFlags,
  ...s3Flags,
}

export type RunFlags = typeof RUN_FLAGS
