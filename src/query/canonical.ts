import type { LakeType } from '../contract/columns.ts'

/** A column type as the database's catalogue names it; a domain is its base type. */
export interface SourceType {
  /** pg_type.typname, e.g. `int4`, `_text`, `bpchar`. */
  readonly name: string
  /** Element type of an array; null for others. */
  readonly element: SourceType | null
  /** Bits of bit(n) (its typmod), −1 when not limited. */
  readonly typmod: number
}

/** Two SQL expressions over a column reference that give equal texts for equal values, and null for null. */
export interface Canonical {
  /** Over the database, in Postgres' SQL. */
  source(ref: string): string
  /** Over the lake's files, in DuckDB's SQL. */
  lake(ref: string): string
}

/**
 * How values of a source column and of its lake column are compared, or null when they are not comparable here (said in the report).
 * Written against the types themselves (Postgres' output, DuckDB's reading of Parquet), apart from the code that captures: numbers
 * by value, times by microseconds, decimals and texts by their exact text. Infinite dates, NaN and infinity in a numeric, and timestamps
 * whose microseconds exceed 64 bits are null in the lake.
 */
export function canonical(type: SourceType, lake: LakeType): Canonical | null {
  switch (lake.kind) {
    case 'boolean':
      return boolean(type)
    case 'int':
    case 'long':
      if (type.name === 'interval') return both(intervalMicros, (r) => `CAST(${r} AS VARCHAR)`)
      return INTEGERS.has(type.name)
        ? both(
            (r) => `${r}::text`,
            (r) => `CAST(${r} AS VARCHAR)`,
          )
        : null
    case 'float':
    case 'double':
      return float(type, lake.kind)
    case 'decimal':
      return decimal(type)
    case 'string':
      return digested(text(type))
    case 'bytes':
      return type.name === 'bytea'
        ? digested(
            both(
              (r) => `encode(${r}, 'hex')`,
              (r) => `lower(hex(${r}))`,
            ),
          )
        : null
    case 'date':
      return both(
        (r) => `CASE WHEN isfinite(${r}) THEN (${r} - date '1970-01-01')::text END`,
        (r) => `CAST(date_diff('day', DATE '1970-01-01', ${r}) AS VARCHAR)`,
      )
    case 'time-micros':
      return type.name === 'time' ? both(micros, (r) => `CAST(${r} AS VARCHAR)`) : null
    case 'timestamp-micros':
      return both(
        (r) => `CASE WHEN isfinite(${r}) AND ${r} < '${BEYOND_LONG}' THEN ${micros(r)} END`,
        (r) => `CAST(epoch_us(${r}) AS VARCHAR)`,
      )
    case 'list':
      return list(type, lake.element)
    case 'map':
    case 'struct':
      return null
  }
}

/** The first second whose microseconds since 1970 are not all in 64 bits: from there on a timestamp is null in the lake. */
const BEYOND_LONG = '294247-01-10 04:00:54+00'

const INTEGERS: ReadonlySet<string> = new Set(['int2', 'int4', 'int8', 'oid'])

function both(source: (ref: string) => string, lake: (ref: string) => string): Canonical {
  return { source, lake }
}

/** Long values by their digest: DuckDB takes no CSV line beyond 64 MiB, and nobody reads a difference of that length. */
function digested(of: Canonical | null): Canonical | null {
  if (of === null) return null
  const long = (e: string, digest: string): string => `CASE WHEN length(${e}) > ${LONG_VALUE} THEN 'md5:' || ${digest} ELSE ${e} END`
  return both(
    (r) => long(of.source(r), `md5(convert_to(${of.source(r)}, 'UTF8'))`),
    (r) => long(of.lake(r), `md5(${of.lake(r)})`),
  )
}

/** Characters. */
const LONG_VALUE = 100_000

function trimZeros(text: string): string {
  return `CASE WHEN ${text} LIKE '%.%' THEN rtrim(rtrim(${text}, '0'), '.') ELSE ${text} END`
}

/** Microseconds of an interval in which a month has 30.4375 days. */
function intervalMicros(ref: string): string {
  const part = (unit: string): string => `extract(${unit} from ${ref})`
  const months = `(${part('year')} * 12 + ${part('month')}) * 2629800000000`
  const days = `${part('day')} * 86400000000`
  const time = `${part('hour')} * 3600000000 + ${part('minute')} * 60000000 + ${part('microseconds')}`
  return `round((${months} + ${days} + ${time})::numeric)::bigint::text`
}

/** Microseconds of a timestamp (since 1970) or time (since midnight). */
function micros(ref: string): string {
  return `round(extract(epoch from ${ref}) * 1000000)::bigint::text`
}

function boolean(type: SourceType): Canonical | null {
  if (type.name === 'bool')
    return both(
      (r) => `${r}::text`,
      (r) => `CAST(${r} AS VARCHAR)`,
    )
  if (type.name === 'bit' && type.typmod === 1)
    return both(
      (r) => `CASE ${r} WHEN B'1' THEN 'true' WHEN B'0' THEN 'false' END`,
      (r) => `CAST(${r} AS VARCHAR)`,
    )
  return null
}

/** By value: the database's shortest text is read back by DuckDB, and both are written the same way. */
function float(type: SourceType, kind: 'float' | 'double'): Canonical | null {
  const duck = kind === 'float' ? 'FLOAT' : 'DOUBLE'
  if (type.name !== (kind === 'float' ? 'float4' : 'float8')) return null
  return both(
    (r) => `${r}::text`,
    (r) => `CAST(CAST(${r} AS ${duck}) AS VARCHAR)`,
  )
}

function decimal(type: SourceType): Canonical | null {
  if (type.name === 'money')
    return both(
      (r) => `${r}::numeric::text`,
      (r) => `CAST(${r} AS VARCHAR)`,
    )
  if (type.name !== 'numeric') return null
  return both(finite, (r) => `CAST(${r} AS VARCHAR)`)
}

/** A numeric's text; null for NaN and the infinities. */
function finite(ref: string): string {
  return `CASE WHEN ${ref}::text NOT IN ('NaN', 'Infinity', '-Infinity') THEN ${ref}::text END`
}

/** Types that the lake holds as the server's own text. Of char(n) the padding is part of it, which a cast to text would strip. */
function text(type: SourceType): Canonical | null {
  if (type.name === 'bpchar')
    return both(
      (r) => `textin(bpcharout(${r}))`,
      (r) => r,
    )
  if (type.name === 'timetz') {
    const lake = (r: string): string => `CAST(epoch_us(CAST(rtrim(${r}, 'Z') AS TIME)) AS VARCHAR)`
    return both((r) => micros(`((${r}) AT TIME ZONE 'UTC')::time`), lake)
  }
  // An unconstrained numeric: the lake keeps its digits, not the zeros at the end of its fraction.
  if (type.name === 'numeric') return both((r) => trimZeros(`(${finite(r)})`), trimZeros)
  return type.element === null
    ? both(
        (r) => `${r}::text`,
        (r) => r,
      )
    : null
}

/** One-dimensional arrays, as JSON arrays of their elements' texts. */
function list(type: SourceType, element: LakeType): Canonical | null {
  if (type.element === null) return null
  const of = canonical(type.element, element)
  if (of === null) return null
  return both(
    (r) =>
      `CASE WHEN ${r} IS NOT NULL THEN coalesce((SELECT array_to_json(array_agg(${of.source('u.e')} ORDER BY u.n))::text FROM unnest(${r}) WITH ORDINALITY AS u(e, n)), '[]') END`,
    (r) => `CASE WHEN ${r} IS NOT NULL THEN CAST(to_json(list_transform(${r}, lambda e: ${of.lake('e')})) AS VARCHAR) END`,
  )
}

/** Floats arrive from the database as its text; this makes DuckDB's text of the same value, so that both sides agree. */
export function normalise(lake: LakeType, ref: string): string {
  if (lake.kind === 'float') return `CAST(CAST(${ref} AS FLOAT) AS VARCHAR)`
  if (lake.kind === 'double') return `CAST(CAST(${ref} AS DOUBLE) AS VARCHAR)`
  if (lake.kind === 'list' && (lake.element.kind === 'float' || lake.element.kind === 'double')) {
    const duck = lake.element.kind === 'float' ? 'FLOAT' : 'DOUBLE'
    const each = `CAST(CAST(e AS ${duck}) AS VARCHAR)`
    return `CASE WHEN ${ref} IS NOT NULL THEN CAST(to_json(list_transform(CAST(CAST(${ref} AS JSON) AS VARCHAR[]), lambda e: ${each})) AS VARCHAR) END`
  }
  return ref
}
