import { nextInstant } from '../../timeline/instant.ts'
import type { Action } from '../../timeline/name.ts'
import { type RecoveryStep, recoveryPlan } from '../../timeline/rollback-plan.ts'
import { Failure } from '../failure/failure.ts'
import { parseBaseFileName, parseLogFileName } from './layout/file-name.ts'
import { parsePartitionMetadata } from './layout/partition-metadata.ts'
import { join, PARTITION_METADATA } from './layout/paths.ts'
import {
  parseRollbackPlan,
  printRollbackMetadata,
  printRollbackPlan,
  type RollbackPlan,
  type RollbackRequest,
} from './metadata/rollback-files.ts'
import type { TimelineStore } from './timeline-store.ts'

/** An instant that is gone, and the rollback that took it away. */
export interface RolledBack {
  readonly time: string
  readonly action: Action
  readonly by: string
  readonly files: number
}

/** A heartbeat younger than this belongs to a writer that is alive (Hudi: twice the interval of 60 s). */
const HEARTBEAT_MS = 120_000

/**
 * Takes away whatever dead writers left, before a new instant is taken: on version 6 leftovers become visible once the timeline moves past them.
 * Fails with TRB-LAKE-010 when an instant must first be finished by its owner, TRB-LAKE-012 when a writer is alive. The timeline must be fresh.
 */
export async function recover(ts: TimelineStore): Promise<readonly RolledBack[]> {
  const plan = recoveryPlan(ts.timeline, ts.clustering)
  const done: RolledBack[] = []
  for (const s of plan) await refuseOrPass(ts, s)
  for (const s of plan) {
    if (s.do === 'finish') done.push(await finish(ts, s.instant.time, s.instant.state === 'requested'))
    else if (s.do === 'discard') await ts.perform({ event: 'remove', action: 'rollback', time: s.instant.time })
    else if (s.do === 'roll-back') done.push(await rollBack(ts, s.instant.time, s.instant.action))
  }
  return done
}

/** Takes a pending instant and all its files away. Invariant I8: the table is as if it had never begun. */
export async function rollBack(ts: TimelineStore, time: string, action: Action): Promise<RolledBack> {
  const by = nextInstant(ts.clock.now(), ts.timeline.instants.at(-1)?.time ?? null)
  const plan: RollbackPlan = { target: { time, action }, requests: await leftovers(ts, time) }
  await create(ts, { event: 'request', action: 'rollback', time: by, target: time }, printRollbackPlan(plan, sync(ts)))
  return finish(ts, by, true)
}

async function refuseOrPass(ts: TimelineStore, s: RecoveryStep): Promise<void> {
  const { time, action } = s.instant
  if (s.do === 'refuse') throw new Failure('TRB-LAKE-010', { table: ts.table, action, instant: time, why: s.why })
  if (s.do !== 'roll-back') return
  if (action === 'deltacommit') throw new Failure('TRB-LAKE-008', { file: `${time}.deltacommit of ${ts.table}` })
  const age = await ts.heartbeatAge(time)
  if (age !== null && age < HEARTBEAT_MS) {
    throw new Failure('TRB-LAKE-012', { table: ts.table, instant: time, age: Math.round(age / 1000) })
  }
}

/** Carries a rollback through from its plan. Every part may have been done before: files that are gone are no error. */
async function finish(ts: TimelineStore, by: string, start: boolean): Promise<RolledBack> {
  const name = `${by}.rollback.requested`
  const plan = parseRollbackPlan(await ts.read(name), name)
  const began = ts.clock.now()
  const { time, action } = plan.target
  if (start) await create(ts, { event: 'start', action: 'rollback', time: by })
  const deleted = new Map<string, string[]>()
  for (const r of plan.requests) {
    // Plans hold absolute paths; the table may have been moved since, its inside has not.
    await ts.store.delete(r.filesToBeDeleted.map((path) => join(join(ts.table, r.partitionPath), path.slice(path.lastIndexOf('/') + 1))))
    deleted.set(r.partitionPath, [...(deleted.get(r.partitionPath) ?? []), ...r.filesToBeDeleted])
  }
  await ts.clearMarkers(time)
  const target = ts.timeline.instants.find((i) => i.time === time && i.action === action)
  if (target !== undefined) await ts.perform({ event: 'remove', action: target.action, time })
  const metadata = printRollbackMetadata({ time: by, elapsedMs: ts.clock.now() - began, target: plan.target, deleted }, sync(ts))
  await create(ts, { event: 'complete', action: 'rollback', time: by }, metadata)
  return { time, action: target?.action ?? (action as Action), by, files: [...deleted.values()].reduce((n, f) => n + f.length, 0) }
}

async function create(ts: TimelineStore, event: Parameters<TimelineStore['perform']>[0], body?: Uint8Array): Promise<void> {
  if ((await ts.perform(event, body)) === 'exists') {
    throw new Failure('TRB-LAKE-011', { table: ts.table, refusal: `${event.event} ${event.time} ${event.action}: somebody else did it` })
  }
}

/**
 * Everything that an instant left outside `.hoodie/`: data files that carry its time, files that its markers announce, and the partition
 * metadata of partitions that it created and nobody else has files in. Found by listing, so nothing depends on markers being there.
 */
async function leftovers(ts: TimelineStore, time: string): Promise<RollbackRequest[]> {
  const inside = ts.table === '' ? '' : `${ts.table}/`
  const mine = new Map<string, string>()
  const partitions = new Map<string, { others: boolean; metadata: boolean }>()
  for await (const o of ts.store.list(inside)) {
    const path = o.key.slice(inside.length)
    if (path.startsWith('.hoodie/')) continue
    const [partition, name] = splitPath(path)
    const seen = partitions.get(partition) ?? { others: false, metadata: false }
    partitions.set(partition, seen)
    const log = parseLogFileName(name)
    const written = parseBaseFileName(name) ?? (log === null ? null : { fileId: log.fileId, instant: log.baseInstant })
    if (written?.instant === time) mine.set(path, written.fileId)
    else if (written !== null) seen.others = true
    else if (name === PARTITION_METADATA) seen.metadata = parsePartitionMetadata(await ts.store.get(o.key), o.key).commitTime === time
  }
  for (const m of await ts.markers(time)) {
    if (m.path !== null && !mine.has(m.path)) mine.set(m.path, parseBaseFileName(splitPath(m.path)[1])?.fileId ?? '')
  }
  const requests = [...mine].map(([path, fileId]) => request(ts, path, fileId))
  for (const [partition, seen] of partitions) {
    if (seen.metadata && !seen.others) requests.push(request(ts, join(partition, PARTITION_METADATA), ''))
  }
  return requests
}

function request(ts: TimelineStore, path: string, fileId: string): RollbackRequest {
  const absolute = `${ts.store.root}/${join(ts.table, path)}`
  return { partitionPath: splitPath(path)[0], fileId, filesToBeDeleted: [absolute] }
}

function splitPath(path: string): [directory: string, name: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)]
}

function sync(ts: TimelineStore): Buffer {
  return Buffer.from(ts.clock.uuid().replaceAll('-', ''), 'hex')
}
