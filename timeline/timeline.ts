import { ACTIONS, type Action, completedAction, type InstantFile, printName, type State } from './name.ts'
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
}

/** The active timeline: instants by time, then action (a savepoint shares the time of its commit). */
export interface Timeline {
  readonly instants: readonly Instant[]
}

/** What file names do not tell: read from plans by the caller. */
export interface Facts {
  readonly target?: string | null
  readonly claims?: Claims
}

export interface StepEvent extends Facts {
  readonly event: Event
  readonly action: Action
  readonly time: string
}

/** A change of the directory `.hoodie/`. `create` never overwrites; one with `commits` is the point from which readers see the effect. */
export type FileWrite =
  | { readonly do: 'create'; readonly name: string; readonly body: Body; readonly commits: boolean }
  | { readonly do: 'delete'; readonly name: string }

export type Step = { readonly timeline: Timeline; readonly writes: readonly FileWrite[] } | { readonly refusal: string }

export const EMPTY: Timeline = { instants: [] }

const RANK: Record<State, number> = { requested: 0, inflight: 1, completed: 2 }
/** The completed action of a planned one, by which its pending files are told from another instant's. */
const PLANNED_AS = new Map<Action, Action>([
  ['commit', 'compaction'],
  ['deltacommit', 'logcompaction'],
])

/** Folds the files found in `.hoodie/` into instants. `facts` are keyed by `time.action`. */
export function foldTimeline(files: Iterable<InstantFile>, facts: ReadonlyMap<string, Facts> = new Map()): Timeline {
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
  const instants = [...furthest.entries()].map(([key, f]) => newInstant(f.time, f.action, f.state, facts.get(key) ?? {}))
  return { instants: instants.sort(order) }
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
  const rival = named === undefined ? null : rivalOf(others, named)
  if (rival !== null) return { refusal: `${e.event} ${e.time} ${e.action}: ${rival}` }
  if (outcome.to === 'absent') return { timeline: { instants: others }, writes: deletions(e.time, e.action, from!.state, null) }
  const facts: Facts = { target: e.target ?? from?.target ?? null, claims: e.claims ?? from?.claims ?? 'all' }
  const next = newInstant(e.time, e.action, outcome.to, facts)
  const timeline = { instants: [...others, next].sort(order) }
  if (e.event === 'undo') return { timeline, writes: deletions(e.time, e.action, from!.state, outcome.to) }
  const name = printName(next)
  return { timeline, writes: [{ do: 'create', name, body: outcome.body ?? 'empty', commits: outcome.to === 'completed' }] }
}

/** Files to take away, newest state first, so that a crash in between leaves the instant in an earlier state, never in a later one. */
function deletions(time: string, action: Action, from: State, keep: State | null): FileWrite[] {
  const states: readonly State[] = ['completed', 'inflight', 'requested']
  return states
    .filter((s) => RANK[s] <= RANK[from] && (keep === null || RANK[s] > RANK[keep]))
    .filter((s) => !(action === 'savepoint' && s === 'requested'))
    .map((state) => ({ do: 'delete', name: printName({ time, action, state }) }))
}

const GUARDS: Record<Guard, (t: Timeline, e: StepEvent, from: Instant | null) => string | null> = {
  // Invariant I1: instants are unique and strictly increasing.
  newest: (t, e) => {
    const last = t.instants.at(-1)
    return last === undefined || e.time > last.time ? null : `the newest instant is ${last.time}`
  },
  // Invariant I5: at most one pending instant writes a given file group.
  free: (t, e) => rivalOf(t.instants, e.claims ?? 'all'),
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

const CLAIMING: ReadonlySet<Action> = new Set(['commit', 'deltacommit', 'replacecommit', 'compaction', 'logcompaction'])

/** Why these file groups are not free; null when they are. */
function rivalOf(instants: readonly Instant[], claims: Claims): string | null {
  const rival = instants.find((i) => i.state !== 'completed' && CLAIMING.has(i.action) && overlap(i.claims, claims))
  return rival === undefined ? null : `${rival.time} ${rival.action} is ${rival.state} on the same file groups`
}

function overlap(a: Claims, b: Claims): boolean {
  if (a === 'all' || b === 'all') return true
  const set = new Set(a)
  return b.some((g) => set.has(g))
}

function newInstant(time: string, action: Action, state: State, facts: Facts): Instant {
  return { time, action, state, target: facts.target ?? null, claims: facts.claims ?? 'all' }
}

function order(a: Instant, b: Instant): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1
  return ACTIONS.indexOf(completedAction(a.action)) - ACTIONS.indexOf(completedAction(b.action))
}
