import type { LakeColumn, RowChanges } from '../../contract/columns.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { ChangePreparer, type Chunk } from '../merge/changes.ts'
import { Spill } from './spill.ts'

/** All changes of a flush, ready to be merged. */
export interface Collected {
  readonly preparer: ChangePreparer
  /** The table was truncated: rows stored before don't count. */
  readonly truncated: boolean
  /** Empty when the changes were spilled. */
  readonly chunks: readonly Chunk[]
  readonly spill: Spill | null
}

export interface CollectLimits {
  readonly memoryBudget: number
  readonly scratchDir: string
  /** Name of the scratch file, unique in the directory. */
  readonly scratchName: string
}

/** Reads the changes of a flush. Half of the budget is for changes; beyond it they go to disk. A truncate drops whatever came before it. */
export async function collect(
  changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  spec: TableSpec,
  columns: readonly LakeColumn[],
  seed: number,
  limits: CollectLimits,
): Promise<Collected> {
  const preparer = new ChangePreparer(spec, columns, seed)
  let chunks: Chunk[] = []
  let bytes = 0
  let truncated = false
  let spill: Spill | null = null
  const flush = async (): Promise<void> => {
    if (chunks.some((c) => changesKey(c))) throw new Failure('TRB-LAKE-407', { table: spec.path, budget: limits.memoryBudget })
    spill ??= await Spill.create(limits.scratchDir, limits.scratchName, spec.buckets, columns)
    await spill.add(chunks)
    chunks = []
    bytes = 0
  }
  try {
    for await (const c of changes) {
      const prepared = preparer.prepare(c)
      if (prepared.truncated) {
        truncated = true
        chunks = []
        bytes = 0
        ;(spill as Spill | null)?.clear()
      }
      if (prepared.chunk.count === 0) continue
      chunks.push(prepared.chunk)
      bytes += prepared.chunk.bytes
      if (bytes > limits.memoryBudget / 2) await flush()
    }
    if (spill !== null && chunks.length > 0) await flush()
  } catch (e) {
    await (spill as Spill | null)?.close()
    throw e
  }
  return { preparer, truncated, chunks, spill }
}

/** Some entry is the second half of a change of key and lacks values: they are with the old key, which may be in another part. */
function changesKey(c: Chunk): boolean {
  if (c.unavailable.every((u) => u === null)) return false
  for (let i = 0; i < c.count; i++) {
    if (c.creates[i] === 1 && c.row[i] >= 0 && c.unavailable.some((u) => u !== null && u[c.row[i]] === 1)) return true
  }
  return false
}
