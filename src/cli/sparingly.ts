import type { Clock } from '../contract/clock.ts'

const FIRST_GAP_MS = 1_000
const LONGEST_GAP_MS = 60_000

/**
 * Says a trouble that lasts less and less often: after 1 s, 2 s, 4 s … at most once a minute. One that comes after a quiet minute is a
 * new one and said at once. Texts in between are dropped.
 */
export function sparingly(clock: Clock, say: (text: string) => void): (text: string) => void {
  let gap = FIRST_GAP_MS
  let lastMs = Number.NEGATIVE_INFINITY
  let saidMs = Number.NEGATIVE_INFINITY
  return (text) => {
    const now = clock.now()
    if (now - lastMs >= LONGEST_GAP_MS) gap = FIRST_GAP_MS
    lastMs = now
    if (now - saidMs < gap) return
    if (saidMs !== Number.NEGATIVE_INFINITY) gap = Math.min(LONGEST_GAP_MS, gap * 2)
    saidMs = now
    say(text)
  }
}
