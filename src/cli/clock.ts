import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../contract/clock.ts'

/** The one real clock; every other room takes it as a value. */
export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal })
    } catch (e) {
      // The timer rejects with an AbortError of its own; the contract promises the signal's reason.
      throw signal?.aborted ? signal.reason : e
    }
  },
  uuid: () => randomUUID(),
  random: () => Math.random(),
}
