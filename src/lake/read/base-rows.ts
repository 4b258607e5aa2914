import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { toVector } from '../../format/parquet/column.ts'
import type { ParquetFile } from '../../format/parquet/file.ts'
import { gatherVector, nullColumn, type Selection } from '../merge/gather.ts'

/**
 * Rows of a base file, one chunk per row group, without those whose ordinals are in `hidden` (ascending). Columns that the file lacks are
 * null; narrower stored types are widened to the column's.
 */
export async function* baseRows(file: ParquetFile, columns: readonly LakeColumn[], hidden: Int32Array): AsyncGenerator<RowChunk> {
  let first = 0
  let h = 0
  for (const [g, group] of file.meta.rowGroups.entries()) {
    const from = h
    while (h < hidden.length && hidden[h] < first + group.rows) h++
    const gone = hidden.subarray(from, h)
    if (gone.length < group.rows) {
      const vectors: Vector[] = []
      for (const c of columns) vectors.push(toVector((await file.read(g, c.name, c.type)) ?? nullColumn(c.type, group.rows)))
      const all: RowChunk = { columns, count: group.rows, vectors }
      yield gone.length === 0 ? all : selectRows(all, remaining(gone, first, group.rows))
    }
    first += group.rows
  }
}

/** The rows of a chunk with these numbers, in this order. */
export function selectRows(chunk: RowChunk, row: Int32Array): RowChunk {
  const pick: Selection = { source: null, row, count: row.length }
  const vectors = chunk.vectors.map((v, c) => gatherVector(chunk.columns[c].type, [v], pick))
  return { columns: chunk.columns, count: row.length, vectors }
}

/** Numbers in the row group of the rows that are not gone; `gone` holds ordinals in the file. */
function remaining(gone: Int32Array, first: number, rows: number): Int32Array {
  const out = new Int32Array(rows - gone.length)
  for (let i = 0, g = 0, n = 0; i < rows; i++) {
    if (g < gone.length && gone[g] === first + i) g++
    else out[n++] = i
  }
  return out
}
