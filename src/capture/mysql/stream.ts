import type { ChangeBatch, TableSchema } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { BatchBuilder, type BatchEnd } from '../batch-builder.ts'
import type { SqlConnection } from './connect.ts'
import { type DumpRequest, dumpCommands, HEARTBEAT_MS } from './dump.ts'
import { type CatchUp, hasReached, type Point, printPoint, printPosition, type StreamPosition } from './position.ts'
import { BinlogDecoder } from './wire/decoder.ts'
import { DumpSocket } from './wire/dump-socket.ts'
import { type EventSource, type LargeEvent, PacketEvents, PlainEvents } from './wire/event-source.ts'
import type { ServerError } from './wire/packets.ts'
import type { StatementEvent } from './wire/statement-event.ts'
import type { TableMap } from './wire/table-map.ts'
import { pieces, unzstd } from './wire/unpack.ts'

/** A batch is cut at most this often while the consumer waits: small transactions then share a batch. */
const LINGER_MS = 3
/** How often an idle source hands on an empty batch that only moves the position. */
const PROGRESS_MS = 1000
/** Slack of an arena above the batch size: the last row. */
const ARENA_SLACK = 256 * 1024
/** A read smaller than this means that the socket ran dry: the next one waits a moment, so that it finds more. */
const FULL_READ = 32 * 1024
const PACE_MS = 1
/** A server that was silent for so many heartbeats is gone. */
const SILENT_MS = 30 * HEARTBEAT_MS
/** zstd of a compressed transaction; 255: not compressed. */
const ZSTD = 0
const PLAIN = 255

export interface StreamSettings {
  readonly budgetBytes: number
  readonly batchBytes: number
}

/** What a stream session needs from its surroundings. */
export interface StreamDeps {
  readonly clock: Clock
  /** Null: not captured. */
  readonly shapeOf: (map: TableMap) => Promise<TableSchema | null>
  /** A statement was met (DDL): shapes may be others from here on. Answers the shape of the table that it empties, if that is captured. */
  readonly statement: (statement: StatementEvent) => Promise<TableSchema | null>
  /** Events from there on, on another connection. */
  readonly reread: (from: Point) => Promise<EventFeed>
  /** Fails unless the checksum of the first compressed transaction of LARGE bytes from there on is right; keeps nothing of it. */
  readonly verify: (from: Point) => Promise<void>
  /** Turns errors into Failures with the source's details. */
  readonly failure: (error: unknown) => Failure
  /** The server ended the dump. */
  readonly refused: (error: ServerError | null) => Failure
}

/** Events of another connection: `next` waits until `events.peek()` may be tried again. */
export interface EventFeed {
  readonly events: EventSource
  next(): Promise<void>
  close(): void
}

/**
 * One replication connection from its dump command to its end. `next` hands out batches; between calls the socket is read until the byte
 * budget is used, then left alone.
 */
export class StreamSession {
  readonly #socket: DumpSocket
  readonly #connection: SqlConnection
  readonly #settings: StreamSettings
  readonly #deps: StreamDeps
  readonly #builder: BatchBuilder
  readonly #decoder: BinlogDecoder
  readonly #events: PacketEvents
  readonly #stop = new AbortController()
  #catchUp: CatchUp | null
  #queue: ChangeBatch[] = []
  #queued = 0
  #waiter: PromiseWithResolvers<ChangeBatch | null> | null = null
  /** Waits until the queue has room. */
  #room: PromiseWithResolvers<void> | null = null
  /** Something asynchronous is going on: what is received meanwhile has to wait. */
  #busy = false
  #held: Buffer[] = []
  /** Bytes of the large event that were read. */
  #largeAt = 0
  /** Waits for more of a large event. */
  #more: PromiseWithResolvers<void> | null = null
  #failure: Failure | null = null
  #closed = false
  /** Text of the last position that was handed on. */
  #emitted: string
  #wanted: Point | null = null
  #heardAt: number
  #cutAt: number
  #progressAt: number
  #lingering = false
  #pacing = false

  /** `connection` has announced the reader (dump.ts); from here on it is the session's. */
  constructor(
    connection: SqlConnection,
    start: StreamPosition,
    request: DumpRequest,
    settings: StreamSettings,
    includeQuery: boolean,
    deps: StreamDeps,
  ) {
    this.#settings = settings
    this.#deps = deps
    this.#connection = connection
    this.#catchUp = start.catchUp
    this.#emitted = printPosition(start)
    this.#builder = new BatchBuilder(settings.batchBytes + ARENA_SLACK)
    this.#decoder = new BinlogDecoder(this.#builder, start, { limit: settings.batchBytes, includeQuery })
    this.#events = new PacketEvents(request.checksum, 1, () => this.#decoder.where())
    this.#cutAt = this.#progressAt = this.#heardAt = deps.clock.now()
    this.#socket = new DumpSocket(connection)
    this.#socket.onChunk = (chunk) => this.#onChunk(chunk)
    this.#socket.onEnd = (error) => this.#fail(this.#deps.failure(error ?? new Error('the server closed the connection')))
    for (const command of dumpCommands(connection.flavor, request)) this.#socket.write(command)
    this.#tick().catch((e: unknown) => this.#fail(this.#deps.failure(e)))
  }

  /** The next batch; null after `close`. Fails when the connection is lost or the server ends the stream, after what was received. */
  async next(): Promise<ChangeBatch | null> {
    const batch = this.#queue.shift()
    if (batch !== undefined) {
      this.#queued -= batch.bytes
      this.#hasRoom()
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

  /** Asks for a batch (an empty one if need be) as soon as everything up to `goal` was received. */
  chase(goal: Point): void {
    this.#wanted = goal
    this.#offer(false)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stop.abort()
    this.#socket.onEnd = () => undefined
    this.#socket.destroy()
    this.#connection.destroy()
    this.#queue = []
    this.#waiter?.resolve(null)
    this.#waiter = null
    this.#room?.resolve()
    this.#more?.resolve()
  }

  #onChunk(chunk: Buffer): void {
    if (this.#closed || this.#failure !== null) return
    this.#heardAt = this.#deps.clock.now()
    if (this.#more !== null) {
      this.#events.inbox.append(chunk)
      this.#more.resolve()
      this.#more = null
      this.#flow()
      return
    }
    if (this.#busy) {
      // What is being decoded may lie in the inbox, which an append may move.
      this.#held.push(Buffer.from(chunk))
      return
    }
    this.#events.inbox.append(chunk)
    const full = chunk.length >= FULL_READ
    if (!full && this.#socket.gathers) this.#pace()
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

  /** Decodes what was received, until something asynchronous has to be done first. */
  #pump(more: boolean): void {
    if (this.#busy || this.#closed || this.#failure !== null) return
    try {
      const events = this.#events
      while (events.peek()) {
        const outcome = this.#decoder.event(events.buf, events.start, events.end)
        if (outcome === 'done') events.consume()
        else if (outcome === 'full') this.#cut()
        else {
          this.#suspend(outcome)
          return
        }
      }
      if (events.ended !== null) {
        this.#fail(this.#deps.refused(events.ended.error))
        return
      }
      const large = events.beginLarge()
      if (large !== null) {
        this.#suspend(large)
        return
      }
    } catch (e) {
      this.#fail(this.#deps.failure(e))
      return
    }
    this.#offer(more)
    this.#flow()
  }

  #suspend(outcome: Suspension | LargeEvent): void {
    this.#busy = true
    this.#flow()
    const resume = (): void => {
      this.#busy = false
      for (const chunk of this.#held) this.#events.inbox.append(chunk)
      this.#held = []
      this.#pump(false)
    }
    const work = typeof outcome === 'string' ? this.#answer(outcome, this.#events) : this.#large(outcome)
    work.then(resume, (e: unknown) => this.#fail(this.#deps.failure(e)))
  }

  /** Does what the decoder asks for; then the same event can be given to it again. */
  async #answer(outcome: Suspension, source: EventSource): Promise<void> {
    const { tables } = this.#decoder
    if (outcome === 'table') {
      const map = tables.pending!
      const schema = await this.#deps.shapeOf(map)
      if (!tables.resolve({ schema, start: this.#startOf(map.schema, map.table) })) {
        const reason = `table ${map.schema}.${map.table} has a column whose type cannot be read`
        throw new Failure('TRB-MY-012', { position: this.#decoder.where(), reason })
      }
    } else if (outcome === 'statement') {
      const statement = this.#decoder.pendingStatement!
      const schema = await this.#deps.statement(statement)
      const { emptied } = statement
      this.#decoder.statementDone(emptied === null ? null : { schema, start: this.#startOf(emptied.schema, emptied.table) })
    } else if (outcome === 'payload') await this.#unpack(source)
    else await this.#replay()
  }

  #startOf(schema: string, table: string): Point | null {
    return this.#catchUp?.from.get(tableKey(schema, table)) ?? null
  }

  /** The events of a compressed transaction, in the bytes of the current one. */
  async #unpack(source: EventSource): Promise<void> {
    const { start, end, method } = this.#decoder.payload!
    this.#decoder.enter(false)
    await this.#packed(method, pieces(source.buf.subarray(start, end)))
    this.#decoder.leave(false)
  }

  /** A compressed transaction that is unpacked while it comes. */
  async #large({ head, bytes }: LargeEvent): Promise<void> {
    // Its checksum stands at its end, after most of it was handed on: the first look is for the checksum alone.
    if (this.#events.checksums) await this.#deps.verify(this.#decoder.at())
    if (this.#closed) return
    const payload = this.#decoder.beginLarge(head, bytes)
    this.#decoder.enter(false)
    await this.#packed(payload.method, this.#largeBytes(payload.start, payload.end))
    // What is behind the compressed bytes, and the checksum.
    for await (const _rest of this.#largeBytes(bytes, bytes));
    this.#decoder.leave(false)
    this.#decoder.endLarge()
  }

  /** Bytes [from, to) of the large event, as they come; between calls nothing more is received than what the inbox was given. */
  async *#largeBytes(from: number, to: number): AsyncGenerator<Uint8Array> {
    while (this.#largeAt < to || from === to) {
      const part = this.#events.readLarge()
      if (part === null) {
        this.#largeAt = 0
        return
      }
      if (part.length === 0) {
        if (this.#closed || this.#failure !== null) return
        this.#more = Promise.withResolvers()
        const { promise } = this.#more
        this.#flow()
        await promise
        continue
      }
      const at = this.#largeAt
      this.#largeAt += part.length
      const wanted = part.subarray(Math.max(0, from - at), Math.max(0, to - at))
      if (wanted.length > 0) yield wanted
    }
  }

  /** Decodes the events that are packed in `bytes`. */
  async #packed(method: number, bytes: AsyncGenerator<Uint8Array>): Promise<void> {
    const position = this.#decoder.where()
    const events = new PlainEvents()
    const failed = (reason: string, cause?: unknown): Failure => new Failure('TRB-MY-024', { what: 'transaction', position, reason }, cause)
    if (method !== PLAIN && method !== ZSTD) throw failed(`method ${method} is not known`)
    const unpacked = method === PLAIN ? bytes : unzstd(bytes)
    try {
      for (;;) {
        const piece = await unpacked.next().catch((e: unknown) => {
          throw isFailure(e) ? e : failed(e instanceof Error ? e.message : String(e), e)
        })
        if (piece.done === true) break
        events.append(piece.value)
        await this.#all(events)
      }
    } finally {
      await unpacked.return(undefined)
    }
    if (events.waiting > 0 && !this.#closed) throw failed('it ends inside an event')
  }

  /** The changes of an XA transaction, which were written when it was prepared. */
  async #replay(): Promise<void> {
    const feed = await this.#deps.reread(this.#decoder.replayFrom!)
    try {
      this.#decoder.enter(true)
      while (!this.#decoder.replayed && !this.#closed) {
        await this.#all(feed.events)
        if (!this.#decoder.replayed) await feed.next()
      }
      this.#decoder.leave(true)
    } finally {
      feed.close()
    }
  }

  /** Decodes all events that are there, waiting while the queue is full. */
  async #all(source: EventSource): Promise<void> {
    while (!this.#closed && !this.#decoder.replayed && source.peek()) {
      const outcome = this.#decoder.event(source.buf, source.start, source.end)
      if (outcome === 'done') source.consume()
      else if (outcome === 'full') {
        this.#cut()
        this.#offer(true)
        if (this.#queued >= this.#settings.budgetBytes && !this.#closed) {
          this.#room = Promise.withResolvers()
          await this.#room.promise
        }
      } else await this.#answer(outcome, source)
    }
  }

  #hasRoom(): void {
    if (this.#room === null || this.#queued >= this.#settings.budgetBytes) return
    this.#room.resolve()
    this.#room = null
  }

  /** Gives a waiting consumer what there is, if it may be cut here. */
  #offer(more: boolean): void {
    if (this.#waiter === null || this.#closed) return
    if (this.#queue.length === 0) this.#cutForConsumer(more)
    const batch = this.#queue.shift()
    if (batch === undefined) return
    this.#queued -= batch.bytes
    const waiter = this.#waiter
    this.#waiter = null
    waiter.resolve(batch)
    this.#hasRoom()
  }

  #cutForConsumer(more: boolean): void {
    // Half a transaction is of no use to anybody yet; more is about to come anyway.
    if (this.#decoder.inTransaction || more || this.#busy) return
    const now = this.#deps.clock.now()
    if (!this.#builder.empty) {
      if (now - this.#cutAt >= LINGER_MS) this.#cut()
      else this.#linger(LINGER_MS - (now - this.#cutAt))
      return
    }
    const goal = this.#wanted
    if (goal === null && now - this.#progressAt < PROGRESS_MS && this.#catchUp === null) return
    const at = this.#decoder.at()
    const reached = (goal !== null && hasReached(at, goal)) || this.#catchUpDone(at)
    if (reached || (now - this.#progressAt >= PROGRESS_MS && this.#print(at) !== this.#emitted)) this.#cut()
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
    const batch = this.#decoder.cut(this.#end())
    this.#queue.push(batch)
    this.#queued += batch.bytes
    this.#cutAt = this.#progressAt = this.#deps.clock.now()
  }

  #end(): BatchEnd {
    const at = this.#decoder.at()
    const boundary = at.inside === null
    const snapshotComplete = boundary && this.#catchUpDone(at)
    if (snapshotComplete) {
      this.#catchUp = null
      this.#nameState(at)
    }
    if (boundary && this.#wanted !== null && hasReached(at, this.#wanted)) this.#wanted = null
    this.#emitted = this.#print(at)
    return { upTo: this.#emitted, boundary, snapshotDone: [], snapshotComplete }
  }

  #print(at: Omit<StreamPosition, 'catchUp'>): string {
    return printPosition({ ...at, catchUp: this.#catchUp })
  }

  /** Tables are consistent from here on, perhaps without any transaction of theirs: an empty run says at which position. */
  #nameState(at: Omit<StreamPosition, 'catchUp'>): void {
    const { runs, count } = this.#builder
    if (runs.some((r) => r.ends)) return
    const commitUs = BigInt(this.#deps.clock.now()) * 1000n
    const commit = at.epoch === 0 ? printPoint(at) : `${printPoint(at)}~${at.epoch}`
    runs.push({ from: count, to: count, firstIndex: 0, commit, commitUs, xid: null, begins: true, ends: true })
  }

  #catchUpDone(at: Point): boolean {
    return this.#catchUp !== null && hasReached(at, this.#catchUp.until)
  }

  #flow(): void {
    const hold = (this.#busy && this.#more === null) || this.#pacing || this.#queued >= this.#settings.budgetBytes
    if (hold && !this.#socket.paused) this.#socket.pause()
    else if (!hold && this.#socket.paused) {
      this.#heardAt = this.#deps.clock.now()
      this.#socket.resume()
    }
  }

  async #tick(): Promise<void> {
    const { clock } = this.#deps
    try {
      while (!this.#closed && this.#failure === null) {
        await clock.sleep(PROGRESS_MS, this.#stop.signal)
        if (!this.#socket.paused && clock.now() - this.#heardAt > SILENT_MS) {
          this.#fail(this.#deps.failure(new Error(`the server was silent for ${SILENT_MS / 1000} s`)))
        }
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
    this.#socket.onEnd = () => undefined
    this.#socket.destroy()
    this.#connection.destroy()
    this.#room?.resolve()
    this.#more?.resolve()
    this.#waiter?.reject(failure)
    this.#waiter = null
  }
}

type Suspension = 'table' | 'statement' | 'payload' | 'replay'

/** How CatchUp names tables: `db.table`, parts that hold a dot or a backquote being quoted. */
export function tableKey(schema: string, table: string): string {
  const part = (s: string): string => (/[.`]/.test(s) ? `\`${s.replaceAll('`', '``')}\`` : s)
  return `${part(schema)}.${part(table)}`
}
