import { isFailure } from '../../failure/failure.ts'
import { LakeTableReader } from '../read/table-reader.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { checkFiles } from './check-files.ts'
import { checkLogs } from './check-logs.ts'
import { checkRows } from './check-rows.ts'
import { checkTimeline } from './check-timeline.ts'
import { type Violation, Violations, type Walked } from './violation.ts'

export interface VerifyReport {
  /** How many there are; `violations` holds the first ones. */
  readonly count: number
  readonly violations: readonly Violation[]
  readonly walked: Readonly<Walked>
}

/** Violations that are told one by one. */
const MOST = 1000

/**
 * Walks over a whole table and checks every invariant that can be seen from outside: I1, I2, I5, I10 on the timeline, I3, I4, I7, I8 on the files, I14 and
 * I15 in the rows, and that configuration, instants, archive and data can be read. Changes nothing. `rows` false: data files are not opened.
 * Another writer at work at the same time may show up as a violation.
 */
export async function verifyTable(ts: TimelineStore, rows: boolean): Promise<VerifyReport> {
  const found = new Violations(MOST)
  const walked: Walked = { instants: 0, archived: 0, files: 0, rows: 0 }
  try {
    await ts.properties()
    await ts.refresh()
    const history = await checkTimeline(ts, found, walked)
    await checkFiles(ts, history, found, walked)
    if (rows) {
      const plan = await new LakeTableReader(ts.store, ts.table, ts.clock).plan({ kind: 'latest' }, 'snapshot')
      await checkLogs(ts, history, plan.slices, found)
      await checkRows(ts, history, plan, found, walked)
    }
  } catch (e) {
    if (!isFailure(e) || !BROKEN.has(e.code)) throw e
    // A missing file has been told of already: its rows, and those around them, cannot be looked at.
    const told = e.code === 'TRB-LAKE-028' && found.count > 0
    const { what, fix } = e.explain()
    if (!told) found.add('format', what, {}, fix)
  }
  return { count: found.count, violations: found.list, walked }
}

/** What a table that is damaged makes reading it fail with. */
const BROKEN: ReadonlySet<string> = new Set([
  'TRB-LAKE-004',
  'TRB-LAKE-007',
  'TRB-LAKE-014',
  'TRB-LAKE-020',
  'TRB-LAKE-025',
  'TRB-LAKE-026',
  'TRB-LAKE-028',
  'TRB-LAKE-401',
])
