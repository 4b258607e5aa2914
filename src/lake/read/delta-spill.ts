import type { RowChunk } from '../../contract/slice.ts'
import type { PlainVector } from '../../format/parquet/column.ts'
import type { ParquetFile } from '../../format/parquet/file.ts'
import { hashInto } from '../index/keys.ts'
import { IntList } from '../merge/int-list.ts'
import type { BlockRef, ScratchFile } from '../write/scratch-file.ts'
import { groupKeys, type KeyPart, rowsOrdering } from './delta-base.ts'
import { KEY_SEED, type LogChunk } from './log-chunk.ts'
import type { LogColumns } from './log-columns.ts'
import { selectEntries, selectOrdering } from './log-select.ts'

/** Log entries, base keys and results on disk, split into parts by the hash of the key: a part is merged by itself. */
export class DeltaSpill {
  readonly parts: number
  readonly #file: ScratchFile
  readonly #of: LogColumns
  readonly #entries: BlockRef[][]
  readonly #keys: BlockRef[][]
  readonly #results: BlockRef[] = []

  /** `parts`: a power of two. */
  constructor(file: ScratchFile, parts: number, of: LogColumns) {
    this.#file = file
    this.parts = parts
    this.#of = of
    this.#entries = Array.from({ length: parts }, () => [])
    this.#keys = Array.from({ length: parts }, () => [])
  }

  /** Adds chunks, in order. */
  async add(chunks: readonly LogChunk[]): Promise<void> {
    const chunk = Array.from({ length: this.parts }, () => new IntList())
    const row = Array.from({ length: this.parts }, () => new IntList())
    for (const [c, { keys, count }] of chunks.entries()) {
      for (let i = 0; i < count; i++) {
        const p = this.#part(keys.h1[i])
        chunk[p].push(c)
        row[p].push(i)
      }
    }
    for (let p = 0; p < this.parts; p++) {
      if (row[p].length === 0) continue
      const selected = selectEntries(chunks, chunk[p].view(), row[p].view(), this.#of.wanted)
      this.#entries[p].push(await this.#file.append(selected, selected.count, selected.bytes))
    }
  }

  /** Splits the keys of the base file; those of parts without log entries are left out. */
  async addBase(file: ParquetFile): Promise<void> {
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    for (let group = 0; group < file.meta.rowGroups.length; group++) {
      const keys = await groupKeys(file, group, this.#of)
      const { data, starts } = keys
      const rows = Array.from({ length: this.parts }, () => new IntList())
      for (let i = 0; i + 1 < starts.length; i++) {
        if (starts[i + 1] < starts[i] + 4) continue
        hashInto(data, starts[i] + 4, starts[i + 1], KEY_SEED, h0, h1, 0)
        const p = this.#part(h1[0])
        if (this.#entries[p].length > 0) rows[p].push(i)
      }
      const all = this.#of.rules.mode === 'event-time' ? await rowsOrdering(file, group, null, this.#of) : null
      for (let p = 0; p < this.parts; p++) {
        if (rows[p].length === 0) continue
        const ordering = all === null ? null : selectOrdering([all], { source: null, row: rows[p].view(), count: rows[p].length })
        const part: KeyPart = { group, rows: rows[p].view().slice(), keys: pick(keys, rows[p].view()), ordering }
        this.#keys[p].push(await this.#file.append(part, rows[p].length, part.keys.data.length))
      }
    }
  }

  /** The entries of a part, in order. */
  async entries(p: number): Promise<LogChunk[]> {
    const out: LogChunk[] = []
    for (const ref of this.#entries[p]) out.push((await this.#file.read(ref)) as LogChunk)
    return out
  }

  async *keys(p: number): AsyncGenerator<KeyPart> {
    for (const ref of this.#keys[p]) yield (await this.#file.read(ref)) as KeyPart
  }

  /** Keeps rows of the result. */
  async keep(chunk: RowChunk): Promise<void> {
    this.#results.push(await this.#file.append(chunk.vectors, chunk.count, 0))
  }

  async *results(): AsyncGenerator<RowChunk> {
    for (const ref of this.#results) {
      yield { columns: this.#of.wanted, count: ref.rows, vectors: (await this.#file.read(ref)) as RowChunk['vectors'] }
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  #part(h1: number): number {
    return h1 & (this.parts - 1)
  }
}

function pick(keys: PlainVector, rows: Int32Array): PlainVector {
  const starts = new Int32Array(rows.length + 1)
  for (let i = 0; i < rows.length; i++) starts[i + 1] = starts[i] + keys.starts[rows[i] + 1] - keys.starts[rows[i]]
  const data = Buffer.allocUnsafeSlow(starts[rows.length])
  for (let i = 0; i < rows.length; i++) keys.data.copy(data, starts[i], keys.starts[rows[i]], keys.starts[rows[i] + 1])
  return { kind: 'plain', data, starts }
}
