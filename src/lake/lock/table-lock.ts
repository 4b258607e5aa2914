import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'

/** A table to be locked, and by which times. */
export interface LockPlace {
  readonly store: ObjectStore
  readonly table: string
  readonly clock: Clock
  readonly times: LockTimes
}

/** How long a lock is held and waited for. Defaults are Hudi's (hoodie.write.lock.*). */
export interface LockTimes {
  /** A lock that is not renewed is free after this (hoodie.write.lock.storage.validity.timeout.secs). */
  readonly validityMs: number
  /** hoodie.write.lock.storage.renew.interval.secs */
  readonly renewMs: number
  /** By this much the clocks of two writers may differ without harm. */
  readonly driftMs: number
  /** Waiting for the lock ends in a failure after this (hoodie.write.lock.wait_time_ms). */
  readonly waitMs: number
  /** Between two looks at a lock that somebody else has, on average. */
  readonly retryMs: number
}

export const DEFAULT_LOCK_TIMES: LockTimes = { validityMs: 300_000, renewMs: 30_000, driftMs: 500, waitMs: 60_000, retryMs: 200 }

/** A table's lock, taken. */
export interface HeldLock {
  /**
   * To be called right before the step that the lock protects. TRB-LAKE-081 when the lock is not surely ours for as long as that step may
   * take, TRB-LAKE-083 when the clock went backwards, so that nobody can tell. Answers for how many milliseconds that stays so, without a renewal.
   */
  check(): Promise<number>
  /** Gives it free; no error when it had been lost. */
  release(): Promise<void>
}

export interface TableLock {
  /** Waits for it: TRB-LAKE-080 when another writer has it for too long. */
  acquire(): Promise<HeldLock>
}
