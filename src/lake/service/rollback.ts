import type { Instant } from '../../../timeline/timeline.ts'
import { completedWrites, pendingInstants } from '../../../timeline/view.ts'
import { Failure } from '../../failure/failure.ts'
import { archivedInstants } from '../archived-timeline.ts'
import { parseBaseFileName, parseLogFileName } from '../layout/file-name.ts'
import { join } from '../layout/paths.ts'
import { type RolledBack, recover, rollBack } from '../rollback.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { savepoints } from './needed.ts'
import { openForService } from './open.ts'

/** Takes away what failed writes left, and carries rollbacks through that had begun. See `recover` for what it refuses. */
export async function rollBackFailed(ts: TimelineStore): Promise<readonly RolledBack[]> {
  await openForService(ts)
  return recover(ts)
}

/**
 * Takes one instant back: a failed write, or the newest completed one. TRB-LAKE-070 when it isn't there, TRB-LAKE-072 when the state before it
 * cannot be had again.
 */
export async function rollBackInstant(ts: TimelineStore, time: string): Promise<RolledBack> {
  await openForService(ts)
  const target = await rollbackTarget(ts, time)
  return rollBack(ts, time, target.action)
}

/** The instant that may be taken back; else why not. The timeline must be fresh. Also for `--plan`. */
export async function rollbackTarget(ts: TimelineStore, time: string): Promise<Instant> {
  const target = ts.timeline.instants.find((i) => i.time === time && UNDOABLE.has(i.action))
  if (target === undefined) throw new Failure('TRB-LAKE-070', { table: ts.table, instant: time })
  const refuse = (why: string, fix: string): Failure => new Failure('TRB-LAKE-072', { table: ts.table, instant: time, why, fix })
  const rollback = ts.timeline.instants.find((i) => i.action === 'rollback' && i.state !== 'completed')
  if (rollback !== undefined) throw refuse(`the rollback ${rollback.time} has begun`, `lake rollback ${ts.table} finishes it.`)
  if (target.state !== 'completed') {
    // In layout 1 what is written after the plan of a compaction is named after it: without the plan those logs would belong to nothing.
    const onTop = ts.layout === 1 && target.action === 'compaction' ? newestAfter(ts, time) : null
    if (onTop !== null)
      throw refuse(`${onTop.time} ${onTop.action} was written on top of it`, `lake compact ${ts.table} --pending carries it out.`)
    return target
  }
  const later = completedWrites(ts.timeline, null).find((i) => i.time > time) ?? pendingInstants(ts.timeline).find((i) => i.time > time)
  if (later !== undefined) throw refuse(`${later.time} ${later.action} came after it`, `Roll ${later.time} back first.`)
  const kept = savepoints(ts).find((i) => i.time >= time)
  if (kept !== undefined) throw refuse('a savepoint keeps it', `lake savepoint delete ${ts.table} --at ${kept.time} gives it free.`)
  if (completedWrites(ts.timeline, null).length === 1 && (await anythingArchived(ts))) {
    throw refuse(
      'it is the only commit that is not archived, and without one the archived ones would not count',
      'Make a newer commit first.',
    )
  }
  const missing = await missingBefore(ts, target)
  if (missing !== null) throw refuse(`${missing} has been cleaned away`, 'Write the rows of the earlier state as a new commit.')
  return target
}

/** The newest write that began after `time`. */
function newestAfter(ts: TimelineStore, time: string): Instant | null {
  return ts.timeline.instants.findLast((i) => i.time > time && UNDOABLE.has(i.action)) ?? null
}

const UNDOABLE: ReadonlySet<string> = new Set(['commit', 'deltacommit', 'replacecommit', 'clustering', 'compaction', 'logcompaction'])

async function anythingArchived(ts: TimelineStore): Promise<boolean> {
  for await (const i of archivedInstants(ts)) if (i.metadata !== null) return true
  return false
}

/** A file group whose version before a completed instant is not in the store any more; null: all are there. */
async function missingBefore(ts: TimelineStore, target: Instant): Promise<string | null> {
  const { stats, replaced } = await ts.commit(target.time, target.action)
  for (const [partition, list] of stats) {
    for (const s of list) {
      const previous = s.prevCommit
      if (s.path === null || previous === 'null' || previous === '' || parseBaseFileName(nameOf(s.path)) === null) continue
      if (!(await hasVersion(ts, partition, s.fileId, (i) => i === previous))) return `the version ${previous} of file group ${s.fileId}`
    }
  }
  for (const [partition, ids] of replaced ?? []) {
    for (const id of ids) if (!(await hasSlice(ts, partition, id, target.time))) return `the file group ${id}, which it replaced,`
  }
  return null
}

/**
 * Whether the file slice that was a group's newest before `time` is there. An older one does not do: a savepoint may keep it beside a cleaned
 * one. Only where the write is archived is any older version taken for it.
 */
async function hasSlice(ts: TimelineStore, partition: string, fileId: string, time: string): Promise<boolean> {
  for (const write of completedWrites(ts.timeline, null).toReversed()) {
    if (write.time >= time) continue
    const { stats } = await ts.commit(write.time, write.action)
    const written = stats.get(partition)?.find((s) => s.fileId === fileId && s.path !== null)?.path
    if (written === undefined || written === null) continue
    const key = join(ts.table, written)
    for await (const o of ts.store.list(key)) if (o.key === key) return true
    return false
  }
  return hasVersion(ts, partition, fileId, (i) => i < time)
}

async function hasVersion(ts: TimelineStore, partition: string, fileId: string, wanted: (instant: string) => boolean): Promise<boolean> {
  for (const prefix of [`${fileId}_`, `.${fileId}_`]) {
    for await (const o of ts.store.list(join(join(ts.table, partition), prefix))) {
      const instant = parseBaseFileName(nameOf(o.key))?.instant ?? parseLogFileName(nameOf(o.key))?.baseInstant
      if (instant !== undefined && wanted(instant)) return true
    }
  }
  return false
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
