import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { hoodieKey } from '../layout/paths.ts'
import type { HeldLock, LockPlace, TableLock } from './table-lock.ts'

/** Its place in `.hoodie/`. */
export const FILE_LOCK = 'lock'
/** Java's local file system looks whether the file exists, then creates it: in between, ours can be overwritten. */
const SETTLE_MS = 100

/**
 * The lock of Hudi's FileSystemBasedLockProvider: whoever creates `.hoodie/lock` has it, until it deletes it. For tables on disk that are
 * shared with Hudi 0.x, which knows no other lock without a service. The file of a writer that died stays: it is never taken over
 * (as with Hudi's default, hoodie.write.lock.filesystem.expire = 0).
 */
export class FileLock implements TableLock {
  readonly #place: LockPlace

  constructor(place: LockPlace) {
    this.#place = place
  }

  async acquire(): Promise<HeldLock> {
    const { store, table, clock, times } = this.#place
    const key = hoodieKey(table, FILE_LOCK)
    const started = clock.now()
    for (;;) {
      const body = printLock(clock)
      if ((await store.putIfAbsent(key, body)) === 'created') {
        await clock.sleep(SETTLE_MS)
        if (await isThere(store, key, body)) return this.#held(key, body)
      }
      const waited = clock.now() - started
      if (waited >= times.waitMs) throw await this.#heldByOther(key, waited)
      await clock.sleep(Math.ceil(times.retryMs * (0.5 + clock.random())))
    }
  }

  #held(key: string, body: Buffer): HeldLock {
    return {
      check: async () => {
        if (!(await isThere(this.#place.store, key, body))) throw new Failure('TRB-LAKE-081', { file: key, left: 0 })
        return this.#place.times.validityMs
      },
      release: async () => {
        if (await isThere(this.#place.store, key, body)) await this.#place.store.delete([key])
      },
    }
  }

  async #heldByOther(key: string, waited: number): Promise<Failure> {
    const at = await this.#place.store.head(key)
    const owner = at === null ? 'another writer' : `a writer since ${new Date(at.modifiedMs).toISOString()}`
    const seconds = Math.round(waited / 1000)
    return new Failure('TRB-LAKE-080', { table: this.#place.table, owner, until: 'it deletes the file', seconds, file: key })
  }
}

/** As Hudi describes a lock's owner; unique, so that ours is known again. */
function printLock(clock: Clock): Buffer {
  const lock = { lockCreateTime: new Date(clock.now()).toISOString(), lockThreadName: `tributary-${clock.uuid()}`, lockStacksInfo: '' }
  return Buffer.from(JSON.stringify(lock), 'utf8')
}

async function isThere(store: ObjectStore, key: string, body: Buffer): Promise<boolean> {
  try {
    return (await store.get(key)).equals(body)
  } catch (e) {
    if (isFailure(e, 'TRB-STORE-001')) return false
    throw e
  }
}
