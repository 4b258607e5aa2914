import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { RowPredicate } from '../../contract/row-predicate.ts'
import type { FileSlice, MergeRules } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { isFailure } from '../../failure/failure.ts'
import { LogReader } from '../../format/hudi-log/reader.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { partitionColumns, partitionPathOf, segmentOf } from '../index/partition-path.ts'
import { hasPartitionColumn } from '../layout/table-properties.ts'
import { isPartial, sectionOf } from './log-rows.ts'
import { mayBeTrue, type Range } from './predicate-range.ts'

/**
 * The plan without slices that cannot hold a row for the predicate: by the path of their partition, and by the smallest and largest values that base
 * files and the Parquet blocks of logs record. A row that the logs merge field by field may have values of several files: such slices
 * (`rules`) stay, as do those with blocks that record nothing. Only columns of texts and integers are looked at.
 */
export async function prunePlan(
  store: ObjectStore,
  plan: ScanPlan,
  predicate: RowPredicate,
  rules: () => Promise<MergeRules>,
): Promise<ScanPlan> {
  const known = knownOf(predicate, new Map(plan.columns.map((c) => [c.name.toLowerCase(), c])))
  if (known.kind === 'anything' || plan.slices.length < 2) return plan
  const slices: FileSlice[] = []
  for (const s of plan.slices) if (await mayHold(store, plan, s, known, rules)) slices.push(s)
  return { ...plan, slices, files: slices.flatMap((s) => (s.base === null ? [] : [s.base])) }
}

const ANYTHING: RowPredicate = { kind: 'anything' }

/** The predicate with columns as the table writes them; what compares with values of another type is anything. */
function knownOf(p: RowPredicate, columns: ReadonlyMap<string, LakeColumn>): RowPredicate {
  if (p.kind === 'anything') return p
  if (p.kind === 'and' || p.kind === 'or') {
    const of = p.of.map((x) => knownOf(x, columns))
    const all = p.kind === 'and' ? of.every((x) => x.kind === 'anything') : of.some((x) => x.kind === 'anything')
    return all ? ANYTHING : { kind: p.kind, of }
  }
  const column = columns.get(p.column)
  if (column === undefined) return ANYTHING
  const values = p.kind === 'prefix' ? [p.text] : p.values
  return values.every((v) => comparable(column, v)) ? { ...p, column: column.name } : ANYTHING
}

function comparable({ type }: LakeColumn, value: string | bigint): boolean {
  return typeof value === 'string' ? type.kind === 'string' : type.kind === 'int' || type.kind === 'long'
}

async function mayHold(
  store: ObjectStore,
  plan: ScanPlan,
  slice: FileSlice,
  predicate: RowPredicate,
  rules: () => Promise<MergeRules>,
): Promise<boolean> {
  const inPath = pathTest(plan, slice.partition)
  const fits = (file: ParquetFile): boolean =>
    file.meta.rowGroups.some((_, g) => mayBeTrue(predicate, (column) => rangeOf(file, g, column), inPath))
  if (!mayBeTrue(predicate, () => null, inPath)) return false
  if (slice.base !== null && fits(await ParquetFile.open(store, slice.base.key, slice.base.bytes))) return true
  if (slice.logs.length === 0) return false
  const { unavailable, nulls } = await rules()
  if (unavailable !== null || nulls !== undefined) return true
  for (const log of slice.logs) if (await logMayHold(new LogReader(store, log.key, log.bytes), fits)) return true
  return false
}

/** Whether a block of the log, counting or not, may hold such a row. Damage is for the reader of the rows to tell of. */
async function logMayHold(reader: LogReader, fits: (file: ParquetFile) => boolean): Promise<boolean> {
  try {
    for await (const block of reader.blocks()) {
      if (block.kind === 'damaged') return true
      if (block.type === 'delete' || block.type === 'command') continue
      if (block.type !== 'parquet' || isPartial(block)) return true
      if (fits(await ParquetFile.open(await sectionOf(reader, block), reader.key, block.contentLength))) return true
    }
    return false
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-020') || isFailure(e, 'TRB-LAKE-021') || isFailure(e, 'TRB-LAKE-401')) return true
    throw e
  } finally {
    reader.release()
  }
}

/** Tells whether rows with a value of a column can be in a partition; null: the path does not tell. */
function pathTest(plan: ScanPlan, path: string): (column: string, value: string) => boolean | null {
  const { partition } = plan.spec
  if (partition === null || hasPartitionColumn(plan.spec)) return () => null
  const columns = partitionColumns(partition)
  if (columns.length === 1 && partition.fields === undefined) {
    return (column, value) => (column === columns[0] ? partitionPathOf(partition, [value]) === path : null)
  }
  const segments = path.split('/')
  // A value with '/' in it, or a pattern with one, makes several directories.
  if (segments.length !== columns.length) return () => null
  return (column, value) => {
    const field = partition.fields!.findIndex((f) => f.column === column && f.date === undefined && f.unknown === undefined)
    return field < 0 || value.includes('/') ? null : segmentOf(partition, column, value) === segments[field]
  }
}

function rangeOf(file: ParquetFile, group: number, name: string): Range | null {
  const column = file.column(name)
  if (column === null || column.node.kind !== 'leaf') return null
  const { statistics, type } = file.meta.rowGroups[group].columns[column.firstLeaf]
  return statistics === null || statistics.min === null || statistics.max === null
    ? null
    : { min: statistics.min, max: statistics.max, physical: type }
}
