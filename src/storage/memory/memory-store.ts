import type { Clock } from '../../contract/clock.ts'
import type { ObjectInfo, ObjectStore, ObjectWriter } from '../../contract/object-store.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { CallCounter, type StoreCall } from '../call-counter.ts'
import { checkKey } from '../key.ts'

/**
 * What happens to a call. fail: it throws TRB-STORE-004, before or after its effect. crash: it and every later call of this store throw
 * SimulatedCrash, until `reopen`. lost: the effect happens, the answer doesn't arrive, and the store finds out what became of it.
 */
export type Fault = 'fail-before' | 'fail-after' | 'crash-before' | 'crash-after' | 'lost'

/** Chooses the fault of the n-th call (from 0) of a store; null: none. */
export type FaultPlan = (n: number, call: StoreCall, key: string) => Fault | null

/** The process is gone. Not a Failure: nothing in the product may handle it. */
export class SimulatedCrash extends Error {
  constructor(call: string, key: string) {
    super(`simulated crash at ${call} ${key}`)
    this.name = 'SimulatedCrash'
  }
}

interface Stored {
  readonly body: Buffer
  readonly tag: string
  readonly modifiedMs: number
}

/** The answer to a call got lost after its effect: seen only inside this file. */
class LostAnswer extends Error {}

/** Calls whose effect is looked up when their answer gets lost; of any other it makes no difference. */
const CREATING: ReadonlySet<StoreCall> = new Set(['put', 'putIfAbsent', 'replaceIfTag', 'writer.close'])
const NO_FAULTS: FaultPlan = () => null
/** Completed instants: `.hoodie/<digits>.<action>`, or `.hoodie/timeline/<digits>_<digits>.<action>`. */
const COMPLETED_INSTANT = /(^|\/)\.hoodie\/(timeline\/\d+_)?\d+\.[a-z]+$/

/** An object store in memory, for tests and simulation: faults at every call, the same meaning as the real ones. */
export class MemoryStore implements ObjectStore {
  readonly root: string
  readonly counter = new CallCounter()
  faults: FaultPlan = NO_FAULTS
  signal?: AbortSignal
  readonly #objects: Map<string, Stored>
  readonly #clock: Pick<Clock, 'now'>
  #calls = 0
  #crashed = false
  #tags: { next: number }

  constructor(clock: Pick<Clock, 'now'>, root = 'memory://lake', from?: MemoryStore) {
    this.root = root
    this.#clock = clock
    this.#objects = from === undefined ? new Map() : from.#objects
    this.#tags = from === undefined ? { next: 1 } : from.#tags
  }

  /** The same objects seen by a new process: no faults, counters from 0. */
  reopen(): MemoryStore {
    return new MemoryStore(this.#clock, this.root, this)
  }

  /** A store of its own with what this one holds now. */
  copy(clock: Pick<Clock, 'now'>): MemoryStore {
    const out = new MemoryStore(clock, this.root)
    for (const [key, o] of this.#objects) out.#objects.set(key, o)
    out.#tags.next = this.#tags.next
    return out
  }

  /** Calls made so far, faulty ones included: the range of a fault plan. */
  get calls(): number {
    return this.#calls
  }

  /** Everything stored, by key: what a test compares. */
  snapshot(): Map<string, Buffer> {
    return new Map([...this.#objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, v.body]))
  }

  async get(key: string): Promise<Buffer> {
    return this.#call('get', key, () => this.#require(key).body)
  }

  async range(key: string, start: number, length: number): Promise<Buffer> {
    return this.#call('range', key, () => {
      const { body } = this.#require(key)
      const from = start < 0 ? Math.max(0, body.length + start) : start
      return body.subarray(from, from + length)
    })
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assert(!COMPLETED_INSTANT.test(key), `a completed instant is written only by putIfAbsent: ${key}`)
    await this.#create('put', key, body, body.length)
  }

  async writer(key: string): Promise<ObjectWriter> {
    const chunks: Buffer[] = []
    let open = true
    return {
      write: async (chunk) => {
        assert(open, 'write after close')
        this.#call('writer.write', key, () => chunks.push(Buffer.from(chunk)), chunk.length)
      },
      close: async () => {
        assert(open, 'closed twice')
        open = false
        const body = Buffer.concat(chunks)
        await this.#create('writer.close', key, body, 0)
        return body.length
      },
      abort: async () => {
        if (!open) return
        open = false
        this.#call('writer.abort', key, () => undefined)
      },
    }
  }

  async putIfAbsent(key: string, body: Uint8Array): Promise<'created' | 'exists'> {
    return this.#createSurely('putIfAbsent', key, body, body.length)
  }

  async replaceIfTag(key: string, body: Uint8Array, tag: string): Promise<'replaced' | 'stale'> {
    let made = ''
    const replace = (): 'replaced' | 'stale' => {
      if (this.#objects.get(key)?.tag !== tag) return 'stale'
      made = this.#store(key, body)
      return 'replaced'
    }
    try {
      return this.#call('replaceIfTag', key, replace, body.length)
    } catch (e) {
      if (!(e instanceof LostAnswer)) throw e
      const there = this.#call('head', key, () => this.#objects.get(key)?.tag ?? null)
      return there === made && made !== '' ? 'replaced' : 'stale'
    }
  }

  async head(key: string): Promise<ObjectInfo | null> {
    return this.#call('head', key, () => {
      const o = this.#objects.get(key)
      return o === undefined ? null : info(key, o)
    })
  }

  async *list(prefix: string, after = ''): AsyncGenerator<ObjectInfo> {
    const keys = this.#call('list', prefix, () => [...this.#objects.keys()].filter((k) => k.startsWith(prefix) && k > after).sort())
    for (const key of keys) {
      const o = this.#objects.get(key)
      if (o !== undefined) yield info(key, o)
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    // One call of the contract, but not one effect: a crash may fall between two of the objects.
    for (const key of keys) this.#call('delete', key, () => this.#objects.delete(key))
  }

  #call<R>(call: StoreCall, key: string, effect: () => R, written = 0): R {
    if (this.#crashed) throw new SimulatedCrash(call, key)
    if (this.signal?.aborted === true) throw new Failure('TRB-STORE-017', { root: this.root, key })
    if (call !== 'list') checkKey(key)
    const fault = this.faults(this.#calls++, call, key)
    if (fault === 'crash-before' || fault === 'crash-after') this.#crashed = true
    if (fault === 'crash-before') throw new SimulatedCrash(call, key)
    if (fault === 'fail-before') throw this.#unavailable(key)
    const result = effect()
    this.counter.add(call, Buffer.isBuffer(result) ? result.length : written)
    if (fault === 'crash-after') throw new SimulatedCrash(call, key)
    if (fault === 'fail-after') throw this.#unavailable(key)
    if (fault === 'lost' && CREATING.has(call)) throw new LostAnswer()
    return result
  }

  #unavailable(key: string): Failure {
    return new Failure('TRB-STORE-004', { root: this.root, key, system: 'injected fault' })
  }

  #require(key: string): Stored {
    const o = this.#objects.get(key)
    if (o === undefined) throw new Failure('TRB-STORE-001', { key, root: this.root })
    return o
  }

  async #create(call: StoreCall, key: string, body: Uint8Array, counted: number): Promise<void> {
    if (this.#createSurely(call, key, body, counted) === 'exists') throw new Failure('TRB-STORE-005', { key, root: this.root })
  }

  /** As the real stores: after a lost answer what is there now tells who made it. */
  #createSurely(call: StoreCall, key: string, body: Uint8Array, counted: number): 'created' | 'exists' {
    try {
      return this.#call(call, key, () => this.#createIfAbsent(key, body), counted)
    } catch (e) {
      if (!(e instanceof LostAnswer)) throw e
      const there = this.#call('get', key, () => this.#objects.get(key) ?? null)
      if (there === null) return this.#call(call, key, () => this.#createIfAbsent(key, body), counted)
      return there.body.equals(body) ? 'created' : 'exists'
    }
  }

  #createIfAbsent(key: string, body: Uint8Array): 'created' | 'exists' {
    if (this.#objects.has(key)) return 'exists'
    this.#store(key, body)
    return 'created'
  }

  /** Returns the tag. */
  #store(key: string, body: Uint8Array): string {
    const tag = `v${this.#tags.next++}`
    this.#objects.set(key, { body: Buffer.from(body), tag, modifiedMs: this.#clock.now() })
    return tag
  }
}

function info(key: string, o: Stored): ObjectInfo {
  return { key, size: o.body.length, tag: o.tag, modifiedMs: o.modifiedMs }
}
