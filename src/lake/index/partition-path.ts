import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { GrowableSink } from '../../format/bytes/growable-sink.ts'
import { partitionSegment } from '../layout/paths.ts'
import { localDate, textWriter } from './java-text.ts'

/** Numbers the partition paths of a flush: rows hold small integers, paths are made once each. */
export class PartitionPaths {
  readonly paths: string[] = []
  readonly #byPath = new Map<string, number>()
  readonly #byValue = new Map<string, number>()
  readonly #spec: TableSpec
  readonly #text: ((v: Vector, row: number) => string | null) | null

  constructor(spec: TableSpec) {
    this.#spec = spec
    this.#text = spec.partition === null ? null : partitionText(spec)
    if (spec.partition === null) this.ordinal('')
  }

  /** Number of a path that is known to be one of the table's. */
  ordinal(path: string): number {
    const known = this.#byPath.get(path)
    if (known !== undefined) return known
    const n = this.paths.push(path) - 1
    this.#byPath.set(path, n)
    return n
  }

  /** Number of the partition of row `row`; `v` is the partition column. */
  of(v: Vector | null, row: number): number {
    if (this.#text === null) return 0
    const value = v === null || (v.valid !== null && v.valid[row] === 0) ? null : this.#text(v, row)
    const known = this.#byValue.get(value ?? '\u0000')
    if (known !== undefined) return known
    const n = this.ordinal(partitionPathOf(this.#spec.partition!, value))
    this.#byValue.set(value ?? '\u0000', n)
    return n
  }

  get partitioned(): boolean {
    return this.#spec.partition !== null
  }
}

/** Directory of the rows with this value of the partition column, as text; null: without one. */
export function partitionPathOf(partition: NonNullable<TableSpec['partition']>, value: string | null): string {
  const { column, hive, plain } = partition
  const segment = plain === true && value !== null && value !== '' ? value : partitionSegment(value)
  if (hive === true) return `${column}=${segment}`
  // These are no directories of rows: Hudi has no rule for them, and every reader decodes %2E.
  return NO_PARTITION.has(segment) ? `%2E${segment.slice(1)}` : segment
}

const NO_PARTITION: ReadonlySet<string> = new Set(['.', '..', '.hoodie'])

const DAY_US = 86_400_000_000n
const CUT = { day: 10, month: 7, year: 4 } as const

function partitionText(spec: TableSpec): (v: Vector, row: number) => string | null {
  const { column: name, truncate } = spec.partition!
  const column = spec.columns.find((c): c is LakeColumn => c.name === name)
  if (column === undefined) throw new Failure('TRB-LAKE-405', { table: spec.path, column: name })
  const { kind } = column.type
  if (kind === 'string') return (v, row) => (v.kind === 'bytes' ? v.data.toString('utf8', v.offsets[row], v.offsets[row + 1]) : null)
  if (kind === 'list' || kind === 'map' || kind === 'bytes')
    throw new Failure('TRB-LAKE-404', { table: spec.path, column: name, type: kind })
  if (truncate !== 'none' && (kind === 'timestamp-micros' || kind === 'date')) {
    return (v, row) => {
      if (v.kind !== 'fixed') return null
      const days = kind === 'date' ? v.data.readInt32LE(row * 4) : floorDays(v.data.readBigInt64LE(row * 8))
      const date = localDate(days)
      return date.slice(0, date.length - 10 + CUT[truncate])
    }
  }
  const print = textWriter(column.type)
  const out = new GrowableSink(64)
  return (v, row) => {
    if (v.kind !== 'fixed') return null
    out.pos = 0
    print(v, row, out)
    return out.buf.toString('latin1', 0, out.pos)
  }
}

function floorDays(us: bigint): number {
  return Number((us - (((us % DAY_US) + DAY_US) % DAY_US)) / DAY_US)
}
