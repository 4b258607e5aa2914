import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec, TableWriter } from '../../contract/table.ts'
import { isFailure } from '../../failure/failure.ts'
import { tablePath } from '../../lake/layout/paths.ts'
import { openTable } from '../../lake/open-table.ts'
import { LakeWatermarkStore } from '../../lake/watermark-store.ts'
import { openTableWriter } from '../../lake/write/open-table.ts'
import type { FeedLake } from '../../pipeline/feed-lake.ts'

/** Changes held in memory while a commit is staged; more goes to the scratch directory. */
const MEMORY_BUDGET = 12 << 20
/** Rows of a base file held in memory, uncompressed, before a row group is written. */
const ROW_GROUP_BYTES = 12 << 20

/** The lake of a `cdc run`: Hudi tables in an object store, written by our own writer. */
export function feedLake(store: ObjectStore, clock: Clock, scratchDir: string): FeedLake {
  const deps = { clock, scratchDir, memoryBudget: MEMORY_BUDGET, rowGroupBytes: ROW_GROUP_BYTES }
  const write = (spec: TableSpec): Promise<TableWriter> => openTableWriter(store, spec, deps)
  return {
    root: store.root,
    watermarks: new LakeWatermarkStore(store, clock),
    pathOf: (t) => tablePath(t.database, t.table.schema, t.table.table),
    async open(path) {
      const spec = await specOrNull(store, path, clock)
      return spec === null ? null : await write(spec)
    },
    create: write,
  }
}

async function specOrNull(store: ObjectStore, path: string, clock: Clock): Promise<TableSpec | null> {
  try {
    return await openTable(store, path, clock)
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-001')) return null
    throw e
  }
}
