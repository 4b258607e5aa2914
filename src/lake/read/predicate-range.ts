import type { RowPredicate } from '../../contract/row-predicate.ts'

/** Every value of a column of some rows that is not null lies between these, both included; bytes as Parquet's statistics have them. */
export interface Range {
  readonly min: Uint8Array
  readonly max: Uint8Array
  /** Parquet's number of the physical type. */
  readonly physical: number
}

/** Of a column, null: not known. */
type RangeOf = (column: string) => Range | null
/** Whether rows with this value can be where the rows are; null: not known. */
type InPath = (column: string, value: string) => boolean | null

/** Whether the predicate can be true of a row whose values lie in these ranges. False is certain. */
export function mayBeTrue(p: RowPredicate, range: RangeOf, inPath: InPath): boolean {
  switch (p.kind) {
    case 'anything':
      return true
    case 'and':
      return p.of.every((x) => mayBeTrue(x, range, inPath))
    case 'or':
      return p.of.some((x) => mayBeTrue(x, range, inPath))
    case 'prefix':
      return begins(p.text, p.excluded, range(p.column))
    default:
      return compares(p, range(p.column), inPath)
  }
}

function compares({ op, column, values }: Extract<RowPredicate, { kind: 'compare' }>, range: Range | null, inPath: InPath): boolean {
  // A single value that is everywhere is the only one that can be excluded.
  if (op === '<>') return range === null || !values.some((v) => sign(v, range.min, range) === 0 && sign(v, range.max, range) === 0)
  return values.some((v) => {
    if (op === '=' && inPath(column, String(v)) === false) return false
    if (range === null) return true
    const low = sign(v, range.min, range)
    const high = sign(v, range.max, range)
    if (low === null || high === null) return true
    if (op === '=') return low >= 0 && high <= 0
    if (op === '<') return low > 0
    if (op === '<=') return low >= 0
    return op === '>' ? high < 0 : high <= 0
  })
}

/** Texts in the order of their bytes: those that begin with `text` lie together. */
function begins(text: string, excluded: boolean, range: Range | null): boolean {
  if (range === null || range.physical !== BYTES) return true
  const wanted = Buffer.from(text, 'utf8')
  const head = (b: Uint8Array): number => Buffer.compare(Buffer.from(b.buffer, b.byteOffset, Math.min(b.length, wanted.length)), wanted)
  return excluded ? head(range.min) !== 0 || head(range.max) !== 0 : head(range.min) <= 0 && head(range.max) >= 0
}

const INT32 = 1
const INT64 = 2
const BYTES = 6

/** Sign of the value less the recorded one; null: they are of different kinds. */
function sign(value: string | bigint, recorded: Uint8Array, { physical }: Range): number | null {
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
