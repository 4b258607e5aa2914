import type { LakeType } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { assemble } from './assemble.ts'
import { type LeafValues, readChunk } from './chunk-reader.ts'
import type { Column } from './column.ts'
import { type ChunkMeta, chunkStart, decodeFooter, type FileMeta } from './metadata.ts'
import { columnsOf, type FileColumn } from './schema.ts'
import { ownMemory } from './scratch.ts'

const FIRST_READ = 64 * 1024

/** What a file is read with: a store, or a part of another file. */
export type RangedReads = Pick<ObjectStore, 'range' | 'rangeInto'>

/** A stored chunk as it lies in the file. */
export interface RawChunk {
  readonly meta: ChunkMeta
  readonly bytes: Buffer
}

/** A Parquet object opened for reading: its footer is in memory, chunks are fetched one at a time. */
export class ParquetFile {
  readonly key: string
  readonly size: number
  readonly meta: FileMeta
  readonly columns: readonly FileColumn[]
  readonly store: RangedReads

  #byName: ReadonlyMap<string, FileColumn> | null = null

  private constructor(store: RangedReads, key: string, size: number, meta: FileMeta) {
    this.store = store
    this.key = key
    this.size = size
    this.meta = meta
    this.columns = columnsOf(meta.schema, key)
  }

  /** Reads the footer. `size` is the object's size in bytes. */
  static async open(store: RangedReads, key: string, size: number): Promise<ParquetFile> {
    const bad = (problem: string): never => {
      throw new Failure('TRB-LAKE-401', { file: key, problem })
    }
    if (size < 12) bad(`it has ${size} bytes`)
    const tail = await store.range(key, Math.max(0, size - FIRST_READ), Math.min(size, FIRST_READ))
    if (tail.toString('latin1', tail.length - 4) !== 'PAR1') bad('it does not end with PAR1')
    const length = tail.readUInt32LE(tail.length - 8)
    if (length + 12 > size) bad('its footer is longer than the file')
    const thrift =
      length + 8 <= tail.length
        ? tail.subarray(tail.length - 8 - length, tail.length - 8)
        : await store.range(key, size - 8 - length, length)
    try {
      return new ParquetFile(store, key, size, decodeFooter(thrift, key))
    } catch (e) {
      if (isFailure(e)) throw e
      throw new Failure('TRB-LAKE-401', { file: key, problem: 'its schema cannot be read' }, e)
    }
  }

  column(name: string): FileColumn | null {
    this.#byName ??= new Map(this.columns.map((c) => [c.name, c]))
    return this.#byName.get(name) ?? null
  }

  /** The stored chunks of a column in one row group, one per leaf. */
  async rawColumn(rowGroup: number, column: FileColumn): Promise<RawChunk[]> {
    const metas = this.meta.rowGroups[rowGroup].columns.slice(column.firstLeaf, column.endLeaf)
    const start = Math.min(...metas.map(chunkStart))
    const end = Math.max(...metas.map((m) => chunkStart(m) + m.storedBytes))
    const inside =
      metas.length === column.endLeaf - column.firstLeaf && start >= 0 && end <= this.size && metas.every((m) => m.storedBytes >= 0)
    if (!inside) throw new Failure('TRB-LAKE-401', { file: this.key, problem: `column ${column.name} lies outside of it` })
    const bytes = await this.store.range(this.key, start, end - start)
    return metas.map((meta) => ({ meta, bytes: bytes.subarray(chunkStart(meta) - start, chunkStart(meta) - start + meta.storedBytes) }))
  }

  /** Decodes a column as `type` from its stored chunks; its values lie in what `allocate` gives. */
  decode(column: FileColumn, type: LakeType, chunks: readonly RawChunk[], allocate = ownMemory): Column {
    const leaves: LeafValues[] = []
    const visit = leavesUnder(column)
    try {
      for (let i = 0; i < chunks.length; i++) leaves.push(readChunk(chunks[i].bytes, chunks[i].meta, visit(i), this.key, allocate))
      return assemble(column.node, type, leaves, column.firstLeaf, this.key)
    } catch (e) {
      if (isFailure(e)) throw e
      // decompressors and views throw errors of their own on bytes that are none of theirs
      throw new Failure('TRB-LAKE-401', { file: this.key, problem: `column ${column.name} cannot be decoded` }, e)
    }
  }

  /** A column of one row group as `type`. Null: the file has no such column. */
  async read(rowGroup: number, name: string, type: LakeType, allocate = ownMemory): Promise<Column | null> {
    const column = this.column(name)
    if (column === null) return null
    return this.decode(column, type, await this.rawColumn(rowGroup, column), allocate)
  }
}

function leavesUnder(column: FileColumn): (i: number) => Extract<FileColumn['node'], { kind: 'leaf' }> {
  const leaves: Extract<FileColumn['node'], { kind: 'leaf' }>[] = []
  const visit = (node: FileColumn['node']): void => {
    if (node.kind === 'leaf') leaves.push(node)
    else if (node.kind === 'list') visit(node.item)
    else if (node.kind === 'map') {
      visit(node.key)
      visit(node.value)
    } else for (const f of node.fields) visit(f.node)
  }
  visit(column.node)
  return (i) => {
    const leaf = leaves[i]
    if (leaf === undefined) throw new Failure('TRB-LAKE-402', { file: column.name, feature: `struct column ${column.name}` })
    return leaf
  }
}
