import type { Vector } from '../../contract/columns.ts'
import type { Column } from '../../format/parquet/column.ts'

/**
 * Whether rows of a base column keep their values: baseRow[i] against row[i] of vectors[chunk[i]]. False at the first difference,
 * and for nested columns, which are not compared.
 */
export function sameValues(
  base: Column,
  baseRow: Int32Array,
  vectors: readonly (Vector | null)[],
  chunk: Int32Array,
  row: Int32Array,
): boolean {
  for (let i = 0; i < baseRow.length; i++) {
    if (!sameValue(base, baseRow[i], vectors[chunk[i]], row[i])) return false
  }
  return true
}

function sameValue(base: Column, r: number, v: Vector | null, row: number): boolean {
  const isNull = v === null || (v.valid !== null && v.valid[row] === 0)
  if (base.kind === 'fixed') {
    if (base.valid !== null && base.valid[r] === 0) return isNull
    return !isNull && v.kind === 'fixed' && same(base.data, r * base.width, v.data, row * v.width, v.width)
  }
  if (base.kind !== 'plain' && base.kind !== 'dictionary') return false
  const k = base.kind === 'plain' ? r : base.indexes[r]
  const { data, starts } = base.kind === 'plain' ? base : base.values
  if (k < 0 || starts[k] === starts[k + 1]) return isNull
  if (isNull || v.kind !== 'bytes') return false
  const length = v.offsets[row + 1] - v.offsets[row]
  return length === starts[k + 1] - starts[k] - 4 && same(data, starts[k] + 4, v.data, v.offsets[row], length)
}

function same(a: Uint8Array, at: number, b: Uint8Array, bt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[at + i] !== b[bt + i]) return false
  return true
}
