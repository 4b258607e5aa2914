import type { ChangeBatch, ChangeSource, ChangeStream, Finding, Position } from '../contract/change.ts'
import type { Clock } from '../contract/clock.ts'
import { isFailure } from '../failure/failure.ts'
import { NO_CHANGES } from './no-changes.ts'
import type { SourceEvent } from './source-event.ts'

/** `heartbeat.interval.ms` and `heartbeat.action.query`. */
export interface HeartbeatOptions {
  readonly intervalMs: number
  /** SQL that is run with every heartbeat, so that a database in which nothing happens has something to read; null: none. */
  readonly query: string | null
}

export interface HeartbeatDeps {
  readonly clock: Clock
  readonly observe: (event: SourceEvent) => void
  /** Runs `HeartbeatOptions.query`. */
  readonly run: (sql: string) => Promise<unknown>
  /** Whether the stream, and not a snapshot, goes on from there, at the boundary of a transaction. */
  readonly atBoundary: (position: Position) => boolean
  /** Ends the connection that `run` uses. */
  readonly close: () => Promise<void>
}

/**
 * The same source, with `ChangeBatch.heartbeat` on a batch every `intervalMs`: on one that comes anyway, else on an empty one that only says
 * the position again. None during a snapshot.
 */
export class HeartbeatSource implements ChangeSource {
  readonly #inner: ChangeSource
  readonly #options: HeartbeatOptions
  readonly #deps: HeartbeatDeps

  constructor(inner: ChangeSource, options: HeartbeatOptions, deps: HeartbeatDeps) {
    this.#inner = inner
    this.#options = options
    this.#deps = deps
  }

  check(signal: AbortSignal, from?: Position | null): Promise<readonly Finding[]> {
    return this.#inner.check(signal, from)
  }

  async open(from: Position | null, signal: AbortSignal): Promise<ChangeStream> {
    return new HeartbeatStream(await this.#inner.open(from, signal), from, this.#options, this.#deps)
  }

  compare(a: Position, b: Position): number {
    return this.#inner.compare(a, b)
  }

  async close(): Promise<void> {
    await this.#inner.close()
    await this.#deps.close()
  }
}

type Pulled = IteratorResult<ChangeBatch, undefined>

class HeartbeatStream implements ChangeStream {
  readonly batches: AsyncIterable<ChangeBatch>
  readonly #inner: ChangeStream
  readonly #source: AsyncIterator<ChangeBatch, undefined>
  readonly #options: HeartbeatOptions
  readonly #deps: HeartbeatDeps
  readonly #stop = new AbortController()
  #at: Position | null
  #due = false
  #pulling = false
  /** What the source gave while nobody waited: a heartbeat had been given instead. */
  #held: PromiseSettledResult<Pulled> | null = null
  #waiter: PromiseWithResolvers<Pulled> | null = null
  #warned = ''

  constructor(inner: ChangeStream, from: Position | null, options: HeartbeatOptions, deps: HeartbeatDeps) {
    this.#inner = inner
    this.#options = options
    this.#deps = deps
    this.#at = from !== null && deps.atBoundary(from) ? from : null
    this.#source = inner.batches[Symbol.asyncIterator]()
    this.batches = { [Symbol.asyncIterator]: () => ({ next: () => this.#next(), return: () => this.#return() }) }
    this.#beat().catch((e: unknown) => this.#settle({ status: 'rejected', reason: e }))
  }

  ack(durable: Position): void {
    this.#inner.ack(durable)
  }

  head(): Promise<string> {
    return this.#inner.head()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#inner.close()
  }

  #next(): Promise<Pulled> {
    const held = this.#held
    if (held !== null) {
      this.#held = null
      return held.status === 'fulfilled' ? Promise.resolve(this.#passing(held.value)) : Promise.reject(held.reason)
    }
    this.#waiter = Promise.withResolvers()
    const { promise } = this.#waiter
    if (!this.#pulling) {
      this.#pulling = true
      this.#source.next().then(
        (value) => this.#settle({ status: 'fulfilled', value: value as Pulled }),
        (reason: unknown) => this.#settle({ status: 'rejected', reason }),
      )
    }
    return promise
  }

  async #return(): Promise<Pulled> {
    this.#stop.abort()
    await this.#source.return?.()
    return { done: true, value: undefined }
  }

  #settle(result: PromiseSettledResult<Pulled>): void {
    this.#pulling = false
    const waiter = this.#waiter
    this.#waiter = null
    if (waiter === null) this.#held = result
    else if (result.status === 'rejected') waiter.reject(result.reason)
    else waiter.resolve(this.#passing(result.value))
  }

  #passing(result: Pulled): Pulled {
    if (result.done === true) {
      this.#stop.abort()
      return result
    }
    const batch = result.value
    this.#at = batch.boundary && this.#deps.atBoundary(batch.upTo) ? batch.upTo : null
    if (!this.#due || this.#at === null) return result
    this.#due = false
    return { done: false, value: { ...batch, heartbeat: true } }
  }

  /** Until the stream is closed: something is due every interval, and given at once to who waits. */
  async #beat(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await clock.sleep(this.#options.intervalMs, signal)
      } catch (e) {
        if (signal.aborted) return
        throw e
      }
      this.#due = true
      if (this.#at === null) continue
      await this.#act()
      const waiter = this.#waiter
      // Read again: a batch may have passed while the query ran.
      const at: Position | null = this.#at
      if (!this.#due || waiter === null || at === null || signal.aborted) continue
      this.#due = false
      this.#waiter = null
      waiter.resolve({ done: false, value: saying(at) })
    }
  }

  async #act(): Promise<void> {
    const { query } = this.#options
    if (query === null) return
    try {
      await this.#deps.run(query)
      this.#warned = ''
    } catch (e) {
      // It is tried again with the next one. What is wrong with the connection itself is told by the stream.
      if (!isFailure(e)) throw e
      const text = `heartbeat query: ${e.message}`
      if (text !== this.#warned && !this.#stop.signal.aborted) this.#deps.observe({ kind: 'warning', text })
      this.#warned = text
    }
  }
}

/** An empty batch that says the position once more. */
function saying(upTo: Position): ChangeBatch {
  return {
    ...NO_CHANGES,
    transactions: [],
    upTo,
    boundary: true,
    snapshotDone: [],
    snapshotComplete: false,
    heartbeat: true,
  }
}
