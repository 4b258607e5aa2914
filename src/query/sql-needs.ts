/**
 * What a SELECT needs of its tables, as far as its syntax tree tells without binding it: fewer columns to merge, fewer files to open.
 * Nothing here may be wrong in the other direction: what is not understood needs everything.
 */

/** `column op value` that every row of the answer's only table has to fulfil. */
export interface Condition {
  /** In lower case. */
  readonly column: string
  /** `=`: one of the values. */
  readonly op: '=' | '<' | '<=' | '>' | '>='
  readonly values: readonly (string | bigint)[]
}

export interface SqlNeeds {
  /** Names (in lower case) among which are all columns that are looked at; null: any. */
  readonly columns: ReadonlySet<string> | null
  /** Of the only table; empty when there are several, or when a row may be in the answer by other ways. */
  readonly conditions: readonly Condition[]
}

type Node = Readonly<Record<string, unknown>>

/** `tables`: how many references to tables the statement has, in all of its parts. */
export function sqlNeeds(statement: unknown, tables: number): SqlNeeds {
  return { columns: columnsOf(statement), conditions: tables === 1 ? conditionsOf(statement) : [] }
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

function conditionsOf(statement: unknown): readonly Condition[] {
  const node = (statement as Node | null)?.['node'] as Node | undefined
  const from = node?.['from_table'] as Node | undefined
  if (node?.['type'] !== 'SELECT_NODE' || from?.['type'] !== 'BASE_TABLE' || isSampled(node, from)) return []
  return conjuncts(node['where_clause']).flatMap(condition)
}

/** A sample of the table is drawn before the condition. */
function isSampled(node: Node, from: Node): boolean {
  return (node['sample'] ?? null) !== null || (from['sample'] ?? null) !== null
}

function conjuncts(where: unknown): Node[] {
  if (typeof where !== 'object' || where === null) return []
  const node = where as Node
  return node['type'] === 'CONJUNCTION_AND' ? (node['children'] as unknown[]).flatMap(conjuncts) : [node]
}

const COMPARISONS: Readonly<Record<string, Condition['op']>> = {
  COMPARE_EQUAL: '=',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}
const MIRRORED: Readonly<Record<Condition['op'], Condition['op']>> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }

function condition(node: Node): Condition[] {
  const type = String(node['type'])
  if (type in COMPARISONS) {
    const op = COMPARISONS[type]!
    const [left, right] = [node['left'], node['right']]
    if (columnOf(left) !== null) return make(columnOf(left), op, [right])
    return make(columnOf(right), MIRRORED[op], [left])
  }
  if (type === 'COMPARE_BETWEEN') {
    const column = columnOf(node['input'])
    return [...make(column, '>=', [node['lower']]), ...make(column, '<=', [node['upper']])]
  }
  if (type === 'COMPARE_IN') {
    const [input, ...values] = node['children'] as unknown[]
    return make(columnOf(input), '=', values)
  }
  return []
}

function make(column: string | null, op: Condition['op'], nodes: readonly unknown[]): Condition[] {
  const values = nodes.map(constantOf)
  return column === null || values.length === 0 || values.includes(null) ? [] : [{ column, op, values: values as (string | bigint)[] }]
}

function columnOf(node: unknown): string | null {
  const { class: kind, column_names: names } = (node ?? {}) as Node
  return kind === 'COLUMN_REF' && Array.isArray(names) ? String(names.at(-1)).toLowerCase() : null
}

/** A text or an integer as it stands; null for anything else. */
function constantOf(node: unknown): string | bigint | null {
  const { class: kind, value } = (node ?? {}) as Node
  const { type, is_null: isNull, value: constant } = (value ?? {}) as Node
  if (kind !== 'CONSTANT' || isNull === true) return null
  const id = (type as Node | undefined)?.['id']
  if (id === 'VARCHAR' && typeof constant === 'string') return constant
  // The tree is JSON: an integer that a JS number cannot hold has lost digits there.
  if ((id === 'INTEGER' || id === 'BIGINT') && Number.isSafeInteger(constant)) return BigInt(constant as number)
  return null
}
