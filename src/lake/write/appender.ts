import type { LakeColumn } from '../../contract/columns.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { hashInto } from '../index/keys.ts'
import { join as joinPath } from '../layout/paths.ts'
import { UnitRows } from '../merge/changed-rows.ts'
import type { Chunk } from '../merge/changes.ts'
import { IntList } from '../merge/int-list.ts'
import { type BaseGroup, Edits, recordKeys } from '../merge/join.ts'
import { Outcomes } from '../merge/outcomes.ts'
import type { GroupFiles, OpenGroup, WriteContext } from './group-files.ts'
import type { BlockRef, ScratchFile } from './scratch-file.ts'
import { wholeUnit } from './unit.ts'
import { writeRows } from './write-rows.ts'

/** Keys looked at together when duplicates are searched: 16 bytes each. */
const KEYS_AT_ONCE = 1 << 20

interface Home {
  readonly file: OpenGroup
  readonly base: BaseGroup | null
  readonly partition: number
  readonly bucket: number
}

/**
 * New rows of a large flush (a snapshot, a load) for groups that hold no rows: they go straight into the new base files, row group by row
 * group, and never wait on disk. Keys should then be new, each once; their hashes are kept, and where one occurs twice the file
 * is written again without the earlier row, as the last change of a key wins.
 */
export class Appender {
  readonly #context: WriteContext
  readonly #groups: readonly BaseGroup[]
  readonly #output: GroupFiles
  readonly #scratch: () => Promise<ScratchFile>
  readonly #truncated: boolean
  readonly #homes = new Map<string, Home>()
  readonly #hashes: BlockRef[] = []
  #rows = 0

  /** `groups` hold no rows, or (`truncated`) none that count. */
  constructor(
    context: WriteContext,
    groups: readonly BaseGroup[],
    output: GroupFiles,
    scratch: () => Promise<ScratchFile>,
    truncated: boolean,
  ) {
    this.#context = context
    this.#groups = groups
    this.#output = output
    this.#scratch = scratch
    this.#truncated = truncated
  }

  /** Every entry is a new row with all its values. */
  static takes(chunk: Chunk): boolean {
    for (let i = 0; i < chunk.count; i++) if (chunk.creates[i] === 0 || chunk.row[i] < 0) return false
    return chunk.unavailable.every((u) => u === null || !u.includes(1))
  }

  /** Writes the rows of these chunks: a row group (or more) per file group. */
  async add(chunks: readonly Chunk[]): Promise<void> {
    const unit = wholeUnit(chunks)
    const h0 = new Int32Array(unit.count)
    const h1 = new Int32Array(unit.count)
    const byHome = new Map<string, IntList>()
    let j = 0
    for (const c of chunks) {
      h0.set(c.keys.h0, j)
      h1.set(c.keys.h1, j)
      let list: IntList | null = null
      for (let e = 0; e < c.count; e++, j++) {
        const same = e > 0 && c.bucket[e] === c.bucket[e - 1] && c.partition?.[e] === c.partition?.[e - 1]
        if (list === null || !same) list = listOf(byHome, `${c.partition?.[e] ?? 0}/${c.bucket[e]}`)
        list.push(j)
      }
    }
    this.#hashes.push(await (await this.#scratch()).append({ h0, h1 }, unit.count, unit.count * 8))
    this.#rows += unit.count
    const outcomes = Outcomes.ofNewRows(unit)
    for (const [id, list] of byHome) {
      const entries = list.view()
      const c = chunks[unit.chunk[entries[0]]]
      const first = unit.entry[entries[0]]
      // how many more will come isn't known: the filter of keys is made for four times as many
      const { file } = await this.#home(id, c.partition?.[first] ?? 0, c.bucket[first], entries.length * 4)
      const bytes = chunks.reduce((sum, x) => sum + x.bytes, 0) / unit.count
      const perGroup = file.writer.rowsPerGroup(bytes, entries.length)
      for (let i = 0; i < entries.length; i += perGroup) {
        const part = entries.subarray(i, i + perGroup)
        await file.writer.insertRows(new UnitRows(outcomes, this.#context.spec.columns, part, 0, null, null))
      }
    }
  }

  /**
   * Closes the files. Returns the groups as they are now: those written (uncommitted, but to be merged upon like any other), and the rest,
   * which hold no rows.
   */
  async finish(): Promise<BaseGroup[]> {
    if (this.#truncated) {
      for (const g of this.#groups) if (g.file.meta.rows > 0) await this.#home(`${g.partition}/${g.bucket}`, g.partition, g.bucket, 0, g)
    }
    const duplicates = await this.#duplicates()
    const written: BaseGroup[] = []
    const replaced = new Set<BaseGroup>()
    for (const home of this.#homes.values()) {
      await this.#output.close(home.file)
      const group = await this.#reopen(home)
      written.push(duplicates.size === 0 ? group : await this.#withoutRepeats(group, duplicates))
      if (home.base !== null) replaced.add(home.base)
    }
    return [...written, ...this.#groups.filter((g) => !replaced.has(g))]
  }

  async #home(id: string, partition: number, bucket: number, expected: number, of: BaseGroup | null = null): Promise<Home> {
    const key = of === null || of.bucket >= 0 ? id : of.info.key
    const known = this.#homes.get(key)
    if (known !== undefined) return known
    const base = of ?? this.#groups.find((g) => g.bucket === bucket && g.partition === partition) ?? null
    const file = await this.#output.open(base, partition, bucket, true, expected)
    const home = { file, base, partition, bucket }
    this.#homes.set(key, home)
    return home
  }

  async #reopen(home: { file: OpenGroup; partition: number; bucket: number }): Promise<BaseGroup> {
    const { out, spec, instant } = this.#context
    const { path, partition, fileId } = home.file
    const bytes = this.#output.bytesOf(home.file)
    const key = joinPath(spec.path, path)
    const name = path.slice(path.lastIndexOf('/') + 1)
    const file = await ParquetFile.open(out, key, bytes)
    return { info: { partition, fileId, instant, key, name, bytes }, file, bucket: home.bucket, partition: home.partition }
  }

  /** Hash pairs that occur more than once. A bounded number of keys is looked at in one pass. */
  async #duplicates(): Promise<Set<string>> {
    const out = new Set<string>()
    let passes = 1
    while (this.#rows / passes > KEYS_AT_ONCE) passes *= 2
    const scratch = await this.#scratch()
    for (let pass = 0; pass < passes; pass++) {
      const seen = new PairSet(Math.ceil((this.#rows / passes) * 1.1))
      for (const ref of this.#hashes) {
        const { h0, h1 } = (await scratch.read(ref)) as { h0: Int32Array; h1: Int32Array }
        for (let i = 0; i < h0.length; i++) {
          if ((h1[i] & (passes - 1)) === pass && !seen.add(h0[i], h1[i])) out.add(`${h0[i]}:${h1[i]}`)
        }
      }
    }
    return out
  }

  /** Writes a group again with only the last row of each key; the group itself when no key is there twice. */
  async #withoutRepeats(group: BaseGroup, duplicates: ReadonlySet<string>): Promise<BaseGroup> {
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    const last = new Map<string, { rowGroup: number; row: number }>()
    const earlier: { rowGroup: number; row: number }[] = []
    for (let rowGroup = 0; rowGroup < group.file.meta.rowGroups.length; rowGroup++) {
      const { data, starts } = await recordKeys(group.file, rowGroup)
      for (let row = 0; row + 1 < starts.length; row++) {
        hashInto(data, starts[row] + 4, starts[row + 1], this.#context.seed, h0, h1, 0)
        if (!duplicates.has(`${h0[0]}:${h1[0]}`)) continue
        const key = data.toString('latin1', starts[row] + 4, starts[row + 1])
        const before = last.get(key)
        if (before !== undefined) earlier.push(before)
        last.set(key, { rowGroup, row })
      }
    }
    if (earlier.length === 0) return group
    const edits = new Edits()
    earlier.sort((a, b) => a.rowGroup - b.rowGroup || a.row - b.row)
    for (const e of earlier) edits.push(e.rowGroup, e.row, -1)
    const file = await this.#output.open(group, group.partition, group.bucket, false, 0)
    const columns: readonly LakeColumn[] = this.#context.spec.columns
    await writeRows(file.writer, group, columns, Outcomes.ofNewRows(wholeUnit([])), edits, null, null)
    await this.#output.close(file)
    return this.#reopen({ file, partition: group.partition, bucket: group.bucket })
  }
}

function listOf(lists: Map<string, IntList>, id: string): IntList {
  let list = lists.get(id)
  if (list === undefined) {
    list = new IntList(1024)
    lists.set(id, list)
  }
  return list
}

/** A set of pairs of 32-bit hashes. */
class PairSet {
  #slots: Int32Array
  #used: Uint8Array
  #size = 0

  constructor(expected: number) {
    let slots = 1024
    while (slots < expected * 1.5) slots *= 2
    this.#slots = new Int32Array(slots * 2)
    this.#used = new Uint8Array(slots)
  }

  /** False when the pair was there. */
  add(a: number, b: number): boolean {
    if (this.#size * 1.3 > this.#used.length) this.#grow()
    let at = a & (this.#used.length - 1)
    while (this.#used[at] === 1) {
      if (this.#slots[at * 2] === a && this.#slots[at * 2 + 1] === b) return false
      at = (at + 1) & (this.#used.length - 1)
    }
    this.#used[at] = 1
    this.#slots[at * 2] = a
    this.#slots[at * 2 + 1] = b
    this.#size++
    return true
  }

  #grow(): void {
    const slots = this.#slots
    const used = this.#used
    this.#slots = new Int32Array(slots.length * 2)
    this.#used = new Uint8Array(used.length * 2)
    this.#size = 0
    for (let i = 0; i < used.length; i++) if (used[i] === 1) this.add(slots[i * 2], slots[i * 2 + 1])
  }
}
