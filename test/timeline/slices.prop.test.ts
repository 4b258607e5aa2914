import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type LogVersion, latestSlices, type TableFiles } from '../../timeline/slices.ts'
import { EMPTY, latestTime, type StepEvent, step, type Timeline } from '../../timeline/timeline.ts'
import { type FileVersion, pendingInstants, visibility } from '../../timeline/view.ts'
import { propertyRuns } from '../support/property-runs.ts'

const T = (n: number): string => `20261121000000${String(n).padStart(3, '0')}`
const GROUP = { partition: '', fileId: 'a' }

/** One file group: writes add logs, compactions make base files of what the slice held when they were planned. */
class Group {
  readonly layout: 1 | 2
  t: Timeline
  bases: FileVersion[] = []
  logs: LogVersion[] = []
  /** Base instant → the writes that are in the file. */
  readonly held = new Map<string, ReadonlySet<string>>()
  compaction: string | null = null
  #now = 0

  constructor(layout: 1 | 2) {
    this.layout = layout
    this.t = { ...EMPTY, layout }
  }

  go(e: StepEvent): boolean {
    const timed = e.event === 'complete' && this.layout === 2 ? { ...e, completion: T(++this.#now) } : e
    const next = step(this.t, timed)
    if ('refusal' in next) return false
    this.t = next.timeline
    return true
  }

  begin(action: 'deltacommit' | 'compaction', claims: string[] | 'all'): string | null {
    const time = T(++this.#now)
    return this.go({ event: 'request', action, time, claims }) && this.go({ event: 'start', action, time }) ? time : null
  }

  write(): string | null {
    const time = this.begin('deltacommit', [])
    if (time === null) return null
    if (this.bases.length === 0) {
      this.bases.push({ ...GROUP, instant: time })
      this.held.set(time, new Set([time]))
    } else {
      // The newest base file that counts, or the compaction that is to be the next one.
      const counts = visibility(this.t, null)
      const base = this.bases.filter((b) => counts(b.instant)).at(-1)?.instant ?? this.bases[0].instant
      const instant = this.layout === 2 ? time : (this.compaction ?? base)
      const version = this.layout === 2 ? 1 : 1 + this.logs.filter((l) => l.instant === instant).length
      this.logs.push({ ...GROUP, instant, version, token: time })
    }
    return time
  }

  files(): TableFiles<FileVersion, LogVersion> {
    const compactions = this.compaction === null ? [] : [{ ...GROUP, by: this.compaction }]
    return { bases: this.bases, logs: this.logs, replaced: [], compactions }
  }

  /** Writes that a reader finds: in the base file, and in the blocks of the logs that count. The token of a log is its write. */
  seen(asOf: string | null): string[] {
    const counts = visibility(this.t, asOf)
    const [slice] = latestSlices(this.t, this.files(), asOf)
    if (slice === undefined) return []
    const held = slice.base === null ? [] : [...this.held.get(slice.base.instant)!]
    return [...held, ...slice.logs.map((l) => l.token).filter(counts)]
  }
}

const STEPS = fc.array(fc.constantFrom('write', 'begin', 'complete', 'plan', 'compact'), { minLength: 5, maxLength: 40 })

/** Completes the oldest open write. */
function completeOldest(g: Group): void {
  const open = pendingInstants(g.t).find((i) => i.action === 'deltacommit')
  if (open !== undefined) g.go({ event: 'complete', action: 'deltacommit', time: open.time })
}

function plan(g: Group): void {
  if (g.compaction !== null || g.bases.length === 0) return
  const before = new Set(g.seen(null))
  const time = g.begin('compaction', ['/a'])
  if (time === null) return
  g.compaction = time
  g.held.set(time, before)
}

function compact(g: Group): void {
  if (g.compaction === null) return
  g.bases.push({ ...GROUP, instant: g.compaction })
  g.go({ event: 'complete', action: 'compaction', time: g.compaction })
  g.compaction = null
}

test.each([1, 2] as const)(
  'I4, I6: a reader finds every completed write once, and what it finds as of a time stays (layout %i)',
  (layout) => {
    fc.assert(
      fc.property(STEPS, (steps) => {
        const g = new Group(layout)
        const kept = new Map<string, string[]>()
        // The first write makes the base file; others may be open at the same time in layout 2 only.
        const first = g.write()!
        g.go({ event: 'complete', action: 'deltacommit', time: first })
        for (const s of steps) {
          if (s === 'begin' && layout === 2) g.write()
          else if (s === 'write' || s === 'begin') {
            const time = g.write()
            if (time !== null) g.go({ event: 'complete', action: 'deltacommit', time })
          } else if (s === 'complete') completeOldest(g)
          else if (s === 'plan') plan(g)
          else compact(g)
          const completed = g.t.instants.filter((i) => i.action === 'deltacommit' && i.state === 'completed').map((i) => i.time)
          expect(g.seen(null).sort()).toEqual(completed)
          // A write that began before a time and is still open may yet become part of what is seen as of it.
          const open = pendingInstants(g.t).find((i) => i.action === 'deltacommit')?.time
          for (const time of completed) if (open === undefined || time < open) kept.set(time, kept.get(time) ?? g.seen(time).sort())
          for (const [time, seen] of kept) expect(g.seen(time).sort(), `as of ${time}, at ${latestTime(g.t)}`).toEqual(seen)
        }
      }),
      { numRuns: propertyRuns(200) },
    )
  },
)
