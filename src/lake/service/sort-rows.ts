import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { assert, Failure } from '../../failure/failure.ts'
import { vectorOf } from '../merge/chunk-rows.ts'

/** Sign of value i of chunk a less value j of chunk b, both of one column. Null comes first. */
type Compare = (a: number, i: number, b: number, j: number) => number

/** The columns to sort by, of these names. TRB-LAKE-091 for one that the table does not have, or whose values have no order. */
export function sortColumns(table: string, columns: readonly LakeColumn[], names: readonly string[]): readonly LakeColumn[] {
  return names.map((name) => {
    const found = columns.find((c) => c.name === name)
    if (found !== undefined && found.type.kind !== 'list' && found.type.kind !== 'map' && found.type.kind !== 'struct') return found
    const list = columns
      .flatMap((c) => (c.type.kind === 'list' || c.type.kind === 'map' || c.type.kind === 'struct' ? [] : [c.name]))
      .join(', ')
    throw new Failure('TRB-LAKE-091', { table, column: name, columns: list })
  })
}

/** All rows of the chunks in order of `by`, rows that are equal there as they come: row i of the result is row `row[i]` of chunk `chunk[i]`. */
export function sortedRows(
  chunks: readonly RowChunk[],
  by: readonly LakeColumn[],
): { readonly chunk: Int32Array; readonly row: Int32Array } {
  const count = chunks.reduce((n, c) => n + c.count, 0)
  const chunkOf = new Int32Array(count)
  const rowOf = new Int32Array(count)
  for (let c = 0, i = 0; c < chunks.length; c++) {
    for (let r = 0; r < chunks[c].count; r++, i++) {
      chunkOf[i] = c
      rowOf[i] = r
    }
  }
  if (by.length === 0) return { chunk: chunkOf, row: rowOf }
  const compares = by.map((column) => comparison(column, chunks))
  const order = Int32Array.from({ length: count }, (_, i) => i).sort((x, y) => {
    for (const compare of compares) {
      const d = compare(chunkOf[x], rowOf[x], chunkOf[y], rowOf[y])
      if (d !== 0) return d
    }
    return x - y
  })
  return { chunk: order.map((i) => chunkOf[i]), row: order.map((i) => rowOf[i]) }
}

function comparison(column: LakeColumn, chunks: readonly RowChunk[]): Compare {
  const vectors = chunks.map((c) => vectorOf(c, column.name))
  const values = ofValues(column, vectors)
  return (a, i, b, j) => {
    const x = isNull(vectors[a], i)
    const y = isNull(vectors[b], j)
    return x || y ? Number(y) - Number(x) : values(a, i, b, j)
  }
}

function isNull(v: Vector | null, i: number): boolean {
  return v === null || (v.valid !== null && v.valid[i] === 0)
}

function ofValues(column: LakeColumn, vectors: readonly (Vector | null)[]): Compare {
  switch (column.type.kind) {
    case 'string':
    case 'bytes':
      return ofBytes(vectors)
    case 'float':
    case 'double':
      return ofNumbers(vectors.map((v) => (v === null ? NO_NUMBERS : floats(v))))
    case 'decimal':
      return ofDecimals(vectors)
    case 'boolean':
      return ofNumbers(vectors.map((v) => (v === null ? NO_NUMBERS : dataOf(v))))
    case 'int':
    case 'date':
      return ofNumbers(vectors.map((v) => (v === null ? NO_NUMBERS : words(dataOf(v)))))
    default:
      return ofLongs(vectors)
  }
}

const NO_NUMBERS: ArrayLike<number> = []

/** NaN after all numbers, as Java and Spark have it. */
function ofNumbers(values: readonly ArrayLike<number>[]): Compare {
  return (a, i, b, j) => {
    const x = values[a][i]
    const y = values[b][j]
    if (x < y) return -1
    if (x > y) return 1
    return x === y ? 0 : Number(Number.isNaN(x)) - Number(Number.isNaN(y))
  }
}

function ofLongs(vectors: readonly (Vector | null)[]): Compare {
  const values = vectors.map((v) => (v === null ? new Int32Array(0) : words(dataOf(v))))
  return (a, i, b, j) => {
    const x = values[a]
    const y = values[b]
    if (x[i * 2 + 1] !== y[j * 2 + 1]) return x[i * 2 + 1] < y[j * 2 + 1] ? -1 : 1
    const low = x[i * 2] >>> 0
    const other = y[j * 2] >>> 0
    return low < other ? -1 : low > other ? 1 : 0
  }
}

/** Big-endian two's complement of one width. */
function ofDecimals(vectors: readonly (Vector | null)[]): Compare {
  return (a, i, b, j) => {
    const x = vectors[a]
    const y = vectors[b]
    assert(x?.kind === 'fixed' && y?.kind === 'fixed', 'a decimal column is of fixed width')
    const { width } = x
    const p = i * width
    const q = j * width
    const sign = ((x.data[p] << 24) >> 24) - ((y.data[q] << 24) >> 24)
    return sign !== 0 ? sign : x.data.compare(y.data, q, q + width, p, p + width)
  }
}

function ofBytes(vectors: readonly (Vector | null)[]): Compare {
  return (a, i, b, j) => {
    const x = vectors[a]
    const y = vectors[b]
    assert(x?.kind === 'bytes' && y?.kind === 'bytes', 'a column of byte strings holds byte strings')
    return x.data.compare(y.data, y.offsets[j], y.offsets[j + 1], x.offsets[i], x.offsets[i + 1])
  }
}

function dataOf(v: Vector): Buffer {
  assert(v.kind === 'fixed', 'a column of numbers is of fixed width')
  return v.data
}

function words(data: Buffer): Int32Array {
  const copy = new Uint8Array(data.length & ~3)
  copy.set(data.subarray(0, copy.length))
  return new Int32Array(copy.buffer)
}

function floats(v: Vector): Float32Array | Float64Array {
  const bits = words(dataOf(v)).buffer
  return v.kind === 'fixed' && v.width === 4 ? new Float32Array(bits) : new Float64Array(bits)
}
