import { instantToMs } from '../../../timeline/instant.ts'
import type { Instant } from '../../../timeline/timeline.ts'
import { Failure } from '../../failure/failure.ts'
import { archivedInstants } from '../../lake/archived-timeline.ts'
import { hoodieKey } from '../../lake/layout/paths.ts'
import { readCheckpoint } from '../../lake/metadata/checkpoint.ts'
import type { CommitMetadata } from '../../lake/metadata/commit-metadata.ts'
import { firstWholeState } from '../../lake/read/whole-state.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { grid } from '../terminal/grid.ts'
import { countText, durationText } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { findTable, type StateTable } from './lake-state.ts'
import { nameOfPath, type OpenLake, openLake } from './open-lake.ts'

/** One line of the answer; the row of --json. */
interface TimelineRow {
  readonly table: string
  readonly instant: string
  readonly action: string
  readonly state: string
  /** When it took effect: what --from and --to of lake read mean in tables of version 8 and 9. Null: pending, or version 6, which goes by `instant`. */
  readonly completed: string | null
  /** From the instant to the time at which its completed file appeared; null while pending. */
  readonly tookMs: number | null
  readonly inserted: number | null
  readonly updated: number | null
  readonly deleted: number | null
  readonly files: number | null
  readonly commit: string | null
  readonly note: string
}

type TimelineContext = ContextWith<{ readonly lake: string; readonly last: number; readonly archived: boolean } & S3FlagValues>

/** `lake timeline`. */
export async function showTimeline(context: TimelineContext): Promise<Outcome> {
  const { flags, clock } = context
  const lake = openLake(flags.lake, context)
  const all: StateTable[] = []
  for await (const path of lake.catalog.paths()) {
    all.push({ path, ...nameOfPath(path), view: { kind: 'latest' }, newest: false, topic: null, nextOffset: 0 })
  }
  if (all.length === 0) throw new Failure('TRB-QUERY-008', { lake: lake.store.root })
  const wanted = context.args[0]
  const tables = wanted === undefined ? all : [findTable(all, wanted, lake)]
  const rows: TimelineRow[] = []
  let pending = 0
  let reachesBackTo: string | null = null
  for (const t of tables) {
    const ts = new TimelineStore(lake.store, t.path, clock)
    await ts.refresh()
    const instants = [...ts.timeline.instants].reverse()
    pending += instants.filter((i) => i.state !== 'completed').length
    const first = await firstWholeState(ts)
    if (first !== null && (reachesBackTo === null || first < reachesBackTo)) reachesBackTo = first
    const shown = flags.last === 0 ? instants : instants.slice(0, flags.last)
    for (const i of shown) rows.push(await rowOf(lake, ts, t, i, clock.now()))
    if (flags.archived) rows.push(...(await archivedRows(ts, t, flags.last === 0 ? null : flags.last - shown.length)))
  }
  if (tables.length > 1) rows.sort((a, b) => (a.instant < b.instant ? 1 : a.instant > b.instant ? -1 : 0))
  const kept = flags.last === 0 ? rows : rows.slice(0, flags.last)
  const summary = `pending ${pending} · ${reachText(reachesBackTo, clock.now())}`
  const result = { lake: lake.store.root, tables: tables.map(fullName), pending, reachesBackTo, instants: kept }
  return { summary, result, text: `${table(kept, tables.length > 1)}\n${summary}` }
}

async function rowOf(lake: OpenLake, ts: TimelineStore, t: StateTable, i: Instant, nowMs: number): Promise<TimelineRow> {
  const head = { table: fullName(t), instant: i.time, action: i.action, state: i.state, completed: i.completion }
  const none = { tookMs: null, inserted: null, updated: null, deleted: null, files: null, commit: null }
  if (i.state !== 'completed') return { ...head, ...none, note: `for ${durationText(nowMs - (instantToMs(i.time) ?? nowMs))}` }
  const tookMs = await duration(lake, ts, i)
  if (i.target !== null) return { ...head, ...none, tookMs, note: `undid ${i.target}` }
  if (!['commit', 'deltacommit', 'replacecommit', 'compaction', 'logcompaction', 'clustering'].includes(i.action))
    return { ...head, ...none, tookMs, note: '' }
  return { ...head, tookMs, ...ofWrite(await ts.commit(i.time, i.action), ts.table, i.time) }
}

/** From request to completion: by the completion time, or by that of the file; null: not known. */
async function duration(lake: OpenLake, ts: TimelineStore, i: Instant): Promise<number | null> {
  const begun = instantToMs(i.time)
  if (i.completion !== null) return between(begun, instantToMs(i.completion))
  const file = await lake.store.head(ts.keyOf(i))
  // A completed file from a copy of the table carries the time of the copy.
  return file === null ? null : between(begun, file.modifiedMs)
}

function between(begun: number | null, ended: number | null): number | null {
  return begun === null || ended === null || ended < begun ? null : ended - begun
}

/** Instants that have left the active timeline, newest first; `most` null: all. */
async function archivedRows(ts: TimelineStore, t: StateTable, most: number | null): Promise<TimelineRow[]> {
  const rows: TimelineRow[] = []
  if (most !== null && most <= 0) return rows
  for await (const { time, action, completion, metadata } of archivedInstants(ts)) {
    const head = { table: fullName(t), instant: time, action, state: 'archived', completed: completion }
    const tookMs = completion === null ? null : between(instantToMs(time), instantToMs(completion))
    const none = { inserted: null, updated: null, deleted: null, files: null, commit: null, note: '' }
    rows.push({ ...head, tookMs, ...(metadata === null ? none : ofWrite(metadata, ts.table, time)) })
    if (most !== null && rows.length >= most) break
  }
  return rows.sort((a, b) => (a.instant < b.instant ? 1 : a.instant > b.instant ? -1 : 0))
}

/** What a write recorded of itself. */
function ofWrite(
  metadata: CommitMetadata,
  tablePath: string,
  time: string,
): Pick<TimelineRow, 'inserted' | 'updated' | 'deleted' | 'files' | 'commit' | 'note'> {
  const stats = [...metadata.stats.values()].flat()
  const sum = (of: (s: (typeof stats)[number]) => number): number => stats.reduce((n, s) => n + of(s), 0)
  const checkpoint = readCheckpoint(metadata, hoodieKey(tablePath, time))
  const from =
    checkpoint === null ? (metadata.operation ?? '').toLowerCase() : checkpoint.commit === null ? 'snapshot' : `at ${checkpoint.commit}`
  return {
    inserted: sum((s) => s.numInserts),
    updated: sum((s) => s.numUpdateWrites),
    deleted: sum((s) => s.numDeletes),
    files: stats.filter((s) => s.path !== null).length,
    commit: checkpoint?.commit ?? null,
    note: from,
  }
}

function table(rows: readonly TimelineRow[], several: boolean): string {
  // Where commits count by the time at which they completed, that is shown beside the instant that names them.
  const completions = rows.some((r) => r.completed !== null)
  const head = ['instant', ...(completions ? ['completed'] : []), 'action', 'state', 'took', 'rows', 'files', 'note']
  const cells = rows.map((r) => [
    r.instant,
    ...(completions ? [r.completed ?? '-'] : []),
    r.action,
    r.state,
    r.tookMs === null ? '-' : durationText(r.tookMs),
    rowsText(r),
    r.files === null ? '-' : String(r.files),
    r.note,
  ])
  const align: ('left' | 'right')[] = [...(completions ? ['left' as const] : []), 'left', 'left', 'left', 'right', 'left', 'right', 'left']
  if (!several) return grid(head, cells, align)
  return grid(
    ['table', ...head],
    cells.map((c, i) => [rows[i]!.table, ...c]),
    ['left', ...align],
  )
}

function rowsText(r: TimelineRow): string {
  const parts: string[] = []
  if (r.inserted) parts.push(`+${countText(r.inserted)}`)
  if (r.updated) parts.push(`~${countText(r.updated)}`)
  if (r.deleted) parts.push(`-${countText(r.deleted)}`)
  return parts.length === 0 ? '-' : parts.join(' ')
}

function reachText(first: string | null, nowMs: number): string {
  if (first === null) return 'no commit yet'
  const ms = instantToMs(first)
  return `time travel reaches back to ${first}${ms === null ? '' : ` (${durationText(nowMs - ms)})`}`
}

function fullName(t: StateTable): string {
  return `${t.schema}.${t.table}`
}
