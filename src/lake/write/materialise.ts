import type { LakeColumn, RowChanges } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { SliceFile } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { CHANGE_COLUMNS } from '../index/bag-key.ts'
import { join } from '../layout/paths.ts'
import { evolvedColumns } from '../merge/fit.ts'
import { mergeFlush } from './merge-flush.ts'
import type { WriterDeps } from './table-writer.ts'

/** The files that hold a table's rows: `kept` in its own store, `written` in the scratch store. */
export interface Materialised {
  readonly kept: readonly SliceFile[]
  readonly written: readonly SliceFile[]
  /** Columns of the written files; kept ones may have fewer. */
  readonly columns: readonly LakeColumn[]
}

/**
 * The table of `plan` with `changes` on top, without a commit: the file groups that the changes touch are merged into new base files in
 * `out` (same keys as in a table at the same path), the others are kept. `columns`: those of the changes, where they have grown since.
 * `instant` (17 digits, above the plan's) stands in file names and meta columns of changed rows.
 */
export async function materialise(
  store: ObjectStore,
  plan: ScanPlan,
  columns: readonly LakeColumn[],
  changes: Iterable<RowChanges> | AsyncIterable<RowChanges>,
  out: ObjectStore,
  instant: string,
  deps: WriterDeps,
): Promise<Materialised> {
  const isChange = (name: string): boolean => CHANGE_COLUMNS.has(name)
  const grown = evolvedColumns(plan.spec.path, plan.columns, columns, isChange)
  const spec = { ...plan.spec, columns: grown }
  const seed = Math.floor(deps.clock.random() * 0x100000000)
  const files = plan.files.map((f) => ({ ...f, name: f.key.slice(f.key.lastIndexOf('/') + 1) }))
  const announce = async (): Promise<void> => undefined
  const scratchName = `${instant}-${deps.clock.uuid()}`
  const context = { store, out, spec, instant, announce, seed, scratchName, ...deps }
  const { stats } = await mergeFlush(context, files, changes)
  const replaced = new Set(stats.map((s) => `${s.partitionPath}/${s.fileId}`))
  const written = stats.map((s): SliceFile => {
    const { fileId, partitionPath, path, fileSizeInBytes: bytes, numWrites: rows } = s
    return { fileId, partition: partitionPath ?? '', key: join(spec.path, path ?? ''), bytes, rows, instant }
  })
  return { kept: plan.files.filter((f) => !replaced.has(`${f.partition}/${f.fileId}`)), written, columns: grown }
}
