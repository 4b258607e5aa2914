import type { LakeColumn, RowChanges } from '../contract/columns.ts'
import type { TopicTable } from '../contract/log.ts'
import type { Staged, TableSpec, TableWriter } from '../contract/table.ts'
import { orderingOf } from '../envelope/lake-columns.ts'
import { Failure, isFailure } from '../failure/failure.ts'
import type { FeedLake, TableLayout } from './feed-lake.ts'

/** Aim for the size of a base file. */
const BASE_FILE_BYTES = 100_000_000
const MAX_BUCKETS = 256
/** What the envelope adds to a row, and what Parquet makes of the rest; measured on the shop's tables, only a start value for buckets. */
const ENVELOPE_BYTES = 150
const PARQUET_RATIO = 0.5

const WHOLE_FLUSH_BYTES = 1 << 30

export interface FitContext {
  readonly lake: FeedLake
  readonly layout: (table: TopicTable) => TableLayout
}

export interface FittedTable {
  readonly info: TopicTable
  readonly path: string
  writer: TableWriter | null
}

export interface RowShape {
  readonly columns: readonly LakeColumn[]
  readonly key: readonly string[]
}

/** What is known of rows that are to come: how many, and their bytes in the log. */
export interface RowSizes {
  readonly records: number
  readonly bytes: number
}

/** The writer of the table, created (file groups by `sizes`) or evolved so that it has all columns of the shape. */
export async function fitShape(context: FitContext, feed: FittedTable, sizes: readonly RowSizes[], shape: RowShape): Promise<TableWriter> {
  feed.writer ??= await context.lake.create(newTableSpec(context, feed, sizes, shape))
  const key = feed.writer.spec.key
  if (key.join() !== shape.key.join()) {
    const text = (k: readonly string[]): string => (k.length === 0 ? 'none' : k.join(', '))
    throw new Failure('TRB-LAKE-019', { table: feed.path, difference: `key is ${text(key)}, of newer rows ${text(shape.key)}` })
  }
  await feed.writer.evolve(shape.columns)
  return feed.writer
}

function newTableSpec(context: FitContext, feed: FittedTable, sizes: readonly RowSizes[], { columns, key }: RowShape): TableSpec {
  const { info, path } = feed
  const buckets = bucketCount(info.rowEstimate, sizes)
  const names = { name: info.table.table, database: info.table.schema, path }
  return { ...names, columns, key, orderingField: orderingOf(columns), buckets, ...context.layout(info) }
}

/** File groups for a new table: from the rows at hand or the source's estimate, whichever is more, for base files of about 100 MB. */
export function bucketCount(rowEstimate: number, sizes: readonly RowSizes[]): number {
  let records = 0
  let bytes = 0
  for (const s of sizes) {
    records += s.records
    bytes += s.bytes
  }
  if (records === 0) return 1
  const rowBytes = Math.max(16, bytes / records - ENVELOPE_BYTES) * PARQUET_RATIO
  const buckets = Math.ceil((Math.max(rowEstimate, records) * rowBytes) / BASE_FILE_BYTES)
  return Math.min(MAX_BUCKETS, Math.max(1, buckets))
}

type Partition = TableSpec['partition']

const isSame = (a: NonNullable<Partition>, b: Partition): boolean => a.column === b?.column && a.truncate === b.truncate
const nameOf = (p: Partition): string => (p === null ? 'nothing' : p.truncate === 'none' ? p.column : `${p.truncate} of ${p.column}`)

/** A table keeps the partitioning that it was created with: TRB-LAKE-019 when another one is asked for. */
export function checkPartitioning(table: string, has: Partition, asked: Partition): void {
  if (asked === null || isSame(asked, has)) return
  throw new Failure('TRB-LAKE-019', { table, difference: `partitioned by ${nameOf(has)}, asked for was ${nameOf(asked)}` })
}

/** A flush that moves rows with large values to other keys has to be in memory as a whole: rare enough to go beyond the budget for it. */
export async function stageWhole(writer: TableWriter, changes: () => Iterable<RowChanges> | AsyncIterable<RowChanges>): Promise<Staged> {
  try {
    return await writer.stage(changes())
  } catch (e) {
    if (!isFailure(e, 'TRB-LAKE-407')) throw e
    return await writer.stage(changes(), WHOLE_FLUSH_BYTES)
  }
}
