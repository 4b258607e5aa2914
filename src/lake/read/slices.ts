import { allSlices, latestSlices, type PendingCompaction, type Slice, type TableFiles } from '../../../timeline/slices.ts'
import { completedWrites, historyStart, latestFiles, pendingInstants, type ReplacedGroup, visibility } from '../../../timeline/view.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, LogFile, SliceFile } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { archivedCompletions } from '../archived-timeline.ts'
import { type BaseFileObject, type LogFileObject, parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { checkFilesThere } from './missing-files.ts'

export type BaseFile = BaseFileObject

/** Data files of a table, committed or not. */
export interface DataFiles {
  readonly bases: readonly BaseFileObject[]
  /** Without those of change-data-capture. */
  readonly logs: readonly LogFileObject[]
  /** Change-data-capture logs; their instant is that of the write itself. */
  readonly cdc: readonly LogFileObject[]
}

/** Lists every data file of a table. */
export async function listDataFiles(store: ObjectStore, table: string): Promise<DataFiles> {
  const inside = table === '' ? '' : `${table}/`
  const bases: BaseFileObject[] = []
  const logs: LogFileObject[] = []
  const cdc: LogFileObject[] = []
  for await (const o of dataObjects(store, inside)) {
    const path = o.key.slice(inside.length)
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    const place = { partition: slash < 0 ? '' : path.slice(0, slash), key: o.key, name, bytes: o.size }
    const base = parseBaseFileName(name)
    if (base !== null) bases.push({ ...place, fileId: base.fileId, instant: base.instant })
    const log = base === null ? parseLogFileName(name) : null
    if (log === null) continue
    const { fileId, baseInstant: instant, version, token } = log
    const to = log.cdc ? cdc : logs
    to.push({ ...place, fileId, instant, version, token: token ?? '' })
  }
  return { bases, logs, cdc }
}

/** Every base file of a copy-on-write table, committed or not. Log files fail with TRB-LAKE-008: they belong to a merge-on-read table. */
export async function listBaseFiles(store: ObjectStore, table: string): Promise<readonly BaseFile[]> {
  const { bases, logs } = await listDataFiles(store, table)
  if (logs.length > 0) throw new Failure('TRB-LAKE-008', { file: logs[0].key })
  return bases
}

/**
 * The file slices that a snapshot as of `asOf` (null: now) reads, one for each file group: groups that were replaced are not among them, a
 * slice that is being compacted is one with the logs written since. `rows` of base files are not known here (-1). Which blocks of the logs
 * count, `blockVisibility` tells. The timeline must be fresh. The answer for now is remembered until the timeline is read anew as a whole,
 * and brought forward by commits: a writer that is alone needs no listing per commit.
 */
export async function fileSlices(ts: TimelineStore, asOf: string | null): Promise<readonly FileSlice[]> {
  if (asOf === null && ts.slices !== null) return ts.slices
  const slices = await slicesOf(ts, await listDataFiles(ts.store, ts.table), asOf)
  await checkFilesThere(ts, slices, await replacedGroups(ts, asOf), asOf)
  if (asOf === null) ts.slices = slices
  return slices
}

/** The same, of files that have been listed; the timeline must have been read before the listing. */
export async function slicesOf(ts: TimelineStore, files: DataFiles, asOf: string | null): Promise<readonly FileSlice[]> {
  return latestSlices(ts.timeline, await tableFiles(ts, files, asOf), asOf).map(fileSlice)
}

/** Every slice of each file group as of `asOf`, oldest first within its group: what queries over changes and services look at. */
export async function sliceHistory(ts: TimelineStore, files: DataFiles, asOf: string | null): Promise<readonly (readonly FileSlice[])[]> {
  return allSlices(ts.timeline, await tableFiles(ts, files, asOf), asOf).map((group) => group.map(fileSlice))
}

/** Whether a block of a log, by the instant in its header, counts for a reader as of `asOf`: committed, and not later. */
export function blockVisibility(ts: TimelineStore, asOf: string | null): (instant: string) => boolean {
  return visibility(ts.timeline, asOf)
}

/** File groups that pending compactions are going to write. Log compactions write logs only: they start no slice. */
export async function pendingCompactions(ts: TimelineStore): Promise<readonly PendingCompaction[]> {
  const out: PendingCompaction[] = []
  for (const i of pendingInstants(ts.timeline)) {
    if (i.action !== 'compaction') continue
    const { operations } = await ts.compactionPlan(i.time, 'compaction')
    for (const { partition, fileId } of operations) out.push({ partition, fileId, by: i.time })
  }
  return out
}

async function tableFiles(ts: TimelineStore, files: DataFiles, asOf: string | null): Promise<TableFiles<BaseFileObject, LogFileObject>> {
  const compactions = await pendingCompactions(ts)
  const archived = await archivedLogs(ts, files)
  return { bases: files.bases, logs: files.logs, replaced: await replacedGroups(ts, asOf), compactions, archived }
}

/** In layout 2 a log whose write has been archived belongs to a slice by its completion time, which only the archive tells. */
async function archivedLogs(ts: TimelineStore, files: DataFiles): Promise<ReadonlyMap<string, string>> {
  const start = historyStart(ts.timeline)
  const old = ts.layout === 1 || start === null ? [] : files.logs.filter((l) => l.instant < start)
  if (old.length === 0) return new Map()
  return archivedCompletions(ts, old.map((l) => l.instant).sort()[0])
}

function fileSlice(s: Slice<BaseFileObject, LogFileObject>): FileSlice {
  const { partition, fileId, baseInstant, base } = s
  return { partition, fileId, baseInstant, base: base === null ? null : sliceFile(base), logs: s.logs.map(logFile) }
}

/** A base file whose rows have not been counted. */
export function sliceFile(b: BaseFileObject): SliceFile {
  return { fileId: b.fileId, partition: b.partition, key: b.key, bytes: b.bytes, rows: -1, instant: b.instant }
}

export function logFile({ key, name, bytes, instant, version, token }: LogFileObject): LogFile {
  return { key, name, bytes, instant, version, token }
}

/**
 * The base file of each file group that a reader as of `asOf` (null: now) sees. The timeline must be fresh. The answer for now is remembered
 * until the timeline is read anew as a whole: a writer that is alone needs no listing per commit.
 */
export async function latestBaseFiles(ts: TimelineStore, asOf: string | null): Promise<readonly BaseFile[]> {
  if (asOf === null && ts.latest !== null) return ts.latest
  const replaced = await replacedGroups(ts, asOf)
  const files = latestFiles(ts.timeline, await listBaseFiles(ts.store, ts.table), replaced, asOf)
  const slices = files.map((f) => ({ partition: f.partition, fileId: f.fileId, baseInstant: f.instant, base: sliceFile(f), logs: [] }))
  await checkFilesThere(ts, slices, replaced, asOf)
  if (asOf === null) ts.latest = files
  return files
}

/** File groups that completed replacecommits ≤ asOf took out. */
export async function replacedGroups(ts: TimelineStore, asOf: string | null): Promise<ReplacedGroup[]> {
  const out: ReplacedGroup[] = []
  for (const i of completedWrites(ts.timeline, asOf)) {
    if (i.action !== 'replacecommit' && i.action !== 'clustering') continue
    const { replaced } = await ts.commit(i.time, i.action)
    for (const [partition, ids] of replaced ?? []) for (const fileId of ids) out.push({ partition, fileId, by: i.time })
  }
  return out
}

/** Objects of a table outside `.hoodie/`: listed around it, since the timeline may hold many more than the data. */
async function* dataObjects(store: ObjectStore, inside: string): AsyncGenerator<{ key: string; size: number }> {
  const skip = `${inside}.hoodie/`
  let hidden = false
  for await (const o of store.list(inside)) {
    if (o.key.startsWith(skip)) {
      hidden = true
      break
    }
    yield o
  }
  // '0' sorts just after '/': everything below `.hoodie/` is left out.
  if (hidden) yield* store.list(inside, `${inside}.hoodie0`)
}
