import type { Column } from '../../format/parquet/column.ts'

/**
 * Whether rows of a base column keep their values: row baseRow[i] of `base` against row row[i] of `changed`. False at the first
 * difference, and for nested columns, which are not compared.
 */
export function sameValues(base: Column, baseRow: Int32Array, changed: Column, row: Int32Array): boolean {
  if (base.kind === 'fixed' && changed.kind === 'fixed') {
    const { width } = base
    for (let i = 0; i < baseRow.length; i++) {
      const present = base.valid === null || base.valid[baseRow[i]] === 1
      if (present !== (changed.valid === null || changed.valid[row[i]] === 1)) return false
      if (present && !same(base.data, baseRow[i] * width, changed.data, row[i] * width, width)) return false
    }
    return true
  }
  const a = textOf(base)
  const b = textOf(changed)
  if (a === null || b === null) return false
  for (let i = 0; i < baseRow.length; i++) {
    const x = a.entry === null ? baseRow[i] : a.entry[baseRow[i]]
    const y = b.entry === null ? row[i] : b.entry[row[i]]
    // a null is an empty range, or no entry
    const length = x < 0 ? 0 : a.starts[x + 1] - a.starts[x]
    if (length !== (y < 0 ? 0 : b.starts[y + 1] - b.starts[y])) return false
    if (length > 0 && !same(a.data, a.starts[x], b.data, b.starts[y], length)) return false
  }
  return true
}

function textOf(c: Column): { data: Buffer; starts: Int32Array; entry: Int32Array | null } | null {
  if (c.kind === 'plain') return { data: c.data, starts: c.starts, entry: null }
  return c.kind === 'dictionary' ? { data: c.values.data, starts: c.values.starts, entry: c.indexes } : null
}

function same(a: Uint8Array, at: number, b: Uint8Array, bt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[at + i] !== b[bt + i]) return false
  return true
}
