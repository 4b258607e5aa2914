import type { SliceVersion } from '../../../timeline/retention.ts'
import { visibility } from '../../../timeline/view.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { HOODIE_DIR } from '../layout/paths.ts'
import type { TimelineStore } from '../timeline-store.ts'

/** An object of a table outside `.hoodie/`. */
export interface StoredFile {
  readonly key: string
  readonly name: string
  readonly partition: string
  readonly bytes: number
  readonly modifiedMs: number
}

/** One version of a file group as it lies in the store: base file, logs, change-data-capture logs. */
export interface StoredSlice extends SliceVersion {
  readonly stored: readonly StoredFile[]
}

/** Every object of a table outside `.hoodie/`, listed around it: the timeline may hold many more than the data. */
export async function* dataFiles(ts: TimelineStore): AsyncGenerator<StoredFile> {
  const inside = ts.table === '' ? '' : `${ts.table}/`
  const hidden = `${inside}${HOODIE_DIR}/`
  for (const after of ['', `${inside}${HOODIE_DIR}0`]) {
    for await (const o of ts.store.list(inside, after)) {
      // '0' sorts just after '/': the second listing begins behind everything below `.hoodie/`.
      if (o.key.startsWith(hidden)) break
      if (after === '' && o.key > hidden) return
      const path = o.key.slice(inside.length)
      const slash = path.lastIndexOf('/')
      const partition = slash < 0 ? '' : path.slice(0, slash)
      yield { key: o.key, name: path.slice(slash + 1), partition, bytes: o.size, modifiedMs: o.modifiedMs }
    }
  }
}

/**
 * All versions of all file groups that completed instants have written, replaced groups too. The timeline must have been read before.
 * A log of a pending compaction's slice is in none: it belongs to a version that does not exist yet.
 */
export async function storedSlices(ts: TimelineStore): Promise<readonly StoredSlice[]> {
  const counts = visibility(ts.timeline, null)
  const slices = new Map<string, StoredFile[]>()
  const add = (key: string, file: StoredFile): void => {
    const list = slices.get(key)
    if (list === undefined) slices.set(key, [file])
    else list.push(file)
  }
  const bases = new Map<string, string[]>()
  const logs: StoredLog[] = []
  const orphans = new Map<string, StoredLog[]>()
  for await (const file of dataFiles(ts)) {
    const base = parseBaseFileName(file.name)
    if (base !== null) {
      if (!counts(base.instant)) continue
      const group = `${file.partition}\n${base.fileId}`
      bases.set(group, [...(bases.get(group) ?? []), base.instant])
      add(`${group}\n${base.instant}`, file)
      continue
    }
    const log = parseLogFileName(file.name)
    if (log !== null) logs.push({ file, fileId: log.fileId, instant: log.baseInstant })
  }
  for (const list of bases.values()) list.sort()
  for (const l of logs) {
    if (!counts(l.instant)) continue
    const group = `${l.file.partition}\n${l.fileId}`
    const own = bases.get(group) ?? []
    const base = ts.layout === 1 ? l.instant : baseOf(ts, own, l.instant)
    if (base !== null) add(`${group}\n${base}`, l.file)
    else orphans.set(group, [...(orphans.get(group) ?? []), l])
  }
  // Logs before the first base file make up one version, named after its oldest.
  for (const [group, list] of orphans) {
    const oldest = list.map((l) => l.instant).sort()[0]
    for (const l of list) add(`${group}\n${oldest}`, l.file)
  }
  return [...slices].map(([key, stored]) => {
    const [partition, fileId, baseInstant] = key.split('\n')
    return { partition, fileId, baseInstant, files: stored.map((f) => f.name), stored }
  })
}

interface StoredLog {
  readonly file: StoredFile
  readonly fileId: string
  readonly instant: string
}

/**
 * Layout 2: the newest base that had been begun when the log's commit completed; null: there was none. Of an archived commit the completion is not
 * known: then its log counts for the base after it, so that it is kept rather longer.
 */
function baseOf(ts: TimelineStore, bases: readonly string[], instant: string): string | null {
  const commit = ts.timeline.instants.find((i) => i.time === instant && i.completion !== null)
  const next = commit === undefined ? bases.find((b) => b > instant) : undefined
  return next ?? bases.findLast((b) => b <= (commit?.completion ?? instant)) ?? null
}
