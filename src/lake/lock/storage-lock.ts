import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { hoodieKey } from '../layout/paths.ts'
import { isFree, type Lease, parseLease, printLease } from './lease.ts'
import type { HeldLock, LockPlace, TableLock } from './table-lock.ts'

/** Its place in `.hoodie/`. */
export const STORAGE_LOCK = '.locks/table_lock.json'

/**
 * Hudi's storage-based lock: a lease in an object that only conditional writes change, so it needs no service besides the store and is shared
 * with Spark (hoodie.write.lock.provider = org.apache.hudi.client.transaction.lock.StorageBasedLockProvider). The owner renews the lease;
 * one that is not renewed any more is free when it has run out and the two clocks cannot be that far apart.
 */
export class StorageLock implements TableLock {
  readonly #place: LockPlace
  /** Owners by which this lock was taken, and could not be given free: the store was out of order. Nobody holds it, so it is taken again at once. */
  readonly #abandoned = new Set<string>()

  constructor(place: LockPlace) {
    this.#place = place
  }

  async acquire(): Promise<HeldLock> {
    const { store, table, clock, times } = this.#place
    const key = hoodieKey(table, STORAGE_LOCK)
    const owner = clock.uuid()
    const started = clock.now()
    for (;;) {
      const found = await readLease(store, key)
      const now = clock.now()
      if (found === null || isFree(found.lease, now, times.driftMs) || this.#abandoned.has(found.lease.owner)) {
        const lease = { expired: false, validUntil: now + times.validityMs, owner }
        const tag = await this.#orAbandoned(owner, () => writeLease(store, key, lease, found?.tag ?? null))
        if (tag !== null) return new HeldLease(this.#place, key, lease, tag, (release) => this.#orAbandoned(owner, release))
      }
      // Behind both branches: a lease that is free each time we look, and each time taken before us, is waited for no longer than a valid one.
      if (now - started >= times.waitMs) throw waitedTooLong(table, key, found?.lease ?? null, now - started)
      await clock.sleep(Math.ceil(times.retryMs * (0.5 + clock.random())))
    }
  }

  async #orAbandoned<R>(owner: string, work: () => Promise<R>): Promise<R> {
    try {
      return await work()
    } catch (e) {
      this.#abandoned.add(owner)
      throw e
    }
  }
}

function waitedTooLong(table: string, key: string, lease: Lease | null, ms: number): Failure {
  const owner = lease?.owner ?? 'one writer after another'
  const until = lease === null ? 'they are fewer' : new Date(lease.validUntil).toISOString()
  return new Failure('TRB-LAKE-080', { table, owner, until, seconds: Math.round(ms / 1000), file: key })
}

class HeldLease implements HeldLock {
  readonly #place: LockPlace
  readonly #key: string
  readonly #giveFree: (release: () => Promise<unknown>) => Promise<unknown>
  readonly #stop = new AbortController()
  #lease: Lease
  #tag: string
  #lost = false
  /** Latest time seen: a clock that shows less has gone back. */
  #latest: number
  readonly #renewing: Promise<void>
  /** A defect met in the background, to be thrown to whoever uses the lock. */
  #defect: { readonly error: unknown } | null = null

  constructor(place: LockPlace, key: string, lease: Lease, tag: string, giveFree: (release: () => Promise<unknown>) => Promise<unknown>) {
    this.#place = place
    this.#key = key
    this.#giveFree = giveFree
    this.#lease = lease
    this.#tag = tag
    this.#latest = lease.validUntil - place.times.validityMs
    this.#renewing = this.#keepRenewing().catch((error: unknown) => {
      this.#defect = { error }
    })
  }

  async check(): Promise<number> {
    if (this.#defect !== null) throw this.#defect.error
    const now = this.#place.clock.now()
    const { driftMs, validityMs } = this.#place.times
    if (now < this.#latest - driftMs) {
      throw new Failure('TRB-LAKE-083', { now: new Date(now).toISOString(), before: new Date(this.#latest).toISOString(), file: this.#key })
    }
    this.#latest = Math.max(this.#latest, now)
    const left = this.#lease.validUntil - now
    const least = validityMs / 3
    if (this.#lost || left < least) {
      throw new Failure('TRB-LAKE-081', { file: this.#key, left: this.#lost ? 0 : Math.max(0, Math.round(left / 1000)) })
    }
    return left - least
  }

  async release(): Promise<void> {
    this.#stop.abort(RELEASED)
    await this.#renewing
    if (this.#defect !== null) throw this.#defect.error
    if (this.#lost) return
    const free = printLease({ ...this.#lease, expired: true })
    await this.#giveFree(() => this.#place.store.replaceIfTag(this.#key, free, this.#tag))
  }

  async #keepRenewing(): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      try {
        await this.#place.clock.sleep(this.#place.times.renewMs, signal)
      } catch (e) {
        if (e === RELEASED || signal.aborted) return
        throw e
      }
      if (signal.aborted || this.#lost) return
      await this.#renew()
    }
  }

  /** A store that is out of order for a while is asked again next time; `check` sees that the lease runs out. */
  async #renew(): Promise<void> {
    const lease = { ...this.#lease, validUntil: this.#place.clock.now() + this.#place.times.validityMs }
    try {
      const tag = await writeLease(this.#place.store, this.#key, lease, this.#tag)
      if (tag === null) this.#lost = true
      else [this.#lease, this.#tag] = [lease, tag]
    } catch (e) {
      if (!isFailure(e)) throw e
      const found = await readLease(this.#place.store, this.#key).catch((second: unknown) => {
        if (!isFailure(second)) throw second
        return undefined
      })
      if (found === undefined) return
      if (found?.lease.owner !== this.#lease.owner) this.#lost = true
      else [this.#lease, this.#tag] = [found.lease, found.tag]
    }
  }
}

const RELEASED = new Error('the lock was given free')

/** Null: there is no lock, or it changed while it was read twice: then the next look tells. */
async function readLease(store: ObjectStore, key: string): Promise<{ readonly lease: Lease; readonly tag: string } | null> {
  const at = await store.head(key)
  if (at === null) return null
  try {
    return { lease: parseLease(await store.get(key), key), tag: at.tag }
  } catch (e) {
    if (isFailure(e, 'TRB-STORE-001')) return null
    throw e
  }
}

/** Writes a lease where there was none (tag null) or that version; returns the new version. Null: somebody else was first. */
async function writeLease(store: ObjectStore, key: string, lease: Lease, tag: string | null): Promise<string | null> {
  const body = printLease(lease)
  const done = tag === null ? await store.putIfAbsent(key, body) : await store.replaceIfTag(key, body, tag)
  if (done === 'exists' || done === 'stale') return null
  // Ours: nobody else changes it while it is valid.
  const found = await readLease(store, key)
  return found?.lease.owner === lease.owner ? found.tag : null
}
