import { expect, test } from 'vitest'
import { retainedFrom } from '../../timeline/retention.ts'
import type { Instant, Timeline } from '../../timeline/timeline.ts'

const at = (hour: number): string => `202611210${hour}0000000`
const instant = (hour: number, action: Instant['action'], state: Instant['state'] = 'completed'): Instant =>
  ({ time: at(hour), action, state, completion: null, claims: [] }) as unknown as Instant
const timeline = (...instants: Instant[]): Timeline => ({ layout: 1, instants }) as Timeline
const NOW = Date.UTC(2026, 10, 21, 9)

test('the state of the newest write of rows stays, however old it is and whatever services came after it', () => {
  const t = timeline(instant(1, 'deltacommit'), instant(2, 'deltacommit'), instant(3, 'compaction'))
  expect(retainedFrom(t, { kind: 'hours', retain: 1 }, NOW)).toBe(at(2))
  expect(retainedFrom(t, { kind: 'commits', retain: 1 }, NOW)).toBe(at(2))
  expect(retainedFrom(t, { kind: 'hours', retain: 8 }, NOW)).toBe(at(1))
  expect(retainedFrom(t, { kind: 'versions', retain: 1 }, NOW)).toBeNull()
})

test('what a pending instant began from stays', () => {
  const t = timeline(instant(1, 'commit'), instant(2, 'commit', 'inflight'), instant(3, 'commit'))
  expect(retainedFrom(t, { kind: 'hours', retain: 1 }, NOW)).toBe(at(2))
})
