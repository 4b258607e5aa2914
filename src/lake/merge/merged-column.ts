import type { FixedVector, LakeType } from '../../contract/columns.ts'
import { type Column, type DictionaryVector, type PlainVector, plainEntry } from '../../format/parquet/column.ts'
import type { Allocate } from '../../format/parquet/scratch.ts'
import { DictionaryBuilder, gather, MOST_NEW, type Selection, withoutUnused } from './gather.ts'
import type { MergePlan } from './merge-plan.ts'

/**
 * A column of a row group after its edits: `pick` of the base's rows (source 0) and the changed ones (source 1). `base` is scratch memory:
 * where rows keep their places and the values their sizes, the new values are written over the old ones.
 */
export function mergedColumn(
  type: LakeType,
  base: Column | null,
  changed: Column | null,
  plan: MergePlan,
  pick: Selection,
  allocate: Allocate,
): Column {
  if (plan.inPlace && pick === plan.own && base !== null && changed !== null) {
    const { updatedRows, updatedBy } = plan
    if (base.kind === 'fixed' && changed.kind === 'fixed' && overwriteFixed(base, updatedRows, changed, updatedBy)) return base
    if (base.kind === 'plain' && changed.kind === 'plain' && overwritePlain(base, updatedRows, changed, updatedBy)) return base
    if (base.kind === 'dictionary' && changed.kind === 'plain') {
      const done = overwriteDictionary(base, updatedRows, changed, updatedBy)
      if (done !== null) return done
    }
  }
  return gather(type, [base, changed], pick, allocate)
}

/** Not where there are nulls. */
function overwriteFixed(base: FixedVector, rows: Int32Array, changed: FixedVector, by: Int32Array): boolean {
  if (base.valid !== null || changed.valid !== null) return false
  const { width, data } = base
  const from = changed.data
  for (let i = 0; i < rows.length; i++) {
    const to = rows[i] * width
    const at = by[i] * width
    for (let b = 0; b < width; b++) data[to + b] = from[at + b]
  }
  return true
}

function overwritePlain(base: PlainVector, rows: Int32Array, changed: PlainVector, by: Int32Array): boolean {
  for (let i = 0; i < rows.length; i++) {
    const length = base.starts[rows[i] + 1] - base.starts[rows[i]]
    if (length !== changed.starts[by[i] + 1] - changed.starts[by[i]]) return false
  }
  for (let i = 0; i < rows.length; i++) {
    let to = base.starts[rows[i]]
    for (let at = changed.starts[by[i]], end = changed.starts[by[i] + 1]; at < end; at++) base.data[to++] = changed.data[at]
  }
  return true
}

/** Null when the changes bring too many new values. */
function overwriteDictionary(base: DictionaryVector, rows: Int32Array, changed: PlainVector, by: Int32Array): DictionaryVector | null {
  const builder = new DictionaryBuilder()
  for (let k = 0; k + 1 < base.values.starts.length; k++)
    builder.add(base.values.data, base.values.starts[k] + 4, base.values.starts[k + 1])
  // the same value twice: another writer's dictionary, whose numbers are not the builder's
  if (builder.size !== base.values.starts.length - 1) return null
  const numbers = new Int32Array(rows.length)
  const most = builder.size + MOST_NEW
  for (let i = 0; i < rows.length; i++) {
    const [from, to] = plainEntry(changed, by[i])
    numbers[i] = from < 0 ? -1 : builder.add(changed.data, from, to)
    if (builder.size > most) return null
  }
  const { indexes } = base
  for (let i = 0; i < rows.length; i++) indexes[rows[i]] = numbers[i]
  return withoutUnused({ kind: 'dictionary', values: builder.build(), indexes })
}
