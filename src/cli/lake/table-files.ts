import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { mergeRulesOf } from '../../lake/read/merge-rules.ts'
import { writeOverlays } from '../../lake/read/overlay.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import type { TableFiles } from '../../query/table-source.ts'
import { DiskStore } from '../../storage/disk/disk-store.ts'
import type { OpenLake } from './open-lake.ts'

/** Memory for what the logs of one slice hold; beyond it they are merged by parts. */
const LOG_MEMORY = 256 << 20

/**
 * The files of a plan for SQL: base files as they are, and for each slice with logs what the logs make of it, worked out into a directory
 * below `scratch` (`columns`: of columns with these names, in lower case; null: of all).
 */
export async function tableFiles(
  lake: OpenLake,
  plan: ScanPlan,
  scratch: string,
  clock: Clock,
  columns: ReadonlySet<string> | null = null,
): Promise<TableFiles> {
  const whole = plan.slices.flatMap((s) => (s.logs.length === 0 && s.base !== null ? [lake.files.path(s.base.key)] : []))
  if (!plan.slices.some((s) => s.logs.length > 0)) return { whole, merged: [] }
  const directory = join(scratch, `overlay-${clock.uuid()}`)
  await mkdir(directory, { recursive: true })
  const { path } = plan.spec
  const rules = mergeRulesOf(await new TimelineStore(lake.store, path, clock).properties(), path)
  const wanted = columns === null ? null : plan.columns.flatMap((c) => (columns.has(c.name.toLowerCase()) ? [c.name] : []))
  const limit = { bytes: LOG_MEMORY, directory }
  const overlays = await writeOverlays(lake.store, plan, rules, wanted, new DiskStore(directory, clock), limit)
  const at = (key: string | null): string | null => (key === null ? null : resolve(directory, key))
  const merged = overlays.map((o) => ({ base: o.base === null ? null : lake.files.path(o.base), hidden: at(o.hidden), rows: at(o.rows) }))
  return { whole, merged }
}
