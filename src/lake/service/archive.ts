import { type ArchivePolicy, archivable } from '../../../timeline/archival.ts'
import { type InstantFile, parseName, type State } from '../../../timeline/name.ts'
import type { Instant } from '../../../timeline/timeline.ts'
import { completedWrites, historyStart } from '../../../timeline/view.ts'
import type { ObjectInfo } from '../../contract/object-store.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import type { ArchivedFile } from '../metadata/archived-entry.ts'
import { readContainer } from '../metadata/avro-container.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { type Archive, type LeavingInstant, LogArchive } from './archive-log.ts'
import { LsmArchive } from './archive-lsm.ts'
import { openForService } from './open.ts'
import { dataFiles } from './stored-slices.ts'

export interface ArchiveReport {
  /** Times of the instants that have left the active timeline, oldest first. */
  readonly instants: readonly string[]
  /** Files of failed writes that were still there, taken away before they would have counted as committed. */
  readonly strays: readonly string[]
}

/**
 * The instants that are due. The timeline must be fresh. `held` are replacecommits whose replaced files are still there: without them on the
 * timeline those files would come back.
 */
export async function planArchive(ts: TimelineStore, policy: ArchivePolicy): Promise<readonly Instant[]> {
  const due = archivable(ts.timeline, policy, [])
  for (const i of due) {
    if ((i.action === 'replacecommit' || i.action === 'clustering') && (await replacedFilesLeft(ts, i))) {
      return archivable(ts.timeline, policy, [i.time])
    }
  }
  return due
}

/**
 * Moves the oldest instants into the archive: files of failed writes first, then the archive, then the active timeline gets shorter. Invariant I10: what
 * an earlier process had archived but not taken off is taken off only. TRB-LAKE-010 while a restore has begun.
 */
export async function archive(ts: TimelineStore, policy: ArchivePolicy): Promise<ArchiveReport> {
  await openForService(ts)
  return archiveDue(ts, policy, await archiveOf(ts))
}

/** The same of a timeline that is known to be fresh. */
export async function archiveDue(ts: TimelineStore, policy: ArchivePolicy, to: Archive): Promise<ArchiveReport> {
  if (archivable(ts.timeline, policy, []).length === 0) return { instants: [], strays: [] }
  const there = await to.newest()
  const left = ts.timeline.instants.filter((i) => i.state === 'completed' && there.has(archivedKey(ts, i)))
  if (left.length > 0) await ts.takeOff(left)
  const due = await planArchive(ts, policy)
  if (due.length === 0) return { instants: left.map((i) => i.time), strays: [] }
  const strays = await dropStrays(ts, due)
  await to.append(await leaving(ts, due))
  await ts.takeOff(due)
  return { instants: [...left, ...due].map((i) => i.time), strays }
}

/** Where this table's archived instants are. */
export async function archiveOf(ts: TimelineStore): Promise<Archive> {
  const p = await ts.properties()
  if (ts.layout === 1) return new LogArchive(ts, p.get('hoodie.archivelog.folder') ?? 'archived')
  return new LsmArchive(ts, p.get('hoodie.timeline.path') ?? 'timeline', p.get('hoodie.timeline.history.path') ?? 'history')
}

function archivedKey(ts: TimelineStore, i: Instant): string {
  const name = ts.keyOf(i).split('/').at(-1)!
  return `${i.time}.${name.slice(name.lastIndexOf('.') + 1)}`
}

async function replacedFilesLeft(ts: TimelineStore, i: Instant): Promise<boolean> {
  const { replaced } = await ts.commit(i.time, i.action)
  for (const [partition, ids] of replaced ?? []) {
    for (const id of ids) {
      for (const prefix of [`${id}_`, `.${id}_`]) {
        for await (const o of ts.store.list(join(join(ts.table, partition), prefix))) {
          const name = o.key.slice(o.key.lastIndexOf('/') + 1)
          const instant = parseBaseFileName(name)?.instant ?? parseLogFileName(name)?.baseInstant
          if (instant !== undefined && instant < i.time) return true
        }
      }
    }
  }
  return false
}

/** The files of these instants, with their content and age: one listing. */
async function leaving(ts: TimelineStore, due: readonly Instant[]): Promise<readonly LeavingInstant[]> {
  const first = ts.keyOf(due[0])
  const dir = first.slice(0, first.lastIndexOf('/') + 1)
  const last = due[due.length - 1].time
  const found = new Map<string, { file: InstantFile; object: ObjectInfo }[]>()
  for await (const object of ts.store.list(dir, `${dir}/`)) {
    const name = object.key.slice(dir.length)
    if (name > `${last}~`) break
    const parsed = parseName(name, ts.layout)
    if (parsed.kind !== 'instant') continue
    found.set(parsed.file.time, [...(found.get(parsed.file.time) ?? []), { file: parsed.file, object }])
  }
  const out: LeavingInstant[] = []
  for (const instant of due) {
    const own = (found.get(instant.time) ?? []).filter((f) => f.file.action !== 'savepoint')
    const files = await Promise.all(
      own.map(async ({ file, object }): Promise<ArchivedFile> => {
        const body = object.size === 0 ? EMPTY : await ts.store.get(object.key)
        return { file, body, modifiedMs: object.modifiedMs }
      }),
    )
    out.push({ instant, files: files.sort((a, b) => ORDER.indexOf(a.file.state) - ORDER.indexOf(b.file.state)) })
  }
  return out
}

const ORDER: readonly State[] = ['requested', 'inflight', 'completed']
const EMPTY = Buffer.alloc(0)

/**
 * Files of writes that were rolled back but left something behind, as some engines do: once the timeline starts after them they would count as
 * committed (I4, I8). Only instants that rollbacks name can have any, so that a table without rollbacks is not listed.
 */
async function dropStrays(ts: TimelineStore, due: readonly Instant[]): Promise<readonly string[]> {
  const start = historyStart(ts.timeline) ?? ''
  const end = completedWrites(ts.timeline, null).find((i) => !due.includes(i))?.time ?? due[due.length - 1].time
  const there = new Set(ts.timeline.instants.map((i) => i.time))
  const gone = new Set<string>()
  for (const i of ts.timeline.instants) {
    if (i.state !== 'completed' || (i.action !== 'rollback' && i.action !== 'restore')) continue
    const { commitsRollback, instantsToRollback } = readContainer(await ts.store.get(ts.keyOf(i)), ts.keyOf(i)) as {
      commitsRollback?: readonly string[]
      instantsToRollback?: readonly string[]
    }
    for (const t of commitsRollback ?? instantsToRollback ?? []) if (t >= start && t < end && !there.has(t)) gone.add(t)
  }
  if (gone.size === 0) return []
  const strays: string[] = []
  for await (const f of dataFiles(ts)) {
    const base = parseBaseFileName(f.name)
    // A log of layout 1 is named after its slice, and holds blocks of others, too: there a rollback block hides what was rolled back.
    const written = base?.instant ?? (ts.layout === 2 ? parseLogFileName(f.name)?.baseInstant : undefined)
    if (written !== undefined && gone.has(written)) strays.push(f.key)
  }
  await ts.store.delete(strays)
  return strays
}
