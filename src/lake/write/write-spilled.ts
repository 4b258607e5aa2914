import { bucketHash } from '../index/bucket.ts'
import { recordKeyFields } from '../layout/table-properties.ts'
import { UnitRows } from '../merge/changed-rows.ts'
import { IntList } from '../merge/int-list.ts'
import { type BaseGroup, type Edits, type Inserts, join } from '../merge/join.ts'
import type { RowGroupEdits } from '../merge/merge-plan.ts'
import { Outcomes } from '../merge/outcomes.ts'
import { type RescuedRows, rescue } from '../merge/rescue.ts'
import type { Collected } from './collect.ts'
import type { GroupFiles, OpenGroup, WriteContext } from './group-files.ts'
import { type SavedBlock, SavedRows, saveRows } from './saved-rows.ts'
import type { BlockRef } from './scratch-file.ts'
import type { Spill } from './spill.ts'
import { StoredKeys } from './stored-keys.ts'
import { homeOf, wholeUnit } from './unit.ts'

/** What is to become of a file group, on disk. */
interface SavedWork {
  readonly base: BaseGroup | null
  readonly partition: number
  readonly bucket: number
  /** By row group. */
  readonly edits: Map<number, BlockRef[]>
  readonly inserts: BlockRef[]
}

/**
 * The merge of a flush that doesn't fit into memory: bucket after bucket, unit after unit. A unit's changes come to outcomes and are joined
 * with the stored keys of the same places. Without partitions, new rows go straight into the bucket's new base file, and the rows
 * of the old one follow with their edits; else new rows wait on disk until their group is written.
 */
export async function writeSpilled(context: WriteContext, collected: Collected, spill: Spill, output: GroupFiles): Promise<void> {
  await new SpilledMerge(context, collected, spill, output).run()
}

class SpilledMerge {
  readonly #context: WriteContext
  readonly #groups: readonly BaseGroup[]
  /** Groups whose rows count. */
  readonly #stored: readonly BaseGroup[]
  readonly #truncated: boolean
  readonly #spill: Spill
  readonly #output: GroupFiles
  readonly #keys: StoredKeys
  readonly #work = new Map<BaseGroup | string, SavedWork>()

  constructor(context: WriteContext, collected: Collected, spill: Spill, output: GroupFiles) {
    this.#context = context
    const { groups } = collected
    this.#groups = groups
    this.#truncated = collected.truncated
    this.#stored = collected.truncated ? [] : groups.filter((g) => g.file.meta.rows > 0)
    this.#spill = spill
    this.#output = output
    const { spec, seed } = context
    this.#keys = new StoredKeys(spill, bucketHash(recordKeyFields(spec), spec.buckets), spec.key.length === 0, seed)
  }

  async run(): Promise<void> {
    for (const [n, g] of this.#stored.entries()) if (g.bucket < 0) await this.#keys.add(g, n)
    for (const bucket of this.#spill.buckets()) await this.#bucket(bucket)
    for (const work of this.#work.values()) await this.#writeGroup(work)
    if (!this.#truncated) return
    for (const g of this.#groups) {
      // groups without new rows: an empty base file takes the place of what they held
      if (g.file.meta.rows > 0 && !this.#done.has(g)) await this.#output.close(await this.#output.open(g, g.partition, g.bucket, true, 0))
    }
  }

  readonly #done = new Set<BaseGroup>()

  async #bucket(bucket: number): Promise<void> {
    const { spec, seed, memoryBudget } = this.#context
    for (const [n, g] of this.#stored.entries()) if (g.bucket === bucket) await this.#keys.add(g, n)
    const straight = spec.partition === null
    let file: OpenGroup | null = null
    for await (const { places, chunks } of this.#spill.units(bucket, memoryBudget / 4)) {
      const outcomes = new Outcomes(wholeUnit(chunks), spec.key.length === 0, seed)
      const joined = await join(outcomes, this.#stored, this.#keys.of(places))
      const rescued = await rescue(outcomes, this.#stored, joined.edits, joined.inserts, joined.stored, spec.columns)
      for (const [n, edits] of joined.edits.entries())
        if (edits.row.length > 0) await this.#saveEdits(this.#stored[n], edits, outcomes, rescued)
      for (const inserts of joined.inserts) {
        const home = homeOf(this.#groups, inserts)
        if (!straight) await this.#saveInserts(home, inserts, outcomes, rescued)
        else {
          file ??= await this.#open(home, this.#spill.rows(bucket))
          await this.#insert(file, inserts, outcomes, rescued)
        }
      }
    }
    if (file === null) return
    const base = this.#groups.find((g) => g.bucket === bucket) ?? null
    const work = base === null ? undefined : this.#work.get(base)
    if (base !== null && !this.#truncated) await this.#mergeBase(file, base, work)
    if (base !== null) this.#work.delete(base)
    await this.#output.close(file)
  }

  async #open(home: BaseGroup | Inserts, expected: number): Promise<OpenGroup> {
    const base = 'file' in home ? home : null
    if (base !== null) this.#done.add(base)
    return this.#output.open(base, home.partition, home.bucket, this.#truncated, expected)
  }

  async #insert(file: OpenGroup, inserts: Inserts, outcomes: Outcomes, rescued: RescuedRows | null): Promise<void> {
    const entries = inserts.entry.view()
    const ordinals = outcomes.net === null ? null : inserts.ordinal.view()
    const bytes = outcomes.unit.chunks.reduce((sum, c) => sum + c.bytes, 0)
    const perGroup = file.writer.rowsPerGroup(bytes / Math.max(1, outcomes.unit.count), entries.length)
    for (let i = 0; i < entries.length; i += perGroup) {
      const end = Math.min(entries.length, i + perGroup)
      const part = entries.slice(i, end)
      await file.writer.insertRows(new UnitRows(outcomes, this.#context.spec.columns, part, 0, ordinals?.slice(i, end) ?? null, rescued))
    }
  }

  async #saveInserts(home: BaseGroup | Inserts, inserts: Inserts, outcomes: Outcomes, rescued: RescuedRows | null): Promise<void> {
    const { columns } = this.#context.spec
    const ordinals = outcomes.net === null ? null : inserts.ordinal.view()
    const rows = new UnitRows(outcomes, columns, inserts.entry.view(), 0, ordinals, rescued)
    this.#of(home).inserts.push(await saveRows(this.#spill.file, rows, columns, new Int32Array(0), new Int32Array(0)))
  }

  async #saveEdits(group: BaseGroup, edits: Edits, outcomes: Outcomes, rescued: RescuedRows | null): Promise<void> {
    const { columns } = this.#context.spec
    const byRowGroup = new Map<number, IntList>()
    for (let i = 0; i < edits.row.length; i++) {
      const rowGroup = edits.rowGroup.at(i)
      const list = byRowGroup.get(rowGroup) ?? new IntList()
      list.push(i)
      byRowGroup.set(rowGroup, list)
    }
    const work = this.#of(group)
    for (const [rowGroup, list] of byRowGroup) {
      const which = list.view()
      const changed = new Int32Array(which.length)
      const entries = new IntList()
      for (let i = 0; i < which.length; i++) {
        const j = edits.entry.at(which[i])
        changed[i] = j < 0 ? -1 : entries.length
        if (j >= 0) entries.push(j)
      }
      const rows = entries.length === 0 ? null : new UnitRows(outcomes, columns, entries.view(), entries.length, null, rescued)
      const ref = await saveRows(
        this.#spill.file,
        rows,
        columns,
        which.map((i) => edits.row.at(i)),
        changed,
      )
      work.edits.set(rowGroup, [...(work.edits.get(rowGroup) ?? []), ref])
    }
  }

  #of(home: BaseGroup | Inserts): SavedWork {
    const base = 'file' in home ? home : null
    const id = base ?? `${home.partition}/${home.bucket}`
    let work = this.#work.get(id)
    if (work === undefined) {
      work = { base, partition: home.partition, bucket: home.bucket, edits: new Map(), inserts: [] }
      this.#work.set(id, work)
    }
    return work
  }

  async #writeGroup(work: SavedWork): Promise<void> {
    const expected = work.inserts.reduce((n, ref) => n + ref.rows, 0)
    if (work.base !== null) this.#done.add(work.base)
    const file = await this.#output.open(work.base, work.partition, work.bucket, this.#truncated, expected)
    for (let i = 0; i < work.inserts.length; ) {
      const blocks: SavedBlock[] = []
      let bytes = 0
      do {
        bytes += work.inserts[i].bytes
        blocks.push(await this.#load(work.inserts[i++]))
      } while (i < work.inserts.length && bytes + work.inserts[i].bytes <= this.#context.rowGroupBytes)
      await file.writer.insertRows(new SavedRows(blocks, this.#context.spec.columns))
    }
    if (work.base !== null && !this.#truncated) await this.#mergeBase(file, work.base, work)
    await this.#output.close(file)
  }

  async #mergeBase(file: OpenGroup, base: BaseGroup, work: SavedWork | undefined): Promise<void> {
    for (let g = 0; g < base.file.meta.rowGroups.length; g++) {
      const refs = work?.edits.get(g)
      if (refs === undefined) await file.writer.copyRowGroup(g)
      else {
        const edits = await this.#editsOf(refs)
        await file.writer.mergeRowGroup(g, edits, edits.rows?.count ?? 0)
      }
    }
  }

  /** Edits of all units on one row group, by row. */
  async #editsOf(refs: readonly BlockRef[]): Promise<RowGroupEdits> {
    const blocks: SavedBlock[] = []
    for (const ref of refs) blocks.push(await this.#load(ref))
    const n = blocks.reduce((sum, b) => sum + b.row.length, 0)
    const row = new Int32Array(n)
    const changed = new Int32Array(n)
    let at = 0
    let rows = 0
    for (const b of blocks) {
      for (let i = 0; i < b.row.length; i++, at++) {
        row[at] = b.row[i]
        changed[at] = b.changed[i] < 0 ? -1 : rows + b.changed[i]
      }
      rows += b.count
    }
    const order = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => row[a] - row[b])
    const saved = rows === 0 ? null : new SavedRows(blocks, this.#context.spec.columns)
    return { row: order.map((i) => row[i]), changed: order.map((i) => changed[i]), rows: saved }
  }

  async #load(ref: BlockRef): Promise<SavedBlock> {
    return (await this.#spill.file.read(ref)) as SavedBlock
  }
}
