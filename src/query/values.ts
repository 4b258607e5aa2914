import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  DuckDBUnionValue,
  type DuckDBValue,
} from '@duckdb/node-api'
import { formatMicros } from './as-of.ts'

/** JSON text of one value. Text, not objects: a 64-bit integer or decimal must not pass through a JS number. */
export type JsonWriter = (value: DuckDBValue) => string

const EXACT = 9_007_199_254_740_991n

/**
 * JSON of a column: integers as numbers up to 2^53 and as strings beyond, decimals as strings, times ISO with six digits (and Z for
 * points in time), bytes base64, NaN and infinities as strings, lists as arrays, structs and maps with text keys as objects.
 */
export function jsonWriter(type: DuckDBType): JsonWriter {
  const float = type.typeId === DuckDBTypeId.FLOAT
  return (value) => toJsonText(value, float)
}

function toJsonText(value: DuckDBValue, float: boolean): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false'
    case 'number':
      return Number.isFinite(value) ? numberText(value, float) : `"${numberText(value, float)}"`
    case 'bigint':
      return value <= EXACT && value >= -EXACT ? value.toString() : `"${value}"`
    case 'string':
      return JSON.stringify(value)
  }
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue)
    return `[${value.items.map((v) => toJsonText(v, false)).join(',')}]`
  if (value instanceof DuckDBStructValue) return objectText(Object.entries(value.entries))
  if (value instanceof DuckDBMapValue) return objectText(value.entries.map((e) => [plainText(e.key, false), e.value]))
  if (value instanceof DuckDBUnionValue) return toJsonText(value.value, false)
  return JSON.stringify(plainText(value, float))
}

function objectText(entries: readonly (readonly [string, DuckDBValue])[]): string {
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${toJsonText(v, false)}`).join(',')}}`
}

/** Text of one non-null value for tables and CSV; nested values as JSON. */
export function textWriter(type: DuckDBType): (value: DuckDBValue) => string {
  const float = type.typeId === DuckDBTypeId.FLOAT
  return (value) => plainText(value, float)
}

function plainText(value: DuckDBValue, float: boolean): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return numberText(value, float)
  if (typeof value !== 'object') return String(value)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBTimestampTZValue) return timestampText(value, 'Z')
  if (value instanceof DuckDBTimestampValue) return timestampText(value, '')
  if (value instanceof DuckDBDecimalValue || value instanceof DuckDBDateValue) return value.toString()
  const nested =
    value instanceof DuckDBListValue ||
    value instanceof DuckDBArrayValue ||
    value instanceof DuckDBStructValue ||
    value instanceof DuckDBMapValue ||
    value instanceof DuckDBUnionValue
  return nested ? toJsonText(value, false) : value.toString()
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
