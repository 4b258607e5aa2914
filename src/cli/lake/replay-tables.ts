import type { Clock } from '../../contract/clock.ts'
import type { ScanPlan } from '../../contract/table.ts'
import { openStateReader } from '../../log/embedded/database.ts'
import { createLogReader } from '../../log/embedded/embedded-log.ts'
import type { ReplayLog, TopicReplay } from '../../query/replay.ts'
import type { OpenLake } from './open-lake.ts'

/** The embedded log, opened for reading, and what applies its records to the files of a table. */
export interface LogHandle {
  readonly log: ReplayLog
  apply(
    lake: OpenLake,
    plan: ScanPlan,
    records: TopicReplay,
    scratch: string,
  ): Promise<{ readonly plan: ScanPlan; readonly filePaths: readonly string[] }>
  close(): void
}

/** Fails with TRB-LOG-007 when `directory` holds no log. A writer may be running. */
export function openLog(directory: string, _clock: Clock): LogHandle {
  const db = openStateReader(directory)
  const log = createLogReader(db)
  return {
    log,
    async apply(_lake, _plan, _records, _scratch) {
      throw new Error('not yet')
    },
    close: () => db.close(),
  }
}
