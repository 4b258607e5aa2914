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

/**
 * The files of a plan for SQL: base files as they are, and for each slice with logs what the logs make of it, worked out into a directory
 * below `scratch` (`columns`: of these columns; null: of all).
 */
export async function tableFiles(
  lake: OpenLake,
  plan: ScanPlan,
  scratch: string,
  clock: Clock,
  columns: readonly string[] | null = null,
): Promise<TableFiles> {
  const whole = plan.slices.flatMap((s) => (s.logs.length === 0 && s.base !== null ? [lake.files.path(s.base.key)] : []))
  if (!plan.slices.some((s) => s.logs.length > 0)) return { whole, merged: [] }
  const directory = join(scratch, `overlay-${clock.uuid()}`)
  await mkdir(directory, { recursive: true })
  const { path } = plan.spec
  const rules = mergeRulesOf(await new TimelineStore(lake.store, path, clock).properties(), path)
  const overlays = await writeOverlays(lake.store, plan, rules, columns, new DiskStore(directory, clock))
  const at = (key: string | null): string | null => (key === null ? null : resolve(directory, key))
  const merged = overlays.map((o) => ({ base: o.base === null ? null : lake.files.path(o.base), hidden: at(o.hidden), rows: at(o.rows) }))
  return { whole, merged }
}
