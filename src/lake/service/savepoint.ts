import type { Instant } from '../../../timeline/timeline.ts'
import { completedWrites } from '../../../timeline/view.ts'
import { Failure } from '../../failure/failure.ts'
import { parseSavepoint, printSavepoint, type Savepoint } from '../metadata/savepoint-files.ts'
import { completeAction, removeAction, startAction } from '../planned-action.ts'
import { fileSlices } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { finishCleans, lastClean } from './clean.ts'
import { savepoints } from './needed.ts'
import { openForService } from './open.ts'

export interface KeptState extends Savepoint {
  /** The commit whose state is kept. */
  readonly time: string
  /** False: begun, not completed; a restore to it is not possible, but no clean takes its files either. */
  readonly complete: boolean
}

/**
 * Keeps the state at a completed commit (null: the newest): no clean takes its files, no archival moves it, and a restore can go back to it. One
 * that is there already is answered as it is. TRB-LAKE-070 when there is no such commit, TRB-LAKE-071 when a clean took files of that state.
 */
export async function createSavepoint(ts: TimelineStore, at: string | null, by: string, comments: string): Promise<KeptState> {
  await openForService(ts)
  // A clean that had been begun before may be about to take files of this state.
  await finishCleans(ts)
  const commit = await savepointable(ts, at)
  const there = savepoints(ts).find((i) => i.time === commit.time)
  if (there?.state === 'completed') return readSavepoint(ts, there)
  if (there === undefined) await startAction(ts, 'savepoint', commit.time)
  const files = new Map<string, string[]>()
  for (const s of await fileSlices(ts, commit.time)) {
    const names = [...(s.base === null ? [] : [s.base.key.slice(s.base.key.lastIndexOf('/') + 1)]), ...s.logs.map((l) => l.name)]
    files.set(s.partition, [...(files.get(s.partition) ?? []), ...names])
  }
  const kept: Savepoint = { by, atMs: ts.clock.now(), comments, files }
  await completeAction(ts, 'savepoint', commit.time, printSavepoint(kept, ts.sync()))
  return { ...kept, time: commit.time, complete: true }
}

/** The commit that a savepoint may keep, and why not. The timeline must be fresh. Also for `--plan`. */
export async function savepointable(ts: TimelineStore, at: string | null): Promise<Instant> {
  const writes = completedWrites(ts.timeline, null)
  const commit = at === null ? writes.at(-1) : writes.find((i) => i.time === at)
  if (commit === undefined) throw new Failure('TRB-LAKE-070', { table: ts.table, instant: at ?? '(none)' })
  const clean = await lastClean(ts)
  // The newest state is always whole, also when all commits are older than what a clean by age keeps.
  if (clean !== null && commit !== writes.at(-1) && commit.time < clean.from && !savepoints(ts).some((s) => s.time === commit.time)) {
    throw new Failure('TRB-LAKE-071', { table: ts.table, instant: commit.time, clean: clean.time, from: clean.from })
  }
  return commit
}

/** Gives the state at a savepoint free for cleans. TRB-LAKE-073 when there is no such savepoint. */
export async function deleteSavepoint(ts: TimelineStore, at: string): Promise<void> {
  await openForService(ts)
  if (!savepoints(ts).some((i) => i.time === at)) throw new Failure('TRB-LAKE-073', { table: ts.table, instant: at })
  await removeAction(ts, 'savepoint', at)
}

/** All savepoints, oldest first. */
export async function listSavepoints(ts: TimelineStore): Promise<readonly KeptState[]> {
  await ts.refresh()
  const out: KeptState[] = []
  for (const i of savepoints(ts)) out.push(await readSavepoint(ts, i))
  return out
}

async function readSavepoint(ts: TimelineStore, i: Instant): Promise<KeptState> {
  if (i.state !== 'completed') return { time: i.time, complete: false, by: '', atMs: 0, comments: '', files: new Map() }
  return { ...parseSavepoint(await ts.store.get(ts.keyOf(i)), ts.keyOf(i)), time: i.time, complete: true }
}
