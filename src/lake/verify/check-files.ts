import type { Instant } from '../../../timeline/timeline.ts'
import { historyStart, pendingInstants } from '../../../timeline/view.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { PARTITION_METADATA } from '../layout/paths.ts'
import { parseSavepoint } from '../metadata/savepoint-files.ts'
import { lastClean } from '../service/clean.ts'
import { dataFiles, type StoredFile } from '../service/stored-slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import type { History } from './check-timeline.ts'
import type { Violations, Walked } from './violation.ts'

const LOST = 'The rows of that file are lost: restore it from a backup, or write them again from the source.'

/** I3, I4, I7, I8: the files that there are, and those that the timeline names. */
export async function checkFiles(ts: TimelineStore, history: History, found: Violations, walked: Walked): Promise<void> {
  const files = new Map<string, StoredFile>()
  const partitions = new Map<string, { data: boolean; known: boolean }>()
  for await (const f of dataFiles(ts)) {
    walked.files++
    const place = partitions.get(f.partition) ?? { data: false, known: false }
    partitions.set(f.partition, place)
    if (f.name === PARTITION_METADATA) place.known = true
    const written = parseBaseFileName(f.name)?.instant ?? parseLogFileName(f.name)?.baseInstant
    if (written === undefined) continue
    place.data = true
    files.set(`${f.partition}/${f.name}`, f)
    checkOwner(ts, history, f, written, found)
  }
  for (const [partition, { data, known }] of partitions) {
    if (data && !known) {
      const fix = `Write ${PARTITION_METADATA} into it (any writer does so with the next new file of the partition).`
      found.add('I3', `engines that list directories do not see partition "${partition}"`, { file: `${ts.table}/${partition}` }, fix)
    }
  }
  await checkNamed(ts, history, files, found)
  await checkKept(ts, files, found)
}

/** I7: what savepoints and the plans of pending instants name. */
async function checkKept(ts: TimelineStore, files: ReadonlyMap<string, StoredFile>, found: Violations): Promise<void> {
  for (const i of ts.timeline.instants) {
    for (const [partition, path] of await namedBy(ts, i)) {
      const file = `${partition}/${path.slice(path.lastIndexOf('/') + 1)}`
      if (path !== '' && !files.has(file))
        found.add('I7', `the ${i.action} needs a file that is not there`, { file, instant: i.time }, LOST)
    }
  }
}

/** Partition and name (or path) of the files that an instant keeps from being taken away. */
async function namedBy(ts: TimelineStore, i: Instant): Promise<readonly (readonly [partition: string, path: string])[]> {
  if (i.action === 'savepoint' && i.state === 'completed') {
    const { files } = parseSavepoint(await ts.store.get(ts.keyOf(i)), ts.keyOf(i))
    return [...files].flatMap(([partition, names]) => names.map((name) => [partition, name] as const))
  }
  if (i.state === 'completed') return []
  if (i.action === 'compaction' || i.action === 'logcompaction') {
    const { operations } = await ts.compactionPlan(i.time, i.action)
    return operations.flatMap((o) => [o.baseFile ?? '', ...o.logFiles].map((name) => [o.partition, name] as const))
  }
  if (i.action !== 'clustering') return []
  const slices = (await ts.clusteringPlan(i.time))?.groups.flatMap((g) => g.slices) ?? []
  return slices.flatMap((s) => [s.baseFile, ...s.logFiles].map((path) => [s.partition, path] as const))
}

/** I4 and I8: whoever wrote a file is completed, or at work on it. */
function checkOwner(ts: TimelineStore, history: History, f: StoredFile, written: string, found: Violations): void {
  const isLog = parseBaseFileName(f.name) === null
  // A log of layout 1 is named after its slice, which a pending or rolled-back compaction may have begun.
  if (isLog && ts.layout === 1) return
  if (history.commits.has(written) || history.archived.has(written) || written < history.oldest) return
  if (pendingInstants(ts.timeline).some((i) => i.time === written)) return
  const start = historyStart(ts.timeline)
  const at = { file: f.key, instant: written }
  if (start !== null && written < start) {
    found.add(
      'I4',
      'readers count a file of a write that never completed',
      at,
      'Delete the file, once you are sure that its instant was rolled back.',
    )
  } else {
    found.add(
      'I8',
      'a failed write has left a file',
      at,
      'Delete the file before the archive moves past its instant: lake archive TABLE_URI does so.',
    )
  }
}

/** I3: what completed instants of the active timeline name is there, with the size recorded, unless a clean has taken it away. */
async function checkNamed(ts: TimelineStore, history: History, files: ReadonlyMap<string, StoredFile>, found: Violations): Promise<void> {
  const clean = await lastClean(ts)
  for (const [instant, { stats }] of history.commits) {
    for (const [partition, list] of stats) {
      for (const s of list) {
        if (s.path === null) continue
        const name = s.path.slice(s.path.lastIndexOf('/') + 1)
        const stored = files.get(`${partition}/${name}`)
        const at = { file: `${ts.table}/${s.path}`, instant }
        if (stored !== undefined) {
          // Some engines append to a log after the commit that began it.
          const wrong = parseBaseFileName(name) === null ? stored.bytes < s.fileSizeInBytes : stored.bytes !== s.fileSizeInBytes
          if (wrong) found.add('I3', `it has ${stored.bytes} bytes, the commit recorded ${s.fileSizeInBytes}`, at, LOST)
          continue
        }
        const gone = history.cleaned.has(`${partition}/${name}`) || (clean !== null && instant < clean.from)
        const taken = [...history.commits].some(([by, c]) => by > instant && c.replaced?.get(partition)?.includes(s.fileId) === true)
        if (!gone && !taken) found.add('I3', 'a completed commit names a file that is not there', at, LOST)
      }
    }
  }
}
