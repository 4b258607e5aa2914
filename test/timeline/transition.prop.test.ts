import fc from 'fast-check'
import { expect, test } from 'vitest'
import { nextInstant } from '../../timeline/instant.ts'
import { ACTIONS, type InstantFile, type Layout, parseName } from '../../timeline/name.ts'
import { recoveryPlan } from '../../timeline/rollback-plan.ts'
import {
  EMPTY,
  type Facts,
  type FileWrite,
  foldTimeline,
  latestTime,
  type StepEvent,
  step,
  type Timeline,
} from '../../timeline/timeline.ts'
import { EVENTS, TRANSITIONS } from '../../timeline/transition.ts'
import { completedWrites, pendingInstants } from '../../timeline/view.ts'
import { propertyRuns } from '../support/property-runs.ts'

/** A directory of names: what a crash leaves. */
class Directory {
  readonly names = new Set<string>()
  readonly layout: Layout

  constructor(layout: Layout = 1) {
    this.layout = layout
  }

  perform(write: FileWrite): void {
    if (write.do === 'delete') this.names.delete(write.name)
    else {
      expect(this.names.has(write.name), `${write.name} is created once`).toBe(false)
      this.names.add(write.name)
    }
  }

  fold(facts: ReadonlyMap<string, Facts>): Timeline {
    const files: InstantFile[] = []
    for (const name of this.names) {
      const parsed = parseName(name, this.layout)
      if (parsed.kind !== 'instant') throw new Error(name)
      files.push(parsed.file)
    }
    return foldTimeline(files, facts, this.layout)
  }
}

interface Choice {
  readonly event: (typeof EVENTS)[number]
  readonly action: (typeof ACTIONS)[number]
  /** Which instant: index from the newest; beyond the oldest: a new one. */
  readonly pick: number
  readonly groups: readonly string[] | 'all'
}

const CHOICES = fc.array(
  fc.record({
    event: fc.constantFrom(...EVENTS),
    action: fc.constantFrom(...ACTIONS),
    pick: fc.nat({ max: 6 }),
    groups: fc.oneof(fc.constant('all' as const), fc.subarray(['a', 'b', 'c'], { minLength: 1 })),
  }),
  { minLength: 1, maxLength: 60 },
)

function eventOf(t: Timeline, c: Choice, now: number): StepEvent {
  const old = t.instants.at(-1 - c.pick)
  const fresh = nextInstant(now, latestTime(t))
  const starts = c.event === 'request' || (c.action === 'savepoint' && c.event === 'start')
  const time = starts && c.action !== 'savepoint' ? (c.pick < 5 ? fresh : (old?.time ?? fresh)) : (old?.time ?? fresh)
  const target = c.action === 'rollback' && c.event === 'request' ? (old?.time ?? null) : undefined
  const completion = c.event === 'complete' && t.layout === 2 ? nextInstant(now + c.pick, c.pick === 6 ? null : latestTime(t)) : undefined
  return { event: c.event, action: c.action, time, target, claims: c.groups, ...(completion === undefined ? {} : { completion }) }
}

function factsOf(t: Timeline): Map<string, Facts> {
  return new Map(t.instants.map((i) => [`${i.time}.${i.action}`, { target: i.target, claims: i.claims, retractable: i.retractable }]))
}

/** Times of instants that a completed or pending one keeps: savepoints share them. */
const withoutSavepoints = (t: Timeline): string[] => t.instants.filter((i) => i.action !== 'savepoint').map((i) => i.time)

test.each([1, 2] as const)(
  'I1, I2, I5: whatever is asked for, times increase, states go forward, no two pending instants write one file group (layout %i)',
  (layout) => {
    fc.assert(
      fc.property(CHOICES, (choices) => {
        let t: Timeline = { layout, instants: [] }
        const directory = new Directory(layout)
        const removed = new Set<string>()
        for (const [i, c] of choices.entries()) {
          // In layout 1 only the plan tells a clustering from another replacecommit, and no plan is read here.
          if (layout === 1 && c.action === 'clustering') continue
          const e = eventOf(t, c, i * 3)
          const next = step(t, e)
          if ('refusal' in next) continue
          const before = t.instants.find((x) => x.time === e.time && x.action === e.action)
          const after = next.timeline.instants.find((x) => x.time === e.time && x.action === e.action)
          for (const w of next.writes) directory.perform(w)
          const times = withoutSavepoints(next.timeline)
          expect(new Set(times).size).toBe(times.length)
          if (before === undefined && e.action !== 'savepoint') expect(t.instants.every((x) => x.time < e.time)).toBe(true)
          expect(removed.has(e.time) && before === undefined && e.action !== 'savepoint', 'a time is never used again').toBe(false)
          if (after === undefined) {
            if (e.action !== 'savepoint') removed.add(e.time)
            const write = completedOrPendingWrite(e.action)
            const by = t.instants.some((x) => x.state === 'inflight' && (x.target === e.time || x.action === 'restore'))
            if (write) expect(by, 'a write goes only by a rollback on the timeline').toBe(true)
          }
          const pending = pendingInstants(next.timeline).filter((x) => completedOrPendingWrite(x.action))
          for (const a of pending)
            for (const b of pending) if (a !== b && !logsBeside(a, b)) expect(disjoint(a.claims, b.claims)).toBe(true)
          const ends = next.timeline.instants.flatMap((x) => x.completion ?? [])
          expect(new Set([...ends, ...times]).size, 'completion times are unique').toBe(ends.length + times.length)
          if (e.event === 'complete' && layout === 2) expect(e.completion! > (latestTime(t) ?? '')).toBe(true)
          // The directory says the same as the timeline, so a crash here loses nothing.
          expect(directory.fold(factsOf(next.timeline))).toEqual(next.timeline)
          t = next.timeline
        }
      }),
      { numRuns: propertyRuns(300) },
    )
  },
)

function completedOrPendingWrite(action: string): boolean {
  return ['commit', 'deltacommit', 'replacecommit', 'compaction', 'logcompaction', 'clustering'].includes(action)
}

/** A log may be added to a slice that is being compacted. */
function logsBeside(a: { readonly action: string }, b: typeof a): boolean {
  const pair = [a.action, b.action]
  return pair.includes('deltacommit') && (pair.includes('compaction') || pair.includes('logcompaction'))
}

function disjoint(a: Timeline['instants'][number]['claims'], b: typeof a): boolean {
  return a.length === 0 || b.length === 0 || (a !== 'all' && b !== 'all' && !a.some((g) => b.includes(g)))
}

test('I5: file groups named at a later event must be free as well', () => {
  const at = (n: number): string => nextInstant(n, null)
  const events: StepEvent[] = [
    { event: 'request', action: 'commit', time: at(1), claims: ['c'] },
    { event: 'request', action: 'logcompaction', time: at(2), claims: ['b'] },
  ]
  const t = events.reduce<Timeline>((now, e) => {
    const next = step(now, e)
    if ('refusal' in next) throw new Error(next.refusal)
    return next.timeline
  }, EMPTY)
  expect(step(t, { event: 'start', action: 'logcompaction', time: at(2), claims: 'all' })).toEqual({
    refusal: expect.stringContaining(`${at(1)} commit is requested on the same file groups`),
  })
  expect(step(t, { event: 'start', action: 'logcompaction', time: at(2), claims: ['a', 'b'] })).toHaveProperty('writes')
})

/** A writer that dies after any number of file writes; the next one recovers. Facts live as long as the plan file does. */
function runUntilCrash(writesBeforeCrash: number): { directory: Directory; facts: Map<string, Facts> } {
  const directory = new Directory()
  const facts = new Map<string, Facts>()
  let left = writesBeforeCrash
  let t = EMPTY
  const go = (e: StepEvent): boolean => {
    const next = step(t, e)
    if ('refusal' in next) throw new Error(next.refusal)
    for (const w of next.writes) {
      if (left-- === 0) return false
      directory.perform(w)
    }
    t = next.timeline
    facts.set(`${e.time}.${e.action}`, { ...facts.get(`${e.time}.${e.action}`), ...(e.target === undefined ? {} : { target: e.target }) })
    return true
  }
  const c = (n: number): string => nextInstant(n, null)
  const script: StepEvent[] = [
    { event: 'request', action: 'commit', time: c(1) },
    { event: 'start', action: 'commit', time: c(1) },
    { event: 'complete', action: 'commit', time: c(1) },
    { event: 'request', action: 'commit', time: c(2) },
    { event: 'start', action: 'commit', time: c(2) },
    { event: 'request', action: 'rollback', time: c(3), target: c(2) },
    { event: 'start', action: 'rollback', time: c(3) },
    { event: 'remove', action: 'commit', time: c(2) },
    { event: 'complete', action: 'rollback', time: c(3) },
    { event: 'request', action: 'commit', time: c(4) },
    { event: 'start', action: 'commit', time: c(4) },
    { event: 'complete', action: 'commit', time: c(4) },
  ]
  for (const e of script) if (!go(e)) break
  return { directory, facts }
}

function recover(directory: Directory, facts: Map<string, Facts>): Timeline {
  let t = directory.fold(facts)
  const go = (e: StepEvent): void => {
    const next = step(t, e)
    if ('refusal' in next) throw new Error(next.refusal)
    for (const w of next.writes) directory.perform(w)
    t = next.timeline
  }
  for (const s of recoveryPlan(t)) {
    const { time, action, state } = s.instant
    let by = time
    let target: string | null = s.instant.target
    if (s.do === 'roll-back') {
      by = nextInstant(0, t.instants.at(-1)!.time)
      target = time
      go({ event: 'request', action: 'rollback', time: by, target })
    } else if (s.do !== 'finish') throw new Error(`${s.do} ${time} ${action}`)
    if (s.do === 'roll-back' || state === 'requested') go({ event: 'start', action: 'rollback', time: by })
    const left = t.instants.find((i) => i.time === target && i.action === 'commit')
    if (left !== undefined) go({ event: 'remove', action: 'commit', time: left.time })
    go({ event: 'complete', action: 'rollback', time: by })
  }
  return t
}

test('I8: a writer that dies after any of its file writes leaves what the next one can take away, and completed instants stay', () => {
  for (let writes = 0; writes <= 15; writes++) {
    const { directory, facts } = runUntilCrash(writes)
    const before = completedWrites(directory.fold(facts), null).map((i) => i.time)
    const t = recover(directory, facts)
    expect(pendingInstants(t)).toEqual([])
    expect(completedWrites(t, null).map((i) => i.time)).toEqual(before)
    expect(directory.fold(factsOf(t))).toEqual(t)
  }
})

test('the table says something for every action, state and event', () => {
  for (const action of ACTIONS) {
    for (const state of ['absent', 'requested', 'inflight', 'completed'] as const) {
      for (const event of EVENTS) {
        const outcome = TRANSITIONS[action][state][event]
        expect('refuse' in outcome ? outcome.refuse : outcome.to, `${action} ${state} ${event}`).toBeTruthy()
      }
    }
  }
})
