import { rm } from 'node:fs/promises'
import type { SourceEvent } from '../../capture/source-event.ts'
import type { LogWriter, SchemaRegistry, TopicTables } from '../../contract/log.ts'
import { createEnvelopeEncoder } from '../../envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS, type EnvelopeSettings } from '../../envelope/options.ts'
import type { Transform } from '../../envelope/transform/record.ts'
import { TransformingEncoder } from '../../envelope/transform/transforming-encoder.ts'
import { Failure } from '../../failure/failure.ts'
import { RunProgress } from '../../observe/run-progress.ts'
import type { CaptureEnd, CaptureOptions } from '../../pipeline/capture.ts'
import { type LakeHalf, runPipeline } from '../../pipeline/run.ts'
import { concurrencyOf } from '../concurrency-flags.ts'
import { placeOf } from '../open-store.ts'
import { openState, type State, scratchDirectory } from '../state.ts'
import { LiveBlock } from '../terminal/live-block.ts'
import { count } from '../terminal/quantity.ts'
import type { Context, Outcome } from '../verb.ts'
import { readEventSettings } from './event-settings.ts'
import type { RunFlags } from './run-flags.ts'
import { startIngestThread } from './run-ingest-thread.ts'
import { openKafkaSink, openRunRegistry } from './run-kafka.ts'
import { startLakeThread } from './run-lake-thread.ts'
import { notCaptured, partitionsOf, unmetPartitions } from './run-partitions.ts'
import { progressBlock, progressLine, serviceLine, tableDoneLine } from './run-progress-view.ts'
import type { LakeWork } from './run-protocol.ts'
import { sortingOf } from './run-sorting.ts'
import type { Source } from './source-kind.ts'
import { sourceAdapter } from './sources.ts'

type RunContext = Context<RunFlags>

/** Encoded bytes that share one append (and one fsync) when the source has more at hand than can be appended one by one. */
const APPEND_BYTES = 2 << 20
const BLOCK_MS = 500
const LINE_MS = 10_000

/** Builds the parts of a run, runs it, and says what it did. */
export async function runFlow(context: RunContext): Promise<Outcome> {
  const { flags, clock } = context
  const events = readEventSettings(flags['event-settings'], { forLake: hasLake(context), headerFormat: 'simple' })
  if (events !== null && events.transforms.length > 0 && (flags.kafka.length === 0 || hasLake(context))) {
    throw new Failure('TRB-ENV-014', { where: hasLake(context) ? `the lake ${flags.lake}` : 'the log of this machine' })
  }
  const purpose = { kind: 'run', snapshot: null, ...(events && { columns: events.columns }) } as const
  const kind = (await sourceAdapter(flags.source)).fromFlags(flags.source, flags, context.env, purpose)
  if (kind.password !== null) context.secret(kind.password)
  const retention = { maxAgeMs: flags['log-retention'], maxBytes: flags['log-retention-bytes'] }
  const state = openState(flags.state, { clock, retention, command: context.command, pid: process.pid })
  try {
    await rm(scratchDirectory(flags.state), { recursive: true, force: true })
    const show = new Show(context)
    const sink = flags.kafka.length === 0 ? embeddedSink(state) : await kafkaSink(context, kind, state, show)
    const lake = await lakeHalf(context, state, show)
    try {
      const end = await capturing(
        context,
        kind,
        { ...sink, envelope: { ...sink.envelope, ...events?.envelope }, transforms: events?.transforms ?? [] },
        lake,
        show,
      )
      const answer = outcome(show, end, lake !== null)
      show.log(`stopped   ${answer.summary}. The same command goes on from there.`)
      return answer
    } finally {
      await lake?.close()
      await sink.close()
      await show.end()
    }
  } finally {
    state.close()
  }
}

/** Whoever writes into Kafka has its readers elsewhere, unless a lake is asked for. */
function hasLake({ flags, origin }: RunContext): boolean {
  return flags.lake !== 'none' && (flags.kafka.length === 0 || origin('lake') !== 'default')
}

/** Where a run's records go. */
interface Sink {
  readonly log: LogWriter
  readonly registry: SchemaRegistry
  readonly topicTables: TopicTables
  /** For people. */
  readonly text: string
  /** Settings of the envelope that depend on who reads. */
  readonly envelope: Partial<EnvelopeSettings>
  readonly transforms: readonly Transform[]
  readonly offsetOf: CaptureOptions['offsetOf']
  /** Appends up to this one are not needed any more by this process. */
  release(appendId: number): void
  close(): Promise<void>
}

function embeddedSink(state: State): Sink {
  return {
    ...{ log: state.log, registry: state.registry, topicTables: state.topicTables, text: state.dir, offsetOf: undefined },
    // The lake follows truncations; context headers are for Kafka's consumers.
    envelope: { skipped: [], contextHeaders: false },
    transforms: [],
    release: (appendId) => state.log.release(appendId),
    close: async () => undefined,
  }
}

/** The log is Kafka: the state directory keeps only what is known of tables and schemas. */
async function kafkaSink(context: RunContext, kind: Source, state: State, show: Show): Promise<Sink> {
  const { flags } = context
  const registry = await openRunRegistry(context, state, (t) => show.log(t))
  try {
    const tell = { warn: (t: string) => show.warnOnce(t, t), retry: (t: string) => show.log(`retry     Kafka: ${t}`) }
    const log = await openKafkaSink(context, tell)
    return {
      ...{ log, registry: registry.registry, topicTables: state.topicTables, text: `Kafka ${flags.kafka.join(',')} · ${registry.text}` },
      envelope: { skipped: flags['kafka-truncates'] ? [] : DEFAULT_ENVELOPE_SETTINGS.skipped, contextHeaders: flags['kafka-headers'] },
      transforms: [],
      offsetOf: kind.offsetOf,
      release: () => undefined,
      async close() {
        await log.close()
        await registry.close()
      },
    }
  } catch (e) {
    await registry.close()
    throw e
  }
}

async function lakeHalf(context: RunContext, state: State, show: Show): Promise<LakeHalf | null> {
  const { flags } = context
  if (!hasLake(context)) return null
  if (flags.kafka.length === 0) return await startLakeThread(lakeWork(context, state), lakeEvents(show, state))
  const ingest = startIngestThread(context, state.dir, {
    log: (line) => show.log(line),
    commit: (c) => show.progress.committed({ ...c, tookMs: 0 }),
  })
  show.ingest = ingest.done
  return ingest
}

async function capturing(context: RunContext, kind: Source, sink: Sink, lake: LakeHalf | null, show: Show): Promise<CaptureEnd> {
  const { flags, clock } = context
  const source = kind.open({
    clock,
    observe: (e) => show.source(e),
    chosen: (tables, first) => {
      for (const name of unmetPartitions(partitionsOf(context.command, flags.partition), tables)) {
        // A table may be dropped, or is yet to come, while the run goes on.
        if (first) throw notCaptured(context.command, name, tables)
        show.warnOnce(`--partition ${name}`, `--partition ${name}: no table of this name is captured`)
      }
    },
  })
  const { transforms } = sink
  const envelopes = createEnvelopeEncoder({
    ...DEFAULT_ENVELOPE_SETTINGS,
    ...sink.envelope,
    prefix: flags.name,
    connector: kind.connector,
    source: kind.block(flags.name, null),
    registry: sink.registry,
    clock,
    runId: clock.uuid(),
    headerFormat: 'simple',
    lends: true,
    sharesTails: transforms.length === 0,
    marksDefaults: transforms.some((t) => t.asksForDefaults === true),
    onUnshown: (t, column) => {
      const name = `${t.schema}.${t.table}.${column}`
      show.nulled(name, 1, `${name}: values without a form in Avro (NaN, infinity, times beyond 64 bits) are null`)
    },
  })
  const encoder =
    transforms.length === 0
      ? envelopes
      : new TransformingEncoder({ encoder: envelopes, transforms, registry: sink.registry, keepsSchemaOfNull: false })
  show.log(`source    ${kind.address} · log ${sink.text}${lake === null ? '' : ` · lake ${flags.lake}`}`)
  const options: CaptureOptions = {
    ...{ name: flags.name, database: kind.database, source, encoder },
    ...{ log: sink.log, topicTables: sink.topicTables, appendBytes: APPEND_BYTES, offsetOf: sink.offsetOf },
    onAppend: (p) => {
      show.appended(p.appendId, p.cursor, p.records, p.bytes)
      // Without a lake nothing waits for the records: age and size alone decide.
      if (lake === null) sink.release(p.appendId)
    },
  }
  try {
    return await show.during(runPipeline(options, lake, flags.once, context.signal))
  } finally {
    await source.close()
  }
}

function lakeWork(context: RunContext, state: State): LakeWork {
  const { flags } = context
  return {
    state: state.dir,
    lake: placeOf(flags.lake, context),
    source: flags.name,
    policy: { intervalMs: flags['flush-interval'], records: flags['flush-rows'], bytes: flags['flush-bytes'] },
    layout: {
      tableType: flags['table-type'] === 'mor' ? 'MERGE_ON_READ' : 'COPY_ON_WRITE',
      tableVersion: flags['table-version'] === '9' ? 9 : 6,
    },
    partitions: partitionsOf(context.command, flags.partition),
    services: {
      compactLogs: flags['compact-logs'],
      compactShare: flags['compact-share'],
      compactAgeMs: flags['compact-age'],
      compactLogFiles: flags['compact-log-files'],
      clusterSort: sortingOf(context.command, flags['cluster-sort']),
      clusterEveryMs: flags['cluster-every'],
      bucketBytes: flags['bucket-size'],
      keepHistoryMs: flags['keep-history'],
      keepCommits: flags['keep-commits'],
    },
    concurrency: concurrencyOf(flags),
  }
}

function lakeEvents(show: Show, state: State): Parameters<typeof startLakeThread>[1] {
  return {
    onCommit: ({ commit, tookMs, infinite }) => {
      show.progress.committed({ ...commit, tookMs })
      if (infinite > 0) show.nulled(commit.path, infinite, `${commit.path}: infinite times, and those beyond 64 bits, are null in the lake`)
    },
    onWatermark: ({ watermark }) => {
      show.progress.watermark = watermark
      state.log.release(watermark.appendId)
    },
    onService: ({ path, done }) => show.log(serviceLine(path, done)),
    onWarning: (text) => show.log(`warning   ${text}`),
  }
}

function outcome({ progress, ingest }: Show, end: CaptureEnd, hasLake: boolean): Outcome {
  const at = end.cursor?.commit ?? null
  const watermark = progress.watermark
  const commits = ingest?.commits ?? progress.lakeCommits
  const where = ingest !== null ? `${count(ingest.records)} records into the lake` : `lake at ${watermark?.commit ?? 'its old position'}`
  const lake = !hasLake ? '' : `, ${where} (${commits} commits)`
  return {
    summary: `${count(progress.records)} changes captured, log at ${at ?? 'the middle of the snapshot'}${lake}`,
    result: {
      reason: end.reason,
      records: progress.records,
      bytes: progress.bytes,
      appends: progress.appends,
      position: end.cursor?.at ?? null,
      commit: at,
      nulled: progress.nulled,
      lake: hasLake ? { commits, records: ingest?.records ?? progress.lakeRecords, watermark: watermark?.commit ?? null } : null,
    },
  }
}

/** What people see on stderr while it runs. */
class Show {
  readonly progress: RunProgress
  /** What the lake half did, when it reads Kafka. */
  ingest: { readonly records: number; readonly commits: number } | null = null
  private readonly context: RunContext
  private readonly block: LiveBlock
  private readonly warned = new Set<string>()

  constructor(context: RunContext) {
    this.context = context
    this.progress = new RunProgress(context.clock.now())
    this.block = new LiveBlock(context.stderr)
  }

  log(line: string): void {
    this.block.log(line)
  }

  /** Counts values that became null, and warns of the first ones of each place. */
  nulled(place: string, values: number, text: string): void {
    this.progress.nulled += values
    this.warnOnce(place, `${text} (said once)`)
  }

  warnOnce(place: string, text: string): void {
    if (this.warned.has(place)) return
    this.warned.add(place)
    this.log(`warning   ${text}`)
  }

  source(event: SourceEvent): void {
    const { progress } = this
    const now = this.context.clock.now()
    if (event.kind === 'created') this.log(`created   ${event.object} ${event.name}`)
    else if (event.kind === 'warning') this.log(`warning   ${event.text}`)
    else if (event.kind === 'note') this.log(`note      ${event.text}`)
    else if (event.kind === 'retry') this.log(`retry     in ${event.delayMs} ms: ${event.failure.message}`)
    else if (event.kind === 'streaming') {
      progress.streaming = true
      this.log(`streaming from ${event.from}`)
    } else if (event.table !== null) {
      progress.snapshot({ ...event, table: event.table }, now)
      if (event.tableDone) this.log(tableDoneLine(progress.tables.get(event.table)!))
    }
  }

  appended(id: number, cursor: CaptureEnd['cursor'] & object, records: number, bytes: number): void {
    this.progress.appended({ id, cursor, records, bytes }, this.context.clock.now())
  }

  /** Shows progress until the work is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    const over = new AbortController()
    const drawing = this.keepDrawing(over.signal)
    const onDrain = (): void => {
      const waiting = this.progress.records - this.progress.lakeRecords
      this.log(`draining  ${count(Math.max(0, waiting))} records on their way to the lake; the same signal again leaves at once`)
    }
    this.context.signal.addEventListener('abort', onDrain, { once: true })
    try {
      return await work
    } finally {
      this.context.signal.removeEventListener('abort', onDrain)
      over.abort(OVER)
      await drawing
    }
  }

  async end(): Promise<void> {
    await this.block.end()
  }

  private async keepDrawing(over: AbortSignal): Promise<void> {
    const { clock, stderr } = this.context
    try {
      for (;;) {
        await clock.sleep(stderr.isTerminal ? BLOCK_MS : LINE_MS, over)
        const now = clock.now()
        if (stderr.isTerminal) this.block.draw(progressBlock(this.progress, now))
        else this.log(progressLine(this.progress, now))
      }
    } catch (e) {
      if (e !== OVER) throw e
      if (stderr.isTerminal) this.block.draw(progressBlock(this.progress, clock.now()))
    }
  }
}

const OVER = new Error('the run is over')
