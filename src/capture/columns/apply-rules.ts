import type { Column } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import type { ColumnRules } from './column-rules.ts'
import { markedOnly, maskedColumn } from './mask.ts'

/** What the rules need to know of a column beside its mapping. */
export interface RuledColumn {
  /** `schema.table.column`. */
  readonly path: string
  /** Characters that the type allows (null: no limit); undefined: no character type, which masks do not change. */
  readonly characters: number | null | undefined
  /** Part of the record key. */
  readonly isKey: boolean
}

/**
 * A mapped column as the rules want it: masked, or left out of the row. Key columns keep their values in the record key. Fails with
 * TRB-ENV-010 and TRB-ENV-011 for what a lake cannot be made of.
 */
export function ruledColumn(column: Column, at: RuledColumn, rules: ColumnRules): Column {
  if (rules.captured !== null && !rules.captured(at.path)) {
    if (at.isKey && rules.forLake) throw new Failure('TRB-ENV-010', { column: at.path, how: 'left out of the rows' })
    return { ...column, omitted: true }
  }
  let out = column
  for (const rule of rules.masks) {
    if (!rule.matches(at.path)) continue
    if (at.isKey && rules.forLake) throw new Failure('TRB-ENV-010', { column: at.path, how: 'masked' })
    if (at.characters === undefined && rules.forLake) {
      throw new Failure('TRB-ENV-011', { option: rule.option, column: at.path, type: column.sourceType })
    }
    out = at.characters === undefined ? markedOnly(out, rule.mask) : maskedColumn(out, rule.mask, at.characters)
  }
  return out
}

/** True when nobody reads a column, so that its type need not be known. @param isRead of the record's key or the table's own, or of a signal table */
export function isLeftOut(path: string, isRead: boolean, rules: ColumnRules): boolean {
  return !isRead && rules.captured !== null && !rules.captured(path)
}

/** Names of the key columns: those of message.key.columns that the table has, else its own key. */
export function messageKeyOf(table: string, columns: readonly string[], own: readonly string[], rules: ColumnRules): readonly string[] {
  const named = rules.messageKey?.(table).filter((k) => columns.includes(k)) ?? []
  return named.length > 0 ? [...new Set(named)] : own
}

/** Params of column.propagate.source.type (spec debezium B.24); the key's schema goes without. */
export function withSourceType(column: Column, parameters: readonly (readonly [string, string])[]): Column {
  if (parameters.length === 0) return column
  const connect = { ...column.connect, parameters: [...(column.connect.parameters ?? []), ...parameters] }
  return { ...column, asKey: column.asKey ?? column, connect }
}
