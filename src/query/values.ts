import {
  DuckDBArrayType,
  type DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBListType,
  type DuckDBListValue,
  DuckDBMapType,
  type DuckDBMapValue,
  DuckDBStructType,
  type DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { formatMicros } from './as-of.ts'

/** JSON text of one value. Text, not objects: a 64-bit integer or decimal must not pass through a JS number. */
export type JsonWriter = (value: DuckDBValue) => string

const EXACT = 9_007_199_254_740_991n

/**
 * JSON of a column: integers as numbers up to 2^53 and as strings beyond, decimals as strings, times ISO with six digits (and Z for
 * points in time), bytes base64, NaN and infinities as strings, lists as arrays, structs and maps as objects.
 */
export function jsonWriter(type: DuckDBType): JsonWriter {
  const write = valueWriter(type)
  return (value) => (value === null ? 'null' : write(value))
}

/** Writer of non-null values, compiled from the type once. */
function valueWriter(type: DuckDBType): JsonWriter {
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) {
    const item = jsonWriter(type.valueType)
    return (value) => `[${(value as DuckDBListValue | DuckDBArrayValue).items.map(item).join(',')}]`
  }
  if (type instanceof DuckDBStructType) {
    const writers = type.entryTypes.map(jsonWriter)
    const names = type.entryNames.map((n) => `${JSON.stringify(n)}:`)
    return (value) => {
      const { entries } = value as DuckDBStructValue
      return `{${writers.map((w, i) => names[i]! + w(entries[type.entryNames[i]!]!)).join(',')}}`
    }
  }
  if (type instanceof DuckDBMapType) {
    const key = textWriter(type.keyType)
    const item = jsonWriter(type.valueType)
    return (value) => `{${(value as DuckDBMapValue).entries.map((e) => `${JSON.stringify(key(e.key))}:${item(e.value)}`).join(',')}}`
  }
  const text = textWriter(type)
  return (value) => scalarJson(value, text)
}

function scalarJson(value: DuckDBValue, text: (value: DuckDBValue) => string): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      return Number.isFinite(value) ? text(value) : `"${text(value)}"`
    case 'bigint':
      return value <= EXACT && value >= -EXACT ? value.toString() : `"${value}"`
    default:
      return JSON.stringify(text(value))
  }
}

/** Text of one non-null value for tables and CSV; nested values as JSON. */
export function textWriter(type: DuckDBType): (value: DuckDBValue) => string {
  if (NESTED.some((t) => type instanceof t)) return valueWriter(type)
  const float = type.typeId === DuckDBTypeId.FLOAT
  return (value) => scalarText(value, float)
}

const NESTED = [DuckDBListType, DuckDBArrayType, DuckDBStructType, DuckDBMapType]

function scalarText(value: DuckDBValue, float: boolean): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return numberText(value, float)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBTimestampTZValue) return timestampText(value, 'Z')
  if (value instanceof DuckDBTimestampValue) return timestampText(value, '')
  return String(value)
}

function timestampText(value: DuckDBTimestampValue | DuckDBTimestampTZValue, zone: string): string {
  const { micros } = value
  // Beyond JS dates, and infinities: DuckDB's own text.
  if (micros > 8_640_000_000_000_000_000n || micros < -8_640_000_000_000_000_000n) return value.toString()
  return formatMicros(micros).slice(0, -1) + zone
}

/** Shortest text that reads back as the same double, or the same float (0.1, not 0.10000000149011612). */
function numberText(value: number, float: boolean): string {
  if (!float || !Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  for (let digits = 6; digits <= 9; digits++) {
    const text = value.toPrecision(digits)
    if (Math.fround(Number(text)) === value) return String(Number(text))
  }
  return String(value)
}

const NUMERIC: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TINYINT,
  DuckDBTypeId.SMALLINT,
  DuckDBTypeId.INTEGER,
  DuckDBTypeId.BIGINT,
  DuckDBTypeId.HUGEINT,
  DuckDBTypeId.UTINYINT,
  DuckDBTypeId.USMALLINT,
  DuckDBTypeId.UINTEGER,
  DuckDBTypeId.UBIGINT,
  DuckDBTypeId.UHUGEINT,
  DuckDBTypeId.FLOAT,
  DuckDBTypeId.DOUBLE,
  DuckDBTypeId.DECIMAL,
  DuckDBTypeId.BIGNUM,
])

export function isNumeric(type: DuckDBType): boolean {
  return NUMERIC.has(type.typeId)
}
