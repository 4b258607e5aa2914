import { instantToMs } from '../../timeline/instant.ts'
import type { Action } from '../../timeline/name.ts'
import { LogReader } from '../format/hudi-log/reader.ts'
import { printRollback } from '../format/hudi-log/writer.ts'
import { parseBaseFileName, parseLogFileName, printLogFileName } from './layout/file-name.ts'
import { parsePartitionMetadata } from './layout/partition-metadata.ts'
import { join, PARTITION_METADATA } from './layout/paths.ts'
import type { RollbackPlan, RollbackRequest } from './metadata/rollback-files.ts'
import type { TimelineStore } from './timeline-store.ts'

/** Write token of the log files that Hudi writes a rollback into. */
const ROLLBACK_TOKEN = '1-0-1'
/** Clocks of writer and store differ by less. */
const SKEW_MS = 86_400_000

/** What a rollback has done in one partition. Paths are absolute. */
export interface Undone {
  readonly deleted: readonly string[]
  /** Log files with a rollback block → bytes. */
  readonly appended: ReadonlyMap<string, number>
  /** Names of the log files whose blocks no longer count. */
  readonly undone: readonly string[]
}

/**
 * What must be done to the files of an instant so that nothing is left of it: base files, logs of layout 2, change-data-capture logs and the metadata of
 * partitions that nobody else has files in are deleted; logs of layout 1 stay (readers may have them open) and get a rollback block after them, as
 * Hudi does (spec hudi §4.6). Found by listing, by markers, and by what the blocks of logs say: nothing depends on markers being there.
 */
export async function planRollback(ts: TimelineStore, time: string, action: Action): Promise<RollbackPlan> {
  const found = await listed(ts, time, action)
  for (const m of await ts.markers(time)) if (m.path !== null) found.add(m.path)
  for (const path of await committed(ts, time)) found.add(path)
  const requests: RollbackRequest[] = []
  for (const path of found.deletes) requests.push(deletion(ts, path))
  for (const path of found.logs) {
    const [partitionPath, name] = splitPath(path)
    const log = parseLogFileName(name)!
    if (found.deletes.has(path)) continue
    const logBlocksToBeDeleted = new Map([[name, 1]])
    requests.push({ partitionPath, fileId: log.fileId, latestBaseInstant: log.baseInstant, filesToBeDeleted: [], logBlocksToBeDeleted })
  }
  for (const partition of found.ownPartitions()) requests.push(deletion(ts, join(partition, PARTITION_METADATA)))
  // In layout 1 a clustering is a replacecommit to everybody.
  return { target: { time, action: ts.layout === 1 && action === 'clustering' ? 'replacecommit' : action }, requests }
}

/**
 * Performs a plan, and takes the instant's markers away; the timeline is left as it is. May be repeated: files that are gone are no error, and a
 * rollback block that is there is not written twice. `by`: the instant that the blocks carry (a rollback's, or a restore's).
 */
export async function carryOut(ts: TimelineStore, plan: RollbackPlan, by: string): Promise<ReadonlyMap<string, Undone>> {
  const out = new Map<string, { deleted: string[]; appended: Map<string, number>; undone: string[] }>()
  for (const r of plan.requests) {
    const at = out.get(r.partitionPath) ?? { deleted: [] as string[], appended: new Map<string, number>(), undone: [] as string[] }
    out.set(r.partitionPath, at)
    // Plans hold absolute paths; the table may have been moved since, its inside has not.
    const directory = join(ts.table, r.partitionPath)
    await ts.store.delete(r.filesToBeDeleted.map((path) => join(directory, nameOf(path))))
    at.deleted.push(...r.filesToBeDeleted)
    const logs = [...r.logBlocksToBeDeleted.keys()].map(nameOf)
    for (const slice of slicesOf(logs)) {
      const log = await appendRollback(ts, directory, slice, plan.target.time, by)
      at.appended.set(`${ts.store.root}/${log.key}`, log.bytes)
    }
    at.undone.push(...logs)
  }
  await ts.clearMarkers(plan.target.time)
  return out
}

interface SliceName {
  readonly fileId: string
  readonly baseInstant: string
}

/** The slices that these log files belong to, each once. */
function slicesOf(logs: readonly string[]): SliceName[] {
  const slices = new Map<string, SliceName>()
  for (const name of logs) {
    const log = parseLogFileName(name)
    if (log !== null) slices.set(`${log.fileId}_${log.baseInstant}`, { fileId: log.fileId, baseInstant: log.baseInstant })
  }
  return [...slices.values()]
}

/** Writes a log file with one rollback block after all others of a slice, unless it is there. */
async function appendRollback(
  ts: TimelineStore,
  directory: string,
  { fileId, baseInstant }: SliceName,
  target: string,
  by: string,
): Promise<{ key: string; bytes: number }> {
  const body = printRollback(by, target)
  let newest = 0
  const prefix = join(directory, `.${fileId}_${baseInstant}.log.`)
  for await (const o of ts.store.list(prefix)) {
    const log = parseLogFileName(nameOf(o.key))
    if (log === null || log.cdc) continue
    newest = Math.max(newest, log.version)
    if (log.token === ROLLBACK_TOKEN && o.size === body.length && (await ts.store.get(o.key)).equals(body)) {
      return { key: o.key, bytes: o.size }
    }
  }
  const name = printLogFileName({ fileId, baseInstant, version: newest + 1, token: ROLLBACK_TOKEN })
  const key = join(directory, name)
  await ts.store.put(key, body)
  return { key, bytes: body.length }
}

/** Paths (relative to the table) that an instant wrote. */
class Found {
  readonly deletes = new Set<string>()
  /** Logs of layout 1 that hold blocks of the instant. */
  readonly logs = new Set<string>()
  /** Logs of layout 1 that there are: an announced one may never have come to be. */
  readonly existing = new Set<string>()
  readonly partitions = new Map<string, { others: boolean; metadata: boolean }>()
  readonly #layout: 1 | 2

  constructor(layout: 1 | 2) {
    this.#layout = layout
  }

  add(path: string): void {
    const log = parseLogFileName(splitPath(path)[1])
    if (log === null || log.cdc || this.#layout === 2) this.deletes.add(path)
    else if (this.existing.has(path)) this.logs.add(path)
  }

  partition(path: string): { others: boolean; metadata: boolean } {
    const seen = this.partitions.get(path) ?? { others: false, metadata: false }
    this.partitions.set(path, seen)
    return seen
  }

  /** Partitions that the instant made and nobody else has files in. */
  ownPartitions(): string[] {
    return [...this.partitions].flatMap(([path, seen]) => (seen.metadata && !seen.others ? [path] : []))
  }
}

/** What the listing shows of an instant. */
async function listed(ts: TimelineStore, time: string, action: Action): Promise<Found> {
  const inside = ts.table === '' ? '' : `${ts.table}/`
  const found = new Found(ts.layout)
  const pending = ts.timeline.instants.some((i) => i.time === time && i.state !== 'completed' && i.action !== 'savepoint')
  const searched = ts.layout === 1 && pending && (action === 'deltacommit' || action === 'logcompaction')
  const since = (instantToMs(time) ?? 0) - SKEW_MS
  const onTop = action === 'compaction' && ts.timeline.instants.some((i) => i.time > time && WRITES.has(i.action))
  for await (const o of ts.store.list(inside)) {
    const path = o.key.slice(inside.length)
    if (path.startsWith('.hoodie/')) continue
    const [partition, name] = splitPath(path)
    const seen = found.partition(partition)
    const base = parseBaseFileName(name)
    const log = base === null ? parseLogFileName(name) : null
    if (base !== null || log !== null) {
      // Logs on top of a compaction are other writes'. Once none of these is left, they go too: as an empty slice they could hide the one before.
      const named = base !== null ? base.instant === time : log!.baseInstant === time && (log!.cdc || !onTop)
      if (named) found.deletes.add(path)
      else seen.others = true
      if (log !== null) found.existing.add(path)
      const worthALook = !named && log !== null && searched && !log.cdc && o.modifiedMs >= since && !isOfAnother(log.token, time)
      if (worthALook && (await holds(ts, o.key, o.size, time))) found.logs.add(path)
    } else if (name === PARTITION_METADATA) seen.metadata = parsePartitionMetadata(await ts.store.get(o.key), o.key).commitTime === time
  }
  return found
}

/**
 * Whether the write token of a log file shows that another instant of ours wrote it: ours hold the time of day of their instant (write/log-files.ts).
 * A smaller number may be the stage of a Spark job.
 */
function isOfAnother(token: string | null, time: string): boolean {
  const [, middle, last] = token?.split('-') ?? []
  return last === '0' && Number(middle) >= 1_000_000 && Number(middle) !== Number(time.slice(8))
}

/** Whether a log file has blocks of an instant. */
async function holds(ts: TimelineStore, key: string, size: number, time: string): Promise<boolean> {
  for await (const b of new LogReader(ts.store, key, size).blocks()) {
    if (b.kind === 'block' ? b.header.get('instant') === time && b.type !== 'command' : b.instant === time) return true
  }
  return false
}

/** Files that the metadata of a completed instant names; of layout 1 logs only, as all others carry its time. */
async function committed(ts: TimelineStore, time: string): Promise<string[]> {
  const at = ts.timeline.instants.find((i) => i.time === time && i.state === 'completed' && i.action !== 'savepoint')
  if (at === undefined || !WRITES.has(at.action)) return []
  const { stats } = await ts.commit(at.time, at.action)
  return [...stats.values()].flat().flatMap((s) => (s.path === null || parseLogFileName(nameOf(s.path)) === null ? [] : [s.path]))
}

const WRITES: ReadonlySet<Action> = new Set(['commit', 'deltacommit', 'replacecommit', 'clustering', 'compaction', 'logcompaction'])

function deletion(ts: TimelineStore, path: string): RollbackRequest {
  const [partitionPath, name] = splitPath(path)
  const fileId = parseBaseFileName(name)?.fileId ?? parseLogFileName(name)?.fileId ?? ''
  const absolute = `${ts.store.root}/${join(ts.table, path)}`
  return { partitionPath, fileId, latestBaseInstant: null, filesToBeDeleted: [absolute], logBlocksToBeDeleted: new Map() }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function splitPath(path: string): [directory: string, name: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)]
}
