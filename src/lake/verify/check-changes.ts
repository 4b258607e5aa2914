import { completedWrites } from '../../../timeline/view.ts'
import type { BytesVector } from '../../contract/columns.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import { assert, isFailure } from '../../failure/failure.ts'
import { LogReader } from '../../format/hudi-log/reader.ts'
import { toVector } from '../../format/parquet/column.ts'
import { specOf, storedColumns } from '../layout/table-properties.ts'
import { columnsAt } from '../open-table.ts'
import { LogColumns } from '../read/log-columns.ts'
import { blockRows } from '../read/log-rows.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { blockVisibility, type DataFiles, sliceHistory } from '../read/slices.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { rowsOf } from './check-services.ts'
import type { History } from './check-timeline.ts'
import { RowDigests, RowText } from './row-digest.ts'
import type { Violations } from './violation.ts'

const FIX =
  'Rows that an incremental reader has missed are found by lake diff TABLE_URI --from --to; upsert them once more to give them a commit time.'

/**
 * I13: what the commits of (a, b] and of (b, c] changed is what those of (a, c] changed. It holds for all a, b, c when each write left every row as it
 * was, its commit time and sequence number too, or gave it its own commit time; and when each commit time is that of a completed write. So each base file
 * of a write is compared with the version before it, and each block of a log with the instant that it is of.
 */
export async function checkChanges(ts: TimelineStore, history: History, files: DataFiles, found: Violations): Promise<void> {
  const properties = await ts.properties()
  // Rows without meta columns tell nothing of their commits.
  if (properties.get('hoodie.populate.meta.fields') === 'false') return
  const schema = storedColumns(specOf(properties, ts.table, await columnsAt(ts, null)))
  const text = new RowText(schema)
  const rules = files.logs.length > 0 ? mergeRulesOf(properties, ts.table) : null
  const counts = blockVisibility(ts, null)
  const plain = new Set<string>()
  for (const i of completedWrites(ts.timeline, null)) {
    const { operation } = history.commits.get(i.time) ?? { operation: 'COMPACT' }
    const service = i.action === 'compaction' || i.action === 'logcompaction' || operation === 'COMPACT' || operation === 'CLUSTER'
    if (!service) plain.add(i.time)
  }
  for (const group of await sliceHistory(ts, files, null)) {
    for (const [n, slice] of group.entries()) {
      try {
        if (rules !== null) await checkBlocks(ts, history, slice, new LogColumns(ts.table, schema, [], rules), found)
        if (slice.base === null || !plain.has(slice.base.instant)) continue
        const { instant } = slice.base
        const old = n === 0 ? null : group[n - 1]!
        if (predecessorOf(history, slice, instant) !== (old?.baseInstant ?? null)) continue
        const earlier = (i: string): boolean => i < instant && counts(i)
        const before = await RowDigests.of(rowsOf(ts, old === null ? [] : [old], schema, rules ?? COMMIT_TIME, earlier), text)
        const base = { ...slice, logs: [] }
        for await (const chunk of rowsOf(ts, [base], schema, rules ?? COMMIT_TIME, counts)()) {
          const changed = firstChanged(chunk, instant, before, text)
          if (changed === null) continue
          const what = `it holds a row that the version before it does not have, without giving it its commit time: ${changed}`
          found.add('I13', what, { file: slice.base.key, instant }, FIX)
          break
        }
      } catch (e) {
        // What cannot be read is told by the walk over the rows.
        if (!isFailure(e)) throw e
      }
    }
  }
}

const COMMIT_TIME = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null } as const

/** The version that a base file took the place of, by its commit; null: it was the first of its group; '': not known. Older ones may have been cleaned. */
function predecessorOf(history: History, slice: FileSlice, instant: string): string | null {
  const stats = history.commits.get(instant)?.stats.get(slice.partition) ?? []
  const own = stats.find((s) => s.fileId === slice.fileId)
  if (own === undefined) return ''
  return own.prevCommit === 'null' || own.prevCommit === '' || own.prevCommit >= instant ? null : own.prevCommit
}

/** Text of the first row that is neither of this commit nor as it was. */
function firstChanged(chunk: RowChunk, instant: string, before: RowDigests, text: RowText): string | null {
  const times = bytes(chunk)
  const of = text.of(chunk)
  for (let r = 0; r < chunk.count; r++) {
    if (times.data.toString('latin1', times.offsets[r], times.offsets[r + 1]) === instant) continue
    if (!before.has(of(r))) return of(r)
  }
  return null
}

/** Rows in a block of a log have the commit time of its write; those of a log compaction have older ones. */
async function checkBlocks(ts: TimelineStore, history: History, slice: FileSlice, of: LogColumns, found: Violations): Promise<void> {
  for (const log of slice.logs) {
    const reader = new LogReader(ts.store, log.key, log.bytes)
    for await (const block of reader.blocks()) {
      if (block.kind === 'damaged' || block.type === 'command' || block.type === 'delete') continue
      const instant = block.header.get('instant') ?? ''
      if (!history.commits.has(instant)) continue
      const merged = block.header.has('compacted')
      for await (const { count, columns } of blockRows({ reader, block, instant }, of)) {
        const times = columns[0] === null ? null : toVector(columns[0])
        if (times === null || times.kind !== 'bytes') continue
        const strange = firstTime(times, count, (t) => (merged ? t < instant : t === instant))
        if (strange === null) continue
        found.add('I13', `a block of it has a row of commit time "${strange}"`, { file: log.key, instant }, FIX)
        break
      }
    }
    reader.release()
  }
}

/** The first value that is not `right`; equal ones in a row are looked at once. */
function firstTime(v: BytesVector, count: number, right: (time: string) => boolean): string | null {
  let last = ''
  for (let r = 0; r < count; r++) {
    const time = v.data.toString('latin1', v.offsets[r], v.offsets[r + 1])
    if (time !== last && !right(time)) return time
    last = time
  }
  return null
}

/** Commit times of rows that no completed write has: an incremental read of no range shows them. */
export function checkTimes(
  chunk: RowChunk,
  history: History,
  at: { readonly file?: string; readonly instant?: string },
  found: Violations,
): void {
  const known = (t: string): boolean => history.commits.has(t) || history.archived.has(t) || t < history.oldest
  const strange = firstTime(bytes(chunk), chunk.count, known)
  if (strange !== null) found.add('I13', `a row is of commit "${strange}", which is not part of the table's history`, at, FIX)
}

function bytes(chunk: RowChunk): BytesVector {
  const v = chunk.vectors[0]
  assert(v.kind === 'bytes', 'the first column is the commit time')
  return v
}
