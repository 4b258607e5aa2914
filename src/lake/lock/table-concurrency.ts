import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore, WriteGuard } from '../../contract/object-store.ts'
import { hoodieKey } from '../layout/paths.ts'
import { FileLock } from './file-lock.ts'
import { Heartbeat } from './heartbeat.ts'
import { STORAGE_LOCK, StorageLock } from './storage-lock.ts'
import { DEFAULT_LOCK_TIMES, type HeldLock, type LockTimes, type TableLock } from './table-lock.ts'

/**
 * How writers of one table share it, by Hudi's names (hoodie.write.concurrency.mode, hoodie.write.lock.provider).
 * auto: as single_writer, unless the table has a storage-based lock: then other writers use it, and so do we.
 */
export interface ConcurrencySettings {
  readonly mode: 'auto' | 'single_writer' | 'optimistic_concurrency_control'
  readonly lock: 'storage' | 'filesystem'
  readonly times?: Partial<LockTimes>
}

export const DEFAULT_CONCURRENCY: ConcurrencySettings = { mode: 'auto', lock: 'storage' }

/**
 * Optimistic concurrency of one writer: its instants begin and complete under the table's lock, its heartbeat tells others that it is alive,
 * and what it wrote is compared with what completed in between (conflicts.ts). Failed writes are cleaned lazily: an instant is rolled back
 * only when its heartbeat has stopped.
 */
export class TableConcurrency {
  readonly #store: ObjectStore
  readonly #table: string
  readonly #clock: Clock
  readonly #lock: TableLock
  readonly #beating = new Map<string, Heartbeat>()

  constructor(store: ObjectStore, table: string, clock: Clock, lock: TableLock) {
    this.#store = store
    this.#table = table
    this.#clock = clock
    this.#lock = lock
  }

  /** Does `work` while nobody else with the lock changes the timeline. Not to be nested. */
  async exclusively<R>(work: (held: HeldLock) => Promise<R>): Promise<R> {
    const held = await this.#lock.acquire()
    try {
      return await work(held)
    } finally {
      await held.release()
    }
  }

  /** From now on the instant is a living writer's; to be called before it appears on the timeline. */
  async begin(time: string): Promise<void> {
    this.#beating.set(time, await Heartbeat.start(this.#store, this.#table, time, this.#clock))
  }

  async end(time: string): Promise<void> {
    const beat = this.#beating.get(time)
    this.#beating.delete(time)
    await beat?.stop()
  }
}

/** A table as a service works on it: its timeline store. */
export interface SharedTable {
  readonly store: ObjectStore
  readonly table: string
  readonly clock: Clock
  /** Set when the table is shared: what living writers have open is left alone. */
  optimistic: boolean
  /** While the table is locked: whether it surely still is. */
  guard: WriteGuard | null
}

/**
 * Does the work of a service (clean, archive, rollback, savepoint, restore) under the table's lock where it is shared, so that nobody begins or
 * completes a commit meanwhile; at once where it is not. The timeline must be read inside `work`.
 */
export async function underLock<R>(
  ts: SharedTable,
  work: () => Promise<R>,
  settings: ConcurrencySettings = DEFAULT_CONCURRENCY,
): Promise<R> {
  const sharing = await tableConcurrency(ts.store, ts.table, ts.clock, settings)
  if (sharing === null) return await work()
  ts.optimistic = true
  return await sharing.exclusively((held) => guarded(ts, held, work))
}

/** Does `work`, whose steps on the timeline are made only as long as the lock is held. */
export async function guarded<R>(ts: Pick<SharedTable, 'guard'>, held: HeldLock, work: () => Promise<R>): Promise<R> {
  ts.guard = () => held.check()
  try {
    return await work()
  } finally {
    ts.guard = null
  }
}

/** What the settings mean for a table; null: this is the only writer, and whatever is pending is a dead one's. */
export async function tableConcurrency(
  store: ObjectStore,
  table: string,
  clock: Clock,
  settings: ConcurrencySettings,
): Promise<TableConcurrency | null> {
  if (settings.mode === 'single_writer') return null
  const shared = settings.mode === 'optimistic_concurrency_control' || (await store.head(hoodieKey(table, STORAGE_LOCK))) !== null
  if (!shared) return null
  const times: LockTimes = { ...DEFAULT_LOCK_TIMES, ...settings.times }
  const Lock = settings.mode !== 'auto' && settings.lock === 'filesystem' ? FileLock : StorageLock
  return new TableConcurrency(store, table, clock, new Lock({ store, table, clock, times }))
}
