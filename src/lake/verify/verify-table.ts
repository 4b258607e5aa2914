import { type Failure, isFailure } from '../../failure/failure.ts'
import { listDataFiles } from '../read/slices.ts'
import { LakeTableReader } from '../read/table-reader.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { checkChanges } from './check-changes.ts'
import { checkFiles } from './check-files.ts'
import { checkCheckpoints, checkRestores, checkStatesWhole } from './check-history.ts'
import { checkLogs } from './check-logs.ts'
import { checkRows } from './check-rows.ts'
import { checkServices } from './check-services.ts'
import { checkTimeline } from './check-timeline.ts'
import { MOST_TOLD, NOTHING_WALKED, type Violation, Violations, type Walked } from './violation.ts'

export interface VerifyReport {
  /** How many there are; `violations` holds the first ones. */
  readonly count: number
  readonly violations: readonly Violation[]
  readonly walked: Readonly<Walked>
}

/**
 * Walks over a whole table and checks the invariants of a table: I1, I2, I5, I9, I10, I12 on the timeline, I3, I4, I6, I7, I8 on the files, I11, I13, I14
 * and I15 in the rows, and that configuration, instants, archive and data can be read (I16 is that of a lake: checkWatermarks). Changes nothing. `rows`
 * false: data files are not opened.
 * Another writer at work at the same time may show up as a violation.
 */
export async function verifyTable(ts: TimelineStore, rows: boolean): Promise<VerifyReport> {
  const found = new Violations(MOST_TOLD)
  const walked: Walked = { ...NOTHING_WALKED }
  try {
    await ts.properties()
    await ts.refresh()
    const history = await checkTimeline(ts, found, walked)
    await checkFiles(ts, history, found, walked)
    const data = await listDataFiles(ts.store, ts.table)
    await checkStatesWhole(ts, data, found)
    checkCheckpoints(ts, history, found)
    await checkRestores(ts, found)
    if (rows) {
      const plan = await new LakeTableReader(ts.store, ts.table, ts.clock).plan({ kind: 'latest' }, 'snapshot')
      await checkLogs(ts, history, plan.slices, found)
      await checkRows(ts, history, plan, found, walked)
      await checkServices(ts, data, found, walked)
      await checkChanges(ts, history, data, found)
    }
  } catch (e) {
    if (!isFailure(e) || !BROKEN.has(e.code)) throw e
    // A missing file has been told of already: its rows, and those around them, cannot be looked at.
    const told = e.code === 'TRB-LAKE-028' && found.count > 0
    const { what, fix } = e.explain()
    if (!told) found.add(BROKEN.get(e.code)!, what, placeIn(e), fix)
  }
  return { count: found.count, violations: found.list, walked }
}

/** What a table that is damaged makes reading it fail with, and the invariant that it breaks. */
const BROKEN: ReadonlyMap<string, string> = new Map([
  ['TRB-LAKE-004', 'format'],
  ['TRB-LAKE-007', 'format'],
  ['TRB-LAKE-014', 'I3'],
  ['TRB-LAKE-020', 'format'],
  ['TRB-LAKE-025', 'format'],
  ['TRB-LAKE-026', 'I1'],
  ['TRB-LAKE-028', 'I3'],
  ['TRB-LAKE-401', 'format'],
])

/** File and instant that a failure names. */
function placeIn({ details }: Failure): { readonly file?: string; readonly instant?: string } {
  const { file, a, instant } = details
  const at = file ?? a
  return { ...(at === undefined ? {} : { file: String(at) }), ...(instant === undefined ? {} : { instant: String(instant) }) }
}
