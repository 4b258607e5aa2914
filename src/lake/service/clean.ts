import { completedAction } from '../../../timeline/name.ts'
import { type CleanPolicy, dueSlices, retainedFrom } from '../../../timeline/retention.ts'
import type { Instant } from '../../../timeline/timeline.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { isFailure } from '../../failure/failure.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import {
  CLEAN_POLICIES,
  type CleanPlan,
  parseCleanMetadata,
  parseCleanPlan,
  printCleanMetadata,
  printCleanPlan,
  wholeFrom,
} from '../metadata/clean-files.ts'
import { planOf } from '../planned-action.ts'
import { replacedGroups } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { neededBy } from './needed.ts'
import { openForService } from './open.ts'
import { perform } from './step.ts'
import { type StoredFile, storedSlices } from './stored-slices.ts'

/** What a clean takes away. */
export interface CleanWork {
  /** From here on every state stays readable; null: the policy keeps versions, or nothing is old enough. */
  readonly from: string | null
  readonly files: readonly StoredFile[]
}

export interface CleanReport {
  /** Of the clean; null: nothing was due. */
  readonly instant: string | null
  readonly from: string | null
  readonly files: number
  /** −1: not known, as the clean was carried through from its plan. */
  readonly bytes: number
}

/** Decides what is due by the policy, and changes nothing. The timeline must be fresh. Invariant I7. */
export async function planClean(ts: TimelineStore, policy: CleanPolicy): Promise<CleanWork> {
  const from = retainedFrom(ts.timeline, policy, ts.clock.now())
  if (from === null && policy.kind !== 'versions') return { from, files: [] }
  const slices = await storedSlices(ts)
  const due = dueSlices(slices, await replacedGroups(ts, null), from, policy, await neededBy(ts))
  return { from, files: due.flatMap((s) => s.stored) }
}

/**
 * Takes away the versions of files that no state within the policy is made of. Cleans that an earlier process began are carried through first.
 * Creates no instant when nothing is due. TRB-LAKE-010 while a restore has begun.
 */
export async function clean(ts: TimelineStore, policy: CleanPolicy): Promise<readonly CleanReport[]> {
  await openForService(ts)
  return cleanDue(ts, policy)
}

/** The same of a timeline that is known to be fresh. */
export async function cleanDue(ts: TimelineStore, policy: CleanPolicy): Promise<readonly CleanReport[]> {
  const done = await finishCleans(ts)
  const work = await planClean(ts, policy)
  if (work.files.length === 0) return done.length > 0 ? done : [{ instant: null, from: work.from, files: 0, bytes: 0 }]
  const time = ts.nextTime()
  const body = printCleanPlan(planFor(ts, work, policy, (await lastClean(ts))?.from ?? ''), ts.sync())
  await perform(ts, { event: 'request', action: 'clean', time }, body)
  const report = await carryOut(ts, time, body)
  return [...done, { ...report, bytes: work.files.reduce((n, f) => n + f.bytes, 0) }]
}

/** Carries through the cleans that have been begun; a plan that cannot be read, of which nothing was done yet, is taken off. The timeline must be fresh. */
export async function finishCleans(ts: TimelineStore): Promise<readonly CleanReport[]> {
  const done: CleanReport[] = []
  for (const i of ts.timeline.instants.filter((i) => i.action === 'clean' && i.state !== 'completed')) {
    const body = await readablePlan(ts, i)
    if (body === null) await ts.perform({ event: 'remove', action: 'clean', time: i.time })
    else done.push(await carryOut(ts, i.time, body))
  }
  return done
}

/** The newest completed clean of the active timeline, and from when on it left every state whole; null: none. */
export async function lastClean(ts: TimelineStore): Promise<{ readonly time: string; readonly from: string } | null> {
  const last = ts.timeline.instants.findLast((i) => i.action === 'clean' && i.state === 'completed')
  if (last === undefined) return null
  return { time: last.time, from: wholeFrom(parseCleanMetadata(await ts.store.get(ts.keyOf(last)), ts.keyOf(last))) }
}

async function readablePlan(ts: TimelineStore, i: Instant): Promise<Buffer | null> {
  const body = await planOf(ts, 'clean', i.time)
  if (i.state !== 'requested') return body
  try {
    parseCleanPlan(body, ts.keyOf(i))
    return body
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-004')) return null
    throw e
  }
}

/** requested → inflight (which repeats the plan in layout 1) → files → completed. Every part may have been done before. */
async function carryOut(ts: TimelineStore, time: string, body: Buffer): Promise<CleanReport> {
  const began = ts.clock.now()
  const plan = parseCleanPlan(body, `${time}.clean.requested`)
  const state = ts.timeline.instants.find((i) => i.action === 'clean' && i.time === time)?.state
  if (state === 'requested') await perform(ts, { event: 'start', action: 'clean', time }, ts.layout === 1 ? body : undefined)
  const names = new Map<string, string[]>()
  for (const [partition, uris] of plan.files) {
    // Plans hold full URIs; the table may have been moved since, its inside has not.
    const list = uris.map((uri) => uri.slice(uri.lastIndexOf('/') + 1))
    names.set(partition, list)
    await ts.store.delete(list.map((name) => join(join(ts.table, partition), name)))
  }
  const earliest = plan.earliest?.time ?? ''
  const partitions = await dropPartitions(ts, plan.partitions ?? [])
  for (const partition of partitions) if (!names.has(partition)) names.set(partition, [])
  const done = { time, elapsedMs: ts.clock.now() - began, earliest, newest: plan.newest, policy: plan.policy, files: names, partitions }
  await perform(ts, { event: 'complete', action: 'clean', time }, printCleanMetadata(done, ts.sync()))
  const files = [...names.values()].reduce((n, list) => n + list.length, 0)
  return { instant: time, from: plan.earliest?.time ?? null, files, bytes: -1 }
}

/**
 * Takes partitions away that a plan of another engine gives up as a whole, once their files are gone: what is left of them, their metadata first of all.
 * One in which a base file or log is left is no longer empty: somebody has written to it since the plan was made. Returns those that are gone.
 */
async function dropPartitions(ts: TimelineStore, partitions: readonly string[]): Promise<ReadonlySet<string>> {
  const gone = new Set<string>()
  for (const partition of partitions) {
    if (partition === '') continue
    const left: string[] = []
    for await (const o of ts.store.list(`${join(ts.table, partition)}/`)) left.push(o.key)
    const isData = (key: string): boolean => {
      const name = key.slice(key.lastIndexOf('/') + 1)
      return parseBaseFileName(name) !== null || parseLogFileName(name) !== null
    }
    if (left.some(isData)) continue
    await ts.store.delete(left)
    gone.add(partition)
  }
  return gone
}

function planFor(ts: TimelineStore, work: CleanWork, policy: CleanPolicy, before: string): CleanPlan {
  const files = new Map<string, string[]>()
  for (const f of work.files) {
    const list = files.get(f.partition)
    const uri = `${fileUri(ts.store.root)}/${f.key}`
    if (list === undefined) files.set(f.partition, [uri])
    else list.push(uri)
  }
  const newest = completedWrites(ts.timeline, null).at(-1)?.time ?? ''
  // What an earlier clean has taken away does not come back by a policy that keeps more.
  const from = work.from !== null && before > work.from ? before : work.from
  return { earliest: earliestOf(ts, from), newest, policy: CLEAN_POLICIES[policy.kind], files }
}

/**
 * Hudi names the first write that is not earlier; the moment itself stands for one that is still to come. Readers go one write further back, to the
 * state that it began from: an earlier write than these would promise a state that is not whole.
 */
function earliestOf(ts: TimelineStore, from: string | null): CleanPlan['earliest'] {
  if (from === null) return null
  const write = completedWrites(ts.timeline, null).find((i) => i.time >= from)
  return write === undefined ? { time: from, action: 'commit' } : { time: write.time, action: completedAction(write.action) }
}

/** A root as Hadoop prints it. */
function fileUri(root: string): string {
  return root.startsWith('/') ? `file:${root}` : root
}
