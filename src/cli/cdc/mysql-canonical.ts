import type { MysqlColumn } from '../../capture/mysql/types/column.ts'
import type { LakeType } from '../../contract/columns.ts'
import type { Canonical } from '../../query/canonical.ts'

/**
 * How values of a MySQL or MariaDB column and of its lake column are compared, or null when they are not comparable here (said in the report).
 * Written against the types themselves (the server's SQL, DuckDB's reading of Parquet), apart from the code that captures. Zero dates are null
 * in the lake, in NOT NULL columns the epoch.
 */
export function mysqlCanonical(column: MysqlColumn, lake: LakeType): Canonical | null {
  const zero = (sql: string): string => (column.notNull ? `COALESCE(${sql}, '0')` : sql)
  switch (lake.kind) {
    case 'boolean':
      return column.dataType === 'bit' ? both((r) => `CASE ${r} WHEN b'1' THEN 'true' WHEN b'0' THEN 'false' END`, asText) : null
    case 'int':
    case 'long':
      // + 0 takes the zeros of ZEROFILL away
      return column.dataType === 'time' ? both(spanMicros, asText) : both((r) => `CAST(${r} + 0 AS CHAR)`, asText)
    case 'float':
      return both(
        (r) => `CAST(CAST(${r} AS DOUBLE) AS CHAR)`,
        (r) => `CAST(CAST(${r} AS FLOAT) AS VARCHAR)`,
      )
    case 'double':
      // FLOAT(M,D) prints fewer digits than it has.
      return column.dataType === 'float'
        ? null
        : both(
            (r) => `CAST(${r} AS CHAR)`,
            (r) => `CAST(CAST(${r} AS DOUBLE) AS VARCHAR)`,
          )
    case 'decimal':
      return both((r) => `CAST(${r} + 0 AS CHAR)`, asText)
    case 'string':
      return digested(column.dataType === 'decimal' ? (r) => `CAST(${r} + 0 AS CHAR)` : (r) => `CONVERT(${r} USING utf8mb4)`, (r) => r)
    case 'bytes':
      return digested(bytesOf(column), (r) => `lower(hex(${r}))`)
    case 'date':
      return both(
        (r) => zero(`CAST(DATEDIFF(${r}, '1970-01-01') AS CHAR)`),
        (r) => `CAST(date_diff('day', DATE '1970-01-01', ${r}) AS VARCHAR)`,
      )
    case 'timestamp-micros':
      return both(
        (r) => zero(`CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', ${r}) AS CHAR)`),
        (r) => `CAST(epoch_us(${r}) AS VARCHAR)`,
      )
    default:
      return null
  }
}

type Expression = (ref: string) => string

function both(source: Expression, lake: Expression): Canonical {
  return { source, lake }
}

function asText(ref: string): string {
  return `CAST(${ref} AS VARCHAR)`
}

/** Bytes in hex. BIT is big-endian at the server, a geometry has its SRID in front. */
function bytesOf(column: MysqlColumn): Expression {
  if (column.dataType === 'bit') return (r) => `LOWER(HEX(REVERSE(CAST(${r} AS BINARY))))`
  if (/binary|blob/.test(column.dataType)) return (r) => `LOWER(HEX(${r}))`
  return (r) => `LOWER(SUBSTRING(HEX(${r}), 9))`
}

/** Microseconds of a TIME, negative or beyond a day. */
function spanMicros(ref: string): string {
  const size = `HOUR(${ref}) * 3600000000 + MINUTE(${ref}) * 60000000 + SECOND(${ref}) * 1000000 + MICROSECOND(${ref})`
  return `CAST(CASE WHEN ${ref} < CAST('00:00:00' AS TIME) THEN -1 ELSE 1 END * (${size}) AS CHAR)`
}

/** Characters beyond which a value is compared by its digest. */
const LONG_VALUE = 100_000

function digested(source: Expression, lake: Expression): Canonical {
  return both(
    (r) => `CASE WHEN CHAR_LENGTH(${source(r)}) > ${LONG_VALUE} THEN CONCAT('sha2:', SHA2(${source(r)}, 256)) ELSE ${source(r)} END`,
    (r) => `CASE WHEN length(${lake(r)}) > ${LONG_VALUE} THEN 'sha2:' || sha256(${lake(r)}) ELSE ${lake(r)} END`,
  )
}
