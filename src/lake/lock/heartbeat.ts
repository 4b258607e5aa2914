import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import { isFailure } from '../../failure/failure.ts'
import { hoodieKey } from '../layout/paths.ts'

/** Between two beats (hoodie.client.heartbeat.interval_in_ms); a writer that missed two is taken for dead. */
export const BEAT_MS = 60_000
/** A heartbeat younger than this belongs to a writer that is alive. */
export const ALIVE_MS = 2 * BEAT_MS

/**
 * The sign of life of an instant: an empty file `.hoodie/.heartbeat/<instant>` whose time of change is what counts. Without it another
 * writer with lazy cleaning rolls the instant back.
 */
export class Heartbeat {
  readonly #store: ObjectStore
  readonly #key: string
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #beating: Promise<void> = Promise.resolve()
  /** A defect met in the background, to be thrown to whoever stops it. */
  #defect: { readonly error: unknown } | null = null

  private constructor(store: ObjectStore, key: string, clock: Clock) {
    this.#store = store
    this.#key = key
    this.#clock = clock
  }

  /** The first beat is made when it resolves. */
  static async start(store: ObjectStore, table: string, time: string, clock: Clock): Promise<Heartbeat> {
    const h = new Heartbeat(store, hoodieKey(table, `.heartbeat/${time}`), clock)
    await h.#beat()
    h.#beating = h.#keepBeating().catch((error: unknown) => {
      h.#defect = { error }
    })
    return h
  }

  /** Ends it: the instant is completed, or gone. */
  async stop(): Promise<void> {
    this.#stop.abort(STOPPED)
    await this.#beating
    if (this.#defect !== null) throw this.#defect.error
    await this.#store.delete([this.#key])
  }

  async #keepBeating(): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      try {
        await this.#clock.sleep(BEAT_MS, signal)
      } catch (e) {
        if (e === STOPPED || signal.aborted) return
        throw e
      }
      if (signal.aborted) return
      try {
        await this.#beat()
      } catch (e) {
        // One beat may be missed. Who finds the instant rolled back learns it when it completes.
        if (!isFailure(e)) throw e
      }
    }
  }

  async #beat(): Promise<void> {
    const empty = new Uint8Array(0)
    const at = await this.#store.head(this.#key)
    if (at === null) await this.#store.putIfAbsent(this.#key, empty)
    else await this.#store.replaceIfTag(this.#key, empty, at.tag)
  }
}

const STOPPED = new Error('the heartbeat was stopped')
