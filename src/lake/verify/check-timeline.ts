import { type InstantFile, parseName } from '../../../timeline/name.ts'
import type { Instant } from '../../../timeline/timeline.ts'
import { completedWrites, pendingInstants } from '../../../timeline/view.ts'
import { isFailure } from '../../failure/failure.ts'
import { archivedInstants } from '../archived-timeline.ts'
import { readContainer } from '../metadata/avro-container.ts'
import { parseCleanMetadata } from '../metadata/clean-files.ts'
import type { CommitMetadata } from '../metadata/commit-metadata.ts'
import type { TimelineStore } from '../timeline-store.ts'
import type { Violations, Walked } from './violation.ts'

/** What the timeline says about files, for the checks of them. */
export interface History {
  /** Metadata of the completed writes of the active timeline, by time. */
  readonly commits: ReadonlyMap<string, CommitMetadata>
  /** Times of the archived instants. */
  readonly archived: ReadonlySet<string>
  /** The oldest time that timeline or archive know; what is older may have been forgotten. '' when there is none. */
  readonly oldest: string
  /** `partition/name` of files that cleans have taken away. */
  readonly cleaned: ReadonlySet<string>
}

const RESTORE = 'Bring the file back from a backup, or take the table back: lake restore TABLE_URI --to SAVEPOINT.'
const FINISH = 'lake rollback TABLE_URI takes failed writes away; a planned action is finished by the engine that began it.'

/** I1, I2, I5, I10, and that every instant's file can be read. The timeline must be fresh. */
export async function checkTimeline(ts: TimelineStore, found: Violations, walked: Walked): Promise<History> {
  await checkStates(ts, found)
  checkClaims(ts, found)
  const cleaned = new Set<string>()
  const commits = new Map<string, CommitMetadata>()
  for (const i of ts.timeline.instants) {
    walked.instants++
    if (i.state !== 'completed') continue
    const file = ts.keyOf(i)
    try {
      const read = WRITES.has(i.action) ? await ts.commit(i.time, i.action) : await readService(ts, i, cleaned)
      if (read !== null) commits.set(i.time, read)
    } catch (e) {
      if (!isFailure(e)) throw e
      found.add('format', e.explain().what, { file, instant: i.time }, RESTORE)
    }
  }
  const archived = await checkArchive(ts, found, walked)
  const oldest = [ts.timeline.instants.at(0)?.time ?? '', ...archived].filter((t) => t !== '').sort()[0] ?? ''
  return { commits, archived, oldest, cleaned }
}

const WRITES: ReadonlySet<string> = new Set(['commit', 'deltacommit', 'replacecommit', 'clustering', 'compaction', 'logcompaction'])

async function readService(ts: TimelineStore, i: Instant, cleaned: Set<string>): Promise<null> {
  const body = await ts.store.get(ts.keyOf(i))
  if (i.action !== 'clean') readContainer(body, ts.keyOf(i))
  else
    for (const [partition, names] of parseCleanMetadata(body, ts.keyOf(i)).files)
      for (const name of names) cleaned.add(`${partition}/${name}`)
  return null
}

/** I1: one write per time. I2: nothing completes that was not begun. */
async function checkStates(ts: TimelineStore, found: Violations): Promise<void> {
  const files = await timelineFiles(ts)
  const there = new Set(files.map((f) => `${f.time}.${f.action}.${f.state}`))
  const writes = new Map<string, string>()
  for (const i of ts.timeline.instants) {
    const file = ts.keyOf(i)
    if (i.action === 'savepoint') {
      if (!ts.timeline.instants.some((w) => w.time === i.time && w.state === 'completed' && WRITES.has(w.action))) {
        found.add(
          'I2',
          'a savepoint keeps an instant that is not completed',
          { file, instant: i.time },
          'Delete it: lake savepoint delete TABLE_URI.',
        )
      }
      continue
    }
    const other = writes.get(i.time)
    if (other !== undefined) found.add('I1', `${other} and ${i.action} have the same time`, { file, instant: i.time }, FINISH)
    writes.set(i.time, i.action)
    const planned = ts.layout === 1 && i.action === 'clustering' ? 'replacecommit' : i.action
    const begun = there.has(`${i.time}.${planned}.requested`)
    if (i.state === 'inflight' && !begun) found.add('I2', 'it is inflight without having been requested', { file, instant: i.time }, FINISH)
  }
}

async function timelineFiles(ts: TimelineStore): Promise<readonly InstantFile[]> {
  const first = ts.timeline.instants.at(0)
  if (first === undefined) return []
  const key = ts.keyOf(first)
  const dir = key.slice(0, key.lastIndexOf('/') + 1)
  const out: InstantFile[] = []
  for await (const o of ts.store.list(dir, `${dir}/`)) {
    const parsed = parseName(o.key.slice(dir.length), ts.layout)
    if (parsed.kind === 'instant') out.push(parsed.file)
  }
  return out
}

/** I5: at most one pending instant writes a given file group. */
function checkClaims(ts: TimelineStore, found: Violations): void {
  const owner = new Map<string, string>()
  for (const i of pendingInstants(ts.timeline)) {
    if (!WRITES.has(i.action) || i.claims === 'all') continue
    for (const group of i.claims) {
      const other = owner.get(group)
      if (other !== undefined) {
        const what = `it works on file group ${group}, as ${other} does`
        found.add(
          'I5',
          what,
          { file: ts.keyOf(i), instant: i.time },
          'Finish the older one, and undo this one, with the engine that planned it.',
        )
      }
      owner.set(group, `${i.time} ${i.action}`)
    }
  }
}

/** I10: archived and active instants are the whole history, nothing twice, and nothing archived is newer than the first active write. */
async function checkArchive(ts: TimelineStore, found: Violations, walked: Walked): Promise<ReadonlySet<string>> {
  const times = new Set<string>()
  const first = completedWrites(ts.timeline, null).at(0)
  try {
    for await (const i of archivedInstants(ts)) {
      walked.archived++
      const at = { instant: i.time }
      if (times.has(i.time))
        found.add('I10', `${i.action} is in the archive twice`, at, 'Harmless to readers; keep a copy before changing archive files.')
      times.add(i.time)
      if (WRITES.has(i.action) && first !== undefined && i.time > first.time) {
        found.add('I10', `${i.action} has been archived although the older ${first.time} is active`, at, RESTORE)
      }
    }
  } catch (e) {
    if (!isFailure(e)) throw e
    found.add('format', e.explain().what, {}, 'Bring the archive back from a backup; time travel behind the first active commit needs it.')
  }
  return times
}
