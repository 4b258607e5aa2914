import { ACTIONS, type Action, completedAction, type InstantFile, type Layout, printName, type State } from './name.ts'
import { type Body, type Event, type Guard, TRANSITIONS } from './transition.ts'

/** File groups that a pending instant writes (`partition/fileId`), or all of the table when that is not known. */
export type Claims = 'all' | readonly string[]

/** One instant of the active timeline, in its furthest state. */
export interface Instant {
  readonly time: string
  readonly action: Action
  readonly state: State
  /** Rollback and restore: the time they take the table back from; null when it isn't known. */
  readonly target: string | null
  /** Meaningful while pending. */
  readonly claims: Claims
  /** Layout 2, completed: when; null otherwise. */
  readonly completion: string | null
  /** A pending plan that its planner lets anybody take back. */
  readonly retractable: boolean
}

/** The active timeline: instants by time, then action (a savepoint shares the time of its commit). */
export interface Timeline {
  readonly layout: Layout
  readonly instants: readonly Instant[]
}

/** What file names do not tell: read from plans by the caller. */
export interface Facts {
  readonly target?: string | null
  readonly claims?: Claims
  /** Layout 1: whether a pending replacecommit is a clustering. */
  readonly clustering?: boolean
  readonly retractable?: boolean
}

export interface StepEvent extends Facts {
  readonly event: Event
  readonly action: Action
  readonly time: string
  /** Layout 2, complete: the time at which it completes, later than every time on the timeline. */
  readonly completion?: string
}

/** A change of the timeline's directory. `create` never overwrites; one with `commits` is the point from which readers see the effect. */
export type FileWrite =
  | { readonly do: 'create'; readonly name: string; readonly body: Body; readonly commits: boolean }
  | { readonly do: 'delete'; readonly name: string }

export type Step = { readonly timeline: Timeline; readonly writes: readonly FileWrite[] } | { readonly refusal: string }

export const EMPTY: Timeline = { layout: 1, instants: [] }

const RANK: Record<State, number> = { requested: 0, inflight: 1, completed: 2 }
/** The planned action of a completed one, whose pending files tell it from another instant. */
const PLANNED_AS = new Map<Action, Action>([
  ['commit', 'compaction'],
  ['deltacommit', 'logcompaction'],
  ['replacecommit', 'clustering'],
])

/** Folds the files found in the timeline's directory into instants. `facts` are keyed by `time.action` as the pending files name it. */
export function foldTimeline(files: Iterable<InstantFile>, facts: ReadonlyMap<string, Facts> = new Map(), layout: Layout = 1): Timeline {
  const furthest = new Map<string, InstantFile>()
  const list = [...files]
  const pending = new Set(list.filter((f) => f.state !== 'completed').map((f) => `${f.time}.${f.action}`))
  for (const found of list) {
    let f = found
    const planned = PLANNED_AS.get(f.action)
    if (f.state === 'completed' && planned !== undefined && pending.has(`${f.time}.${planned}`)) f = { ...f, action: planned }
    const key = `${f.time}.${f.action}`
    const known = furthest.get(key)
    if (known === undefined || RANK[f.state] > RANK[known.state]) furthest.set(key, f)
  }
  const instants = [...furthest.entries()].map(([key, f]) => {
    const known = facts.get(key) ?? {}
    const clustering = f.action === 'replacecommit' && f.state !== 'completed' && known.clustering === true
    return newInstant({ ...f, action: clustering ? 'clustering' : f.action }, known)
  })
  return { layout, instants: instants.sort(order) }
}

/** Two completed files that claim one instant (two completion times, or two writes of one time): the first pair found; null: none. */
export function ambiguous(files: Iterable<InstantFile>): readonly [InstantFile, InstantFile] | null {
  const seen = new Map<string, InstantFile>()
  for (const f of files) {
    if (f.state !== 'completed') continue
    const key = f.action === 'savepoint' ? `${f.time}.savepoint` : f.time
    const other = seen.get(key)
    if (other !== undefined) return [other, f]
    seen.set(key, f)
  }
  return null
}

/** The latest time that the timeline knows: of an instant or of a completion; null when it is empty. New times are later. */
export function latestTime(t: Timeline): string | null {
  let last = t.instants.at(-1)?.time ?? null
  for (const { completion } of t.instants) if (completion !== null && last !== null && completion > last) last = completion
  return last
}

/** When an instant took effect: its completion time, or, where the layout has none, its own. */
export function effectiveTime(i: Instant): string {
  return i.completion ?? i.time
}

/**
 * One event: the next timeline, and the writes that bring the directory there, to be performed in order; or why not.
 * Pure: nothing happened until the caller has performed the writes. A crash between two writes leaves a state of the table again.
 */
export function step(t: Timeline, e: StepEvent): Step {
  const at = t.instants.findIndex((i) => i.time === e.time && i.action === e.action)
  const from = at < 0 ? null : t.instants[at]
  const outcome = TRANSITIONS[e.action][from?.state ?? 'absent'][e.event]
  if ('refuse' in outcome) return { refusal: `${e.event} ${e.time} ${e.action}: ${outcome.refuse}` }
  for (const g of outcome.guards ?? []) {
    const refusal = GUARDS[g](t, e, from)
    if (refusal !== null) return { refusal: `${e.event} ${e.time} ${e.action}: ${refusal}` }
  }
  const others = t.instants.filter((_, i) => i !== at)
  // Invariant I5 holds for file groups that are named after the request, too.
  const named = from !== null && outcome.to !== 'absent' && outcome.to !== 'completed' && CLAIMING.has(e.action) ? e.claims : undefined
  const rival = named === undefined ? null : rivalOf({ layout: t.layout, instants: others }, e.action, named)
  if (rival !== null) return { refusal: `${e.event} ${e.time} ${e.action}: ${rival}` }
  const { layout } = t
  if (outcome.to === 'absent') return { timeline: { layout, instants: others }, writes: deletions(from!, layout, null) }
  const wrong = outcome.to === 'completed' ? completionFault(t, e) : null
  if (wrong !== null) return { refusal: `${e.event} ${e.time} ${e.action}: ${wrong}` }
  const facts: Facts = {
    target: e.target ?? from?.target ?? null,
    claims: e.claims ?? from?.claims ?? 'all',
    retractable: e.retractable ?? from?.retractable ?? false,
  }
  const completion = outcome.to === 'completed' ? (e.completion ?? null) : null
  const next = newInstant({ time: e.time, action: e.action, state: outcome.to, completion }, facts)
  const timeline = { layout, instants: [...others, next].sort(order) }
  if (e.event === 'undo') return { timeline, writes: deletions(from!, layout, outcome.to) }
  const name = printName(next, layout)
  return { timeline, writes: [{ do: 'create', name, body: outcome.body ?? 'empty', commits: outcome.to === 'completed' }] }
}

/** Files to take away, newest state first, so that a crash in between leaves the instant in an earlier state, never in a later one. */
function deletions(from: Instant, layout: Layout, keep: State | null): FileWrite[] {
  const { time, action, completion } = from
  const states: readonly State[] = ['completed', 'inflight', 'requested']
  return states
    .filter((s) => RANK[s] <= RANK[from.state] && (keep === null || RANK[s] > RANK[keep]))
    .filter((s) => !(action === 'savepoint' && s === 'requested'))
    .map((state) => ({ do: 'delete', name: printName({ time, action, state, completion }, layout) }))
}

/** Invariant I1 for completion times: unique, later than every time there is. Layout 1 has none. */
function completionFault(t: Timeline, e: StepEvent): string | null {
  if (t.layout === 1) return e.completion === undefined ? null : 'this layout has no completion times'
  if (e.completion === undefined) return 'a completion time is needed'
  const last = latestTime(t)
  return last !== null && e.completion <= last ? `the completion time ${e.completion} is not later than ${last}` : null
}

const GUARDS: Record<Guard, (t: Timeline, e: StepEvent, from: Instant | null) => string | null> = {
  // Invariant I1: instants are unique and strictly increasing.
  newest: (t, e) => {
    const last = latestTime(t)
    return last === null || e.time > last ? null : `the newest time is ${last}`
  },
  // Invariant I5: at most one pending instant writes a given file group.
  free: (t, e) => rivalOf(t, e.action, e.claims ?? 'all'),
  // Invariant I2: an instant leaves the timeline only by a rollback that is itself on it.
  rollback: (t, e) => {
    const by = t.instants.some(
      (i) => i.state === 'inflight' && ((i.action === 'rollback' && i.target === e.time) || (i.action === 'restore' && i.time > e.time)),
    )
    return by ? null : 'no rollback of it is inflight'
  },
  // Invariant I8: a completed rollback leaves nothing of its target.
  done: (t, _e, from) => {
    const left = t.instants.find((i) => i.time === from?.target && i.action !== 'savepoint')
    return left === undefined ? null : `its target ${left.time} ${left.action} is still on the timeline`
  },
  savepointed: (t, e) =>
    t.instants.some((i) => i.time === e.time && i.state === 'completed' && CLAIMING.has(i.action))
      ? null
      : 'no completed write has this time',
}

const CLAIMING: ReadonlySet<Action> = new Set(['commit', 'deltacommit', 'replacecommit', 'compaction', 'logcompaction', 'clustering'])

/** Why these file groups are not free for the action; null when they are. */
function rivalOf(t: Timeline, action: Action, claims: Claims): string | null {
  const rival = t.instants.find(
    (i) => i.state !== 'completed' && CLAIMING.has(i.action) && !besides(t.layout, i.action, action) && overlap(i.claims, claims),
  )
  return rival === undefined ? null : `${rival.time} ${rival.action} is ${rival.state} on the same file groups`
}

/**
 * Whether a write may begin on file groups of a pending one. Log files may be added to a slice that is being compacted: they belong to the
 * slice after it (slices.ts). The reverse only in layout 2: in layout 1 the logs of a write that began before are named after the old base.
 */
function besides(layout: Layout, pending: Action, action: Action): boolean {
  if (action === 'deltacommit') return COMPACTING.has(pending)
  return layout === 2 && pending === 'deltacommit' && COMPACTING.has(action)
}

const COMPACTING: ReadonlySet<Action> = new Set(['compaction', 'logcompaction'])

/** No claims at all: the writer finds out at its end whether it was in another's way (optimistic concurrency). */
function overlap(a: Claims, b: Claims): boolean {
  if (a.length === 0 || b.length === 0) return false
  if (a === 'all' || b === 'all') return true
  const set = new Set(a)
  return b.some((g) => set.has(g))
}

function newInstant(f: InstantFile, facts: Facts): Instant {
  const { time, action, state } = f
  const { target = null, claims = 'all', retractable = false } = facts
  return { time, action, state, target, claims, completion: f.completion ?? null, retractable }
}

function order(a: Instant, b: Instant): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1
  return ACTIONS.indexOf(completedAction(a.action)) - ACTIONS.indexOf(completedAction(b.action))
}
