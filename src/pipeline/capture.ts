import type { ChangeBatch, ChangeSource, ChangeStream, TableSchema } from '../contract/change.ts'
import type { LogCursor, LogWriter, TopicBatch, TopicTables } from '../contract/log.ts'
import { assert } from '../failure/failure.ts'
import type { BatchEncoder } from './batch-encoder.ts'

export interface CaptureOptions {
  /** Name of the source in the log's cursors. */
  readonly name: string
  /** Database name that the lake's paths start with. */
  readonly database: string
  readonly source: ChangeSource
  readonly encoder: BatchEncoder
  readonly log: LogWriter
  readonly topicTables: TopicTables
  /** Encoded bytes at which a group of batches is appended, even if more are at hand. */
  readonly appendBytes: number
  readonly onAppend?: (progress: CaptureProgress) => void
  /** Debezium's offset behind a batch, as JSON text; `before`: that behind the batch before. Absent: the log does not ask for it. */
  readonly offsetOf?: (batch: ChangeBatch, before: string | null) => string
  /** The stream is open; `head` is the newest position of the source at that moment. */
  readonly onOpen?: (head: string) => void
}

export interface CaptureProgress {
  readonly appendId: number
  readonly cursor: LogCursor
  /** Records and encoded bytes of this append. */
  readonly records: number
  readonly bytes: number
  /** Tables this append brought news of. */
  readonly batches: readonly TopicBatch[]
}

export interface CaptureEnd {
  /** 'stopped': the drain was asked for; 'reached': `once`, and the head at start is in the log. */
  readonly reason: 'stopped' | 'reached' | 'ended'
  readonly cursor: LogCursor | null
}

/**
 * Source → log, until `drain` aborts (what has been read is appended, then it ends), `abort` aborts (ends with its reason), or,
 * with `once`, the position that was current at start is in the log at a consistent boundary.
 * Invariant C1: `ack` gets only positions read back from the log after the append that holds them returned.
 */
export async function capture(options: CaptureOptions, once: boolean, drain: AbortSignal, abort: AbortSignal): Promise<CaptureEnd> {
  const { source, log, name } = options
  const start = log.cursor(name)
  const stop = AbortSignal.any([drain, abort])
  const stream = await openUnless(drain, abort, (signal) => source.open(start?.at ?? null, signal))
  if (stream === null) return { reason: 'stopped', cursor: start }
  try {
    const head = await stream.head()
    options.onOpen?.(head)
    const appender = new Appender(options, stream, start)
    const reached = (): boolean => once && appender.isConsistentAt(head)
    const reason = await pump(appender, stream, options.appendBytes, stop, reached)
    abort.throwIfAborted()
    return { reason, cursor: log.cursor(name) }
  } finally {
    await stream.close()
  }
}

/**
 * Opens with a signal that `drain` aborts only while the opening lasts (it may be waiting for a server that is not up yet): an open
 * stream is drained by closing it. Null: drained before it was open.
 */
async function openUnless(
  drain: AbortSignal,
  abort: AbortSignal,
  open: (signal: AbortSignal) => Promise<ChangeStream>,
): Promise<ChangeStream | null> {
  const opening = new AbortController()
  const end = (): void => opening.abort(drain.reason)
  if (drain.aborted) end()
  drain.addEventListener('abort', end, { once: true })
  try {
    return await open(AbortSignal.any([opening.signal, abort]))
  } catch (e) {
    // Whatever kept it from opening (a server that is not up yet, say) is no longer of interest to who stops the run.
    if (opening.signal.aborted) return null
    throw e
  } finally {
    drain.removeEventListener('abort', end)
  }
}

/** Pulls batches and appends them in groups: everything that is at hand, up to `appendBytes`, shares one append (one fsync). */
async function pump(
  appender: Appender,
  stream: ChangeStream,
  appendBytes: number,
  stop: AbortSignal,
  reached: () => boolean,
): Promise<CaptureEnd['reason']> {
  const batches = stream.batches[Symbol.asyncIterator]()
  const stopped = new StopRace(stop)
  try {
    while (!reached()) {
      let next = batches.next()
      let result = await stopped.run(next)
      if (result === null) return await leave(stream, next, 'stopped')
      while (result !== null && !result.done) {
        await appender.add(result.value)
        if (appender.bytes >= appendBytes) break
        next = batches.next()
        if (!(await settlesSoon(next))) {
          await appender.append()
          if (reached()) return await leave(stream, next, 'reached')
        }
        result = await stopped.run(next)
      }
      await appender.append()
      if (result === null) return await leave(stream, next, 'stopped')
      if (result.done) return 'ended'
    }
    return 'reached'
  } finally {
    stopped.dispose()
  }
}

/** Closes the stream under a pull that is still on its way; what it brings was never acknowledged and comes again. */
async function leave(stream: ChangeStream, pending: Promise<unknown>, reason: CaptureEnd['reason']): Promise<CaptureEnd['reason']> {
  const settled = Promise.allSettled([pending])
  await stream.close()
  await settled
  return reason
}

/** Encodes batches into the group that is waiting, and appends it. */
class Appender {
  bytes = 0
  private readonly options: CaptureOptions
  private readonly stream: ChangeStream
  private readonly prepared = new WeakSet<TableSchema>()
  private group: TopicBatch[] = []
  private done: string[] = []
  private cursor: LogCursor | null
  private waiting = false

  constructor(options: CaptureOptions, stream: ChangeStream, start: LogCursor | null) {
    this.options = options
    this.stream = stream
    this.cursor = start === null ? null : { ...start, snapshotDone: [] }
  }

  /** Everything up to `head` is in the log, and the log's end is a consistent boundary. */
  isConsistentAt(head: string): boolean {
    const cursor = this.cursor
    return !this.waiting && cursor !== null && cursor.boundary && cursor.consistent && this.options.source.compare(cursor.at, head) >= 0
  }

  async add(batch: ChangeBatch): Promise<void> {
    const { encoder } = this.options
    const fresh = batch.tables.filter((t) => !this.prepared.has(t))
    if (fresh.length > 0) await this.prepare(fresh)
    if (batch.heartbeat === true) await encoder.prepareHeartbeat?.()
    for (const encoded of await encoder.encode(batch)) {
      this.group.push(encoded)
      this.bytes += encoded.records.length
    }
    batch.release?.()
    for (const table of batch.snapshotDone) this.done.push(encoder.topicOf(table))
    const offset = this.options.offsetOf?.(batch, this.cursor?.offset ?? null)
    const cursor = advance(this.options.name, this.cursor, batch, this.done)
    this.cursor = offset === undefined ? cursor : { ...cursor, offset }
    this.waiting = true
  }

  /** Appends what is waiting and acknowledges what the log then says is durable. */
  async append(): Promise<void> {
    if (!this.waiting) return
    const { log, name, encoder, onAppend } = this.options
    const cursor = this.cursor
    assert(cursor !== null, 'a waiting group has a cursor')
    const batches = this.group
    const bytes = this.bytes
    this.group = []
    this.done = []
    this.bytes = 0
    this.waiting = false
    const appendId = await log.append(batches, cursor)
    const durable = log.cursor(name)
    assert(durable !== null && durable.at === cursor.at, 'the log gives back the cursor it was given')
    this.stream.ack(durable.at)
    let records = 0
    for (const b of batches) records += b.count
    onAppend?.({ appendId, cursor: durable, records, bytes, batches })
    encoder.recycle?.()
  }

  private async prepare(tables: readonly TableSchema[]): Promise<void> {
    const { encoder, topicTables, database } = this.options
    await encoder.prepare(tables)
    for (const table of tables) {
      const { id, rowEstimate } = table
      topicTables.put(encoder.topicOf(id), { database, table: id, rowEstimate, ...encoder.schemasOf(table) })
      this.prepared.add(table)
    }
  }
}

/** The cursor after `batch`. Until the first snapshot is complete no commit position stands for a state of the tables. */
function advance(source: string, before: LogCursor | null, batch: ChangeBatch, snapshotDone: readonly string[]): LogCursor {
  const consistent = (before?.consistent ?? false) || batch.snapshotComplete
  let commit = before?.commit ?? null
  let commitUs = before?.commitUs ?? null
  if (consistent) {
    for (const run of batch.transactions) {
      if (!run.ends) continue
      commit = run.commit
      commitUs = run.commitUs
    }
    assert(!batch.boundary || commit !== null, 'a consistent boundary has a commit position')
  }
  return { source, at: batch.upTo, boundary: batch.boundary, commit, commitUs, snapshotDone: [...snapshotDone], consistent }
}

/**
 * True when the promise settles within a few microtasks, that is, without waiting for I/O: the source has more at hand.
 * A timer would add its resolution to the latency of every lone change.
 */
async function settlesSoon(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const mark = (): void => {
    settled = true
  }
  promise.then(mark, mark)
  for (let i = 0; i < 12 && !settled; i++) await null
  return settled
}

/**
 * Races promises against a signal, one at a time. Promise.race with one long-lived promise would keep the value of every race alive
 * for as long as that promise: here each batch that ever passed.
 */
class StopRace {
  private readonly signal: AbortSignal
  private settle: ((value: null) => void) | null = null
  private readonly onAbort = (): void => this.settle?.(null)

  constructor(signal: AbortSignal) {
    this.signal = signal
    signal.addEventListener('abort', this.onAbort)
  }

  /** Null: the signal aborted first. */
  async run<T>(promise: Promise<T>): Promise<T | null> {
    if (this.signal.aborted) return null
    try {
      return await new Promise<T | null>((resolve, reject) => {
        this.settle = resolve
        promise.then(resolve, reject)
      })
    } finally {
      this.settle = null
    }
  }

  dispose(): void {
    this.signal.removeEventListener('abort', this.onAbort)
  }
}
