import type { Clock } from '../../src/contract/clock.ts'

/** A clock that tests move: `now` advances by `step` ms at each look, ids count up. */
export function fixedClock(start = Date.UTC(2026, 10, 21), step = 1): Clock & { advance(ms: number): void } {
  let now = start
  let ids = 0
  return {
    now: () => (now += step),
    sleep: async (ms) => {
      now += ms
    },
    uuid: () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`,
    random: () => 0.5,
    advance: (ms) => {
      now += ms
    },
  }
}
