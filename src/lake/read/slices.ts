import { completedWrites, latestFiles, type ReplacedGroup } from '../../../timeline/view.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure } from '../../failure/failure.ts'
import { type BaseFileObject, parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import type { TimelineStore } from '../timeline-store.ts'

export type BaseFile = BaseFileObject

/** Every base file of a table, committed or not. Log files of a merge-on-read table fail with TRB-LAKE-008. */
export async function listBaseFiles(store: ObjectStore, table: string): Promise<BaseFile[]> {
  const inside = table === '' ? '' : `${table}/`
  const out: BaseFile[] = []
  for await (const o of dataObjects(store, inside)) {
    const path = o.key.slice(inside.length)
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    const parsed = parseBaseFileName(name)
    const log = parsed === null ? parseLogFileName(name) : null
    if (log !== null && !log.cdc) throw new Failure('TRB-LAKE-008', { file: o.key })
    if (parsed === null) continue
    const { fileId, instant } = parsed
    out.push({ partition: slash < 0 ? '' : path.slice(0, slash), fileId, instant, key: o.key, name, bytes: o.size })
  }
  return out
}

/**
 * The base file of each file group that a reader as of `asOf` (null: now) sees. The timeline must be fresh. The answer for now is remembered
 * until the timeline is read anew as a whole: a writer that is alone needs no listing per commit.
 */
export async function latestBaseFiles(ts: TimelineStore, asOf: string | null): Promise<readonly BaseFile[]> {
  if (asOf === null && ts.latest !== null) return ts.latest
  const files = await latestOf(ts, await listBaseFiles(ts.store, ts.table), asOf)
  if (asOf === null) ts.latest = files
  return files
}

/** The same, of files that have been listed; the timeline must have been read before the listing. */
export async function latestOf(ts: TimelineStore, files: readonly BaseFile[], asOf: string | null): Promise<readonly BaseFile[]> {
  return latestFiles(ts.timeline, files, await replacedGroups(ts, asOf), asOf)
}

/** File groups that completed replacecommits ≤ asOf took out. */
export async function replacedGroups(ts: TimelineStore, asOf: string | null): Promise<ReplacedGroup[]> {
  const out: ReplacedGroup[] = []
  for (const i of completedWrites(ts.timeline, asOf)) {
    if (i.action !== 'replacecommit') continue
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
