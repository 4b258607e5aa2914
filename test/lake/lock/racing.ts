import type { Clock } from '../../../src/contract/clock.ts'
import type { ObjectStore } from '../../../src/contract/object-store.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { type ConcurrencySettings, tableConcurrency } from '../../../src/lake/lock/table-concurrency.ts'
import { SPEC } from '../trivial-writer.ts'
import { AppendingWriter, linesOf } from './appending-writer.ts'

/** Short times: a killed writer's lock is to be free within a test. */
export const RACING: ConcurrencySettings = {
  mode: 'optimistic_concurrency_control',
  lock: 'storage',
  times: { validityMs: 6_000, renewMs: 1_000, retryMs: 30, waitMs: 600_000 },
}
export const BUCKETS = 12

/** One writer of a race: adds `count` lines, each to two buckets, again and again until it is committed. Reports each one that is. */
export async function racer(
  store: ObjectStore,
  clock: Clock,
  id: number,
  count: number,
  done: (line: string) => void,
  settings = RACING,
): Promise<number> {
  const writer = new AppendingWriter(store, clock, await tableConcurrency(store, SPEC.path, clock, settings))
  let conflicts = 0
  for (let i = 0; i < count; i++) {
    const line = `${id}.${i}`
    const first = (id + i) % BUCKETS
    for (;;) {
      try {
        if ((await writer.add([first, (first + 1) % BUCKETS], line)) === 'committed') break
      } catch (e) {
        // Suspended for so long that the lock ran out, on a loaded machine: the instant is a dead one now.
        if (!isFailure(e, 'TRB-LAKE-081')) throw e
      }
      conflicts++
      await clock.sleep(clock.random() * 100)
    }
    done(line)
  }
  return conflicts
}

/**
 * What is wrong with the table after a race; empty: nothing. Every line that was reported is in both of its buckets, once; others (of killed
 * writers) are in both, once, or in none.
 */
export async function lostUpdates(store: ObjectStore, clock: Clock, reported: readonly string[]): Promise<string[]> {
  const problems: string[] = []
  const seen = new Map<string, number>()
  for (const [bucket, lines] of await linesOf(store, clock)) {
    if (new Set(lines).size !== lines.length) problems.push(`bucket ${bucket} has a line twice`)
    for (const line of lines) seen.set(line, (seen.get(line) ?? 0) + 1)
  }
  for (const [line, n] of seen) if (n !== 2) problems.push(`${line} is in ${n} buckets`)
  for (const line of reported) if (!seen.has(line)) problems.push(`${line} is lost`)
  return problems
}
