import type { LakeColumn, RowChanges } from '../../contract/columns.ts'
import type { TableSpec } from '../../contract/table.ts'
import { ChangePreparer, type Chunk } from '../merge/changes.ts'

/** All changes of a flush, ready to be merged. */
export interface Collected {
  readonly preparer: ChangePreparer
  /** The table was truncated: rows stored before don't count. */
  readonly truncated: boolean
  readonly chunks: readonly Chunk[]
}

/** Reads the changes of a flush. A truncate drops whatever came before it. */
export async function collect(
  changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  spec: TableSpec,
  columns: readonly LakeColumn[],
  seed: number,
): Promise<Collected> {
  const preparer = new ChangePreparer(spec, columns, seed)
  let chunks: Chunk[] = []
  let truncated = false
  for await (const c of changes) {
    const prepared = preparer.prepare(c)
    if (prepared.truncated) {
      truncated = true
      chunks = []
    }
    if (prepared.chunk.count > 0) chunks.push(prepared.chunk)
  }
  return { preparer, truncated, chunks }
}
