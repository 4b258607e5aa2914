import type { Instant } from '../../../timeline/timeline.ts'
import { completedWrites } from '../../../timeline/view.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { FileSlice, MergeRules, RowChunk } from '../../contract/slice.ts'
import { isFailure } from '../../failure/failure.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { parseBaseFileName } from '../layout/file-name.ts'
import { specOf, storedColumns } from '../layout/table-properties.ts'
import { columnsAt } from '../open-table.ts'
import { baseRows } from '../read/base-rows.ts'
import { mergedRows } from '../read/delta.ts'
import { META } from '../read/log-columns.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility, type DataFiles, sliceFile, slicesOf } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { compareRows, type RowDifference, type Rows, RowText } from './row-digest.ts'
import type { Violations, Walked } from './violation.ts'

const NOTHING_HIDDEN = new Int32Array(0)
const NO_RULES: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }

/** Files that a service read and what it made of them. */
interface Rewrite {
  readonly file: string
  readonly before: readonly FileSlice[]
  readonly after: readonly FileSlice[]
}

/**
 * I11: compaction, log compaction and clustering change no row, no commit time and no sequence number. Each one of the active timeline whose files are
 * all still there is compared with what it was made of: as many rows, the same ones. The timeline must be fresh.
 */
export async function checkServices(ts: TimelineStore, files: DataFiles, found: Violations, walked: Walked): Promise<void> {
  const properties = await ts.properties()
  const rules = files.logs.length > 0 ? mergeRulesOf(properties, ts.table) : NO_RULES
  for (const i of completedWrites(ts.timeline, null)) {
    const rewrites = await rewritesOf(ts, files, i)
    if (rewrites.length === 0) continue
    const schema = storedColumns(specOf(properties, ts.table, await columnsAt(ts, i.time)))
    const earlier = before(ts, i)
    for (const { file, before, after } of rewrites) {
      walked.rewrites++
      try {
        const was = rowsOf(ts, before, schema, rules, visibleIn(ts, i, earlier))
        const is = rowsOf(ts, after, schema, rules, blockVisibility(ts, i.time))
        const difference = await compareRows(was, is, new RowText(schema))
        if (difference !== null) found.add('I11', told(i, difference), { file, instant: i.time }, fixOf(i))
      } catch (e) {
        if (!isFailure(e)) throw e
        found.add('format', e.explain().what, { file, instant: i.time }, fixOf(i))
      }
    }
  }
}

/** Time of the newest completed write before an instant; '': there is none. */
function before(ts: TimelineStore, i: Instant): string {
  return completedWrites(ts.timeline, null).findLast((w) => w.time < i.time)?.time ?? ''
}

/** Blocks that a compaction or clustering merged: of every write that began before it. */
function visibleIn(ts: TimelineStore, i: Instant, earlier: string): (instant: string) => boolean {
  if (i.action === 'logcompaction') return blockVisibility(ts, earlier)
  const counts = blockVisibility(ts, null)
  return (instant) => instant < i.time && counts(instant)
}

function told(i: Instant, d: RowDifference): string {
  const count = d.before === d.after ? `${d.after} rows` : `${d.before} rows went in and ${d.after} came out`
  const example = d.lost === null ? `it made ${d.came}` : d.came === null ? `it lost ${d.lost}` : `${d.lost} became ${d.came}`
  return `the ${i.action} changed rows (${count}): ${example}`
}

function fixOf(i: Instant): string {
  const rewrite = 'write the rows again that differ, from the source or from a state before it (lake read TABLE_URI --as-of)'
  return `While nothing was written after it: lake rollback TABLE_URI --instant ${i.time}; later, ${rewrite}.`
}

/** What the plan of a completed service names, where every file of it is still there. */
async function rewritesOf(ts: TimelineStore, files: DataFiles, i: Instant): Promise<readonly Rewrite[]> {
  if (i.action === 'compaction' || i.action === 'logcompaction') return compacted(ts, files, i, i.action)
  if (i.action === 'clustering' || i.action === 'replacecommit') return clustered(ts, files, i)
  return []
}

async function compacted(
  ts: TimelineStore,
  files: DataFiles,
  i: Instant,
  action: 'compaction' | 'logcompaction',
): Promise<readonly Rewrite[]> {
  const plan = await ts.compactionPlan(i.time, action)
  const was = byGroup(await slicesOf(ts, files, before(ts, i)))
  const is = action === 'logcompaction' ? byGroup(await slicesOf(ts, files, i.time)) : null
  const out: Rewrite[] = []
  for (const o of plan.operations) {
    const group = `${o.partition}/${o.fileId}`
    const old = was.get(group)
    const wanted = new Set(o.logFiles)
    const logs = old?.logs.filter((l) => wanted.has(l.name)) ?? []
    const whole = old !== undefined && logs.length === wanted.size && (old.base === null ? null : nameOf(old.base.key)) === o.baseFile
    if (!whole) continue
    if (is !== null) {
      // The merged block stands among the logs that it replaces: the whole slice is compared.
      const now = is.get(group)
      if (now !== undefined && now.baseInstant === old.baseInstant) out.push({ file: now.logs.at(-1)!.key, before: [old], after: [now] })
      continue
    }
    const made = files.bases.find((b) => b.partition === o.partition && b.fileId === o.fileId && b.instant === i.time)
    if (made !== undefined) out.push({ file: made.key, before: [{ ...old, logs }], after: [baseOnly(made)] })
  }
  return out
}

async function clustered(ts: TimelineStore, files: DataFiles, i: Instant): Promise<readonly Rewrite[]> {
  const { operation, stats } = await ts.commit(i.time, i.action)
  if (operation !== 'CLUSTER') return []
  const plan = await ts.clusteringPlan(i.time)
  const slices = plan?.groups.flatMap((g) => g.slices) ?? []
  if (slices.length === 0) return []
  const was = byGroup(await slicesOf(ts, files, before(ts, i)))
  const old: FileSlice[] = []
  for (const s of slices) {
    const slice = was.get(`${s.partition}/${s.fileId}`)
    const wanted = new Set(s.logFiles.map(nameOf))
    const logs = slice?.logs.filter((l) => wanted.has(l.name)) ?? []
    if (slice === undefined || logs.length !== wanted.size || nameOf(slice.base?.key ?? '') !== nameOf(s.baseFile)) return []
    old.push({ ...slice, logs })
  }
  // Which file came of which group of the plan no commit tells: all of one partition are compared with all.
  const made = [...stats.values()].flat().flatMap((s) => (s.path === null ? [] : [nameOf(s.path)]))
  const now = files.bases.filter((b) => b.instant === i.time && made.includes(b.name) && parseBaseFileName(b.name) !== null)
  if (now.length !== made.length) return []
  const partitions = new Set([...old, ...now].map((f) => f.partition))
  return [...partitions].map((partition) => ({
    file: `${ts.table}/${partition}`.replace(/\/$/, ''),
    before: old.filter((s) => s.partition === partition),
    after: now.filter((b) => b.partition === partition).map(baseOnly),
  }))
}

function baseOnly(b: DataFiles['bases'][number]): FileSlice {
  return { partition: b.partition, fileId: b.fileId, baseInstant: b.instant, base: sliceFile(b), logs: [] }
}

/** The rows of some slices, base files and logs merged. */
export function rowsOf(
  ts: TimelineStore,
  slices: readonly FileSlice[],
  schema: readonly LakeColumn[],
  rules: MergeRules,
  visible: (instant: string) => boolean,
): Rows {
  return async function* (): AsyncGenerator<RowChunk> {
    for (const slice of slices) {
      const { base } = slice
      if (slice.logs.length > 0) yield* mergedRows({ store: ts.store, table: ts.table, slice, schema, rules, visible })
      else if (base !== null) yield* baseRows(await ParquetFile.open(ts.store, base.key, base.bytes), [...META, ...schema], NOTHING_HIDDEN)
    }
  }
}

function byGroup(slices: readonly FileSlice[]): ReadonlyMap<string, FileSlice> {
  return new Map(slices.map((s) => [`${s.partition}/${s.fileId}`, s]))
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
