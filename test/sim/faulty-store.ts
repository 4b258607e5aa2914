import type { Clock } from '../../src/contract/clock.ts'
import type { ObjectInfo, ObjectStore, ObjectWriter } from '../../src/contract/object-store.ts'
import { Failure } from '../../src/failure/failure.ts'
import type { StoreCall } from '../../src/storage/call-counter.ts'
import { type FaultPlan, SimulatedCrash } from '../../src/storage/memory/memory-store.ts'

/** What a world needs of its store: calls that can be counted, and made to fail. */
export interface SimStore extends ObjectStore {
  faults: FaultPlan
  readonly calls: number
  /** The same objects seen by a new process: no faults. */
  reopen(): SimStore
  /** A store of its own with what this one holds; of stores that can. */
  copy?(clock: Clock): SimStore
}

const WRITES: ReadonlySet<StoreCall> = new Set(['put', 'putIfAbsent', 'replaceIfTag', 'writer.close'])

/**
 * Any store with faults at its calls, as the memory store has them: a process that dies between two calls, or a call that fails. What may get lost on
 * the way to a real service (`lost`) is for a proxy before it.
 */
export class FaultyStore implements SimStore {
  readonly root: string
  faults: FaultPlan = () => null
  readonly #inner: ObjectStore
  readonly #clock: Pick<Clock, 'now'>
  /** When objects were written, by the clock of the simulation: the service has another one. */
  readonly #written: Map<string, number>
  #calls = 0
  #crashed = false

  constructor(inner: ObjectStore, clock: Pick<Clock, 'now'>, written = new Map<string, number>()) {
    this.#inner = inner
    this.#clock = clock
    this.#written = written
    this.root = inner.root
  }

  get calls(): number {
    return this.#calls
  }

  reopen(): FaultyStore {
    return new FaultyStore(this.#inner, this.#clock, this.#written)
  }

  get(key: string): Promise<Buffer> {
    return this.#call('get', key, () => this.#inner.get(key))
  }

  range(key: string, start: number, length: number): Promise<Buffer> {
    return this.#call('range', key, () => this.#inner.range(key, start, length))
  }

  put(key: string, body: Uint8Array): Promise<void> {
    return this.#call('put', key, () => this.#inner.put(key, body))
  }

  async writer(key: string): Promise<ObjectWriter> {
    const inner = await this.#inner.writer(key)
    return {
      write: (chunk) => this.#call('writer.write', key, () => inner.write(chunk)),
      close: () => this.#call('writer.close', key, () => inner.close()),
      abort: () => this.#call('writer.abort', key, () => inner.abort()),
    }
  }

  putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    return this.#call('putIfAbsent', key, () => this.#inner.putIfAbsent(key, body))
  }

  replaceIfTag(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    return this.#call('replaceIfTag', key, () => this.#inner.replaceIfTag(key, body, tag))
  }

  async head(key: string): Promise<ObjectInfo | null> {
    const found = await this.#call('head', key, () => this.#inner.head(key))
    return found === null ? null : this.#dated(found)
  }

  async *list(prefix: string, after = ''): AsyncGenerator<ObjectInfo> {
    await this.#call('list', prefix, async () => undefined)
    for await (const o of this.#inner.list(prefix, after)) yield this.#dated(o)
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#call('delete', keys[0]!, () => this.#inner.delete(keys))
  }

  async #call<R>(call: StoreCall, key: string, effect: () => Promise<R>): Promise<R> {
    if (this.#crashed) throw new SimulatedCrash(call, key)
    const fault = this.faults(this.#calls++, call, key)
    if (fault === 'crash-before' || fault === 'crash-after') this.#crashed = true
    if (fault === 'crash-before') throw new SimulatedCrash(call, key)
    if (fault === 'fail-before') throw this.#unavailable(key)
    if (WRITES.has(call)) this.#written.set(key, this.#clock.now())
    const result = await effect()
    if (fault === 'crash-after') throw new SimulatedCrash(call, key)
    if (fault === 'fail-after') throw this.#unavailable(key)
    return result
  }

  #dated(o: ObjectInfo): ObjectInfo {
    return { ...o, modifiedMs: this.#written.get(o.key) ?? o.modifiedMs }
  }

  #unavailable(key: string): Failure {
    return new Failure('TRB-STORE-004', { root: this.root, key, system: 'injected fault' })
  }
}
