import type { ParquetFile, RawChunk } from './file.ts'
import { chunkStart } from './metadata.ts'
import type { FileColumn } from './schema.ts'
import { giveBack, takeBlock } from './scratch.ts'

/** Larger row groups are read column by column. */
const MOST = 48 << 20

/**
 * The stored bytes of one row group at a time, read with one call into memory that is used again for the next: for who needs most of
 * the columns. What `column` gives is valid until the next `load`.
 */
export class RowGroupBytes {
  readonly #file: ParquetFile
  #block: Buffer = Buffer.alloc(0)
  #rowGroup = -1
  #start = 0
  #length = 0

  constructor(file: ParquetFile) {
    this.#file = file
  }

  async load(rowGroup: number): Promise<void> {
    const metas = this.#file.meta.rowGroups[rowGroup].columns
    const start = Math.min(...metas.map(chunkStart))
    const length = Math.max(...metas.map((m) => chunkStart(m) + m.storedBytes)) - start
    this.#rowGroup = -1
    if (length > MOST) return
    if (this.#file.store.rangeInto === undefined) {
      this.#block = await this.#file.store.range(this.#file.key, start, length)
      this.#length = this.#block.length
    } else {
      if (this.#block.length < length) {
        giveBack(this.#block)
        this.#block = takeBlock(length + (length >> 3))
      }
      this.#length = await this.#file.store.rangeInto(this.#file.key, start, this.#block.subarray(0, length))
    }
    this.#rowGroup = rowGroup
    this.#start = start
  }

  /** As `ParquetFile.rawColumn`. */
  async column(rowGroup: number, column: FileColumn): Promise<RawChunk[]> {
    if (rowGroup !== this.#rowGroup) return this.#file.rawColumn(rowGroup, column)
    return this.#file.meta.rowGroups[rowGroup].columns.slice(column.firstLeaf, column.endLeaf).map((meta) => {
      const from = chunkStart(meta) - this.#start
      return { meta, bytes: this.#block.subarray(from, Math.min(from + meta.storedBytes, this.#length)) }
    })
  }

  /** Nothing that `column` gave is valid afterwards. */
  release(): void {
    if (this.#file.store.rangeInto !== undefined) giveBack(this.#block)
    this.#block = Buffer.alloc(0)
    this.#rowGroup = -1
  }
}
