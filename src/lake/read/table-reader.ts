import { completedWrites } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, SliceFile } from '../../contract/slice.ts'
import type { Checkpoint } from '../../contract/table.ts'
import type { QueryKind, ScanPlan, TableReader, View } from '../../contract/table-reader.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { checkpointAt } from '../commit-protocol.ts'
import { checkReadable, specOf } from '../layout/table-properties.ts'
import { columnsAt } from '../open-table.ts'
import { TimelineStore } from '../timeline-store.ts'
import { checkFilesThere } from './missing-files.ts'
import { blockVisibility, listDataFiles, replacedGroups, slicesOf } from './slices.ts'
import { writeAt } from './whole-state.ts'

/**
 * Plans reads of one table. Invariant I4: only files of completed instants, and of those only the newest slice per file group. Every base
 * file's size is compared with the one that its commit recorded (I3); a difference fails with TRB-LAKE-014.
 */
export class LakeTableReader implements TableReader {
  readonly #ts: TimelineStore
  /** Path → recorded stat, by instant: commits never change. */
  readonly #stats = new Map<string, ReadonlyMap<string, { rows: number; bytes: number }>>()

  constructor(store: ObjectStore, path: string, clock: Clock) {
    this.#ts = new TimelineStore(store, path, clock)
  }

  async plan(view: View, kind: QueryKind = 'snapshot'): Promise<ScanPlan> {
    try {
      return await this.#plan(view, kind)
    } catch (e) {
      // A writer archived an instant, or cleaned a file, between our look at the timeline and our look at it: the next one tells.
      if (!isFailure(e, 'TRB-STORE-001') && !isFailure(e, 'TRB-LAKE-028')) throw e
      return await this.#plan(view, kind)
    }
  }

  async #plan(view: View, kind: QueryKind): Promise<ScanPlan> {
    const ts = this.#ts
    const properties = await ts.properties()
    checkReadable(properties, ts.table)
    await ts.refresh()
    const asOf = view.kind === 'latest' ? null : view.instant
    const spec = specOf(properties, ts.table, await columnsAt(ts, null))
    const at = await writeAt(ts, asOf)
    if (at === null) return this.#empty(spec)
    const listed = await listDataFiles(ts.store, ts.table)
    const now = await slicesOf(ts, listed, null)
    const found = asOf === null ? now : await slicesOf(ts, listed, asOf)
    await checkFilesThere(ts, found, await replacedGroups(ts, asOf), asOf)
    const slices: FileSlice[] = []
    for (const s of found) {
      if (s.base === null && kind === 'read-optimized') continue
      slices.push({ ...s, base: s.base === null ? null : await this.#checked(s.base), logs: kind === 'read-optimized' ? [] : s.logs })
    }
    slices.sort(byPlace)
    const files = slices.flatMap((s) => (s.base === null ? [] : [s.base]))
    const columns = specOf(properties, ts.table, await columnsAt(ts, asOf)).columns
    const totalFiles = now.reduce((n, s) => n + s.logs.length + (s.base === null ? 0 : 1), 0)
    return { spec, columns, instant: at, files, slices, counts: blockVisibility(ts, asOf), totalFiles }
  }

  async checkpointAt(view: View): Promise<Checkpoint | null> {
    await this.#ts.refresh()
    return checkpointAt(this.#ts, view.kind === 'latest' ? null : view.instant)
  }

  #empty(spec: ScanPlan['spec']): ScanPlan {
    return { spec, columns: spec.columns, instant: null, files: [], slices: [], counts: () => false, totalFiles: 0 }
  }

  /** The base file with the rows that its commit recorded, once its size has been compared. */
  async #checked(f: SliceFile): Promise<SliceFile> {
    const { table } = this.#ts
    const recorded = (await this.#statsOf(f.instant)).get(table === '' ? f.key : f.key.slice(table.length + 1))
    if (recorded === undefined) return f
    if (recorded.bytes !== f.bytes) {
      throw new Failure('TRB-LAKE-014', { table, file: f.key, found: f.bytes, recorded: recorded.bytes, instant: f.instant })
    }
    return { ...f, rows: recorded.rows }
  }

  /** Empty for an instant that has been archived. */
  async #statsOf(instant: string): Promise<ReadonlyMap<string, { rows: number; bytes: number }>> {
    const known = this.#stats.get(instant)
    if (known !== undefined) return known
    const stats = new Map<string, { rows: number; bytes: number }>()
    const on = completedWrites(this.#ts.timeline, null).find((i) => i.time === instant)
    if (on !== undefined) {
      for (const s of [...(await this.#ts.commit(on.time, on.action)).stats.values()].flat()) {
        if (s.path !== null) stats.set(s.path, { rows: s.numWrites, bytes: s.fileSizeInBytes })
      }
    }
    this.#stats.set(instant, stats)
    return stats
  }
}

function byPlace(a: FileSlice, b: FileSlice): number {
  if (a.partition !== b.partition) return a.partition < b.partition ? -1 : 1
  return a.fileId < b.fileId ? -1 : a.fileId > b.fileId ? 1 : 0
}
