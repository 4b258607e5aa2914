import type { ChangeBatch, ChangeSource, ChangeStream, Finding, Position } from '../../contract/change.ts'
import type { Clock } from '../../contract/clock.ts'
import type { SourceEvent } from '../source-event.ts'
import type { ChunkDatabase } from './chunk.ts'
import { Incremental } from './incremental.ts'
import { NOTHING, progressOf, withoutProgress } from './progress.ts'
import type { SignalOptions } from './signal-options.ts'

export interface SignalDeps {
  readonly clock: Clock
  readonly observe: (event: SourceEvent) => void
  readonly database: () => ChunkDatabase
}

/**
 * The same source, listening to its signal table: incremental snapshots are read beside the stream and their rows put into it, and what is left
 * of them is in the positions (progress.ts).
 */
export class SignalSource implements ChangeSource {
  readonly #inner: ChangeSource
  readonly #options: SignalOptions | null
  readonly #deps: SignalDeps

  /** @param options null: no signals; a snapshot that a position knows of is still brought to its end */
  constructor(inner: ChangeSource, options: SignalOptions | null, deps: SignalDeps) {
    this.#inner = inner
    this.#options = options
    this.#deps = deps
  }

  check(signal: AbortSignal, from?: Position | null): Promise<readonly Finding[]> {
    return this.#inner.check(signal, from == null ? from : withoutProgress(from))
  }

  async open(from: Position | null, signal: AbortSignal): Promise<ChangeStream> {
    const progress = from === null ? NOTHING : progressOf(from)
    const start = from === null ? null : withoutProgress(from)
    const stream = await this.#inner.open(start, signal)
    if (this.#options === null && progress.tasks.length === 0) return stream
    const compare = (a: Position, b: Position): number => this.#inner.compare(a, b)
    return new SignalStream(stream, new Incremental(stream, start, progress, this.#options ?? UNASKED, { ...this.#deps, compare }))
  }

  compare(a: Position, b: Position): number {
    return this.#inner.compare(withoutProgress(a), withoutProgress(b))
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}

const UNASKED: SignalOptions = { table: null, hidden: true, chunkRows: 8192, readOnly: true, strategy: 'insert_insert', exact: false }

class SignalStream implements ChangeStream {
  readonly batches: AsyncIterable<ChangeBatch>
  readonly #inner: ChangeStream
  readonly #incremental: Incremental

  constructor(inner: ChangeStream, incremental: Incremental) {
    this.#inner = inner
    this.#incremental = incremental
    const source = inner.batches[Symbol.asyncIterator]()
    const next = async (): Promise<IteratorResult<ChangeBatch, undefined>> => {
      const result = await source.next()
      if (result.done === true) return { done: true, value: undefined }
      return { done: false, value: incremental.pass(result.value) }
    }
    const end = async (): Promise<IteratorResult<ChangeBatch, undefined>> => {
      await source.return?.()
      await incremental.close()
      return { done: true, value: undefined }
    }
    this.batches = { [Symbol.asyncIterator]: () => ({ next, return: end }) }
  }

  ack(durable: Position): void {
    this.#inner.ack(withoutProgress(durable))
  }

  head(): Promise<string> {
    return this.#inner.head()
  }

  async close(): Promise<void> {
    const [closed] = await Promise.allSettled([this.#inner.close(), this.#incremental.close()])
    if (closed.status === 'rejected') throw closed.reason
  }
}
