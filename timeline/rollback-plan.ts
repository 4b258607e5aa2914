import type { Action } from './name.ts'
import type { Instant, Timeline } from './timeline.ts'
import { pendingInstants } from './view.ts'

/**
 * What the next writer does with an instant that a dead one left.
 * finish: a rollback that had begun: carry it through. discard: a rollback that nobody has started and whose plan cannot be read: take it off.
 * roll-back: take away its files, then itself. leave: it does not stand in the way. refuse: nobody may write before its owner has finished it.
 */
export type RecoveryStep =
  | { readonly do: 'finish'; readonly instant: Instant }
  | { readonly do: 'discard'; readonly instant: Instant }
  | { readonly do: 'roll-back'; readonly instant: Instant }
  | { readonly do: 'leave'; readonly instant: Instant; readonly why: string }
  | { readonly do: 'refuse'; readonly instant: Instant; readonly why: string }

/**
 * The plan for all pending instants, in the order to perform it: what stands in the way first (so that nothing is changed when
 * the answer is a refusal), then rollbacks that had begun, then the writes, newest first, as they may rest on one another.
 * `next`: the action that is to begin afterwards; null: none.
 */
export function recoveryPlan(t: Timeline, next: Action | null = null): readonly RecoveryStep[] {
  const steps = pendingInstants(t).map((i) => recoveryOf(i, next))
  const of = (kind: RecoveryStep['do']): RecoveryStep[] => steps.filter((s) => s.do === kind)
  const targeted = new Set(of('finish').map((s) => s.instant.target))
  return [
    // A target of a rollback that had begun is gone once that one is finished.
    ...of('refuse').filter((s) => !targeted.has(s.instant.time)),
    ...of('leave'),
    ...of('finish'),
    ...of('discard'),
    ...of('roll-back')
      .filter((s) => !targeted.has(s.instant.time))
      .reverse(),
  ]
}

function recoveryOf(instant: Instant, next: Action | null): RecoveryStep {
  switch (instant.action) {
    case 'commit':
    case 'deltacommit':
    case 'replacecommit':
      return { do: 'roll-back', instant }
    case 'clustering':
      // An update of a file group that a clustering is rewriting would be lost when the clustering completes.
      return instant.retractable
        ? { do: 'roll-back', instant }
        : { do: 'refuse', instant, why: 'a clustering is planned on file groups of this table' }
    case 'rollback':
      if (instant.target !== null) return { do: 'finish', instant }
      return instant.state === 'requested'
        ? { do: 'discard', instant }
        : { do: 'refuse', instant, why: 'a rollback has begun and its plan cannot be read' }
    case 'restore':
      return { do: 'refuse', instant, why: 'a restore of this table has begun' }
    case 'compaction':
    case 'logcompaction':
      // What is written as logs meanwhile belongs to the slice after it; a base file would hide the compaction's, or be hidden by it.
      return next === 'commit' || next === 'replacecommit'
        ? { do: 'refuse', instant, why: 'a compaction is planned on file groups of this table' }
        : { do: 'leave', instant, why: 'logs may be written beside a compaction' }
    case 'clean':
      return { do: 'leave', instant, why: 'a clean takes away only files that no retained instant needs' }
    case 'indexing':
      return { do: 'leave', instant, why: 'an index build changes no data file' }
    case 'savepoint':
      return { do: 'leave', instant, why: 'a savepoint changes no data file' }
  }
}
