import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec, WriteCounts } from '../../contract/table.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { bucketFileId, bucketOfFileId, printBaseFileName, writeToken } from '../layout/file-name.ts'
import { join as joinPath, type MarkerKind } from '../layout/paths.ts'
import { BAG_KEY_COLUMN, storedColumns } from '../layout/table-properties.ts'
import type { Chunk } from '../merge/changes.ts'
import { type BaseGroup, type Edits, type Inserts, join } from '../merge/join.ts'
import { Outcomes, type Unit } from '../merge/outcomes.ts'
import { type RescuedRows, rescue } from '../merge/rescue.ts'
import { baseFileStat, type WriteStat } from '../metadata/commit-metadata.ts'
import type { BaseFile } from '../read/slices.ts'
import { BaseFileWriter, type CommitTarget } from './base-file.ts'
import type { Collected } from './collect.ts'
import { writeRows } from './write-rows.ts'

export interface WriteContext {
  readonly store: ObjectStore
  readonly spec: TableSpec
  readonly instant: string
  /** Where new base files go; the table's own store, or a scratch one. */
  readonly out: ObjectStore
  /** Called before a file (path relative to the table) is written. */
  readonly announce: (path: string, partition: string, kind: MarkerKind) => Promise<void>
  readonly seed: number
  readonly clock: Clock
  readonly rowGroupBytes: number
}

/** Merges a flush into the table's file groups; their new base files are written and announced, not yet visible. */
export async function writeGroups(
  context: WriteContext,
  files: readonly BaseFile[],
  collected: Collected,
): Promise<{ stats: readonly WriteStat[]; counts: WriteCounts }> {
  const groups = await openGroups(context, files, collected)
  const outcomes = new Outcomes(wholeUnit(collected.chunks), context.spec.key.length === 0, context.seed)
  const candidates = collected.truncated ? [] : candidatesOf(groups, outcomes, collected)
  const joined = await join(outcomes, candidates)
  const rescued = await rescue(outcomes, candidates, joined.edits, joined.inserts, joined.stored, context.spec.columns)
  const output = new GroupOutput(context, collected, outcomes, rescued)
  if (collected.truncated) for (const g of groups) output.truncate(g)
  candidates.forEach((g, i) => {
    output.edit(g, joined.edits[i])
  })
  for (const inserts of joined.inserts) output.insert(homeOf(groups, inserts), inserts)
  return output.write()
}

async function openGroups(context: WriteContext, files: readonly BaseFile[], collected: Collected): Promise<BaseGroup[]> {
  const taken = new Set<string>()
  const out: BaseGroup[] = []
  for (const info of files) {
    const file = await ParquetFile.open(context.store, info.key, info.bytes)
    const partition = collected.preparer.paths.ordinal(info.partition)
    const number = bucketOfFileId(info.fileId)
    const place = `${partition}/${number}`
    // a random id of another engine may look like a bucket's; only one group is a bucket's home
    const isHome = number !== null && number < context.spec.buckets && !taken.has(place)
    if (isHome) taken.add(place)
    out.push({ info, file, bucket: isHome ? number : -1, partition })
  }
  return out
}

/** Groups that may hold keys of the flush: those of its buckets, in all partitions that come into question, and those of other engines. */
function candidatesOf(groups: readonly BaseGroup[], outcomes: Outcomes, collected: Collected): BaseGroup[] {
  const anywhere = collected.preparer.movesBetweenPartitions
  const homes = new Set<string>()
  const partitions = new Set<number>()
  for (let j = 0; j < outcomes.unit.count; j++) {
    const partition = anywhere ? 0 : outcomes.partitionOf(j)
    homes.add(`${partition}/${outcomes.bucketOf(j)}`)
    partitions.add(partition)
  }
  return groups.filter((g) => {
    const partition = anywhere ? 0 : g.partition
    return g.file.meta.rows > 0 && (g.bucket < 0 ? partitions.has(partition) : homes.has(`${partition}/${g.bucket}`))
  })
}

function homeOf(groups: readonly BaseGroup[], inserts: Inserts): BaseGroup | Inserts {
  return groups.find((g) => g.bucket === inserts.bucket && g.partition === inserts.partition) ?? inserts
}

function wholeUnit(chunks: readonly Chunk[]): Unit {
  const count = chunks.reduce((sum, c) => sum + c.count, 0)
  const chunk = new Int32Array(count)
  const entry = new Int32Array(count)
  let j = 0
  chunks.forEach((c, n) => {
    for (let i = 0; i < c.count; i++, j++) {
      chunk[j] = n
      entry[j] = i
    }
  })
  return { chunks, chunk, entry, count }
}

interface Work {
  readonly base: BaseGroup | null
  readonly partition: number
  readonly bucket: number
  edits: Edits | null
  inserts: Inserts | null
  truncated: boolean
}

/** What each file group is to become, and the files that come of it. */
class GroupOutput {
  readonly #context: WriteContext
  readonly #collected: Collected
  readonly #outcomes: Outcomes
  readonly #rescued: RescuedRows | null
  readonly #work = new Map<BaseGroup | string, Work>()

  constructor(context: WriteContext, collected: Collected, outcomes: Outcomes, rescued: RescuedRows | null) {
    this.#context = context
    this.#collected = collected
    this.#outcomes = outcomes
    this.#rescued = rescued
  }

  edit(group: BaseGroup, edits: Edits): void {
    if (edits.row.length > 0) this.#of(group).edits = edits
  }

  insert(home: BaseGroup | Inserts, inserts: Inserts): void {
    this.#of(home).inserts = inserts
  }

  /** All rows of the group go; as with Hudi's deletes, an empty base file takes their place. */
  truncate(group: BaseGroup): void {
    if (group.file.meta.rows > 0) this.#of(group).truncated = true
  }

  async write(): Promise<{ stats: WriteStat[]; counts: WriteCounts }> {
    const stats: WriteStat[] = []
    const counts = { inserted: 0, updated: 0, deleted: 0 }
    const target = this.#target()
    for (const work of this.#work.values()) {
      const stat = await this.#writeGroup(target, work, stats.length)
      counts.inserted += stat.numInserts
      counts.updated += stat.numUpdateWrites
      counts.deleted += stat.numDeletes
      stats.push(stat)
    }
    return { stats, counts }
  }

  #of(home: BaseGroup | Inserts): Work {
    const base = 'file' in home ? home : null
    const id = base ?? `${home.partition}/${home.bucket}`
    let work = this.#work.get(id)
    if (work === undefined) {
      work = { base, partition: home.partition, bucket: home.bucket, edits: null, inserts: null, truncated: false }
      this.#work.set(id, work)
    }
    return work
  }

  #target(): CommitTarget {
    const { spec, out, instant, rowGroupBytes } = this.#context
    const columns = storedColumns(spec)
    const rowIdColumn = columns.findIndex((c) => c.name === BAG_KEY_COLUMN)
    return { store: out, table: spec.name, columns, rowIdColumn, instant, codec: 'snappy', rowGroupBytes }
  }

  async #writeGroup(target: CommitTarget, work: Work, ordinal: number): Promise<WriteStat> {
    const { spec, instant, clock } = this.#context
    const started = clock.now()
    const partition = this.#collected.preparer.paths.paths[work.partition]
    const fileId = work.base?.info.fileId ?? bucketFileId(work.bucket, clock.uuid())
    const name = printBaseFileName({ fileId, token: writeToken(ordinal, 0, 0), instant })
    const path = joinPath(partition, name)
    await this.#context.announce(path, partition, work.base === null ? 'CREATE' : 'MERGE')
    const base = work.truncated ? null : work.base
    const at = { key: joinPath(spec.path, path), name, partition, ordinal }
    const writer = await BaseFileWriter.create(target, base, at, work.inserts?.entry.length ?? 0)
    try {
      if (work.truncated) writer.deleted = work.base!.file.meta.rows
      await writeRows(writer, base, spec.columns, this.#outcomes, work.edits, work.inserts, this.#rescued)
      const { rows, bytes } = await writer.close()
      const { inserted, updated, deleted } = writer
      const previous = work.base?.info.instant ?? null
      return baseFileStat({ fileId, path, partition, previous, rows, inserted, updated, deleted, bytes, elapsedMs: clock.now() - started })
    } catch (e) {
      await writer.abort()
      throw e
    }
  }
}
