import { instantToMs } from '../../timeline/instant.ts'
import type { Action } from '../../timeline/name.ts'
import { LogReader } from '../format/hudi-log/reader.ts'
import { printRollback } from '../format/hudi-log/writer.ts'
import { parseBaseFileName, parseLogFileName, printLogFileName } from './layout/file-name.ts'
import { join, PARTITION_METADATA } from './layout/paths.ts'
import { ListedFiles } from './listed-files.ts'
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
 * Hudi does (spec hudi §4.6). Found by listing (`files`, where that has been done), by markers, and by what the blocks of logs say: nothing depends
 * on markers being there.
 */
export async function planRollback(ts: TimelineStore, time: string, action: Action, files?: ListedFiles): Promise<RollbackPlan> {
  const listed = files ?? (await ListedFiles.of(ts))
  const found = await filesOf(ts, listed, time, action)
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
  for (const partition of listed.emptyWithout(time, found.named)) requests.push(deletion(ts, join(partition, PARTITION_METADATA)))
  // In layout 1 a clustering is a replacecommit to everybody.
  return { target: { time, action: ts.layout === 1 && action === 'clustering' ? 'replacecommit' : action }, requests }
}

/**
 * Performs a plan, and takes the instant's markers away; the timeline is left as it is. May be repeated: files that are gone are no error, and a
 * rollback block that is there is not written twice. `by`: the instant that the blocks carry (a rollback's, or a restore's).
 * `files`: as for `planRollback`; they are kept up to date.
 */
export async function carryOut(
  ts: TimelineStore,
  plan: RollbackPlan,
  by: string,
  files?: ListedFiles,
): Promise<ReadonlyMap<string, Undone>> {
  const listed = files ?? (plan.requests.some((r) => r.logBlocksToBeDeleted.size > 0) ? await ListedFiles.of(ts) : null)
  const out = new Map<string, { deleted: string[]; appended: Map<string, number>; undone: string[] }>()
  for (const r of plan.requests) {
    const at = out.get(r.partitionPath) ?? { deleted: [] as string[], appended: new Map<string, number>(), undone: [] as string[] }
    out.set(r.partitionPath, at)
    // Plans hold absolute paths; the table may have been moved since, its inside has not.
    const directory = join(ts.table, r.partitionPath)
    await ts.store.delete(r.filesToBeDeleted.map((path) => join(directory, nameOf(path))))
    for (const path of r.filesToBeDeleted) listed?.remove(join(r.partitionPath, nameOf(path)))
    at.deleted.push(...r.filesToBeDeleted)
    const logs = [...r.logBlocksToBeDeleted.keys()].map(nameOf)
    for (const slice of slicesOf(logs)) {
      const log = await appendRollback(ts, listed!, r.partitionPath, slice, plan.target.time, by)
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
  listed: ListedFiles,
  partition: string,
  { fileId, baseInstant }: SliceName,
  target: string,
  by: string,
): Promise<{ key: string; bytes: number }> {
  const body = printRollback(by, target)
  let newest = 0
  for (const { path, key, bytes } of listed.logsOf(join(partition, `.${fileId}_${baseInstant}.log.`))) {
    const log = parseLogFileName(nameOf(path))
    if (log === null || log.cdc) continue
    newest = Math.max(newest, log.version)
    if (log.token === ROLLBACK_TOKEN && bytes === body.length && (await listed.body(key)).equals(body)) return { key, bytes }
  }
  const path = join(partition, printLogFileName({ fileId, baseInstant, version: newest + 1, token: ROLLBACK_TOKEN }))
  const key = join(ts.table, path)
  await ts.store.put(key, body)
  listed.add(path, body.length, ts.clock.now(), body)
  return { key, bytes: body.length }
}

/** Paths (relative to the table) that an instant wrote. */
class Found {
  readonly deletes = new Set<string>()
  /** Those of `deletes` that the listing showed. */
  readonly named: ReadonlySet<string>
  /** Logs of layout 1 that hold blocks of the instant. */
  readonly logs = new Set<string>()
  readonly #listed: ListedFiles
  readonly #layout: 1 | 2

  constructor(listed: ListedFiles, layout: 1 | 2, named: Iterable<string>) {
    this.#listed = listed
    this.#layout = layout
    this.named = new Set(named)
    for (const path of this.named) this.deletes.add(path)
  }

  add(path: string): void {
    const log = parseLogFileName(nameOf(path))
    if (log === null || log.cdc || this.#layout === 2) this.deletes.add(path)
    // An announced log of layout 1 may never have come to be.
    else if (this.#listed.hasLog(path)) this.logs.add(path)
  }
}

/** What the listing shows of an instant. */
async function filesOf(ts: TimelineStore, listed: ListedFiles, time: string, action: Action): Promise<Found> {
  const onTop = action === 'compaction' && ts.timeline.instants.some((i) => i.time > time && WRITES.has(i.action))
  // Logs on top of a compaction are other writes'. Once none of these is left, they go too: as an empty slice they could hide the one before.
  const goes = (path: string): boolean => {
    const log = parseLogFileName(nameOf(path))
    return log === null || log.cdc || !onTop
  }
  const found = new Found(listed, ts.layout, listed.namedBy(time).filter(goes))
  const pending = ts.timeline.instants.some((i) => i.time === time && i.state !== 'completed' && i.action !== 'savepoint')
  if (ts.layout !== 1 || !pending || (action !== 'deltacommit' && action !== 'logcompaction')) return found
  const since = (instantToMs(time) ?? 0) - SKEW_MS
  for (const { path, key, bytes, modifiedMs } of listed.logs()) {
    const log = parseLogFileName(nameOf(path))!
    const worthALook = !found.deletes.has(path) && !log.cdc && modifiedMs >= since && !isOfAnother(log.token, time)
    if (worthALook && (await holds(ts, key, bytes, time))) found.logs.add(path)
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
