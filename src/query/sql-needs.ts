import type { RowPredicate } from '../contract/row-predicate.ts'
import { predicateOf } from './sql-predicate.ts'

/**
 * What a SELECT needs of its tables, as far as its syntax tree tells without binding it: fewer columns to merge, fewer files to open.
 * Nothing here may be wrong in the other direction: what is not understood needs everything.
 */

export interface SqlNeeds {
  /** Names (in lower case) among which are all columns that are looked at; null: any. */
  readonly columns: ReadonlySet<string> | null
  /** Of the rows of the only table; `anything` when there are several, or when a row may be in the answer by other ways. */
  readonly rows: RowPredicate
}

type Node = Readonly<Record<string, unknown>>

/** `tables`: how many references to tables the statement has, in all of its parts. */
export function sqlNeeds(statement: unknown, tables: number): SqlNeeds {
  return { columns: columnsOf(statement), rows: tables === 1 ? rowsOf(statement) : { kind: 'anything' } }
}

/** Every part of every column reference: `o.amount` may be a column of `o`, or a field of a column `o`. */
function columnsOf(root: unknown): ReadonlySet<string> | null {
  const names = new Set<string>()
  const last = new Set<string>()
  const relations = new Set<string>()
  const stack: unknown[] = [root]
  while (stack.length > 0) {
    const node = stack.pop()
    if (typeof node !== 'object' || node === null) continue
    const { class: kind, type, ref_type: join, column_names: columns, using_columns: using, alias, table_name: table } = node as Node
    // A star, COLUMNS(…), a natural join and a pivot look at columns that they do not name.
    if (kind === 'STAR' || type === 'STAR' || join === 'NATURAL' || type === 'PIVOT' || kind === 'POSITIONAL_REFERENCE') return null
    if (kind === 'COLUMN_REF' && Array.isArray(columns)) {
      for (const c of columns) names.add(String(c).toLowerCase())
      last.add(String(columns.at(-1)).toLowerCase())
    }
    if (Array.isArray(using)) for (const c of using) names.add(String(c).toLowerCase())
    if (kind === undefined) for (const n of [alias, table]) if (typeof n === 'string' && n !== '') relations.add(n.toLowerCase())
    for (const child of Object.values(node)) stack.push(child)
  }
  // A reference to a relation itself stands for its whole row.
  for (const name of last) if (relations.has(name)) return null
  return names
}

function rowsOf(statement: unknown): RowPredicate {
  const node = (statement as Node | null)?.['node'] as Node | undefined
  const from = node?.['from_table'] as Node | undefined
  if (node?.['type'] !== 'SELECT_NODE' || from?.['type'] !== 'BASE_TABLE' || isSampled(node, from)) return { kind: 'anything' }
  return predicateOf(node['where_clause'])
}

/** A sample of the table is drawn before the condition. */
function isSampled(node: Node, from: Node): boolean {
  return (node['sample'] ?? null) !== null || (from['sample'] ?? null) !== null
}
