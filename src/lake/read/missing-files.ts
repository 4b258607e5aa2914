import { effectiveTime } from '../../../timeline/timeline.ts'
import { completedWrites, type ReplacedGroup } from '../../../timeline/view.ts'
import type { FileSlice } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import type { TimelineStore } from '../timeline-store.ts'

/** Commits that are read at the same time. */
const AT_ONCE = 8

/** What the commits say that a slice must have, and how to look at it. */
interface Expected {
  readonly ts: TimelineStore
  readonly slices: ReadonlyMap<string, FileSlice>
  /** `partition/fileId` → the newest replacecommit that took the group out. */
  readonly replaced: ReadonlyMap<string, string>
  /** Store keys of logs that are there. */
  readonly logs: ReadonlySet<string>
}

/**
 * Invariant I3, as far as a reader as of `asOf` relies on it: every file that a completed write of the active timeline names is there, or was
 * superseded: by a later base file of its group, or by a replacecommit. Without it an older version would be read as if it were the newest.
 * TRB-LAKE-028 otherwise. `slices`: the newest of each group.
 */
export async function checkFilesThere(
  ts: TimelineStore,
  slices: readonly FileSlice[],
  replaced: readonly ReplacedGroup[],
  asOf: string | null,
): Promise<void> {
  const gone = new Map<string, string>()
  for (const r of replaced) if (r.by > (gone.get(groupKey(r.partition, r.fileId)) ?? '')) gone.set(groupKey(r.partition, r.fileId), r.by)
  const expected: Expected = {
    ts,
    slices: new Map(slices.map((s) => [groupKey(s.partition, s.fileId), s])),
    replaced: gone,
    logs: new Set(slices.flatMap((s) => s.logs.map((l) => l.key))),
  }
  const writes = completedWrites(ts.timeline, asOf).toReversed()
  let found: { readonly file: string; readonly instant: string } | null = null
  for (let i = 0; i < writes.length; i += AT_ONCE) {
    const some = writes.slice(i, i + AT_ONCE)
    const paths = await Promise.all(some.map((w) => ts.pathsOf(w.time, w.action)))
    for (const [n, write] of some.entries()) {
      const missing = paths[n].filter((path) => !isThere(expected, path, write.time, effectiveTime(write)))
      // Logs that lack their base file are seen as missing, too: the base file is what to name.
      const named: string | undefined =
        missing.find((path) => parseBaseFileName(nameOf(path)) !== null) ?? (found === null ? missing[0] : undefined)
      if (named === undefined) continue
      found = { file: join(ts.table, named), instant: write.time }
      if (parseBaseFileName(nameOf(named)) !== null) throw new Failure('TRB-LAKE-028', { table: ts.table, ...found })
    }
  }
  if (found !== null) throw new Failure('TRB-LAKE-028', { table: ts.table, ...found })
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** `completed`: when the write took effect. */
function isThere(e: Expected, path: string, instant: string, completed: string): boolean {
  const slash = path.lastIndexOf('/')
  const partition = slash < 0 ? '' : path.slice(0, slash)
  const name = nameOf(path)
  const base = parseBaseFileName(name)
  const log = base === null ? parseLogFileName(name) : null
  const fileId = base?.fileId ?? log?.fileId
  // Not a data file of a kind that is read here, or one of change data capture, which has a reader of its own.
  if (fileId === undefined || log?.cdc === true) return true
  const key = groupKey(partition, fileId)
  if ((e.replaced.get(key) ?? '') > instant) return true
  const slice = e.slices.get(key)
  if (slice === undefined) return false
  const newest = slice.base?.instant ?? ''
  if (log === null) return newest >= instant
  if (e.logs.has(join(e.ts.table, path))) return true
  // A log of an older slice: of an older base file by its name in layout 1, completed before the newest base was planned in layout 2.
  return e.ts.layout === 1 ? log.baseInstant < newest : completed < newest
}

function groupKey(partition: string, fileId: string): string {
  return `${partition}/${fileId}`
}
