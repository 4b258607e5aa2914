import { openForWriting } from '../open-for-writing.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { refuseDuringRestore } from './step.ts'

/**
 * What every service that changes a table begins with: configuration and timeline read again. Refuses tables that must not be changed
 * (see checkWritable), and those of which a restore has begun (TRB-LAKE-010).
 */
export async function openForService(ts: TimelineStore): Promise<void> {
  await openForWriting(ts)
  await ts.refresh()
  refuseDuringRestore(ts)
}
