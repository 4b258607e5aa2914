/**
 * File names of the active timeline.
 *
 * Layout 1 (table versions up to 7), all directly in `.hoodie/`:
 *
 *   name      => time '.' action '.' pending | time '.inflight' | time '.' action
 *
 * Layout 2 (table versions 8 and 9), in `.hoodie/timeline/`; the completed file also tells when it was completed:
 *
 *   name      => time '.' action '.' pending | time '.inflight' | time '_' completion '.' action
 *
 *   pending   => 'requested' | 'inflight'
 *   time, completion => 14 to 20 digits
 *
 * `T.inflight` is the inflight file of a commit (its action is not named); a completed compaction is a `commit`, a completed log
 * compaction a `deltacommit`, a completed clustering a `replacecommit`: which of the two an instant is shows by its pending files
 * (timeline.ts). In layout 1 a pending clustering is named `replacecommit`, too: only its plan tells.
 */
export type Layout = 1 | 2

export const ACTIONS = [
  'commit',
  'deltacommit',
  'replacecommit',
  'compaction',
  'logcompaction',
  'clustering',
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
  /** Layout 2, completed: when. Null or absent otherwise. */
  readonly completion?: string | null
}

/** `other`: a file that is no instant (hoodie.properties, a directory). `unknown`: looks like an instant, but isn't one of the layout. */
export type ParsedName =
  | { readonly kind: 'instant'; readonly file: InstantFile }
  | { readonly kind: 'other' }
  | { readonly kind: 'unknown' }

const SHAPE = /^(\d{14,20})(?:_(\d{14,20}))?(?:\.([a-z]+))?(?:\.([a-z]+))?$/

/** Hudi's Java writers make an instant's file under a name with a UUID behind it, then rename it. */
const TEMPORARY = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The file name of an instant in a state. Layout 2 needs the completion time of a completed one: RangeError without. */
export function printName(file: InstantFile, layout: Layout = 1): string {
  const { time, state } = file
  const completion = file.completion ?? null
  if (state === 'completed') {
    if (layout === 1) return `${time}.${completedAction(file.action)}`
    if (completion === null) throw new RangeError(`instant ${time} has no completion time`)
    return `${time}_${completion}.${completedAction(file.action)}`
  }
  const action = layout === 1 && file.action === 'clustering' ? 'replacecommit' : file.action
  if (action === 'commit' && state === 'inflight') return `${time}.inflight`
  return `${time}.${action}.${state}`
}

/** The action under which a completed instant is written: compaction → commit, logcompaction → deltacommit, clustering → replacecommit. */
export function completedAction(action: Action): Action {
  if (action === 'compaction') return 'commit'
  if (action === 'clustering') return 'replacecommit'
  return action === 'logcompaction' ? 'deltacommit' : action
}

/** Parses a file name in the directory of the timeline (no directory part). */
export function parseName(name: string, layout: Layout = 1): ParsedName {
  if (!/^\d/.test(name) || TEMPORARY.test(name)) return { kind: 'other' }
  const m = SHAPE.exec(name)
  if (m === null) return { kind: 'unknown' }
  const [, time, completion, second, third] = m
  const pending = second === 'inflight' || third !== undefined
  // Only the completed files of layout 2 carry a second time.
  if ((completion !== undefined) !== (layout === 2 && !pending)) return { kind: 'unknown' }
  if (second === 'inflight' && third === undefined) return instant({ time, action: 'commit', state: 'inflight' })
  const action = ACTIONS.find((a) => a === second)
  if (action === undefined || (layout === 1 && action === 'clustering')) return { kind: 'unknown' }
  if (third === undefined) {
    // Never written by anyone: a completed compaction carries the name of the commit that it is.
    if (completedAction(action) !== action) return { kind: 'unknown' }
    return instant({ time, action, state: 'completed', ...(completion === undefined ? {} : { completion }) })
  }
  if (third === 'inflight') return action === 'commit' ? { kind: 'unknown' } : instant({ time, action, state: 'inflight' })
  if (third === 'requested') return action === 'savepoint' ? { kind: 'unknown' } : instant({ time, action, state: 'requested' })
  return { kind: 'unknown' }
}

function instant(file: InstantFile): ParsedName {
  return { kind: 'instant', file }
}
