import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import type { Column, PlainVector } from '../../format/parquet/column.ts'
import { ownMemory } from '../../format/parquet/scratch.ts'
import type { ChangedRows } from './changed-rows.ts'
import { gather, runsOf, type Selection } from './gather.ts'
import { RECORD_KEY } from './join.ts'

/** Rows of chunks that bring their meta columns along: what a log holds, or another base file. Row i is row `row[i]` of chunk `chunk[i]`. */
export class ChunkRows implements ChangedRows {
  readonly count: number
  readonly keys: PlainVector
  readonly #chunks: readonly RowChunk[]
  readonly #columns: readonly LakeColumn[]
  readonly #pick: Selection

  /** `columns`: those of the table as they are stored. */
  constructor(chunks: readonly RowChunk[], columns: readonly LakeColumn[], chunk: Int32Array, row: Int32Array) {
    this.#chunks = chunks
    this.#columns = columns
    this.count = row.length
    const pick = { source: chunk, row, count: row.length }
    this.#pick = { ...pick, runs: runsOf(pick) }
    this.keys = this.meta(RECORD_KEY, ownMemory) as PlainVector
  }

  /** All rows of one chunk. */
  static whole(chunk: RowChunk, columns: readonly LakeColumn[]): ChunkRows {
    return new ChunkRows(
      [chunk],
      columns,
      new Int32Array(chunk.count),
      Int32Array.from({ length: chunk.count }, (_, i) => i),
    )
  }

  column(c: number, allocate = ownMemory): Column {
    const { name, type } = this.#columns[c]
    const sources = this.#chunks.map((chunk) => vectorOf(chunk, name))
    return gather(type, sources, this.#pick, allocate)
  }

  missing(): null {
    return null
  }

  meta(name: string, allocate: typeof ownMemory): Column {
    const sources = this.#chunks.map((chunk) => vectorOf(chunk, name))
    return gather({ kind: 'string' }, sources, this.#pick, allocate)
  }
}

/** A column of a chunk by its name; null: the chunk has no such column. */
export function vectorOf(chunk: RowChunk, name: string): Vector | null {
  const at = chunk.columns.findIndex((c) => c.name === name)
  return at < 0 ? null : chunk.vectors[at]
}

/** Memory that a chunk takes, about. */
export function bytesOfChunk(chunk: RowChunk): number {
  return chunk.vectors.reduce((n, v) => n + bytesOfVector(v), 0)
}

function bytesOfVector(v: Vector): number {
  const valid = v.valid?.length ?? 0
  switch (v.kind) {
    case 'fixed':
      return v.data.length + valid
    case 'bytes':
      return v.data.length + v.offsets.length * 4 + valid
    case 'list':
      return v.offsets.length * 4 + valid + bytesOfVector(v.element)
    case 'map':
      return v.offsets.length * 4 + valid + bytesOfVector(v.key) + bytesOfVector(v.value)
    case 'struct':
      return v.fields.reduce((n, f) => n + bytesOfVector(f), valid)
  }
}
