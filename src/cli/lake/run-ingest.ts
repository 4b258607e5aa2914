import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type { SchemaRegistry } from '../../contract/log.ts'
import type { Watermark } from '../../contract/table.ts'
import { sourceDatabase } from '../../envelope/source-database.ts'
import { TopicRows } from '../../envelope/topic-rows.ts'
import { Failure } from '../../failure/failure.ts'
import { LAKE_DIR } from '../../lake/layout/paths.ts'
import { StorageLock } from '../../lake/lock/storage-lock.ts'
import { DEFAULT_LOCK_TIMES, type LockTimes } from '../../lake/lock/table-lock.ts'
import { KafkaConsumer } from '../../log/kafka/consumer.ts'
import { ConsumerFailures } from '../../log/kafka/consumer-errors.ts'
import { ingest } from '../../pipeline/ingest.ts'
import type { IngestContext } from '../../pipeline/ingest-table.ts'
import { formatMicros } from '../../query/as-of.ts'
import { ConfluentRegistry } from '../../registry/confluent/confluent-registry.ts'
import { feedLake, type LakePlace } from '../cdc/run-lake.ts'
import { partitionsOf } from '../cdc/run-partitions.ts'
import { serviceLine } from '../cdc/run-progress-view.ts'
import { lakePolicy } from '../cdc/run-services.ts'
import { sortingOf } from '../cdc/run-sorting.ts'
import { concurrencyOf } from '../concurrency-flags.ts'
import { kafkaOptionsOf } from '../kafka-flags.ts'
import { openPlace, placeOf } from '../open-store.ts'
import { processProbe } from '../process-owner.ts'
import { confluentOptionsOf } from '../registry-flags.ts'
import { openStateForReading } from '../state.ts'
import { count } from '../terminal/quantity.ts'
import type { Context, Outcome } from '../verb.ts'
import { cutsOf, tellsOf } from './ingest-cuts-of.ts'
import type { IngestFlags } from './ingest-flags.ts'
import { tableOfTopic, topicFilter } from './ingest-topics.ts'

type IngestCliContext = Context<IngestFlags>

/** A dead member's lock is free after the validity; a commit takes less. */
const LOCK_TIMES: LockTimes = { ...DEFAULT_LOCK_TIMES, validityMs: 15_000, renewMs: 4_000, waitMs: 180_000, retryMs: 100 }
const CHUNK_BYTES = 1 << 20
const FETCH_BYTES = 4 << 20
const POLL_MS = 200
const TOPICS_MS = 15_000

/** Changes of one commit held in memory; half of it is for their rows, the rest for what is made of them. */
const MEMORY_BUDGET = 64 << 20
/** Rows of one commit, so that they stay within that half: a scratch file costs as much as everything else together. */
const COMMIT_BYTES = 22 << 20

/** V8 lets the young generation grow to many times what it needs here, where little is allocated per row. In MB; new pages are as the flag says. */
const YOUNG_MB = 4
/** By how much the heap grows between two collections of all of it, which come of buffers here: V8's own half would be one for each 22 MB. In %. */
const HEAP_GROWTH = 80

/** Builds the parts of an ingest, runs it, and says what it did. `watch`: hears of each commit. */
export async function runIngest(context: IngestCliContext, watch?: (commit: ShownCommit) => void): Promise<Outcome> {
  const { flags, clock } = context
  required(context, 'kafka', flags.kafka)
  required(context, 'topics', flags.topics)
  setFlagsFromString(`--max-semi-space-size=${YOUNG_MB}`)
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH}`)
  const show = new Show(context, watch)
  const registry = await openRegistry(context)
  const scratchDir = await mkdtemp(join(tmpdir(), 'tributary-ingest-'))
  const kafka = await kafkaOptionsOf(flags, {
    clock,
    cwd: context.cwd,
    clientId: `tributary-ingest-${flags.group}`,
    onRetry: (text) => show.log(`retry     ${text}`),
  })
  const failures = new ConsumerFailures(flags.kafka.join(','), flags.group)
  const consumer = new KafkaConsumer(
    { ...kafka, group: flags.group, sessionMs: flags['session-timeout'], fetchBytes: FETCH_BYTES },
    failures,
  )
  const never = new AbortController().signal
  try {
    const end = await ingest(
      {
        ...parts(context, scratchDir, show),
        log: consumer,
        databaseOf: (batch) => sourceDatabase(batch, (id) => registry.schema(id)),
        rowsOf: ({ name: topic, partitions }) =>
          new TopicRows({
            topic,
            partitions,
            schema: (id) => registry.schema(id),
            chunkBytes: CHUNK_BYTES,
            placeholder: Buffer.from(flags.placeholder, 'utf8'),
            counters: show.counters,
          }),
        cuts: cutsOf(context, consumer, (id) => registry.schema(id), show),
      },
      flags.once,
      context.signal,
      never,
    )
    return {
      summary: `${count(show.records)} records of ${end.topics} topics in ${show.commits} commits`,
      result: { reason: end.reason, topics: end.topics, records: show.records, commits: show.commits, nulled: show.counters.infinite },
    }
  } finally {
    await consumer.close()
    registry.close()
    await rm(scratchDir, { recursive: true, force: true })
  }
}

function parts(context: IngestCliContext, scratchDir: string, show: Show) {
  const { flags, clock } = context
  const store = openPlace(placeOf(flags.lake, context), clock)
  const alone = flags['write-concurrency-mode'] === 'single_writer'
  // Members of a group share tables: commits are made under the table's lock unless this process is said to be alone.
  const shared = { ...concurrencyOf(flags), mode: 'optimistic_concurrency_control' as const, times: LOCK_TIMES }
  const concurrency = alone ? concurrencyOf(flags) : shared
  const place: LakePlace = { store, clock, scratchDir, owner: processProbe(), concurrency, memoryBudget: MEMORY_BUDGET }
  const partitions = partitionsOf(context.command, flags.partition)
  const services = {
    compactLogs: flags['compact-logs'],
    compactAgeMs: flags['compact-age'],
    compactShare: flags['compact-share'],
    compactLogFiles: flags['compact-log-files'],
    clusterSort: sortingOf(context.command, flags['cluster-sort']),
    clusterEveryMs: flags['cluster-every'],
    bucketBytes: flags['bucket-size'],
    keepHistoryMs: flags['keep-history'],
    keepCommits: flags['keep-commits'],
  }
  const tells = tellsOf(flags)
  const chosen = topicFilter(flags.topics)
  const type = { mor: 'MERGE_ON_READ', cow: 'COPY_ON_WRITE' } as const
  const turn: IngestContext['turn'] = async (path) => {
    const held = await new StorageLock({ store, table: `${LAKE_DIR}/ingest/${path}`, clock, times: LOCK_TIMES }).acquire()
    return { end: () => held.release() }
  }
  return {
    lake: feedLake(place, lakePolicy(services), {
      warning: (text) => show.log(`warning   ${text}`),
      service: (path, done) => show.log(serviceLine(path, done)),
    }),
    layout: ({ table }: ReturnType<typeof tableOfTopic>) => ({
      tableType: type[flags['table-type']],
      tableVersion: flags['table-version'] === '9' ? (9 as const) : (6 as const),
      partition: partitions[`${table.schema}.${table.table}`] ?? null,
    }),
    source: flags.group,
    onLost: flags['on-lost'],
    deadLetters: flags['on-poison'] === 'dead-letter' ? (flags['dead-letter-topic'] ?? `${flags.group}.dead-letters`) : null,
    commitBytes: COMMIT_BYTES,
    turn,
    clock,
    policy: { intervalMs: flags['flush-interval'], records: flags['flush-rows'], bytes: Number.MAX_SAFE_INTEGER },
    wanted: (topic: string) => chosen(topic) && !tells(topic),
    tells,
    tableOf: tableOfTopic,
    pollMs: POLL_MS,
    topicsMs: TOPICS_MS,
    onWarning: (text: string) => show.log(`warning   ${text}`),
    onAssigned: (owned: number, all: number, topics: number) => show.log(`assigned  ${owned} of ${all} partitions, ${topics} topics`),
    onWatermark: (w: Watermark) => {
      if (w.loose !== true) show.log(`state     ${w.commit} (${formatMicros(w.commitUs)}) of all ${w.tables.length} tables`)
    },
    onCommit: (commit: { readonly path: string; readonly instant: string; readonly records: number }) => show.committed(commit),
  }
}

interface OpenRegistry extends Pick<SchemaRegistry, 'schema'> {
  close(): void
}

async function openRegistry(context: IngestCliContext): Promise<OpenRegistry> {
  const confluent = await confluentOptionsOf(context.flags, context)
  if (confluent !== null) return new ConfluentRegistry(confluent)
  const { state } = context.flags
  if (state === null) {
    const none = (id: number): Promise<never> => Promise.reject(new Failure('TRB-INGEST-010', { id }))
    return { schema: none, close: () => undefined }
  }
  const opened = openStateForReading(resolve(context.cwd, state))
  return { schema: (id) => opened.registry.schema(id), close: () => opened.close() }
}

function required(context: IngestCliContext, flag: string, value: readonly string[]): void {
  if (value.length > 0) return
  throw new Failure('TRB-CLI-004', { command: context.command, where: `--${flag}`, value: 'nothing', expected: 'at least one' })
}

/** What is told of a commit. */
export interface ShownCommit {
  readonly path: string
  readonly instant: string
  readonly records: number
}

/** What people see on stderr while it runs. */
class Show {
  records = 0
  commits = 0
  readonly counters = { infinite: 0 }
  readonly #context: IngestCliContext
  readonly #watch: ((commit: ShownCommit) => void) | undefined

  constructor(context: IngestCliContext, watch: ((commit: ShownCommit) => void) | undefined) {
    this.#context = context
    this.#watch = watch
  }

  log(line: string): void {
    void this.#context.stderr.write(`${line}\n`)
  }

  committed(commit: ShownCommit): void {
    this.records += commit.records
    this.commits++
    this.#watch?.(commit)
    this.log(`commit    ${commit.instant} ${commit.path}  ${count(commit.records)} ${commit.records === 1 ? 'record' : 'records'}`)
  }
}
