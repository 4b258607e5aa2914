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
  }
}
