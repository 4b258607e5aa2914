import type { FixedVector, LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice, MergeRules, SliceDelta } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { ParquetWriter } from '../../format/parquet/writer.ts'
import { storedColumns } from '../layout/table-properties.ts'
import { type DeltaRequest, readDelta } from './delta.ts'
import { META } from './log-columns.ts'

/** A slice with logs as files that any Parquet reader can put together: `base` without the rows of `hidden`, and `rows`. */
export interface SliceOverlay {
  /** Key of the base file in the table's store; null: there is none. */
  readonly base: string | null
  /** Key in the scratch store of a file with one column `row`: ordinals of base rows that don't count, ascending. Null: all count. */
  readonly hidden: string | null
  /** Key in the scratch store of the rows that take their place or are new. Null: none. */
  readonly rows: string | null
}

/** Names of columns, absent: all; `meta` false: without the meta columns. */
export type OverlayNeeds = Pick<DeltaRequest, 'columns' | 'meta'>

const HIDDEN: readonly LakeColumn[] = [{ name: 'row', type: { kind: 'long' } }]
/** Ordinals per row group of a hidden file. */
const ORDINALS = 1 << 20

/**
 * Works out what the logs of a plan's slices make of their base files and writes that into `scratch`, so that rows which no log touches are
 * read by whoever reads Parquet best. `needs`: what is wanted of the rows, at least one column. `limit`: memory for the logs of a slice, and a
 * directory for what exceeds it. Slices without logs are not in the answer.
 */
export async function writeOverlays(
  store: ObjectStore,
  plan: ScanPlan,
  rules: MergeRules,
  needs: OverlayNeeds,
  scratch: ObjectStore,
  limit: { readonly bytes: number; readonly directory: string },
): Promise<SliceOverlay[]> {
  const schema = storedColumns({ ...plan.spec, columns: plan.columns })
  const out: SliceOverlay[] = []
  for (const slice of plan.slices) {
    if (slice.logs.length === 0) continue
    const request = {
      store,
      table: plan.spec.path,
      slice,
      schema,
      rules,
      visible: plan.counts,
      limit: { ...limit, name: `logs-${out.length}` },
    }
    const delta = await readDelta({ ...request, ...needs })
    try {
      out.push(await writeOverlay(slice, delta, columnsOf(schema, needs), scratch, String(out.length)))
    } finally {
      await delta.close()
    }
  }
  return out
}

function columnsOf(schema: readonly LakeColumn[], { columns, meta }: OverlayNeeds): LakeColumn[] {
  const wanted = schema.filter((c) => columns === undefined || columns.includes(c.name))
  return meta === false ? wanted : [...META, ...wanted]
}

async function writeOverlay(
  slice: FileSlice,
  delta: SliceDelta,
  columns: readonly LakeColumn[],
  scratch: ObjectStore,
  name: string,
): Promise<SliceOverlay> {
  const rows = delta.count === 0 ? null : `rows-${name}.parquet`
  if (rows !== null) {
    const writer = new ParquetWriter(await scratch.writer(rows), {
      root: 'rows',
      columns,
      codec: 'none',
      withoutRange: new Set(columns.map((c) => c.name)),
    })
    for await (const chunk of delta.rows()) if (chunk.count > 0) await writer.writeRowGroup(chunk.vectors, chunk.count)
    await writer.close(new Map())
  }
  const hidden = delta.hidden.length === 0 ? null : `hidden-${name}.parquet`
  if (hidden !== null) await writeOrdinals(delta.hidden, await scratch.writer(hidden))
  return { base: slice.base?.key ?? null, hidden, rows }
}

async function writeOrdinals(ordinals: Int32Array, to: Awaited<ReturnType<ObjectStore['writer']>>): Promise<void> {
  const writer = new ParquetWriter(to, { root: 'hidden', columns: HIDDEN, codec: 'none' })
  for (let at = 0; at < ordinals.length; at += ORDINALS) {
    const part = ordinals.subarray(at, at + ORDINALS)
    const words = new Int32Array(part.length * 2)
    for (let i = 0; i < part.length; i++) words[i * 2] = part[i]
    const column: FixedVector = { kind: 'fixed', width: 8, data: Buffer.from(words.buffer), valid: null }
    await writer.writeRowGroup([column], part.length)
  }
  await writer.close(new Map())
}
