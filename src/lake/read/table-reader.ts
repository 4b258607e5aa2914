import { completedWrites, newestWrite } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { Checkpoint, ScanPlan, SliceFile, TableReader, View } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { checkpointAt } from '../commit-protocol.ts'
import { checkReadable, specOf } from '../layout/table-properties.ts'
import { columnsAt } from '../open-table.ts'
import { TimelineStore } from '../timeline-store.ts'
import { type BaseFile, latestOf, listBaseFiles } from './slices.ts'

/**
 * Plans reads of one copy-on-write table of version 6. Invariant I4: only files of completed instants, and of those only the newest per
 * file group. Every file's size is compared with the one that its commit recorded (I3); a difference fails with TRB-LAKE-014.
 */
export class LakeTableReader implements TableReader {
  readonly #ts: TimelineStore
  /** Path → recorded stat, by instant: commits never change. */
  readonly #stats = new Map<string, ReadonlyMap<string, { rows: number; bytes: number }>>()

  constructor(store: ObjectStore, path: string, clock: Clock) {
    this.#ts = new TimelineStore(store, path, clock)
  }

  async plan(view: View): Promise<ScanPlan> {
    const ts = this.#ts
    const properties = await ts.properties()
    checkReadable(properties, ts.table)
    if (properties.get('hoodie.table.type') === 'MERGE_ON_READ') throw new Failure('TRB-LAKE-008', { file: ts.table })
    await ts.refresh()
    const asOf = view.kind === 'latest' ? null : view.instant
    const spec = specOf(properties, ts.table, await columnsAt(ts, null))
    const at = newestWrite(ts.timeline, asOf)
    if (at === null) return this.#empty(asOf, spec)
    const listed = await listBaseFiles(ts.store, ts.table)
    const now = await latestOf(ts, listed, null)
    const files: SliceFile[] = []
    for (const f of asOf === null ? now : await latestOf(ts, listed, asOf)) files.push(await this.#slice(f))
    const columns = specOf(properties, ts.table, await columnsAt(ts, asOf)).columns
    return { spec, columns, instant: at.time, files: files.sort(byPlace), totalFiles: now.length }
  }

  async checkpointAt(view: View): Promise<Checkpoint | null> {
    await this.#ts.refresh()
    return checkpointAt(this.#ts, view.kind === 'latest' ? null : view.instant)
  }

  /** Nothing committed yet is an empty table; a time before the first commit is an error, as older states may have been cleaned away. */
  #empty(asOf: string | null, spec: ScanPlan['spec']): ScanPlan {
    const first = completedWrites(this.#ts.timeline, null).at(0)
    if (asOf !== null && first !== undefined) {
      throw new Failure('TRB-LAKE-018', { table: this.#ts.table, instant: asOf, first: first.time })
    }
    return { spec, columns: spec.columns, instant: null, files: [], totalFiles: 0 }
  }

  async #slice(f: BaseFile): Promise<SliceFile> {
    const recorded = (await this.#statsOf(f.instant)).get(f.partition === '' ? f.name : `${f.partition}/${f.name}`)
    if (recorded !== undefined && recorded.bytes !== f.bytes) {
      const { table } = this.#ts
      throw new Failure('TRB-LAKE-014', { table, file: f.key, found: f.bytes, recorded: recorded.bytes, instant: f.instant })
    }
    const rows = recorded?.rows ?? -1
    return { fileId: f.fileId, partition: f.partition, key: f.key, bytes: f.bytes, rows, instant: f.instant }
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

function byPlace(a: SliceFile, b: SliceFile): number {
  if (a.partition !== b.partition) return a.partition < b.partition ? -1 : 1
  return a.fileId < b.fileId ? -1 : a.fileId > b.fileId ? 1 : 0
}
