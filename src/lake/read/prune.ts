import type { LakeColumn } from '../../contract/columns.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { FileSlice } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import type { Statistics } from '../../format/parquet/metadata.ts'
import { partitionPathOf } from '../index/partition-path.ts'
import { hasPartitionColumn } from '../layout/table-properties.ts'

/** A condition on a column, which every row that is wanted fulfils. `=`: one of the values. */
export interface RowCondition {
  /** In lower case. */
  readonly column: string
  readonly op: '=' | '<' | '<=' | '>' | '>='
  readonly values: readonly (string | bigint)[]
}

/**
 * The plan without slices that cannot hold a row for the conditions: by the path of their partition, and by the smallest and largest values that
 * base files record (slices with logs are not judged by values: a log may hold any). Only columns of texts and integers are looked at.
 */
export async function prunePlan(store: ObjectStore, plan: ScanPlan, conditions: readonly RowCondition[]): Promise<ScanPlan> {
  const known = conditions.flatMap((c) => {
    const column = plan.columns.find((x) => x.name.toLowerCase() === c.column)
    return column !== undefined && c.values.every((v) => comparable(column, v)) ? [{ ...c, column }] : []
  })
  if (known.length === 0 || plan.slices.length < 2) return plan
  const paths = partitionsOf(plan, known)
  const slices: FileSlice[] = []
  for (const s of plan.slices) {
    if (paths !== null && !paths.has(s.partition)) continue
    if (s.logs.length > 0 || s.base === null || (await mayHold(store, s.base, known))) slices.push(s)
  }
  return { ...plan, slices, files: slices.flatMap((s) => (s.base === null ? [] : [s.base])) }
}

interface KnownCondition extends Omit<RowCondition, 'column'> {
  readonly column: LakeColumn
}

function comparable({ type }: LakeColumn, value: string | bigint): boolean {
  return typeof value === 'string' ? type.kind === 'string' : type.kind === 'int' || type.kind === 'long'
}

/** Paths of the partitions that are wanted; null: all. */
function partitionsOf(plan: ScanPlan, conditions: readonly KnownCondition[]): ReadonlySet<string> | null {
  const { partition } = plan.spec
  if (partition === null || partition.fields !== undefined || hasPartitionColumn(plan.spec)) return null
  const wanted = conditions
    .filter((c) => c.op === '=' && c.column.name === partition.column)
    .map((c) => new Set(c.values.map((v) => partitionPathOf(partition, [String(v)]))))
  return wanted.length === 0 ? null : new Set([...wanted[0]].filter((p) => wanted.every((w) => w.has(p))))
}

async function mayHold(store: ObjectStore, base: { key: string; bytes: number }, conditions: readonly KnownCondition[]): Promise<boolean> {
  const file = await ParquetFile.open(store, base.key, base.bytes)
  return file.meta.rowGroups.some((group) =>
    conditions.every((c) => {
      const column = file.column(c.column.name)
      if (column === null || column.node.kind !== 'leaf') return true
      const chunk = group.columns[column.firstLeaf]
      return fits(c, chunk.statistics, chunk.type)
    }),
  )
}

const INT32 = 1
const INT64 = 2
const BYTES = 6

/** Whether values between the recorded minimum and maximum can fulfil the condition. */
function fits({ op, values }: KnownCondition, statistics: Statistics | null, physical: number): boolean {
  const min = statistics?.min ?? null
  const max = statistics?.max ?? null
  if (min === null || max === null) return true
  return values.some((v) => {
    const low = compareWith(v, min, physical)
    const high = compareWith(v, max, physical)
    if (low === null || high === null) return true
    if (op === '=') return low >= 0 && high <= 0
    if (op === '<') return low > 0
    if (op === '<=') return low >= 0
    return op === '>' ? high < 0 : high <= 0
  })
}

/** Sign of the value less the recorded one; null: they are of different kinds. */
function compareWith(value: string | bigint, recorded: Uint8Array, physical: number): number | null {
  const bytes = Buffer.from(recorded.buffer, recorded.byteOffset, recorded.length)
  if (typeof value === 'string') return physical === BYTES ? Buffer.compare(Buffer.from(value, 'utf8'), bytes) : null
  const other =
    physical === INT32 && bytes.length === 4
      ? BigInt(bytes.readInt32LE())
      : physical === INT64 && bytes.length === 8
        ? bytes.readBigInt64LE()
        : null
  if (other === null) return null
  return value < other ? -1 : value > other ? 1 : 0
}
