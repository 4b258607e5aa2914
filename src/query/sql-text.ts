import type { LakeType } from '../contract/columns.ts'

/** An SQL identifier in double quotes. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** An SQL string literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** DuckDB's type for a lake column. */
export function duckType(type: LakeType): string {
  switch (type.kind) {
    case 'boolean':
      return 'BOOLEAN'
    case 'int':
      return 'INTEGER'
    case 'long':
      return 'BIGINT'
    case 'float':
      return 'FLOAT'
    case 'double':
      return 'DOUBLE'
    case 'string':
      return 'VARCHAR'
    case 'bytes':
      return 'BLOB'
    case 'date':
      return 'DATE'
    case 'time-micros':
      return 'TIME'
    case 'timestamp-micros':
      return 'TIMESTAMP WITH TIME ZONE'
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'list':
      return `${duckType(type.element)}[]`
    case 'map':
      return `MAP(VARCHAR, ${duckType(type.value)})`
    case 'struct':
      return `STRUCT(${type.fields.map((f) => `${identifier(f.name)} ${duckType(f.type)}`).join(', ')})`
  }
}

/** DuckDB's type of a lake column's values as base files hold them: times of day are bare microseconds there (format/parquet/schema.ts). */
export function storedType(type: LakeType): string {
  if (type.kind === 'time-micros') return 'BIGINT'
  if (type.kind === 'list') return `${storedType(type.element)}[]`
  if (type.kind === 'struct') return `STRUCT(${type.fields.map((f) => `${identifier(f.name)} ${storedType(f.type)}`).join(', ')})`
  return type.kind === 'map' ? `MAP(VARCHAR, ${storedType(type.value)})` : duckType(type)
}

/** A value of `storedType` as one of `duckType`. 24:00:00, which Postgres allows, is 00:00:00 as a DuckDB TIME. */
export function fromStored(type: LakeType, ref: string): string {
  if (storedType(type) === duckType(type)) return `CAST(${ref} AS ${duckType(type)})`
  if (type.kind === 'list') return `list_transform(${ref}, lambda x: ${fromStored(type.element, 'x')})`
  if (type.kind === 'map') return `map(map_keys(${ref}), list_transform(map_values(${ref}), lambda x: ${fromStored(type.value, 'x')}))`
  if (type.kind === 'struct') {
    const fields = type.fields.map((f) => `${identifier(f.name)} := ${fromStored(f.type, `(${ref}).${identifier(f.name)}`)}`)
    return `CASE WHEN ${ref} IS NOT NULL THEN struct_pack(${fields.join(', ')}) END`
  }
  return `(TIME '00:00:00' + to_microseconds(${ref}))`
}
