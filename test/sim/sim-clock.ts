import type { Clock } from '../../src/contract/clock.ts'

export interface SimClock extends Clock {
  advance(ms: number): void
  /** How many ids have been given out. */
  readonly ids: number
}

/**
 * A clock that moves by a millisecond at each look, and by the time that is slept. What runs in the background (its sleep can be ended by a signal)
 * sleeps until it is: it would make the number of calls to the store depend on nothing.
 */
export function simClock(start: number, firstId = 0): SimClock {
  let now = start
  let ids = firstId
  return {
    now: () => ++now,
    sleep: (ms, signal) => {
      if (signal === undefined) now += ms
      if (signal === undefined) return Promise.resolve()
      return new Promise((_, reject) => {
        if (signal.aborted) reject(signal.reason)
        else signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    },
    uuid: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
    random: () => 0.5,
    get ids() {
      return ids
    },
    advance: (ms) => {
      now += ms
    },
  }
}
