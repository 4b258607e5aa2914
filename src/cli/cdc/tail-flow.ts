import type { SourceEvent } from '../../capture/source-event.ts'
import type { ChangeBatch, ChangeSource, ChangeStream, TransactionRun } from '../../contract/change.ts'
import { createEnvelopeEncoder } from '../../envelope/encoder.ts'
import { DEFAULT_ENVELOPE_SETTINGS } from '../../envelope/options.ts'
import type { Transform } from '../../envelope/transform/record.ts'
import { TransformingEncoder } from '../../envelope/transform/transforming-encoder.ts'
import { Failure } from '../../failure/failure.ts'
import { MemoryRegistry } from '../../registry/memory/memory-registry.ts'
import { parseProperties } from '../properties.ts'
import type { Context, Outcome, Output } from '../verb.ts'
import { readEventSettings, readText } from './event-settings.ts'
import type { DebeziumSource } from './source-kind.ts'
import { adapterOfConnector, sourceAdapter } from './sources.ts'
import type { TailFlags } from './tail-flags.ts'
import { TailPrinter } from './tail-print.ts'
import { readTailState, type TailState, writeTailState } from './tail-state.ts'
import { parseUntil, type Until } from './tail-until.ts'
import { TailWriter } from './tail-writer.ts'

type TailContext = Context<TailFlags>

/** Reads the source and prints its records until `--until`, a signal, or the reader of stdout is gone. */
export async function runTail(context: TailContext): Promise<Outcome> {
  const { flags } = context
  const until = parseUntil(context.command, flags.until)
  const connector = await connectorOf(context)
  const { source: kind } = connector
  if (kind.password !== null) context.secret(kind.password)
  const state = flags.state === null ? null : readTailState(flags.state, kind.stateKey)
  const watch = new Watch(context)
  const collector = context.json ? new Collector(context.command) : null
  const source = kind.open({ clock: context.clock, observe: (e) => watch.see(e) })
  const writer = writerOf(context, connector, state, collector ?? context.stdout)
  try {
    const stream = await source.open(state?.position ?? null, context.signal)
    try {
      await follow(context, source, stream, writer, until, watch)
    } finally {
      await stream.close()
    }
  } finally {
    await source.close()
    if (flags.state === null && context.properties === null) await kind.removeCreated(watch.created, context.clock)
  }
  const result = { records: writer.printed, position: writer.state().position, ...(collector === null ? {} : { events: collector.events }) }
  return { summary: `${writer.printed} records`, result }
}

const COLLECTED_BYTES = 64 << 20

/** With --json the records are part of the one answer, which must fit into memory. */
class Collector implements Output {
  readonly events: unknown[] = []
  readonly isTerminal = false
  readonly columns = 0
  readonly #command: string
  #bytes = 0

  constructor(command: string) {
    this.#command = command
  }

  write(line: string | Uint8Array): Promise<void> {
    this.#bytes += line.length
    if (this.#bytes > COLLECTED_BYTES) {
      const expected = 'less than 64 MiB of records, as with --until count:1000; without --json they are streamed, one line each'
      throw new Failure('TRB-CLI-004', { command: this.#command, where: '--json', value: 'more than fits into one answer', expected })
    }
    this.events.push(JSON.parse(String(line)))
    return Promise.resolve()
  }
}

/** What the source said while it ran. */
class Watch {
  readonly created: SourceEvent[] = []
  streaming = false
  /** Resolves when the stream is open. */
  readonly opened: Promise<'open'>
  readonly #open: (value: 'open') => void
  /** When records last came, ms; the stream's opening counts. */
  lastMs: number
  readonly #context: TailContext

  constructor(context: TailContext) {
    this.#context = context
    this.lastMs = context.clock.now()
    const opened = Promise.withResolvers<'open'>()
    this.opened = opened.promise
    this.#open = opened.resolve
  }

  see(event: SourceEvent): void {
    const { stderr, clock } = this.#context
    const say = (line: string): void => {
      stderr.write(`${line}\n`).catch((e: unknown) => {
        throw e
      })
    }
    if (event.kind === 'created') this.created.push(event)
    else if (event.kind === 'warning') say(`warning: ${event.text}`)
    else if (event.kind === 'note') say(event.text)
    else if (event.kind === 'retry') say(`${event.failure.message}; trying again in ${event.delayMs} ms`)
    else if (event.kind === 'streaming' && !this.streaming) {
      this.streaming = true
      this.#open('open')
      this.lastMs = clock.now()
      say('streaming')
    }
  }
}

async function follow(
  context: TailContext,
  source: ChangeSource,
  stream: ChangeStream,
  writer: TailWriter,
  until: Until,
  watch: Watch,
): Promise<void> {
  let limit = until.kind === 'position' ? until.at : null
  if (until.kind === 'count') writer.limit = until.count
  const batches = stream.batches[Symbol.asyncIterator]()
  let pending = batches.next()
  while (!context.signal.aborted) {
    // `now` is when the stream opens: what the snapshot shows is older.
    if (until.kind === 'now' && limit === null && (await Promise.race([watch.opened, pending])) === 'open') {
      limit = await stream.head()
      const { position, skip } = writer.state()
      if (position !== null && skip === 0 && source.compare(position, limit) >= 0) return
    }
    const next = await untilIdle(context, pending, until, watch)
    if (next === 'idle' || next.done === true) return
    const batch = next.value
    const before = writer.printed
    // A snapshot is wanted as a whole, whenever it was taken.
    const whole = await writer.write(batch, (run) => limit === null || isSnapshot(batch, run) || source.compare(run.commit, limit) <= 0)
    if (writer.printed > before) watch.lastMs = context.clock.now()
    save(context, stream, writer)
    if (!whole || done(source, batch, limit)) return
    pending = batches.next()
  }
}

function isSnapshot(batch: ChangeBatch, run: TransactionRun): boolean {
  return run.from < run.to && batch.mark[run.from] !== 0
}

/** The next batch, or 'idle' when --until idle: is over first. */
async function untilIdle(
  context: TailContext,
  pending: Promise<IteratorResult<ChangeBatch>>,
  until: Until,
  watch: Watch,
): Promise<IteratorResult<ChangeBatch> | 'idle'> {
  if (until.kind !== 'idle') return await pending
  for (;;) {
    const left = watch.streaming ? until.ms - (context.clock.now() - watch.lastMs) : until.ms
    if (left <= 0) return 'idle'
    const stop = new AbortController()
    const timer = context.clock.sleep(left, stop.signal).then(
      () => 'idle' as const,
      () => 'stopped' as const,
    )
    const first = await Promise.race([pending, timer])
    stop.abort()
    if (first !== 'idle' && first !== 'stopped') return first
  }
}

function done(source: ChangeSource, batch: ChangeBatch, limit: string | null): boolean {
  return limit !== null && batch.boundary && source.compare(batch.upTo, limit) >= 0
}

/** Printed is done: the position is kept first, then the source may forget. */
function save(context: TailContext, stream: ChangeStream, writer: TailWriter): void {
  const state = writer.state()
  if (context.flags.state !== null) writeTailState(context.flags.state, state)
  if (state.position !== null) stream.ack(state.position)
}

function writerOf(context: TailContext, connector: DebeziumSource, state: TailState | null, out: Output): TailWriter {
  const registry = new MemoryRegistry()
  const { prefix, source } = connector
  const { transforms } = connector
  const envelopes = createEnvelopeEncoder({
    ...connector.envelope,
    prefix,
    connector: source.connector,
    source: source.block(prefix, state?.lastPlace ?? null),
    registry,
    clock: context.clock,
    runId: context.clock.uuid(),
    headerFormat: 'json',
    marksDefaults: transforms.some((t) => t.asksForDefaults === true),
  })
  const encoder =
    transforms.length === 0 ? envelopes : new TransformingEncoder({ encoder: envelopes, transforms, registry, keepsSchemaOfNull: true })
  const printer = new TailPrinter({
    format: context.flags.format,
    prefix,
    connectSchema: (id) => encoder.connectSchema(id),
    schemaText: (id) => registry.schemaText(id),
  })
  return new TailWriter({
    encoder,
    printer,
    out,
    stateKey: source.stateKey,
    offsets: (lastPlace, commitEnd) => source.offsets(lastPlace, commitEnd, connector.envelope.transactions),
    transactionTopic: connector.envelope.transactions ? routedBy(transforms, `${prefix}.${connector.envelope.transactionTopic}`) : null,
    state,
  })
}

/** Topic of the records that no transform looks into. */
function routedBy(transforms: readonly Transform[], topic: string): string {
  return transforms.reduce((at, t) => t.route?.(at) ?? at, topic)
}

/** From --config (a Debezium configuration) or from the flags. */
async function connectorOf(context: TailContext): Promise<DebeziumSource> {
  const { flags, properties } = context
  const snapshot = flags['snapshot-mode']
  if (properties !== null) {
    const config = parseProperties(readText(properties))
    return (await adapterOfConnector(config)).fromDebezium(config, properties, snapshot)
  }
  const events = readEventSettings(flags['event-settings'], { forLake: false, headerFormat: 'json' })
  const adapter = await sourceAdapter(flags.source)
  const asked = { ...flags, 'ignore-unsupported-types': true }
  const source = adapter.fromFlags(flags.source, asked, context.env, { kind: 'tail', snapshot, ...(events && { columns: events.columns }) })
  return {
    prefix: flags.name,
    source,
    envelope: { ...DEFAULT_ENVELOPE_SETTINGS, ...events?.envelope },
    transforms: events?.transforms ?? [],
  }
}
