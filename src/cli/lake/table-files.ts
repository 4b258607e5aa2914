import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { mergeRulesOf } from '../../lake/read/merge-rules.ts'
import { type OverlayNeeds, writeOverlays } from '../../lake/read/overlay.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import type { TableFiles } from '../../query/table-source.ts'
import { DiskStore } from '../../storage/disk/disk-store.ts'
import type { OpenLake } from './open-lake.ts'

/** What a reader needs of a table's rows. */
export interface TableNeeds {
  /** Names, in lower case, among which are all columns that are needed; null: any column of the row. */
  readonly columns: ReadonlySet<string> | null
  /** The meta columns, too. */
  readonly meta: boolean
}

/** Every column of the row. */
export const ALL_COLUMNS: TableNeeds = { columns: null, meta: false }

/** Memory for what the logs of one slice hold; beyond it they are merged by parts. */
export const LOG_MEMORY = 256 << 20

/**
 * The files of a plan for SQL: base files as they are, and for each slice with logs what the logs make of it, worked out into a directory
 * below `scratch`, of the columns that are needed.
 */
export async function tableFiles(
  lake: OpenLake,
  plan: ScanPlan,
  scratch: string,
  clock: Clock,
  needs: TableNeeds = ALL_COLUMNS,
): Promise<TableFiles> {
  const whole = plan.slices.flatMap((s) => (s.logs.length === 0 && s.base !== null ? [lake.files.path(s.base.key)] : []))
  if (!plan.slices.some((s) => s.logs.length > 0)) return { whole, merged: [] }
  const directory = join(scratch, `overlay-${clock.uuid()}`)
  await mkdir(directory, { recursive: true })
  const { path } = plan.spec
  const rules = mergeRulesOf(await new TimelineStore(lake.store, path, clock).properties(), path)
  const limit = { bytes: LOG_MEMORY, directory }
  const overlays = await writeOverlays(lake.store, plan, rules, overlayNeeds(plan, needs), new DiskStore(directory, clock), limit)
  const at = (key: string | null): string | null => (key === null ? null : resolve(directory, key))
  const merged = overlays.map((o) => ({ base: o.base === null ? null : lake.files.path(o.base), hidden: at(o.hidden), rows: at(o.rows) }))
  return { whole, merged }
}

function overlayNeeds(plan: ScanPlan, { columns, meta }: TableNeeds): OverlayNeeds {
  if (columns === null) return { meta }
  const names = plan.columns.map((c) => c.name).filter((name) => columns.has(name.toLowerCase()))
  // A file needs a column to have rows.
  const least = names.length === 0 && !meta ? plan.columns.slice(0, 1).map((c) => c.name) : names
  return { columns: least, meta }
}
