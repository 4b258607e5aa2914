import type { RowChanges } from '../../contract/columns.ts'
import type { FileSlice, MergeRules } from '../../contract/slice.ts'
import type { WriteCounts } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { bucketHash } from '../index/bucket.ts'
import { bucketOfFileId } from '../layout/file-name.ts'
import { recordKeyFields, storedColumns } from '../layout/table-properties.ts'
import { UnitRows } from '../merge/changed-rows.ts'
import { ChangePreparer, type Chunk } from '../merge/changes.ts'
import type { KeyBlock } from '../merge/join.ts'
import { Outcomes } from '../merge/outcomes.ts'
import type { RescuedRows } from '../merge/rescue.ts'
import type { WriteStat } from '../metadata/commit-metadata.ts'
import { mergedRows } from '../read/delta.ts'
import { Collector } from './collect.ts'
import { FileNumbers, GroupFiles, type NextOf, type OpenGroup, type WriteContext } from './group-files.ts'
import { LogFiles, type OpenLog } from './log-files.ts'
import { mergeFlush } from './merge-flush.ts'
import {
  concerned,
  deletedKeys,
  type GroupWork,
  GroupWorks,
  Homes,
  insertedOf,
  type KeyRange,
  type MorGroup,
  planBag,
  planBlindly,
  planKeyed,
  rangeOf,
} from './mor-plan.ts'
import { storedValues } from './mor-values.ts'
import type { Spill } from './spill.ts'
import { StoredKeys } from './stored-keys.ts'
import { type StoredContext, StoredSlice } from './stored-slice.ts'
import { wholeUnit } from './unit.ts'

export interface MorContext extends WriteContext {
  readonly rules: MergeRules
  /** Tells whether what an instant has written counts. */
  readonly visible: (instant: string) => boolean
  /** The number at the front of a file id is the bucket of its keys. */
  readonly bucketed: boolean
  /** Groups (`partition/fileId`) that a pending compaction is going to write → its time. */
  readonly compacting: ReadonlyMap<string, string>
}

interface Written {
  readonly stats: readonly WriteStat[]
  readonly counts: WriteCounts
}

/**
 * Writes a flush into a merge-on-read table: one log file per file group that exists, a first base file for each one that does not (there
 * are readers that don't know file groups without one), and after a truncate base files only. Rows that are stored are looked at only
 * where the changes don't say everything: values that the source's log does not repeat, rows without a key, keys whose partition may
 * have changed, groups of tables that are not spread over buckets. Fails with TRB-LAKE-023 for a row without ordering value.
 */
export async function morFlush(
  context: MorContext,
  slices: readonly FileSlice[],
  changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
): Promise<Written> {
  if (slices.length === 0) return mergeFlush(context, [], checked(context, changes, new Set()))
  const flush = new MorFlush(context, slices)
  return flush.run(changes)
}

/** What a unit of changes is worked on with: in memory all keys of a group, from disk those of the unit's places. */
type KeysOf = (groups: readonly number[], range: KeyRange | null) => AsyncIterable<KeyBlock>

class MorFlush {
  readonly #context: MorContext
  readonly #preparer: ChangePreparer
  readonly #homes: Homes
  readonly #bases: GroupFiles
  readonly #logs: LogFiles
  readonly #stored: (StoredSlice | null)[]
  /** Files of the groups (by place, or of foreign groups) that are being written. */
  readonly #openBases = new Map<number, OpenGroup>()
  readonly #openLogs = new Map<MorGroup, OpenLog>()
  readonly #rewritten = new Set<MorGroup>()
  /** Columns whose stored values may be needed: some change lacks them. */
  readonly #wanted = new Set<string>()
  /** Keys that are looked for, when they are known. */
  #only: Pick<StoredContext, 'only'> = {}
  /** The changes come in several units. */
  #parts = false
  #truncated = false

  constructor(context: MorContext, slices: readonly FileSlice[]) {
    const { spec, seed } = context
    this.#context = context
    this.#preparer = new ChangePreparer(spec, spec.columns, seed)
    this.#homes = new Homes(groupsOf(slices, this.#preparer, context.bucketed ? spec.buckets : 0), spec.buckets)
    this.#stored = this.#homes.groups.map(() => null)
    const numbers = new FileNumbers()
    this.#bases = new GroupFiles(context, this.#preparer.paths.paths, numbers)
    this.#logs = new LogFiles(context, numbers, context.compacting)
  }

  async run(changes: Iterable<RowChanges> | AsyncIterable<RowChanges>): Promise<Written> {
    const collector = new Collector(this.#context, this.#preparer, [], this.#bases, false)
    try {
      const { chunks, spill, truncated } = await collector.read(checked(this.#context, changes, this.#wanted))
      this.#truncated = truncated
      this.#parts = spill !== null
      if (spill === null) await this.#unit(chunks, (groups, range) => this.#allKeys(groups, range))
      else await this.#spilled(spill)
      await this.#closeFiles()
      if (truncated) await this.#emptyTheRest()
      const stats = [...this.#bases.stats, ...this.#logs.stats]
      return { stats, counts: countsOf(stats) }
    } catch (e) {
      await this.#bases.abort()
      await this.#logs.abort()
      throw e
    } finally {
      for (const s of this.#stored) await s?.close()
      await collector.close()
    }
  }

  async #spilled(spill: Spill): Promise<void> {
    const { spec, seed, memoryBudget } = this.#context
    const keys = new StoredKeys(spill, bucketHash(recordKeyFields(spec), spec.buckets), spec.key.length === 0, seed)
    const known = new Set<number>()
    const keysAt = (places: ReadonlySet<number>): KeysOf =>
      async function* (this: MorFlush, groups: readonly number[]): AsyncGenerator<KeyBlock> {
        for (const n of groups) {
          if (known.has(n)) continue
          known.add(n)
          for await (const block of (await this.#slice(n)).keys(n)) await keys.addBlock(block, this.#homes.groups[n].bucket)
        }
        const wanted = new Set(groups)
        for await (const block of keys.of(places)) if (wanted.has(block.group)) yield block
      }.bind(this)
    for (const bucket of spill.buckets()) {
      for await (const { places, chunks } of spill.units(bucket, memoryBudget / 4)) await this.#unit(chunks, keysAt(places))
      await this.#closeFiles()
    }
  }

  async #unit(chunks: readonly Chunk[], keysOf: KeysOf): Promise<void> {
    const { spec, seed } = this.#context
    const outcomes = new Outcomes(wholeUnit(chunks), spec.key.length === 0, seed)
    const works = new GroupWorks(this.#homes)
    const looked = this.#truncated ? [] : this.#groupsToLookAt(outcomes)
    let rescued: RescuedRows | null = null
    const range = looked.length > 0 && !this.#parts ? rangeOf(outcomes) : null
    if (looked.length > 0 && !this.#parts) this.#only = { only: concerned(outcomes, seed) }
    if (outcomes.net !== null) await planBag(outcomes, works, this.#homes.groups, keysOf(looked, range))
    else if (looked.length === 0) planBlindly(outcomes, works)
    else {
      const stored = await planKeyed(outcomes, works, this.#homes.groups, keysOf(looked, range), this.#preparer.movesBetweenPartitions)
      rescued = await storedValues(outcomes, works.all(), stored, this.#stored, spec.columns)
    }
    for (const work of works.all()) {
      if (work.group === null || this.#truncated) await this.#insert(outcomes, work, rescued)
      else await this.#append(outcomes, work, work.group, rescued)
    }
  }

  /** Numbers of the groups whose stored keys must be known. */
  #groupsToLookAt(outcomes: Outcomes): number[] {
    const { movesBetweenPartitions: anywhere } = this.#preparer
    const all = outcomes.net !== null || anywhere
    const foreign = this.#homes.groups.some((g) => g.bucket < 0)
    const lacking = all ? null : lackingEntries(outcomes)
    if (!all && !foreign && lacking!.length === 0) return []
    const homes = new Set<number>()
    const partitions = new Set<number>()
    for (let j = 0; j < outcomes.unit.count; j++) partitions.add(anywhere ? 0 : outcomes.partitionOf(j))
    const home = (j: number): void => {
      homes.add(this.#homes.place(anywhere ? 0 : outcomes.partitionOf(j), outcomes.bucketOf(j)))
    }
    if (lacking === null) for (let j = 0; j < outcomes.unit.count; j++) home(j)
    else lacking.forEach(home)
    return this.#homes.groups.flatMap((g, n) => {
      const partition = anywhere ? 0 : g.partition
      return (g.bucket < 0 ? partitions.has(partition) : homes.has(this.#homes.place(partition, g.bucket))) ? [n] : []
    })
  }

  async *#allKeys(groups: readonly number[], range: KeyRange | null): AsyncGenerator<KeyBlock> {
    for (const n of groups) yield* (await this.#slice(n)).keys(n, range)
  }

  async #slice(n: number): Promise<StoredSlice> {
    const { store, rules, visible, spec, scratchDir, scratchName, memoryBudget } = this.#context
    const limit = { bytes: memoryBudget / 4, directory: scratchDir, name: `${scratchName}-log${n}` }
    const context = {
      store,
      table: spec.path,
      rules,
      visible,
      schema: storedColumns(spec),
      columns: [...this.#wanted],
      limit,
      ...this.#only,
    }
    this.#stored[n] ??= await StoredSlice.open(context, this.#homes.groups[n])
    return this.#stored[n]
  }

  /** Rows into a new base file: of a new group, or after a truncate. */
  async #insert(outcomes: Outcomes, work: GroupWork, rescued: RescuedRows | null): Promise<void> {
    if (work.data.length === 0) return
    const place = this.#homes.place(work.partition, work.bucket)
    let file = this.#openBases.get(place)
    if (file === undefined) {
      const group = work.group === null ? null : await this.#replaced(work.group)
      file = await this.#bases.openNew(group, work.partition, work.bucket, work.data.length)
      if (work.group !== null) await this.#tellRemoved(work.group, file)
      this.#openBases.set(place, file)
    }
    for (const rows of this.#rows(outcomes, work, rescued)) await file.writer.insertRows(rows)
  }

  async #append(outcomes: Outcomes, work: GroupWork, group: MorGroup, rescued: RescuedRows | null): Promise<void> {
    if (work.data.length === 0 && work.deletes.length === 0) return
    let log = this.#openLogs.get(group)
    if (log === undefined) {
      log = await this.#logs.open(group)
      this.#openLogs.set(group, log)
    }
    log.inserted += insertedOf(outcomes, work, this.#preparer.movesBetweenPartitions)
    for (const rows of this.#rows(outcomes, work, rescued)) {
      log = await this.#logs.next(log)
      await log.writer.data(rows)
    }
    if (work.deletes.length > 0) {
      log = await this.#logs.next(log)
      await log.writer.delete(deletedKeys(outcomes, work))
    }
    this.#openLogs.set(group, log)
  }

  /** Rows of `work` in parts of about a row group. */
  *#rows(outcomes: Outcomes, work: GroupWork, rescued: RescuedRows | null): Generator<UnitRows> {
    const { spec, rowGroupBytes } = this.#context
    const entries = work.data.view()
    const ordinals = outcomes.net === null ? null : work.ordinals.view()
    const bytes = outcomes.unit.chunks.reduce((sum, c) => sum + c.bytes, 0) / Math.max(1, outcomes.unit.count)
    const most = Math.max(1, Math.floor(rowGroupBytes / Math.max(1, bytes)))
    const parts = Math.ceil(entries.length / most)
    const perPart = Math.ceil(entries.length / Math.max(1, parts))
    for (let i = 0; i < entries.length; i += perPart) {
      const end = Math.min(entries.length, i + perPart)
      yield new UnitRows(outcomes, spec.columns, entries.slice(i, end), 0, ordinals?.slice(i, end) ?? null, rescued)
    }
  }

  async #closeFiles(): Promise<void> {
    for (const file of this.#openBases.values()) await this.#bases.close(file)
    this.#openBases.clear()
    for (const log of this.#openLogs.values()) await this.#logs.close(log)
    this.#openLogs.clear()
  }

  /** After a truncate an empty base file takes the place of what the other groups held. */
  async #emptyTheRest(): Promise<void> {
    for (const group of this.#homes.groups) {
      if (this.#rewritten.has(group)) continue
      const replaced = await this.#replaced(group)
      if (replaced.rows === 0) continue
      const file = await this.#bases.openNew(replaced, group.partition, group.bucket, 0)
      await this.#tellRemoved(group, file)
      await this.#bases.close(file)
    }
  }

  /** Every row of a group goes: its change log holds them. */
  async #tellRemoved(group: MorGroup, { writer }: OpenGroup): Promise<void> {
    if (writer.changes === null) return
    const { store, rules, visible, spec } = this.#context
    const all = { store, table: spec.path, slice: group.slice, schema: storedColumns(spec), rules, visible }
    for await (const chunk of mergedRows(all)) await writer.changes.removed(chunk)
  }

  async #replaced(group: MorGroup): Promise<NextOf & { readonly rows: number }> {
    this.#rewritten.add(group)
    const { fileId, partition, base } = group.slice
    const pending = this.#context.compacting.get(`${partition}/${fileId}`)
    if (pending !== undefined) throw new Failure('TRB-LAKE-010', { table: this.#context.spec.path, ...PENDING, instant: pending })
    const { rows } = await this.#slice(this.#homes.groups.indexOf(group))
    const file = base === null ? null : base.key.slice(base.key.lastIndexOf('/') + 1)
    return { fileId, instant: group.slice.baseInstant, file, rows }
  }
}

/** A compaction merges what was there when it was planned: a base file that is written beside it would be lost, or hide its own. */
const PENDING = { action: 'compaction', why: 'the source has truncated the table, which takes a new base file' }

/**
 * Groups of the table's slices. A random id of another engine may look like a bucket's; only one group is a bucket's home. Without buckets no group
 * is anybody's home: new keys then go into new base files, because the indexes of other engines do not find a key that only a log file has.
 */
function groupsOf(slices: readonly FileSlice[], preparer: ChangePreparer, buckets: number): MorGroup[] {
  const taken = new Set<string>()
  return slices.map((slice) => {
    const partition = preparer.paths.ordinal(slice.partition)
    const number = bucketOfFileId(slice.fileId)
    const place = `${partition}/${number}`
    const isHome = number !== null && number < buckets && !taken.has(place)
    if (isHome) taken.add(place)
    return { slice, bucket: isHome ? number : -1, partition }
  })
}

/** Entries whose missing values may be stored: their own place, and of a change of key that of the old key. */
function lackingEntries(outcomes: Outcomes): number[] {
  const { unit } = outcomes
  const lacking = unit.chunks.map((c) => c.unavailable.filter((u): u is Uint8Array => u?.includes(1) === true))
  if (lacking.every((l) => l.length === 0)) return []
  const out: number[] = []
  for (let j = 0; j < unit.count; j++) {
    const chunk = unit.chunks[unit.chunk[j]]
    const row = chunk.row[unit.entry[j]]
    if (row < 0 || !lacking[unit.chunk[j]].some((u) => u[row] === 1)) continue
    out.push(j)
    if (chunk.creates[unit.entry[j]] === 1 && j > 0) out.push(j - 1)
  }
  return out
}

function countsOf(stats: readonly WriteStat[]): WriteCounts {
  const counts = { inserted: 0, updated: 0, deleted: 0 }
  for (const s of stats) {
    counts.inserted += s.numInserts
    counts.updated += s.numUpdateWrites
    counts.deleted += s.numDeletes
  }
  return counts
}

const DELETE = 0x64
const TRUNCATE = 0x74

/**
 * The changes, looked at on their way. Which of two rows of a key is newer is decided by their ordering values when they are read: every
 * row must have one. Columns that some change lacks are added to `lacking`.
 */
async function* checked(
  { spec }: WriteContext,
  changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  lacking: Set<string>,
): AsyncGenerator<RowChanges> {
  for await (const c of changes) {
    const at = c.columns.findIndex((x) => x.name === spec.orderingField)
    const valid = at < 0 ? new Uint8Array(c.count) : c.vectors[at].valid
    for (let i = 0; valid !== null && i < c.count; i++) {
      if (valid[i] === 0 && c.op[i] !== DELETE && c.op[i] !== TRUNCATE)
        throw new Failure('TRB-LAKE-023', { table: spec.path, column: spec.orderingField, problem: 'a row has no value in it' })
    }
    for (const [i, missing] of c.unavailable.entries()) if (missing?.includes(1) === true) lacking.add(c.columns[i].name)
    yield c
  }
}
