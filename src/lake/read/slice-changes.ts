import type { LakeColumn, RowChanges } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { MergeRules, RowChunk } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { baseRows } from './base-rows.ts'
import { type DeltaRequest, readDelta } from './delta.ts'

const CREATE = 0x63
const DELETE = 0x64
const META_COLUMNS = 5

/**
 * What the logs of a plan's slices do to its base files, as changes of rows: the base rows that don't count are taken away, the others put
 * in. With them, whoever can merge changes into base files needs to know nothing of logs. `limit`: memory for the logs of one slice; `name` is
 * unique in its directory.
 */
export async function* sliceChanges(
  store: ObjectStore,
  plan: ScanPlan,
  rules: MergeRules,
  limit: NonNullable<DeltaRequest['limit']>,
): AsyncGenerator<RowChanges> {
  const { columns } = plan
  for (const slice of plan.slices) {
    if (slice.logs.length === 0) continue
    const delta = await readDelta({ store, table: plan.spec.path, slice, schema: columns, rules, visible: plan.counts, limit })
    try {
      if (slice.base !== null && delta.hidden.length > 0) {
        const file = await ParquetFile.open(store, slice.base.key, slice.base.bytes)
        for await (const rows of baseRows(file, columns, others(delta.hidden, file.meta.rows))) yield changes(columns, rows, DELETE)
      }
      for await (const { count, vectors } of delta.rows()) {
        yield changes(columns, { columns, count, vectors: vectors.slice(META_COLUMNS) }, CREATE)
      }
    } finally {
      await delta.close()
    }
  }
}

function changes(columns: readonly LakeColumn[], { count, vectors }: RowChunk, op: number): RowChanges {
  const bytes = vectors.reduce((n, v) => n + ('data' in v ? v.data.length : 0), count)
  const unavailable = columns.map(() => null)
  return { columns, count, op: new Uint8Array(count).fill(op), before: null, vectors, unavailable, bytes }
}

/** The ordinals below `rows` that are not among these (ascending). */
function others(ordinals: Int32Array, rows: number): Int32Array {
  const out = new Int32Array(rows - ordinals.length)
  for (let i = 0, k = 0, n = 0; i < rows; i++) {
    if (k < ordinals.length && ordinals[k] === i) k++
    else out[n++] = i
  }
  return out
}
