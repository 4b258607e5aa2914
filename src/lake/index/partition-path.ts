import type { LakeColumn, LakeType, Vector } from '../../contract/columns.ts'
import type { PartitionField, TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { GrowableSink } from '../../format/bytes/growable-sink.ts'
import { partitionSegment } from '../layout/paths.ts'
import { printDate } from './date-pattern.ts'
import { localDate, textWriter } from './java-text.ts'

type Partition = NonNullable<TableSpec['partition']>

/** Columns of which partition paths are made, in the order of the path. */
export function partitionColumns(partition: TableSpec['partition']): readonly string[] {
  if (partition === null) return []
  return partition.fields === undefined ? [partition.column] : partition.fields.map((f) => f.column)
}

/** Numbers the partition paths of a flush: rows hold small integers, paths are made once each. */
export class PartitionPaths {
  readonly paths: string[] = []
  readonly #byPath = new Map<string, number>()
  readonly #byValue = new Map<string, number>()
  readonly #spec: TableSpec
  /** One per field: the text of a row's value. */
  readonly #texts: readonly ((v: Vector, row: number) => string | null)[]

  constructor(spec: TableSpec) {
    this.#spec = spec
    const { partition } = spec
    this.#texts = partition === null ? [] : (partition.fields ?? [{ column: partition.column }]).map((f) => fieldText(spec, f))
    if (partition === null) this.ordinal('')
  }

  /** Number of a path that is known to be one of the table's. */
  ordinal(path: string): number {
    const known = this.#byPath.get(path)
    if (known !== undefined) return known
    const n = this.paths.push(path) - 1
    this.#byPath.set(path, n)
    return n
  }

  /** Number of the partition of row `row`; `vectors`: of the `partitionColumns`, in their order. */
  of(vectors: readonly (Vector | null)[], row: number): number {
    const texts = this.#texts
    if (texts.length === 0) return 0
    if (texts.length > 1) return this.#several(vectors, row)
    const value = this.#text(0, vectors[0], row)
    const known = this.#byValue.get(value ?? '\u0000')
    if (known !== undefined) return known
    const n = this.ordinal(partitionPathOf(this.#spec.partition!, [value]))
    this.#byValue.set(value ?? '\u0000', n)
    return n
  }

  #several(vectors: readonly (Vector | null)[], row: number): number {
    const values = this.#texts.map((_, f) => this.#text(f, vectors[f], row))
    const id = values.map((v) => v ?? '\u0000').join('\u0001')
    const known = this.#byValue.get(id)
    if (known !== undefined) return known
    const n = this.ordinal(partitionPathOf(this.#spec.partition!, values))
    this.#byValue.set(id, n)
    return n
  }

  #text(field: number, v: Vector | null, row: number): string | null {
    return v === null || (v.valid !== null && v.valid[row] === 0) ? null : this.#texts[field](v, row)
  }

  get partitioned(): boolean {
    return this.#spec.partition !== null
  }
}

/** Directory of the rows with these values of the partition columns, as texts; null: without one. */
export function partitionPathOf(partition: Partition, values: readonly (string | null)[]): string {
  return partitionColumns(partition)
    .map((column, i) => segmentOf(partition, column, values[i]))
    .join('/')
}

/** The part of a partition path that one column makes. */
export function segmentOf({ hive, plain }: Partition, column: string, value: string | null): string {
  const segment = plain === true && value !== null && value !== '' ? value : partitionSegment(value)
  if (hive === true) return `${column}=${segment}`
  // These are no directories of rows: Hudi has no rule for them, and every reader decodes %2E.
  return NO_PARTITION.has(segment) ? `%2E${segment.slice(1)}` : segment
}

const NO_PARTITION: ReadonlySet<string> = new Set(['.', '..', '.hoodie'])

const DAY_US = 86_400_000_000n
const CUT = { day: 10, month: 7, year: 4 } as const

function fieldText(spec: TableSpec, field: PartitionField): (v: Vector, row: number) => string | null {
  const { column: name, date } = field
  const column = spec.columns.find((c): c is LakeColumn => c.name === name)
  if (column === undefined) throw new Failure('TRB-LAKE-405', { table: spec.path, column: name })
  if (date === undefined) return valueText(spec, column)
  const { kind } = column.type
  if (kind !== 'long' && kind !== 'int') throw new Failure('TRB-LAKE-404', { table: spec.path, column: name, type: kind })
  return (v, row) => {
    if (v.kind !== 'fixed') return null
    return printDate(date, kind === 'int' ? BigInt(v.data.readInt32LE(row * 4)) : v.data.readBigInt64LE(row * 8))
  }
}

const NO_TEXT: ReadonlySet<LakeType['kind']> = new Set(['list', 'map', 'struct', 'bytes'])

function valueText(spec: TableSpec, column: LakeColumn): (v: Vector, row: number) => string | null {
  const { truncate } = spec.partition!
  const { kind } = column.type
  if (kind === 'string') return (v, row) => (v.kind === 'bytes' ? v.data.toString('utf8', v.offsets[row], v.offsets[row + 1]) : null)
  if (NO_TEXT.has(kind)) throw new Failure('TRB-LAKE-404', { table: spec.path, column: column.name, type: kind })
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
