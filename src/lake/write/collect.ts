import type { RowChanges } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import type { ChangePreparer, Chunk } from '../merge/changes.ts'
import type { BaseGroup } from '../merge/join.ts'
import { Appender } from './appender.ts'
import type { GroupFiles, WriteContext } from './group-files.ts'
import { ScratchFile } from './scratch-file.ts'
import { Spill } from './spill.ts'

/** All changes of a flush, ready to be merged. */
export interface Collected {
  readonly preparer: ChangePreparer
  /** The groups to merge into: those of the table, or what new rows of this flush have made of them already. */
  readonly groups: readonly BaseGroup[]
  /** Rows that the groups hold don't count. */
  readonly truncated: boolean
  /** Empty when the changes were spilled. */
  readonly chunks: readonly Chunk[]
  readonly spill: Spill | null
}

/** Reads the changes of a flush. Half of the budget is for changes; beyond it they go to disk: new rows of a table without rows
 * straight into its files, others into a scratch file. A truncate drops whatever came before it. */
export class Collector {
  readonly #context: WriteContext
  readonly #preparer: ChangePreparer
  readonly #output: GroupFiles
  readonly #appends: boolean
  #groups: readonly BaseGroup[]
  #chunks: Chunk[] = []
  #bytes = 0
  #truncated = false
  #appender: Appender | null = null
  #spill: Spill | null = null
  #scratch: ScratchFile | null = null

  /** `appends` false: nothing is written while changes are read. */
  constructor(context: WriteContext, preparer: ChangePreparer, groups: readonly BaseGroup[], output: GroupFiles, appends = true) {
    this.#context = context
    this.#appends = appends
    this.#preparer = preparer
    this.#groups = groups
    this.#output = output
  }

  async read(changes: Iterable<RowChanges> | AsyncIterable<RowChanges>): Promise<Collected> {
    for await (const c of changes) {
      const { chunk, truncated } = this.#preparer.prepare(c)
      if (truncated) await this.#truncate()
      if (chunk.count === 0) continue
      if (this.#appender !== null && !Appender.takes(chunk)) await this.#endAppend()
      this.#chunks.push(chunk)
      this.#bytes += chunk.bytes
      if (this.#bytes > this.#context.memoryBudget / 2) await this.#flush()
    }
    if (this.#appender !== null) await this.#endAppend()
    if (this.#spill !== null && this.#chunks.length > 0) await this.#flush()
    return { preparer: this.#preparer, groups: this.#groups, truncated: this.#truncated, chunks: this.#chunks, spill: this.#spill }
  }

  async close(): Promise<void> {
    await this.#scratch?.close()
  }

  async #flush(): Promise<void> {
    const { spec, memoryBudget } = this.#context
    if (this.#appender === null && this.#spill === null && this.#mayAppend()) {
      this.#appender = new Appender(this.#context, this.#groups, this.#output, () => this.#file(), this.#truncated)
    }
    if (this.#appender !== null) await this.#appender.add(this.#chunks)
    else {
      if (this.#chunks.some(changesKey)) throw new Failure('TRB-LAKE-407', { table: spec.path, budget: memoryBudget })
      this.#spill ??= new Spill(await this.#file(), spec.buckets, spec.columns)
      await this.#spill.add(this.#chunks)
    }
    this.#chunks = []
    this.#bytes = 0
  }

  #mayAppend(): boolean {
    // a key that comes twice, in two partitions, would stay in both: repeats are looked for within a file
    if (this.#preparer.movesBetweenPartitions && this.#context.uniqueKeys !== true) return false
    const empty = this.#truncated || this.#groups.every((g) => g.file.meta.rows === 0)
    return this.#appends && empty && this.#context.spec.key.length > 0 && this.#chunks.every((c) => Appender.takes(c))
  }

  /** The rows appended so far become the groups that later changes are merged into. */
  async #endAppend(): Promise<void> {
    if (this.#chunks.length > 0) await this.#appender!.add(this.#chunks)
    this.#groups = await this.#appender!.finish()
    this.#appender = null
    this.#truncated = false
    this.#chunks = []
    this.#bytes = 0
  }

  async #truncate(): Promise<void> {
    this.#chunks = []
    this.#bytes = 0
    if (this.#appender !== null) await this.#endAppend()
    this.#spill?.clear()
    this.#truncated = true
  }

  async #file(): Promise<ScratchFile> {
    this.#scratch ??= await ScratchFile.create(this.#context.scratchDir, this.#context.scratchName)
    return this.#scratch
  }
}

/** Some entry is the second half of a change of key and lacks values: they are with the old key, which may be in another part. */
function changesKey(c: Chunk): boolean {
  if (c.unavailable.every((u) => u === null)) return false
  for (let i = 0; i < c.count; i++) {
    if (c.creates[i] === 1 && c.row[i] >= 0 && c.unavailable.some((u) => u !== null && u[c.row[i]] === 1)) return true
  }
  return false
}
