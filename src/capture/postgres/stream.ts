import type { ChangeBatch } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import type { Failure } from '../../failure/failure.ts'
import { BatchBuilder, type BatchEnd } from '../batch-builder.ts'
import type { TextMatcher } from '../java-regex.ts'
import { quoteIdent, quoteLiteral, type SqlConnection } from './connect.ts'
import { printLsn } from './lsn.ts'
import { type CatchUp, printPosition, type StreamPosition } from './position.ts'
import { tableName } from './table-shapes.ts'
import { PgoutputDecoder, type Target } from './wire/pgoutput.ts'
import { RawSession } from './wire/raw-session.ts'
import type { RelationMessage } from './wire/relation.ts'
import { copyDone, simpleQuery, standbyStatus } from './wire/standby-status.ts'

/** A batch is cut at most this often while the consumer waits: small transactions then share a batch. */
const LINGER_MS = 3
/** How often an idle source hands on an empty batch that only moves the position. */
const PROGRESS_MS = 1000
const CHASE_MS = 30
/** Slack of an arena above the batch size: the tail of the last chunk. */
const ARENA_SLACK = 256 * 1024
/**
 * A read smaller than this means that the socket ran dry. The next one then waits a moment, so that it finds more: the server sends
 * every row on its own, and one read (and one turn of the event loop) per row costs more than all decoding.
 */
const FULL_READ = 32 * 1024
const PACE_MS = 1

export interface StreamSettings {
  readonly slot: string
  readonly publication: string
  readonly messages: boolean | TextMatcher
  readonly budgetBytes: number
  readonly batchBytes: number
  readonly statusMs: number
}

/** What a stream session needs from its surroundings. */
export interface StreamDeps {
  readonly clock: Clock
  /** `xid`: the transaction in which the relation is described. */
  readonly resolve: (relation: RelationMessage, xid: bigint) => Promise<TargetSchema>
  /** Turns errors into Failures with the source's details. */
  readonly failure: (error: unknown) => Failure
}

export type TargetSchema = Target['schema']

/**
 * One replication connection from START_REPLICATION to its end. `next` hands out batches; between calls the socket is read until the
 * byte budget is used, then left alone, while status updates keep the server from timing out.
 */
export class StreamSession {
  readonly #raw: RawSession
  readonly #settings: StreamSettings
  readonly #deps: StreamDeps
  readonly #builder: BatchBuilder
  readonly #decoder: PgoutputDecoder
  readonly #stop = new AbortController()
  #catchUp: CatchUp | null
  #queue: ChangeBatch[] = []
  #queued = 0
  #waiter: PromiseWithResolvers<ChangeBatch | null> | null = null
  #resolving = false
  #failure: Failure | null = null
  #closed = false
  #emitted: bigint
  #flushed = 0n
  #wanted = 0n
  #statusAt = 0
  #statusSent = -1n
  #cutAt = 0
  #progressAt = 0
  #lingering = false
  #pacing = false

  constructor(connection: SqlConnection, start: StreamPosition, settings: StreamSettings, deps: StreamDeps) {
    this.#settings = settings
    this.#deps = deps
    this.#catchUp = start.catchUp
    this.#emitted = start.lsn
    this.#builder = new BatchBuilder(settings.batchBytes + ARENA_SLACK)
    this.#decoder = new PgoutputDecoder(this.#builder, start, settings.batchBytes, settings.messages)
    this.#raw = new RawSession(connection)
    this.#raw.onChunk = (chunk) => this.#onChunk(chunk)
    this.#raw.onEnd = (error) => this.#fail(this.#deps.failure(error ?? new Error('the server closed the connection')))
    this.#raw.write(simpleQuery(startCommand(settings, start, connection.version)))
    this.#cutAt = this.#statusAt = this.#progressAt = deps.clock.now()
    this.#tick().catch((e: unknown) => this.#fail(this.#deps.failure(e)))
  }

  /** The next batch; null after `close`. Fails when the connection is lost or the server ends the stream, after what was received. */
  async next(): Promise<ChangeBatch | null> {
    const batch = this.#queue.shift()
    if (batch !== undefined) {
      this.#queued -= batch.bytes
      this.#flow()
      return batch
    }
    if (this.#failure !== null) throw this.#failure
    if (this.#closed) return null
    this.#waiter = Promise.withResolvers()
    const promise = this.#waiter.promise
    this.#offer(false)
    return promise
  }

  /** Lets the server forget everything before `lsn`. Monotonic. */
  acknowledge(lsn: bigint): void {
    if (lsn <= this.#flushed) return
    this.#flushed = lsn
    if (this.#deps.clock.now() - this.#statusAt >= 100) this.#status(false)
  }

  /** Asks for a batch (an empty one if need be) as soon as everything that committed at or before `lsn` was received. */
  chase(lsn: bigint): void {
    if (lsn <= this.#emitted) return
    const chasing = this.#wanted > this.#emitted
    if (lsn > this.#wanted) this.#wanted = lsn
    if (!chasing) this.#chase().catch((e: unknown) => this.#fail(this.#deps.failure(e)))
  }

  /** Keeps asking where the server stands: it tells by itself only now and then. */
  async #chase(): Promise<void> {
    try {
      while (!this.#closed && this.#failure === null && this.#wanted > this.#emitted) {
        this.#status(true)
        await this.#deps.clock.sleep(CHASE_MS, this.#stop.signal)
        this.#offer(false)
      }
    } catch (e) {
      this.#stopped(e)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#stop.abort()
    if (this.#failure === null) {
      this.#status(false)
      this.#raw.write(copyDone())
    }
    this.#raw.onEnd = () => undefined
    await this.#raw.close()
    this.#queue = []
    this.#waiter?.resolve(null)
    this.#waiter = null
  }

  #onChunk(chunk: Buffer): void {
    if (this.#closed || this.#failure !== null) return
    const b = this.#builder
    if (!b.fits(chunk.length)) {
      if (b.empty) b.compact()
      else this.#cut()
    }
    b.append(chunk)
    const full = chunk.length >= FULL_READ
    if (!full && this.#raw.gathers) this.#pace()
    this.#pump(full)
  }

  #pace(): void {
    if (this.#pacing) return
    this.#pacing = true
    const done = (): void => {
      this.#pacing = false
      this.#flow()
    }
    this.#deps.clock.sleep(PACE_MS, this.#stop.signal).then(done, (e: unknown) => this.#stopped(e))
  }

  #pump(more: boolean): void {
    if (this.#resolving || this.#closed || this.#failure !== null) return
    try {
      for (;;) {
        const outcome = this.#decoder.run()
        if (outcome === 'full') {
          if (this.#builder.empty) this.#builder.compact()
          else this.#cut()
        } else if (outcome === 'relation') {
          this.#resolve(this.#decoder.pending!)
          return
        } else if (outcome === 'ended') {
          this.#fail(this.#deps.failure(this.#decoder.error ?? new Error('the server ended the stream')))
          return
        } else break
      }
    } catch (e) {
      this.#fail(this.#deps.failure(e))
      return
    }
    const asked = this.#decoder.replyWanted
    if (asked) {
      this.#decoder.replyWanted = false
      this.#status(false)
    }
    this.#offer(more, asked)
    this.#flow()
  }

  /** The catalogue is read while the socket waits; then decoding goes on behind the Relation message. */
  #resolve(relation: RelationMessage): void {
    this.#resolving = true
    this.#flow()
    const resume = (schema: TargetSchema): void => {
      const start = schema === null ? null : (this.#catchUp?.from.get(tableName(relation)) ?? null)
      this.#decoder.resolve(relation.oid, { schema, start })
      this.#resolving = false
      this.#pump(false)
    }
    this.#deps.resolve(relation, this.#decoder.xid).then(resume, (e: unknown) => this.#fail(this.#deps.failure(e)))
  }

  /** Gives a waiting consumer what there is, if it may be cut here. */
  #offer(more: boolean, urgent = false): void {
    if (this.#waiter === null || this.#closed) return
    if (this.#queue.length === 0) this.#cutForConsumer(more, urgent)
    const batch = this.#queue.shift()
    if (batch === undefined) return
    this.#queued -= batch.bytes
    const waiter = this.#waiter
    this.#waiter = null
    waiter.resolve(batch)
  }

  #cutForConsumer(more: boolean, urgent: boolean): void {
    // Half a transaction is of no use to anybody yet; more is about to come anyway.
    if (this.#decoder.inTransaction || more || this.#resolving) return
    const now = this.#deps.clock.now()
    if (!this.#builder.empty) {
      if (now - this.#cutAt >= LINGER_MS) this.#cut()
      else this.#linger(LINGER_MS - (now - this.#cutAt))
      return
    }
    const ahead = this.#decoder.walEnd - 1n
    if (ahead <= this.#emitted) return
    const wanted = this.#wanted > this.#emitted && this.#wanted <= ahead
    if (urgent || wanted || this.#catchUpDone(ahead) || now - this.#progressAt >= PROGRESS_MS) this.#cut()
  }

  #linger(ms: number): void {
    if (this.#lingering) return
    this.#lingering = true
    const done = (): void => {
      this.#lingering = false
      this.#offer(false)
    }
    this.#deps.clock.sleep(ms, this.#stop.signal).then(done, (e: unknown) => this.#stopped(e))
  }

  #cut(): void {
    const end = this.#end()
    this.#decoder.split()
    if (end.snapshotComplete) this.#nameState()
    const batch = this.#builder.cut(end)
    this.#queue.push(batch)
    this.#queued += batch.bytes
    this.#cutAt = this.#progressAt = this.#deps.clock.now()
  }

  /** Tables are consistent from here on, perhaps without any transaction of theirs: an empty run says at which position. */
  #nameState(): void {
    const { runs, count } = this.#builder
    if (runs.some((r) => r.ends)) return
    const commitUs = BigInt(this.#deps.clock.now()) * 1000n
    runs.push({ from: count, to: count, firstIndex: 0, commit: printLsn(this.#emitted), commitUs, xid: null, begins: true, ends: true })
  }

  #end(): BatchEnd {
    let { lsn, tail, done } = this.#decoder.at()
    const ahead = this.#decoder.walEnd - 1n
    const boundary = done < 0
    if (boundary && !this.#decoder.inTransaction && ahead > lsn) {
      lsn = ahead
      tail = 1
      done = -1
    }
    const snapshotComplete = boundary && this.#catchUpDone(lsn)
    if (snapshotComplete) this.#catchUp = null
    if (boundary && lsn > this.#emitted) this.#emitted = lsn
    const upTo = printPosition({ kind: 'stream', lsn, tail, done, catchUp: this.#catchUp })
    return { upTo, boundary, snapshotDone: [], snapshotComplete }
  }

  #catchUpDone(lsn: bigint): boolean {
    return this.#catchUp !== null && lsn >= this.#catchUp.until - 1n
  }

  #flow(): void {
    const hold = this.#resolving || this.#pacing || this.#queued >= this.#settings.budgetBytes
    if (hold && !this.#raw.paused) this.#raw.pause()
    else if (!hold && this.#raw.paused) this.#raw.resume()
  }

  #status(replyNow: boolean): void {
    const at = this.#decoder.at()
    let written = at.done < 0 ? at.lsn + BigInt(at.tail) : at.lsn
    if (this.#decoder.walEnd > written) written = this.#decoder.walEnd
    this.#statusAt = this.#deps.clock.now()
    this.#statusSent = this.#flushed
    this.#raw.write(standbyStatus(written, this.#flushed, this.#statusAt, replyNow))
  }

  /** Status updates go out whatever the consumer does: without them the server ends the connection (wal_sender_timeout). */
  async #tick(): Promise<void> {
    const { clock } = this.#deps
    try {
      while (!this.#closed && this.#failure === null) {
        await clock.sleep(Math.min(PROGRESS_MS, this.#settings.statusMs), this.#stop.signal)
        const due = clock.now() - this.#statusAt >= this.#settings.statusMs
        if (due || this.#statusSent !== this.#flushed) this.#status(false)
        this.#offer(false)
      }
    } catch (e) {
      this.#stopped(e)
    }
  }

  /** A sleep that `close` ended is no error. */
  #stopped(error: unknown): void {
    if (!this.#stop.signal.aborted) this.#fail(this.#deps.failure(error))
  }

  #fail(failure: Failure): void {
    if (this.#closed || this.#failure !== null) return
    this.#failure = failure
    this.#stop.abort()
    this.#raw.onEnd = () => undefined
    this.#raw.destroy()
    this.#waiter?.reject(failure)
    this.#waiter = null
  }
}

/** START_REPLICATION of a session that goes on behind `start`. */
export function startCommand(settings: StreamSettings, start: StreamPosition, version: number): string {
  const from = start.done < 0 ? start.lsn + BigInt(start.tail) : start.lsn
  const names = quoteLiteral(quoteIdent(settings.publication))
  const messages = settings.messages !== false && version >= 140000 ? ", messages 'true'" : ''
  return `START_REPLICATION SLOT ${quoteIdent(settings.slot)} LOGICAL ${printLsn(from)} (proto_version '1', publication_names ${names}${messages})`
}
