import { expect, test } from 'vitest'
import type { InstantFile } from '../../timeline/name.ts'
import { allSlices, baseSlices, type LogVersion, latestSlices, type TableFiles } from '../../timeline/slices.ts'
import { foldTimeline, type Timeline } from '../../timeline/timeline.ts'
import type { FileVersion } from '../../timeline/view.ts'

const T = (n: number): string => `20261121000000${String(n).padStart(3, '0')}`

type Entry = readonly [n: number, action: string, state?: 'requested' | 'inflight' | number]

/** Layout 1, or layout 2 where completed instants give the number of their completion time. */
function timeline(layout: 1 | 2, ...entries: Entry[]): Timeline {
  const files = entries.flatMap(([n, action, state]): InstantFile[] => {
    const planned = action === 'compaction'
    const pending = { time: T(n), action: action as 'commit', state: 'inflight' as const }
    if (typeof state === 'string') return [{ ...pending, state }]
    const completion = layout === 1 ? {} : { completion: T(state as number) }
    const done = { time: T(n), action: (planned ? 'commit' : action) as 'commit', state: 'completed' as const, ...completion }
    return planned ? [pending, done] : [done]
  })
  return foldTimeline(files, new Map(), layout)
}

const base = (n: number, fileId = 'a'): FileVersion => ({ partition: '', fileId, instant: T(n) })
const log = (n: number, version = 1, fileId = 'a'): LogVersion => ({ partition: '', fileId, instant: T(n), version, token: '0-0-0' })
const files = (f: Partial<TableFiles<FileVersion, LogVersion>>): TableFiles<FileVersion, LogVersion> => ({
  bases: [],
  logs: [],
  replaced: [],
  compactions: [],
  ...f,
})
const short = (instant: string): number => Number(instant.slice(-3))
const told = (slices: readonly { base: FileVersion | null; logs: readonly LogVersion[]; baseInstant: string }[]): unknown[] =>
  slices.map((s) => [
    s.base === null ? `(${short(s.baseInstant)})` : short(s.base.instant),
    ...s.logs.map((l) => `${short(l.instant)}.${l.version}`),
  ])
const compactionOf = (n: number): { partition: string; fileId: string; by: string } => ({ partition: '', fileId: 'a', by: T(n) })

test('layout 1: logs follow the base file that their name names, in the order of their versions', () => {
  const t = timeline(1, [1, 'deltacommit'], [2, 'deltacommit'], [3, 'deltacommit'])
  const f = files({ bases: [base(1), base(2, 'b')], logs: [log(1, 10), log(1, 2), log(1, 1)] })
  expect(told(latestSlices(t, f, null))).toEqual([[1, '1.1', '1.2', '1.10'], [2]])
  expect(told(latestSlices(t, f, T(1)))).toEqual([[1, '1.1', '1.2', '1.10']])
})

test('layout 1: while a compaction is pending, its logs are read on top of the slice before it', () => {
  const f = files({ bases: [base(1)], logs: [log(1, 1), log(3, 1)], compactions: [compactionOf(3)] })
  const pending = timeline(1, [1, 'deltacommit'], [2, 'deltacommit'], [3, 'compaction', 'requested'], [4, 'deltacommit'])
  expect(told(latestSlices(pending, f, null))).toEqual([[1, '1.1', '3.1']])
  expect(told(latestSlices(pending, f, T(2)))).toEqual([[1, '1.1']])
  const half = { ...f, bases: [base(1), base(3)] }
  expect(told(latestSlices(pending, half, null)), 'its base file does not count yet').toEqual([[1, '1.1', '3.1']])
  const done = timeline(1, [1, 'deltacommit'], [2, 'deltacommit'], [3, 'compaction'], [4, 'deltacommit'])
  const after = files({ ...half, compactions: [] })
  expect(told(latestSlices(done, after, null))).toEqual([[3, '3.1']])
  expect(told(latestSlices(done, after, T(2)))).toEqual([[1, '1.1']])
  expect(allSlices(done, after, null).map(told)).toEqual([
    [
      [1, '1.1'],
      [3, '3.1'],
    ],
  ])
})

test('layout 1: a file group of logs alone counts once its first write has completed', () => {
  const f = files({ logs: [log(2)] })
  expect(told(latestSlices(timeline(1, [1, 'commit'], [2, 'deltacommit', 'inflight']), f, null))).toEqual([])
  expect(told(latestSlices(timeline(1, [1, 'commit'], [2, 'deltacommit']), f, null))).toEqual([['(2)', '2.1']])
})

test('layout 1: logs on top of a compaction that was rolled back hide nothing, where it cannot be told from an archived one', () => {
  const t = timeline(1, [1, 'deltacommit'], [1, 'savepoint'], [9, 'deltacommit'])
  const f = files({ bases: [base(1)], logs: [log(1, 1), log(5, 1), log(5, 2), log(1, 2)] })
  expect(told(latestSlices(t, f, null))).toEqual([[1, '1.1', '1.2']])
})

test('layout 2: logs of writes that have not completed are not seen; the others are in the order of completion', () => {
  const t = timeline(2, [1, 'deltacommit', 2], [3, 'deltacommit', 8], [4, 'deltacommit', 6], [5, 'deltacommit', 'inflight'])
  const f = files({ bases: [base(1)], logs: [log(3), log(4), log(5), log(9)] })
  expect(told(latestSlices(t, f, null))).toEqual([[1, '4.1', '3.1']])
  expect(told(latestSlices(t, f, T(3)))).toEqual([[1, '3.1']])
})

test('layout 2: a log belongs to the newest base file that was begun before the log was complete', () => {
  // 3 began before the compaction 4 and completed after it had been planned: it is not in the compaction's base file.
  const f = files({ bases: [base(1), base(4)], logs: [log(2), log(3), log(6)] })
  const done = timeline(2, [1, 'deltacommit', 1], [2, 'deltacommit', 2], [3, 'deltacommit', 5], [4, 'compaction', 9], [6, 'deltacommit', 7])
  expect(told(latestSlices(done, f, null))).toEqual([[4, '3.1', '6.1']])
  expect(told(latestSlices(done, f, T(3)))).toEqual([[1, '2.1', '3.1']])
  const pending = timeline(
    2,
    [1, 'deltacommit', 1],
    [2, 'deltacommit', 2],
    [3, 'deltacommit', 5],
    [4, 'compaction', 'inflight'],
    [6, 'deltacommit', 7],
  )
  expect(told(latestSlices(pending, { ...f, compactions: [compactionOf(4)] }, null))).toEqual([[1, '2.1', '3.1', '6.1']])
})

test('layout 2: archived writes complete when the history says so', () => {
  const t = timeline(2, [6, 'deltacommit', 7])
  const f = files({ bases: [base(1), base(4)], logs: [log(3)], archived: new Map([[T(3), T(5)]]) })
  expect(told(latestSlices(t, f, null))).toEqual([[4, '3.1']])
})

test('a replaced file group is gone with its logs, and was there before', () => {
  const t = timeline(1, [1, 'deltacommit'], [2, 'deltacommit'], [3, 'replacecommit'])
  const f = files({ bases: [base(1), base(3, 'b')], logs: [log(1)], replaced: [{ partition: '', fileId: 'a', by: T(3) }] })
  expect(told(latestSlices(t, f, null))).toEqual([[3]])
  expect(told(latestSlices(t, f, T(2)))).toEqual([[1, '1.1']])
})

test('a read-optimized view has base files alone', () => {
  const t = timeline(1, [1, 'deltacommit'], [2, 'deltacommit'])
  const f = files({ bases: [base(1)], logs: [log(1), log(2, 1, 'b')] })
  expect(told(baseSlices(latestSlices(t, f, null)))).toEqual([[1]])
})
