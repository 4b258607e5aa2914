import { completedWrites } from '../../../timeline/view.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, RowChunk, SliceFile } from '../../contract/slice.ts'
import { assert } from '../../failure/failure.ts'
import { toVector } from '../../format/parquet/column.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { MAX_KEY, MIN_KEY } from '../index/bloom.ts'
import { checkHistory, checkReadable, specOf, storedColumns } from '../layout/table-properties.ts'
import { gatherVector, nullColumn } from '../merge/gather.ts'
import { recordKeys } from '../merge/join.ts'
import { columnsAt } from '../open-table.ts'
import { TimelineStore } from '../timeline-store.ts'
import { readDelta } from './delta.ts'
import { META } from './log-columns.ts'
import { mergeRulesOf } from './merge-rules.ts'
import { blockVisibility, type DataFiles, listDataFiles, slicesOf } from './slices.ts'
import { firstWholeState } from './whole-state.ts'

/** A row as it was after a commit; null: it was not there. */
export interface RowVersion {
  /** The commit after which it was so: of the oldest version the one that wrote it, as the row says, be it archived. */
  readonly commit: string
  readonly row: RowChunk | null
}

export interface RowHistory {
  /** Meta columns first. */
  readonly columns: readonly LakeColumn[]
  /** The first state that could be looked at; null: nothing has been committed. */
  readonly since: string | null
  versions(): AsyncGenerator<RowVersion>
}

const NO_RULES: MergeRules = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }

/**
 * All versions of the row with a record key (as in `_hoodie_record_key`), oldest first, as far back as files have been kept. Of each commit
 * only the file groups that it touched are looked at, by key range and key column; one row at a time is held.
 */
export async function rowHistory(store: ObjectStore, table: string, clock: Clock, key: string): Promise<RowHistory> {
  const ts = new TimelineStore(store, table, clock)
  const properties = await ts.properties()
  checkReadable(properties, table)
  checkHistory(properties, table)
  await ts.refresh()
  const schema = storedColumns(specOf(properties, table, await columnsAt(ts, null)))
  const since = await firstWholeState(ts)
  const files = await listDataFiles(store, table)
  const rules = files.logs.length > 0 ? mergeRulesOf(properties, table) : NO_RULES
  const search = new KeySearch({ ts, files, schema, rules, key: Buffer.from(key, 'utf8') })
  return { columns: [...META, ...schema], since, versions: () => search.versions(since) }
}

interface SearchSource {
  readonly ts: TimelineStore
  readonly files: DataFiles
  readonly schema: readonly LakeColumn[]
  readonly rules: MergeRules
  readonly key: Buffer
}

class KeySearch {
  readonly #source: SearchSource
  readonly #columns: readonly LakeColumn[]
  /** What base files hold under the key; they never change. */
  readonly #inBase = new Map<string, Promise<{ readonly ordinal: number; readonly row: RowChunk } | null>>()

  constructor(source: SearchSource) {
    this.#source = source
    this.#columns = [...META, ...source.schema]
  }

  async *versions(since: string | null): AsyncGenerator<RowVersion> {
    if (since === null) return
    const { ts, files } = this.#source
    const found = new Map<string, RowChunk>()
    for (const s of await slicesOf(ts, files, since)) await this.#look(found, s, since)
    let last = newestOf(found)
    if (last !== null) yield { commit: textOf(last, 0), row: last }
    for (const commit of completedWrites(ts.timeline, null)) {
      if (commit.time <= since) continue
      const { stats, replaced } = await ts.commit(commit.time, commit.action)
      const slices = await slicesOf(ts, files, commit.time)
      const touched = new Set<string>()
      for (const [partition, list] of stats) for (const s of list) touched.add(`${partition}/${s.fileId}`)
      for (const [partition, ids] of replaced ?? []) for (const id of ids) touched.add(`${partition}/${id}`)
      for (const group of touched) {
        const slice = slices.find((s) => `${s.partition}/${s.fileId}` === group)
        if (slice === undefined) found.delete(group)
        else await this.#look(found, slice, commit.time)
      }
      const now = newestOf(found)
      if (now !== null ? last === null || versionOf(now) !== versionOf(last) : last !== null) yield { commit: commit.time, row: now }
      last = now
    }
  }

  /** Notes what a slice holds under the key. */
  async #look(found: Map<string, RowChunk>, slice: FileSlice, asOf: string): Promise<void> {
    const row = await this.#inSlice(slice, asOf)
    const group = `${slice.partition}/${slice.fileId}`
    if (row === null) found.delete(group)
    else found.set(group, row)
  }

  async #inSlice(slice: FileSlice, asOf: string): Promise<RowChunk | null> {
    const { ts, schema, rules, key } = this.#source
    const base = slice.base === null ? null : await this.#lookUp(slice.base)
    if (slice.logs.length === 0) return base?.row ?? null
    const only = (data: Uint8Array, from: number, to: number): boolean => key.equals(data.subarray(from, to))
    const delta = await readDelta({ store: ts.store, table: ts.table, slice, schema, rules, visible: blockVisibility(ts, asOf), only })
    try {
      for await (const chunk of delta.rows()) if (chunk.count > 0) return chunk
      return base !== null && delta.hidden.includes(base.ordinal) ? null : (base?.row ?? null)
    } finally {
      await delta.close()
    }
  }

  #lookUp(file: SliceFile): Promise<{ readonly ordinal: number; readonly row: RowChunk } | null> {
    let known = this.#inBase.get(file.key)
    if (known === undefined) {
      known = this.#read(file)
      this.#inBase.set(file.key, known)
    }
    return known
  }

  async #read({ key: path, bytes }: SliceFile): Promise<{ readonly ordinal: number; readonly row: RowChunk } | null> {
    const { ts, key } = this.#source
    const file = await ParquetFile.open(ts.store, path, bytes)
    const [min, max] = [file.meta.keyValues.get(MIN_KEY), file.meta.keyValues.get(MAX_KEY)]
    if (min !== undefined && max !== undefined && (Buffer.compare(key, Buffer.from(min)) < 0 || Buffer.compare(key, Buffer.from(max)) > 0))
      return null
    let first = 0
    for (const [g, group] of file.meta.rowGroups.entries()) {
      const { data, starts } = await recordKeys(file, g)
      for (let r = 0; r < group.rows; r++) {
        if (starts[r + 1] - starts[r] - 4 !== key.length || !key.equals(data.subarray(starts[r] + 4, starts[r + 1]))) continue
        return { ordinal: first + r, row: await this.#row(file, g, r, group.rows) }
      }
      first += group.rows
    }
    return null
  }

  async #row(file: ParquetFile, rowGroup: number, row: number, rows: number): Promise<RowChunk> {
    const vectors: Vector[] = []
    const pick = { source: null, row: Int32Array.of(row), count: 1 }
    for (const c of this.#columns) {
      const all = toVector((await file.read(rowGroup, c.name, c.type)) ?? nullColumn(c.type, rows))
      vectors.push(gatherVector(c.type, [all], pick))
    }
    return { columns: this.#columns, count: 1, vectors }
  }
}

/** A key is stored once; where another writer's mistake stored it twice, the newer row counts. */
function newestOf(found: ReadonlyMap<string, RowChunk>): RowChunk | null {
  let newest: RowChunk | null = null
  for (const row of found.values()) if (newest === null || versionOf(row) > versionOf(newest)) newest = row
  return newest
}

/** Commit time and sequence number: two versions never share both. */
function versionOf(row: RowChunk): string {
  return `${textOf(row, 0)} ${textOf(row, 1)}`
}

function textOf(row: RowChunk, column: number): string {
  const v = row.vectors[column]
  assert(v.kind === 'bytes', 'meta columns are texts')
  return v.data.toString('utf8', v.offsets[0], v.offsets[1])
}
