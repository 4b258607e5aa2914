import { expect, test } from 'vitest'
import { recoveryPlan } from '../../timeline/rollback-plan.ts'
import { type Facts, foldTimeline, step, type Timeline } from '../../timeline/timeline.ts'
import { historyStart, latestFiles, newestWrite, visibility } from '../../timeline/view.ts'

const T = (n: number): string => `20261121000000${String(n).padStart(3, '0')}`

function timeline(...entries: [n: number, action: string, state?: string][]): Timeline {
  return foldTimeline(
    entries.map(([n, action, state]) => ({ time: T(n), action: action as 'commit', state: (state ?? 'completed') as 'completed' })),
  )
}

const file = (fileId: string, n: number, partition = ''): { partition: string; fileId: string; instant: string } => ({
  partition,
  fileId,
  instant: T(n),
})

test('I4: files of pending instants and of instants that nobody knows are not seen', () => {
  const t = timeline([1, 'commit'], [2, 'commit', 'inflight'], [4, 'commit'])
  const seen = visibility(t, null)
  expect([1, 2, 3, 4, 5].map((n) => seen(T(n)))).toEqual([true, false, false, true, false])
})

test('an instant older than the first completed one has been archived, so its files are seen', () => {
  const t = timeline([5, 'commit'], [3, 'commit', 'inflight'])
  expect([1, 3, 4, 5].map((n) => visibility(t, null)(T(n)))).toEqual([true, false, true, true])
})

test('a savepointed write that stayed behind when its neighbours were archived is no beginning of the history', () => {
  const t = timeline([2, 'commit'], [2, 'savepoint'], [5, 'commit'], [6, 'commit'])
  expect(historyStart(t)).toBe(T(5))
  expect([1, 2, 3, 4, 5, 6, 7].map((n) => visibility(t, null)(T(n)))).toEqual([true, true, true, true, true, true, false])
  // Nothing but savepointed writes: the first of them is all that is known.
  expect(historyStart(timeline([2, 'commit'], [2, 'savepoint']))).toBe(T(2))
  expect(historyStart(timeline([2, 'clean']))).toBeNull()
})

test('without a completed write nothing is seen', () => {
  expect(visibility(timeline([2, 'commit', 'inflight']), null)(T(1))).toBe(false)
})

test('the newest file of each file group as of a time', () => {
  const t = timeline([1, 'commit'], [2, 'commit'], [3, 'commit', 'requested'])
  const files = [file('a', 1), file('a', 2), file('a', 3), file('b', 2), file('a', 1, 'p')]
  expect(latestFiles(t, files, [], null)).toEqual([file('a', 2), file('b', 2), file('a', 1, 'p')])
  expect(latestFiles(t, files, [], T(1))).toEqual([file('a', 1), file('a', 1, 'p')])
})

test('a replaced file group is gone from the replacecommit on, not before, and may come back', () => {
  const t = timeline([1, 'commit'], [2, 'replacecommit'], [3, 'commit'], [4, 'replacecommit', 'inflight'])
  const files = [file('a', 1), file('b', 1), file('b', 3), file('c', 2)]
  const replaced = [
    { partition: '', fileId: 'a', by: T(2) },
    { partition: '', fileId: 'b', by: T(2) },
    { partition: '', fileId: 'c', by: T(4) },
  ]
  expect(latestFiles(t, files, replaced, null)).toEqual([file('b', 3), file('c', 2)])
  expect(latestFiles(t, files, replaced, T(1))).toEqual([file('a', 1), file('b', 1)])
})

test('the newest write as of a time leaves services out', () => {
  const t = timeline([1, 'commit'], [2, 'clean'], [3, 'rollback'])
  expect(newestWrite(t, null)?.time).toBe(T(1))
  expect(newestWrite(t, T(0))).toBeNull()
})

test('what stands in the way comes first in a recovery plan, then rollbacks that had begun, then writes from the newest', () => {
  const t = foldTimeline(
    [
      { time: T(1), action: 'commit', state: 'inflight' },
      { time: T(2), action: 'commit', state: 'requested' },
      { time: T(3), action: 'rollback', state: 'inflight' },
      { time: T(4), action: 'rollback', state: 'requested' },
      { time: T(5), action: 'replacecommit', state: 'inflight' },
      { time: T(6), action: 'replacecommit', state: 'requested' },
      { time: T(7), action: 'clean', state: 'inflight' },
      { time: T(8), action: 'commit', state: 'completed' },
    ],
    new Map<string, Facts>([
      [`${T(3)}.rollback`, { target: T(2) }],
      [`${T(6)}.replacecommit`, { clustering: true }],
    ]),
  )
  expect(recoveryPlan(t).map((s) => `${s.do} ${s.instant.time.slice(-1)}`)).toEqual([
    'refuse 6',
    'leave 7',
    'finish 3',
    'discard 4',
    'roll-back 5',
    'roll-back 1',
  ])
})

test('a clustering, a restore and a rollback whose plan is lost stop every writer, a compaction those that write base files', () => {
  const answers = (action: 'compaction' | 'clustering', retractable = false): string[] => {
    const file = { time: T(1), action, state: 'inflight' as const }
    const t = foldTimeline([file], new Map([[`${T(1)}.${action}`, { retractable }]]), 2)
    return [null, 'deltacommit', 'commit', 'replacecommit'].map((next) => recoveryPlan(t, next as 'commit')[0].do)
  }
  const always = (answer: string): string[] => [answer, answer, answer, answer]
  for (const action of ['clustering', 'restore', 'rollback']) expect(answers(action as 'clustering')).toEqual(always('refuse'))
  for (const action of ['savepoint', 'indexing', 'clean']) expect(answers(action as 'clustering')).toEqual(always('leave'))
  for (const action of ['compaction', 'logcompaction']) {
    expect(answers(action as 'compaction')).toEqual(['leave', 'leave', 'refuse', 'refuse'])
  }
  expect(answers('clustering', true)).toEqual(always('roll-back'))
})

test('refusals name the event, the instant and the reason', () => {
  const t = timeline([2, 'commit', 'inflight'])
  const refusal = (event: 'request' | 'remove' | 'complete', action: 'commit' | 'rollback', n: number): string => {
    const s = step(t, { event, action, time: T(n) })
    return 'refusal' in s ? s.refusal : 'allowed'
  }
  expect(refusal('request', 'commit', 3)).toBe(`request ${T(3)} commit: ${T(2)} commit is inflight on the same file groups`)
  expect(refusal('request', 'commit', 1)).toBe(`request ${T(1)} commit: the newest time is ${T(2)}`)
  expect(refusal('remove', 'commit', 2)).toBe(`remove ${T(2)} commit: no rollback of it is inflight`)
  expect(refusal('complete', 'rollback', 9)).toBe(`complete ${T(9)} rollback: the instant has not been started`)
})
