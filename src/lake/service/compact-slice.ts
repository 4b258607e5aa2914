import type { LakeColumn } from '../../contract/columns.ts'
import type { RowChunk, SliceDelta } from '../../contract/slice.ts'
import { Scratch } from '../../format/parquet/scratch.ts'
import { KeyTable } from '../index/key-table.ts'
import { hashInto, hashKeys } from '../index/keys.ts'
import { bytesOfChunk, ChunkRows, vectorOf } from '../merge/chunk-rows.ts'
import { IntList } from '../merge/int-list.ts'
import { type BaseGroup, RECORD_KEY, recordKeys } from '../merge/join.ts'
import type { BaseFileWriter } from '../write/base-file.ts'

/**
 * Writes the rows of a file slice as its next base file: those of the base that no log touches as stored bytes, those that a log replaces in
 * their places, then the new ones. Commit times and sequence numbers stay (I11). `columns`: the stored ones of the table. What the logs hold is
 * kept in memory up to `budget` bytes; more of it is put behind the base's rows as it comes.
 */
export async function writeSlice(
  writer: BaseFileWriter,
  base: BaseGroup | null,
  delta: SliceDelta,
  columns: readonly LakeColumn[],
  budget: number,
  seed: number,
): Promise<void> {
  const chunks: RowChunk[] = []
  let bytes = 0
  for await (const chunk of delta.rows()) {
    bytes += bytesOfChunk(chunk)
    if (bytes > budget) break
    chunks.push(chunk)
  }
  if (bytes > budget) await behind(writer, base, delta, columns)
  else await new InPlace(writer, base, delta.hidden, chunks, columns, bytes, seed).write()
}

/** The base without its hidden rows, then all rows of the logs. Which of them are updates is not looked up: as many as rows are hidden. */
async function behind(writer: BaseFileWriter, base: BaseGroup | null, delta: SliceDelta, columns: readonly LakeColumn[]): Promise<void> {
  let first = 0
  let h = 0
  for (const [g, { rows }] of (base?.file.meta.rowGroups ?? []).entries()) {
    const from = h
    while (h < delta.hidden.length && delta.hidden[h] < first + rows) h++
    const row = delta.hidden.subarray(from, h).map((ordinal) => ordinal - first)
    if (row.length === 0) await writer.copyRowGroup(g)
    else await writer.mergeRowGroup(g, { row, changed: new Int32Array(row.length).fill(-1), rows: null }, 0)
    first += rows
  }
  for await (const chunk of delta.rows()) {
    const bytes = bytesOfChunk(chunk)
    const perGroup = writer.rowsPerGroup(bytes / chunk.count, chunk.count)
    for (let at = 0; at < chunk.count; at += perGroup) {
      const n = Math.min(perGroup, chunk.count - at)
      await writer.insertRows(
        new ChunkRows(
          [chunk],
          columns,
          new Int32Array(n),
          Int32Array.from({ length: n }, (_, i) => at + i),
        ),
      )
    }
  }
  const updated = Math.min(delta.hidden.length, delta.count)
  writer.updated = updated
  writer.deleted = delta.hidden.length - updated
  writer.inserted = delta.count - updated
}

/** Rows of the logs are found by key, and take the places of those that they replace. */
class InPlace {
  readonly #writer: BaseFileWriter
  readonly #base: BaseGroup | null
  readonly #hidden: Int32Array
  readonly #chunks: readonly RowChunk[]
  readonly #columns: readonly LakeColumn[]
  readonly #seed: number
  readonly #keys: KeyTable
  /** Key number → 1 when its row has been written. */
  readonly #used: Uint8Array
  readonly #bytesPerRow: number

  constructor(
    writer: BaseFileWriter,
    base: BaseGroup | null,
    hidden: Int32Array,
    chunks: readonly RowChunk[],
    columns: readonly LakeColumn[],
    bytes: number,
    seed: number,
  ) {
    this.#writer = writer
    this.#base = base
    this.#hidden = hidden
    this.#chunks = chunks
    this.#columns = columns
    this.#seed = seed
    const count = chunks.reduce((n, c) => n + c.count, 0)
    this.#bytesPerRow = bytes / Math.max(1, count)
    const sources = chunks.map((chunk) => {
      const v = vectorOf(chunk, RECORD_KEY)
      const { data, offsets } = v?.kind === 'bytes' ? v : { data: Buffer.alloc(0), offsets: new Int32Array(chunk.count + 1) }
      return hashKeys(data, offsets, chunk.count, seed)
    })
    this.#keys = new KeyTable(sources, count)
    for (const [c, chunk] of chunks.entries()) for (let r = 0; r < chunk.count; r++) this.#keys.put(c, r)
    this.#used = new Uint8Array(this.#keys.size)
  }

  async write(): Promise<void> {
    const groups = this.#base?.file.meta.rowGroups ?? []
    const last = groups.findLastIndex((g) => g.rows > 0)
    let first = 0
    let h = 0
    let appended = false
    for (const [g, { rows }] of groups.entries()) {
      const from = h
      while (h < this.#hidden.length && this.#hidden[h] < first + rows) h++
      const row = this.#hidden.subarray(from, h).map((ordinal) => ordinal - first)
      const changed = row.length === 0 ? new IntList() : await this.#replacements(g, row)
      const left = this.#left()
      const appends = g === last && left > 0 && this.#writer.fitsOneGroup(this.#bytesPerRow, rows - row.length + left)
      if (row.length === 0 && !appends) await this.#writer.copyRowGroup(g)
      else await this.#mergeGroup(g, row, changed.view(), appends)
      appended ||= appends
      first += rows
    }
    if (!appended) await this.#insertLeft()
  }

  /** Per hidden row of a row group: the number of the key that replaces it, or −1. */
  async #replacements(g: number, row: Int32Array): Promise<IntList> {
    const scratch = new Scratch()
    const { data, starts } = await recordKeys(this.#base!.file, g, scratch.take)
    const out = new IntList(row.length)
    const h0 = new Int32Array(1)
    const h1 = new Int32Array(1)
    for (const r of row) {
      const from = Math.min(starts[r] + 4, starts[r + 1])
      hashInto(data, from, starts[r + 1], this.#seed, h0, h1, 0)
      const k = this.#keys.find(h0[0], h1[0], data, from, starts[r + 1])
      const free = k >= 0 && this.#used[k] === 0
      if (free) this.#used[k] = 1
      out.push(free ? k : -1)
    }
    scratch.release()
    return out
  }

  async #mergeGroup(g: number, row: Int32Array, keys: Int32Array, appends: boolean): Promise<void> {
    const wanted = new IntList(keys.length)
    const changed = new Int32Array(keys.length)
    for (let i = 0; i < keys.length; i++) {
      changed[i] = keys[i] < 0 ? -1 : wanted.length
      if (keys[i] >= 0) wanted.push(keys[i])
    }
    const firstInsert = wanted.length
    if (appends) for (const k of this.#takeLeft()) wanted.push(k)
    const rows = wanted.length === 0 ? null : this.#rows(wanted.view())
    await this.#writer.mergeRowGroup(g, { row, changed, rows }, firstInsert)
  }

  async #insertLeft(): Promise<void> {
    const left = this.#takeLeft()
    const perGroup = this.#writer.rowsPerGroup(this.#bytesPerRow, left.length)
    for (let at = 0; at < left.length; at += perGroup) await this.#writer.insertRows(this.#rows(left.subarray(at, at + perGroup)))
  }

  #left(): number {
    let n = 0
    for (let k = 0; k < this.#used.length; k++) n += 1 - this.#used[k]
    return n
  }

  /** Keys whose row replaces none, in log order. */
  #takeLeft(): Int32Array {
    const out = new Int32Array(this.#left())
    for (let k = 0, n = 0; k < this.#used.length; k++) {
      if (this.#used[k] === 1) continue
      out[n++] = k
      this.#used[k] = 1
    }
    return out
  }

  #rows(keys: Int32Array): ChunkRows {
    const chunk = keys.map((k) => this.#keys.sourceOf(k))
    const row = keys.map((k) => this.#keys.rowOf(k))
    return new ChunkRows(this.#chunks, this.#columns, chunk, row)
  }
}
