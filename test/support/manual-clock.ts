import type { Clock } from '../../src/contract/clock.ts'

export interface ManualClock extends Clock {
  /** Moves time, wakes who has slept long enough in the order of their times, and lets each go on before the next is woken. */
  advance(ms: number): Promise<void>
  /** Sets the clock without waking anybody: it may go back. */
  set(ms: number): void
}

/** A clock that stands still until the test moves it. */
export function manualClock(start = Date.UTC(2026, 10, 21)): ManualClock {
  let now = start
  let ids = 0
  const sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve()
  }
  return {
    now: () => now,
    random: () => 0.5,
    uuid: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
    set: (ms) => {
      now = ms
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const sleeper = { at: now + ms, wake: () => resolve() }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', () => sleepers.delete(sleeper) && reject(signal.reason), { once: true })
      }),
    async advance(ms) {
      const end = now + ms
      await settle()
      for (;;) {
        const next = [...sleepers].filter((s) => s.at <= end).sort((a, b) => a.at - b.at)[0]
        if (next === undefined) break
        sleepers.delete(next)
        now = Math.max(now, next.at)
        next.wake()
        await settle()
      }
      now = end
      await settle()
    },
  }
}
