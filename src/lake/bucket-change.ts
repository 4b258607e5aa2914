import { archivedInstants } from './archived-timeline.ts'
import type { TimelineStore } from './timeline-store.ts'

/**
 * A change of the number of buckets is a clustering (service/clustering.ts) and a change of the configuration, which no store makes in one step:
 *   1. the configuration says the new number, and `tributary.buckets.changes` gets the entry `<instant>:<old number>` (oldest first, by commas)
 *   2. the clustering completes at that instant
 * The old number counts until the instant is completed, and again when the instant is gone: taken back when it was found pending, or rolled back or restored
 * away later. So an entry stays as long as its instant is on the active timeline. Whoever writes next brings the configuration in line. An engine
 * that knows nothing of the entry meets a pending clustering between 1 and 2, whose file groups it may not write.
 */
export const BUCKET_CHANGES = 'tributary.buckets.changes'

const OURS = 'tributary.buckets'
const HUDIS = 'hoodie.bucket.index.num.buckets'

/** Number of buckets that the configuration records; null: keys of the table are not looked for by buckets, or nobody recorded how many there are. */
export function recordedBuckets(p: ReadonlyMap<string, string>): number | null {
  const ours = Number(p.get(OURS) ?? '0')
  if (ours > 0) return ours
  const theirs = p.get('hoodie.index.type') === 'BUCKET' ? Number(p.get(HUDIS) ?? '0') : 0
  return theirs > 0 ? theirs : null
}

/** Step 1. Nothing is changed when it has been made for this instant. The timeline must be fresh, older changes settled. */
export async function announceBuckets(ts: TimelineStore, time: string, buckets: number): Promise<void> {
  const old = recordedBuckets(await ts.properties())
  const changes = changesOf(ts.configuration)
  if (old === null || changes.some((c) => c.time === time)) return
  await ts.updateProperties((p) => {
    setBuckets(p, buckets)
    setChanges(p, [...changes, { time, old }])
  })
}

/**
 * Brings the configuration in line with the timeline: changes that are gone are taken back, those whose instant has been archived are settled for good.
 * The timeline must be fresh.
 */
export async function settleBucketChanges(ts: TimelineStore): Promise<void> {
  const found = changesOf(ts.configuration)
  if (found.length === 0) return
  const states = await Promise.all(found.map((c) => stateOf(ts, c.time)))
  if (states.every((s) => s === 'active' || s === 'pending')) return
  await ts.updateProperties((p) => {
    if (p.get(BUCKET_CHANGES) !== printed(found)) return
    const gone = states.indexOf('gone')
    if (gone >= 0) setBuckets(p, found[gone].old)
    setChanges(
      p,
      found.filter((_, i) => states[i] === 'active' || states[i] === 'pending'),
    )
  })
  await ts.properties()
}

/** The configuration with the number of buckets that counts now. The timeline must have been read after it. */
export async function countingConfiguration(ts: TimelineStore): Promise<ReadonlyMap<string, string>> {
  const p = ts.configuration
  for (const { time, old } of changesOf(p)) {
    const state = await stateOf(ts, time)
    if (state === 'active' || state === 'archived') continue
    const before = new Map(p)
    setBuckets(before, old)
    return before
  }
  return p
}

interface BucketChange {
  /** Instant of the clustering. */
  readonly time: string
  /** Number of buckets before it. */
  readonly old: number
}

function changesOf(p: ReadonlyMap<string, string>): readonly BucketChange[] {
  return [...(p.get(BUCKET_CHANGES) ?? '').matchAll(/(\d+):(\d+)/g)].map((m) => ({ time: m[1], old: Number(m[2]) }))
}

function printed(changes: readonly BucketChange[]): string {
  return changes.map((c) => `${c.time}:${c.old}`).join(',')
}

function setChanges(p: Map<string, string>, changes: readonly BucketChange[]): void {
  if (changes.length === 0) p.delete(BUCKET_CHANGES)
  else p.set(BUCKET_CHANGES, printed(changes))
}

function setBuckets(p: Map<string, string>, buckets: number): void {
  for (const name of [OURS, HUDIS]) if (p.has(name)) p.set(name, String(buckets))
}

/** active: completed, and on the active timeline. */
async function stateOf(ts: TimelineStore, time: string): Promise<'pending' | 'active' | 'archived' | 'gone'> {
  const found = ts.timeline.instants.find((i) => i.time === time && (i.action === 'clustering' || i.action === 'replacecommit'))
  if (found !== undefined) return found.state === 'completed' ? 'active' : 'pending'
  for await (const i of archivedInstants(ts, time)) if (i.time === time && i.action === 'replacecommit') return 'archived'
  return 'gone'
}
