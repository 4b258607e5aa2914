import { completedWrites } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { Checkpoint, Watermark } from '../../contract/table.ts'
import { isFailure } from '../../failure/failure.ts'
import { archivedInstants } from '../archived-timeline.ts'
import { LAKE_DIR } from '../layout/paths.ts'
import { readCheckpoint } from '../metadata/checkpoint.ts'
import { TimelineStore } from '../timeline-store.ts'
import { LakeWatermarkStore } from '../watermark-store.ts'
import type { Violations, Walked } from './violation.ts'

/** What a table's history knows of its writes. */
interface Writes {
  /** Time → where the commit ends in its source's log; null: it says nothing of it. */
  readonly times: ReadonlyMap<string, Checkpoint | null>
  /** Older writes may have left the archive. */
  readonly oldest: string
}

const AGAIN = 'cdc run writes what is missing behind the newest watermark; for an earlier one only a backup of the table has it.'

/** Whether there is a lake at the root of the store: it has watermarks. */
export async function hasWatermarks(store: ObjectStore): Promise<boolean> {
  for await (const _ of store.list(`${LAKE_DIR}/watermarks/`)) return true
  return false
}

/**
 * I16: watermarks increase, without a gap, and at each one every table is there: the commit that it names is part of the table's history and ends where
 * the watermark says. `only`: of the tables this one alone (path in the lake); null: all.
 */
export async function checkWatermarks(
  store: ObjectStore,
  clock: Clock,
  only: string | null,
  found: Violations,
  walked: Pick<Walked, 'watermarks'>,
): Promise<void> {
  const tables = new Map<string, Writes | null>()
  let newer: Watermark | null = null
  try {
    for await (const w of new LakeWatermarkStore(store, clock).list()) {
      walked.watermarks++
      if (newer !== null) checkOrder(w, newer, found)
      for (const t of w.tables) {
        if (only !== null && t.path !== only) continue
        if (!tables.has(t.path)) tables.set(t.path, await writesOf(store, t.path, clock))
        checkTable(w, t, tables.get(t.path) ?? null, found)
      }
      newer = w
    }
  } catch (e) {
    if (!isFailure(e, 'TRB-LAKE-004')) throw e
    found.add(
      'format',
      e.explain().what,
      {},
      'Bring the file back from a backup, or delete it when it is the newest one: cdc run writes the next.',
    )
  }
}

function checkOrder(w: Watermark, newer: Watermark, found: Violations): void {
  const at = { file: fileOf(newer) }
  if (w.seq !== newer.seq - 1) found.add('I16', `the watermark before it has number ${w.seq}, not ${newer.seq - 1}`, at, GAP)
  if (w.source !== newer.source) return
  if (newer.appendId <= w.appendId) {
    found.add('I16', `it is at append ${newer.appendId} of ${w.source}, the one before it at ${w.appendId}: it goes back`, at, TWO)
  }
  for (const t of newer.tables) {
    const before = w.tables.find((x) => x.path === t.path && x.topic === t.topic)
    if (before !== undefined && before.nextOffset > t.nextOffset) {
      const what = `it says that ${t.path} is complete up to offset ${t.nextOffset}, the one before it up to ${before.nextOffset}`
      found.add('I16', what, at, TWO)
    }
  }
}

const GAP = 'Harmless to readers, who take the newest one that fits; do not delete single watermarks.'
const TWO = 'Two processes write to this lake: stop one of them, and compare the tables with the source (cdc verify).'

function checkTable(w: Watermark, t: Watermark['tables'][number], writes: Writes | null, found: Violations): void {
  const at = { file: fileOf(w), ...(t.instant === null ? {} : { instant: t.instant }) }
  if (writes === null) {
    const fix = `Bring the table back from a backup, or take its snapshot again: cdc signal, execute-snapshot for ${t.schema}.${t.table}.`
    found.add('I16', `the table ${t.path} of the watermark is not there`, at, fix)
    return
  }
  if (t.instant === null || t.instant < writes.oldest) return
  const checkpoint = writes.times.get(t.instant)
  if (checkpoint === undefined) {
    found.add('I16', `the commit of ${t.path} that the watermark stands for is not part of its history`, at, AGAIN)
  } else if (
    checkpoint !== null &&
    checkpoint.source === w.source &&
    checkpoint.topic === t.topic &&
    checkpoint.nextOffset > t.nextOffset
  ) {
    const what = `the commit of ${t.path} goes up to offset ${checkpoint.nextOffset}, further than the watermark, which says ${t.nextOffset}`
    found.add('I16', what, at, TWO)
  }
}

/** Null: there is no table. */
async function writesOf(store: ObjectStore, table: string, clock: Clock): Promise<Writes | null> {
  const ts = new TimelineStore(store, table, clock)
  try {
    await ts.properties()
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-001')) return null
    throw e
  }
  await ts.refresh()
  const times = new Map<string, Checkpoint | null>()
  for (const i of completedWrites(ts.timeline, null)) {
    try {
      times.set(i.time, readCheckpoint(await ts.commit(i.time, i.action), ts.keyOf(i)))
    } catch (e) {
      // What is damaged there the walk over the table tells.
      if (!isFailure(e)) throw e
      times.set(i.time, null)
    }
  }
  try {
    for await (const { time, metadata } of archivedInstants(ts)) {
      if (metadata !== null) times.set(time, readCheckpoint(metadata, `${time} in the archive of ${table}`))
    }
  } catch (e) {
    if (!isFailure(e)) throw e
  }
  return { times, oldest: [...times.keys()].sort()[0] ?? '' }
}

function fileOf(w: Watermark): string {
  return `${LAKE_DIR}/watermarks/ number ${w.seq}`
}
