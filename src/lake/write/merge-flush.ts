import type { RowChanges } from '../../contract/columns.ts'
import type { WriteCounts } from '../../contract/table.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { mayHoldKeys } from '../index/foreign.ts'
import { bucketOfFileId } from '../layout/file-name.ts'
import { ChangePreparer } from '../merge/changes.ts'
import { type BaseGroup, type Edits, type Inserts, join, storedKeys } from '../merge/join.ts'
import { Outcomes } from '../merge/outcomes.ts'
import { rescue } from '../merge/rescue.ts'
import type { WriteStat } from '../metadata/commit-metadata.ts'
import type { BaseFile } from '../read/slices.ts'
import { type Collected, Collector } from './collect.ts'
import { GroupFiles, type WriteContext } from './group-files.ts'
import { homeOf, wholeUnit } from './unit.ts'
import { writeRows } from './write-rows.ts'
import { writeSpilled } from './write-spilled.ts'

/** Merges a flush into the table's file groups; their new base files are written and announced, not yet visible. */
export async function mergeFlush(
  context: WriteContext,
  files: readonly BaseFile[],
  changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
): Promise<{ stats: readonly WriteStat[]; counts: WriteCounts }> {
  const preparer = new ChangePreparer(context.spec, context.spec.columns, context.seed)
  const output = new GroupFiles(context, preparer.paths.paths)
  // of rows that are written while changes are read, a change log would not know what they replace
  const appends = context.cdc === null || context.cdc === undefined
  const collector = new Collector(context, preparer, await openGroups(context, files, preparer), output, appends)
  try {
    const collected = await collector.read(changes)
    if (collected.spill !== null) await writeSpilled(context, collected, collected.spill, output)
    else await writeFromMemory(context, collected, output)
    return { stats: output.stats, counts: output.counts }
  } catch (e) {
    await output.abort()
    throw e
  } finally {
    await collector.close()
  }
}

async function writeFromMemory(context: WriteContext, collected: Collected, output: GroupFiles): Promise<void> {
  const { columns } = context.spec
  const { groups } = collected
  const outcomes = new Outcomes(wholeUnit(collected.chunks), context.spec.key.length === 0, context.seed)
  const candidates = collected.truncated ? [] : candidatesOf(groups, outcomes, collected)
  const joined = await join(outcomes, candidates, storedKeys(candidates))
  const rescued = await rescue(outcomes, candidates, joined.edits, joined.inserts, joined.stored, columns)
  const work = new WorkList()
  // as with Hudi's deletes, an empty base file takes the place of a group whose rows all go
  if (collected.truncated) for (const g of groups) if (g.file.meta.rows > 0) work.of(g).truncated = true
  candidates.forEach((g, i) => {
    if (joined.edits[i].row.length > 0) work.of(g).edits = joined.edits[i]
  })
  for (const inserts of joined.inserts) work.of(homeOf(groups, inserts)).inserts = inserts
  for (const w of work.all()) {
    const file = await output.open(w.base, w.partition, w.bucket, w.truncated, w.inserts?.entry.length ?? 0)
    await writeRows(file.writer, w.truncated ? null : w.base, columns, outcomes, w.edits, w.inserts, rescued)
    await output.close(file)
  }
}

async function openGroups(context: WriteContext, files: readonly BaseFile[], preparer: ChangePreparer): Promise<BaseGroup[]> {
  const taken = new Set<string>()
  const out: BaseGroup[] = []
  const { smallFileBytes } = context
  const smallest = smallFileBytes === undefined ? null : smallestOf(files, smallFileBytes)
  for (const info of files) {
    const file = await ParquetFile.open(context.store, info.key, info.bytes)
    const partition = preparer.paths.ordinal(info.partition)
    if (smallest !== null) {
      out.push({ info, file, bucket: smallest.get(info.partition) === info ? 0 : -1, partition })
      continue
    }
    const number = bucketOfFileId(info.fileId)
    const place = `${partition}/${number}`
    // a random id of another engine may look like a bucket's; only one group is a bucket's home
    const isHome = number !== null && number < context.spec.buckets && !taken.has(place)
    if (isHome) taken.add(place)
    out.push({ info, file, bucket: isHome ? number : -1, partition })
  }
  return out
}

/** Partition → its smallest base file of less than `limit` bytes, the first of equals by its id. */
function smallestOf(files: readonly BaseFile[], limit: number): ReadonlyMap<string, BaseFile> {
  const out = new Map<string, BaseFile>()
  for (const f of files) {
    const known = out.get(f.partition)
    if (f.bytes >= limit) continue
    if (known === undefined || f.bytes < known.bytes || (f.bytes === known.bytes && f.fileId < known.fileId)) out.set(f.partition, f)
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
  const isBag = outcomes.net !== null
  return groups.filter((g) => {
    const partition = anywhere ? 0 : g.partition
    if (g.file.meta.rows === 0) return false
    if (g.bucket >= 0) return homes.has(`${partition}/${g.bucket}`)
    return partitions.has(partition) && (isBag || mayHoldKeys(g.file.meta.keyValues, outcomes.unit))
  })
}

interface Work {
  readonly base: BaseGroup | null
  readonly partition: number
  readonly bucket: number
  edits: Edits | null
  inserts: Inserts | null
  truncated: boolean
}

/** What each file group is to become, in memory. */
class WorkList {
  readonly #work = new Map<BaseGroup | string, Work>()

  of(home: BaseGroup | Inserts): Work {
    const base = 'file' in home ? home : null
    const id = base ?? `${home.partition}/${home.bucket}`
    let work = this.#work.get(id)
    if (work === undefined) {
      work = { base, partition: home.partition, bucket: home.bucket, edits: null, inserts: null, truncated: false }
      this.#work.set(id, work)
    }
    return work
  }

  all(): Iterable<Work> {
    return this.#work.values()
  }
}
