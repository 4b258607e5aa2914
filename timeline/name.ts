/**
 * File names of the active timeline, layout 1 (table versions up to 7), all directly in `.hoodie/`:
 *
 *   name      => time '.' action '.' pending | time '.inflight' | time '.' action
 *   pending   => 'requested' | 'inflight'
 *   time      => 14 to 20 digits
 *
 * `T.inflight` is the inflight file of a commit (its action is not named); a completed compaction is a `T.commit`, a completed
 * log compaction a `T.deltacommit`: which of the two an instant is shows by its pending files (timeline.ts).
 */

/** Every action of layout 1. (Layout 2 adds `clustering`; here a clustering is a replacecommit.) */
export const ACTIONS = [
  'commit',
  'deltacommit',
  'replacecommit',
  'compaction',
  'logcompaction',
  'clean',
  'rollback',
  'savepoint',
  'restore',
  'indexing',
] as const

export type Action = (typeof ACTIONS)[number]
export type State = 'requested' | 'inflight' | 'completed'

/** One file of the timeline. */
export interface InstantFile {
  readonly time: string
  readonly action: Action
  readonly state: State
}

/** `other`: a file that is no instant (hoodie.properties, a directory). `unknown`: looks like an instant, but isn't one of layout 1. */
export type ParsedName =
  | { readonly kind: 'instant'; readonly file: InstantFile }
  | { readonly kind: 'other' }
  | { readonly kind: 'unknown' }

const SHAPE = /^(\d{14,20})(?:\.([a-z]+))?(?:\.([a-z]+))?$/

/** The file name of an instant in a state. */
export function printName(file: InstantFile): string {
  const { time, action, state } = file
  if (state === 'completed') return `${time}.${completedAction(action)}`
  if (action === 'commit' && state === 'inflight') return `${time}.inflight`
  return `${time}.${action}.${state}`
}

/** The action under which a completed instant is written: compaction → commit, logcompaction → deltacommit. */
export function completedAction(action: Action): Action {
  if (action === 'compaction') return 'commit'
  return action === 'logcompaction' ? 'deltacommit' : action
}

/** Parses a file name in `.hoodie/` (no directory part). */
export function parseName(name: string): ParsedName {
  if (!/^\d/.test(name)) return { kind: 'other' }
  const m = SHAPE.exec(name)
  if (m === null) return { kind: 'unknown' }
  const [, time, second, third] = m
  if (second === 'inflight' && third === undefined) return instant(time, 'commit', 'inflight')
  const action = ACTIONS.find((a) => a === second)
  if (action === undefined) return { kind: 'unknown' }
  if (third === undefined) {
    // Never written by anyone: a completed compaction carries the name of the commit that it is.
    return completedAction(action) === action ? instant(time, action, 'completed') : { kind: 'unknown' }
  }
  if (third === 'inflight') return action === 'commit' ? { kind: 'unknown' } : instant(time, action, 'inflight')
  if (third === 'requested') return action === 'savepoint' ? { kind: 'unknown' } : instant(time, action, 'requested')
  return { kind: 'unknown' }
}

function instant(time: string, action: Action, state: State): ParsedName {
  return { kind: 'instant', file: { time, action, state } }
}
