import { completedWrites } from '../../../timeline/view.ts'
import type { Checkpoint } from '../../contract/table.ts'
import { isFailure } from '../../failure/failure.ts'
import { readCheckpoint } from '../metadata/checkpoint.ts'
import { parseRestoreMetadata } from '../metadata/restore-files.ts'
import { checkFilesThere } from '../read/missing-files.ts'
import { type DataFiles, replacedGroups, slicesOf } from '../read/slices.ts'
import { firstWholeState } from '../read/whole-state.ts'
import type { TimelineStore } from '../timeline-store.ts'
import type { History } from './check-timeline.ts'
import type { Violations } from './violation.ts'

/** Earlier states that are looked at, spread over all that are promised; the oldest is always among them. */
const STATES = 32

/** I6: every state that no clean has given up is made of files that are there. The timeline must be fresh. */
export async function checkStatesWhole(ts: TimelineStore, files: DataFiles, found: Violations): Promise<void> {
  const first = (await firstWholeState(ts)) ?? ''
  const states = completedWrites(ts.timeline, null).filter((i) => i.time >= first)
  const step = Math.max(1, Math.ceil(states.length / STATES))
  for (let n = 0; n < states.length; n += step) {
    const { time } = states[n]
    try {
      const slices = await slicesOf(ts, files, time)
      await checkFilesThere(ts, slices, await replacedGroups(ts, time), time)
    } catch (e) {
      if (!isFailure(e, 'TRB-LAKE-028')) throw e
      const fix =
        'Bring the file back from a backup. States before the next clean that keeps less (lake clean TABLE_URI) are given up then.'
      found.add('I6', `the state as of this commit cannot be read any more: ${e.explain().what}`, { instant: time }, fix)
    }
  }
}

/** I9: what was consumed of a source's log only grows from commit to commit: nothing was taken in twice. */
export function checkCheckpoints(ts: TimelineStore, history: History, found: Violations): void {
  const newest = new Map<string, { readonly at: Checkpoint; readonly time: string }>()
  for (const i of completedWrites(ts.timeline, null)) {
    const metadata = history.commits.get(i.time)
    const at = metadata === undefined ? null : readCheckpoint(metadata, ts.keyOf(i))
    if (at === null) continue
    const id = `${at.source}\n${at.topic}`
    const before = newest.get(id)
    if (before !== undefined && at.nextOffset < before.at.nextOffset) {
      const what = `it says that offset ${at.nextOffset} of ${at.topic} comes next, the commit ${before.time} before it says ${before.at.nextOffset}`
      const fix =
        'Changes may have been taken in twice: compare with the source (cdc verify), and let one process at a time write to the table.'
      found.add('I9', what, { file: ts.keyOf(i), instant: i.time }, fix)
    }
    newest.set(id, { at, time: i.time })
  }
}

/** I12: of what a completed restore took away nothing is part of the history any more. */
export async function checkRestores(ts: TimelineStore, found: Violations): Promise<void> {
  for (const i of ts.timeline.instants) {
    if (i.action !== 'restore' || i.state !== 'completed') continue
    const { instants } = parseRestoreMetadata(await ts.store.get(ts.keyOf(i)), ts.keyOf(i))
    for (const gone of instants) {
      const still = completedWrites(ts.timeline, null).find((w) => w.time === gone.time)
      if (still === undefined) continue
      const what = `the restore ${i.time} has taken it away, and it is still there`
      found.add('I12', what, { file: ts.keyOf(still), instant: still.time }, `lake rollback TABLE_URI --instant ${still.time}`)
    }
  }
}
