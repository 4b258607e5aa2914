import type { Action, State } from './name.ts'

/**
 * What can happen to an instant.
 * request: its plan is written. start: work begins. complete: it takes effect. undo: one state back. remove: taken off the timeline.
 */
export const EVENTS = ['request', 'start', 'complete', 'undo', 'remove'] as const
export type Event = (typeof EVENTS)[number]

/** What the file of the new state holds. */
export type Body = 'empty' | 'profile' | 'plan' | 'metadata'

/**
 * guard: what `step` checks on the whole timeline before it allows the cell.
 * newest: the time is later than every other. free: no pending instant claims the same file groups (I5).
 * rollback: an inflight rollback of this instant, or an inflight restore, is on the timeline (I2). done: the rollback's target is gone.
 * savepointed: a completed write has this time.
 */
export type Guard = 'newest' | 'free' | 'rollback' | 'done' | 'savepointed'

export type Outcome =
  | { readonly to: State | 'absent'; readonly body?: Body; readonly guards?: readonly Guard[] }
  | { readonly refuse: string }

type Rows = Record<State | 'absent', Record<Event, Outcome>>

const no = (refuse: string): Outcome => ({ refuse })
const NOT_THERE = no('there is no such instant')
const TWICE = no('the instant exists already')
const NOT_REQUESTED = no('the instant has not been requested')
const NOT_STARTED = no('the instant has not been started')
const COMPLETED = no('the instant is completed')
const OPEN = no('the instant is still being worked on: roll it back')
const FIRST = no('the instant is in its first state')

const ABSENT_REQUESTED: Outcome = { to: 'requested', body: 'empty', guards: ['newest', 'free'] }
const REMOVED: Outcome = { to: 'absent', guards: ['rollback'] }

/** commit, deltacommit: nothing planned, so the requested file is empty; a half-done one is removed by a rollback. */
const WRITE: Rows = {
  absent: { request: ABSENT_REQUESTED, start: NOT_REQUESTED, complete: NOT_STARTED, undo: NOT_THERE, remove: NOT_THERE },
  requested: { request: TWICE, start: { to: 'inflight', body: 'profile' }, complete: NOT_STARTED, undo: FIRST, remove: REMOVED },
  inflight: { request: TWICE, start: TWICE, complete: { to: 'completed', body: 'metadata' }, undo: OPEN, remove: REMOVED },
  completed: { request: TWICE, start: COMPLETED, complete: COMPLETED, undo: { to: 'inflight', guards: ['rollback'] }, remove: COMPLETED },
}

/** replacecommit: as a write, but requested holds a plan. */
const REPLACE: Rows = {
  ...WRITE,
  absent: { ...WRITE.absent, request: { to: 'requested', body: 'plan', guards: ['newest', 'free'] } },
}

/** compaction, logcompaction, clustering, indexing: a plan that is executed, and executed again when the first try died. */
const PLANNED: Rows = {
  absent: { ...WRITE.absent, request: { to: 'requested', body: 'plan', guards: ['newest', 'free'] } },
  requested: { ...WRITE.requested, start: { to: 'inflight', body: 'empty' } },
  inflight: { ...WRITE.inflight, undo: { to: 'requested' } },
  completed: WRITE.completed,
}

/** clean, rollback, restore: they only take away, so a started one is carried through by whoever comes next. */
const SWEEP = (started: Body, complete: Outcome): Rows => ({
  absent: {
    request: { to: 'requested', body: 'plan', guards: ['newest'] },
    start: NOT_REQUESTED,
    complete: NOT_STARTED,
    undo: NOT_THERE,
    remove: NOT_THERE,
  },
  requested: { request: TWICE, start: { to: 'inflight', body: started }, complete: NOT_STARTED, undo: FIRST, remove: { to: 'absent' } },
  inflight: {
    request: TWICE,
    start: TWICE,
    complete,
    undo: no('files may be gone already: it can only be completed'),
    remove: no('files may be gone already: it can only be completed'),
  },
  completed: { request: TWICE, start: COMPLETED, complete: COMPLETED, undo: COMPLETED, remove: COMPLETED },
})

/** savepoint: no requested state; it lives at the time of the commit that it keeps, and is deleted when no longer wanted. */
const SAVEPOINT: Rows = {
  absent: {
    request: no('a savepoint has no requested state'),
    start: { to: 'inflight', body: 'empty', guards: ['savepointed'] },
    complete: NOT_STARTED,
    undo: NOT_THERE,
    remove: NOT_THERE,
  },
  requested: {
    request: no('a savepoint has no requested state'),
    start: no('a savepoint has no requested state'),
    complete: no('a savepoint has no requested state'),
    undo: no('a savepoint has no requested state'),
    remove: no('a savepoint has no requested state'),
  },
  inflight: { request: TWICE, start: TWICE, complete: { to: 'completed', body: 'metadata' }, undo: FIRST, remove: { to: 'absent' } },
  completed: { request: TWICE, start: COMPLETED, complete: COMPLETED, undo: COMPLETED, remove: { to: 'absent' } },
}

/** The complete table: a missing cell does not compile. SPEC.md prints it. */
export const TRANSITIONS: Record<Action, Rows> = {
  commit: WRITE,
  deltacommit: WRITE,
  replacecommit: REPLACE,
  compaction: PLANNED,
  logcompaction: PLANNED,
  clustering: PLANNED,
  indexing: PLANNED,
  clean: SWEEP('plan', { to: 'completed', body: 'metadata' }),
  rollback: SWEEP('empty', { to: 'completed', body: 'metadata', guards: ['done'] }),
  restore: SWEEP('empty', { to: 'completed', body: 'metadata' }),
  savepoint: SAVEPOINT,
}
