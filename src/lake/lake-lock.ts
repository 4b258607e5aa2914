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

export interface LakeLock {
  /** Gives the lake free. No error when it was taken over. */
  release(): Promise<void>
}

interface LockFile extends Owner {
  readonly id: string
  readonly takenMs: number
}

/** Rounds of losing a race for a dead owner's lock before giving up. */
const ROUNDS = 5

/**
 * One writing run per lake. A lock whose owner is dead is taken over; a live owner, or one on another host, fails with TRB-LAKE-015.
 */
export async function acquireLakeLock(store: ObjectStore, clock: Clock, probe: OwnerProbe): Promise<LakeLock> {
  const mine: LockFile = { ...probe.self, id: clock.uuid(), takenMs: clock.now() }
  const body = Buffer.from(`${JSON.stringify(mine)}\n`, 'utf8')
  for (let round = 0; round < ROUNDS; round++) {
    if ((await store.putIfAbsent(LOCK_KEY, body)) === 'created') return lockOf(store, mine.id)
    const at = await store.head(LOCK_KEY)
    const held = at === null ? null : await readLock(store)
    if (at === null || held === null) continue
    if (probe.isAlive(held) !== false) throw inUse(store, held)
    if ((await store.replaceIfTag(LOCK_KEY, body, at.tag)) === 'replaced') return lockOf(store, mine.id)
  }
  throw inUse(store, { pid: 0, host: 'unknown', takenMs: clock.now() })
}

function lockOf(store: ObjectStore, id: string): LakeLock {
  return {
    release: async () => {
      if ((await readLock(store))?.id === id) await store.delete([LOCK_KEY])
    },
  }
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
  return strings && typeof l.pid === 'number' && typeof l.takenMs === 'number'
}

function inUse(store: ObjectStore, by: Pick<LockFile, 'pid' | 'host' | 'takenMs'>): Failure {
  const since = new Date(by.takenMs).toISOString()
  return new Failure('TRB-LAKE-015', { root: store.root, pid: by.pid, host: by.host, since, lock: LOCK_KEY })
}
