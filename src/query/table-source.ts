import type { LakeColumn } from '../contract/columns.ts'
import { identifier, literal, storedType } from './sql-text.ts'

/** The Parquet files that hold a table's rows; absolute paths. */
export interface TableFiles {
  /** Read whole; no files at all: the table is empty. */
  readonly whole: readonly string[]
  /** Files of which some rows don't count, and rows beside them. */
  readonly merged: readonly MergedFiles[]
}

/** A file slice with logs. */
export interface MergedFiles {
  readonly base: string | null
  /** One BIGINT column `row`: ordinals of base rows that don't count. Null: all count. */
  readonly hidden: string | null
  /** Rows that take their place or are new. */
  readonly rows: string | null
}

/** Every path that reading the table opens. */
export function pathsOf(files: TableFiles): string[] {
  return [...files.whole, ...files.merged.flatMap((m) => [m.base, m.hidden, m.rows].filter((p) => p !== null))]
}

/**
 * A relation with columns by name and type of the table's schema, as stored, whatever the files hold: an older file may lack a column or
 * hold a narrower type. A row-less SELECT gives every column its type; hive_partitioning is off because a partition directory must not shadow
 * a column. Of a file with hidden rows the rest is what an anti join with their ordinals leaves: conditions still reach the scan of the file.
 */
export function tableSource(columns: readonly LakeColumn[], files: TableFiles): string {
  const typed = columns.map((c) => `CAST(NULL AS ${storedType(c.type)}) AS ${identifier(c.name)}`).join(', ')
  const parts = [`SELECT ${typed} WHERE false`]
  const whole = [...files.whole, ...files.merged.flatMap((m) => [m.hidden === null ? m.base : null, m.rows].filter((p) => p !== null))]
  if (whole.length > 0) parts.push(`SELECT * FROM read_parquet([${whole.map(literal).join(', ')}], union_by_name = true, ${PLAIN})`)
  for (const { base, hidden } of files.merged) {
    if (base === null || hidden === null) continue
    const file = `read_parquet(${literal(base)}, ${PLAIN}, file_row_number = true) AS file`
    const rows = `read_parquet(${literal(hidden)}) AS hidden`
    parts.push(`SELECT * EXCLUDE (file_row_number) FROM ${file} ANTI JOIN ${rows} ON file.file_row_number = hidden."row"`)
  }
  return `(${parts.join(' UNION ALL BY NAME ')})`
}

const PLAIN = 'hive_partitioning = false, filename = false'
