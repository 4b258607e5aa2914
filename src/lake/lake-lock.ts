import type { Clock } from '../contract/clock.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import { Failure, isFailure } from '../failure/failure.ts'
import { LAKE_DIR } from './layout/paths.ts'

/** Key of the lock of a lake. */
export const LOCK_KEY = `${LAKE_DIR}/lock.json`

/** A process, so that it is not mistaken for a later one with the same id. */
export interface Owner {
  readonly pid: number
  readonly host: string
  /** When it was started, in whatever form the probe has; compared for equality only. */
  readonly started: string
}

/** What only the machine knows; given by the composition. */
export interface OwnerProbe {
  readonly self: Owner
  /** Null: cannot be told from here (another host). */
  isAlive(owner: Owner): boolean | null
}

/** Owner that a heartbeat names; null: it names nobody. */
export function readOwner(body: Uint8Array): Owner | null {
  let found: unknown
  try {
    found = JSON.parse(Buffer.from(body).toString('utf8'))
  } catch (e) {
    if (e instanceof SyntaxError) return null
    throw e
  }
  if (typeof found !== 'object' || found === null) return null
  const { pid, host, started } = found as Record<string, unknown>
  return typeof pid === 'number' && typeof host === 'string' && typeof started === 'string' ? { pid, host, started } : null
}

export interface LakeLock {
  /** Aborted with TRB-LAKE-084 when another host has taken the lake over, since this lock could not be renewed in time. */
  readonly lost: AbortSignal
  /** Gives the lake free. No error when it was taken over. */
  release(): Promise<void>
}

interface LockFile extends Owner {
  readonly id: string
  readonly takenMs: number
  /** Renewed while the owner lives: after this, a host that cannot ask whether it does may take the lake over. */
  readonly validUntil: number
}

const VALIDITY_MS = 120_000
const RENEW_MS = 20_000
/** By this much the clocks of two hosts may differ. */
const DRIFT_MS = 30_000

/** Rounds of losing a race for a dead owner's lock before giving up. */
const ROUNDS = 5

/**
 * One writing run per lake. A lock whose owner is dead is taken over, on another host when it has not been renewed for two minutes;
 * a live owner fails with TRB-LAKE-015.
 */
export async function acquireLakeLock(store: ObjectStore, clock: Clock, probe: OwnerProbe): Promise<LakeLock> {
  const takenMs = clock.now()
  const mine: LockFile = { ...probe.self, id: clock.uuid(), takenMs, validUntil: takenMs + VALIDITY_MS }
  const body = print(mine)
  for (let round = 0; round < ROUNDS; round++) {
    if ((await store.putIfAbsent(LOCK_KEY, body)) === 'created') return new Held(store, clock, mine)
    const at = await store.head(LOCK_KEY)
    const held = at === null ? null : await readLock(store)
    if (at === null || held === null) continue
    const alive = probe.isAlive(held) ?? clock.now() <= held.validUntil + DRIFT_MS
    if (alive) throw inUse(store, held)
    if ((await store.replaceIfTag(LOCK_KEY, body, at.tag)) === 'replaced') return new Held(store, clock, mine)
  }
  throw inUse(store, { pid: 0, host: 'unknown', takenMs: clock.now() })
}

class Held implements LakeLock {
  readonly #store: ObjectStore
  readonly #clock: Clock
  readonly #lost = new AbortController()
  readonly #stop = new AbortController()
  readonly #renewing: Promise<void>
  #mine: LockFile

  constructor(store: ObjectStore, clock: Clock, mine: LockFile) {
    this.#store = store
    this.#clock = clock
    this.#mine = mine
    this.#renewing = this.#keepRenewing().catch((e: unknown) => this.#lost.abort(e))
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  async release(): Promise<void> {
    this.#stop.abort(RELEASED)
    await this.#renewing
    if ((await readLock(this.#store))?.id === this.#mine.id) await this.#store.delete([LOCK_KEY])
  }

  async #keepRenewing(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted && !this.#lost.signal.aborted) {
      try {
        await this.#clock.sleep(RENEW_MS, signal)
      } catch (e) {
        if (e === RELEASED || signal.aborted) return
        throw e
      }
      await this.#renew()
    }
  }

  /** A store that is out of order for a while is asked again next time: commits fail meanwhile, and nobody else can take the lock either. */
  async #renew(): Promise<void> {
    try {
      const at = await this.#store.head(LOCK_KEY)
      const found = at === null ? null : await readLock(this.#store)
      const next = { ...this.#mine, validUntil: this.#clock.now() + VALIDITY_MS }
      const mine = at !== null && found?.id === this.#mine.id
      if (mine && (await this.#store.replaceIfTag(LOCK_KEY, print(next), at.tag)) === 'replaced') this.#mine = next
      else if (!mine) {
        const by = found === null ? 'nobody' : `process ${found.pid} on ${found.host}`
        this.#lost.abort(new Failure('TRB-LAKE-084', { root: this.#store.root, by, lock: LOCK_KEY }))
      }
    } catch (e) {
      if (!isFailure(e)) throw e
    }
  }
}

const RELEASED = new Error('the lake was given free')

function print(lock: LockFile): Buffer {
  return Buffer.from(`${JSON.stringify(lock)}\n`, 'utf8')
}

/** Null: given free meanwhile. A lock file that is none of ours fails with TRB-LAKE-004. */
async function readLock(store: ObjectStore): Promise<LockFile | null> {
  try {
    const found: unknown = JSON.parse((await store.get(LOCK_KEY)).toString('utf8'))
    if (isLock(found)) return found
  } catch (e) {
    if (isFailure(e, 'TRB-STORE-001')) return null
    if (!(e instanceof SyntaxError)) throw e
  }
  throw new Failure('TRB-LAKE-004', { file: LOCK_KEY })
}

function isLock(v: unknown): v is LockFile {
  if (typeof v !== 'object' || v === null) return false
  const l = v as Record<string, unknown>
  const strings = [l.id, l.host, l.started].every((s) => typeof s === 'string')
  return strings && [l.pid, l.takenMs, l.validUntil].every((n) => typeof n === 'number')
}

function inUse(store: ObjectStore, by: Pick<LockFile, 'pid' | 'host' | 'takenMs'>): Failure {
  const since = new Date(by.takenMs).toISOString()
  return new Failure('TRB-LAKE-015', { root: store.root, pid: by.pid, host: by.host, since, lock: LOCK_KEY })
}
