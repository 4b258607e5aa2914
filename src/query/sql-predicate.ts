import type { RowPredicate } from '../contract/row-predicate.ts'

/**
 * The WHERE clause of a SELECT as a predicate of which only parts that are understood are left: `anything` is true of every row. In three-valued logic a row
 * is kept when the clause is true, so NOT is pushed down to the comparisons: the negation of a comparison is true of rows for which it is
 * false, never of nulls.
 */
type Node = Readonly<Record<string, unknown>>

const ANYTHING: RowPredicate = { kind: 'anything' }

/** `negated`: what is true where `node` is false. */
export function predicateOf(node: unknown, negated = false): RowPredicate {
  if (typeof node !== 'object' || node === null) return ANYTHING
  const n = node as Node
  const type = String(n['type'])
  if (type === 'CONJUNCTION_AND' || type === 'CONJUNCTION_OR') {
    const of = (n['children'] as unknown[]).map((c) => predicateOf(c, negated))
    return { kind: (type === 'CONJUNCTION_AND') !== negated ? 'and' : 'or', of }
  }
  if (type === 'OPERATOR_NOT') return predicateOf((n['children'] as unknown[])[0], !negated)
  if (type in COMPARISONS) return comparison(n, COMPARISONS[type]!, negated)
  if (type === 'COMPARE_BETWEEN') return between(n, negated)
  if (type === 'COMPARE_IN' || type === 'COMPARE_NOT_IN') return among(n, (type === 'COMPARE_NOT_IN') !== negated)
  if (type === 'FUNCTION') return matching(n, negated)
  return ANYTHING
}

type Op = '=' | '<>' | '<' | '<=' | '>' | '>='

const COMPARISONS: Readonly<Record<string, Op>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}
const MIRRORED: Readonly<Record<Op, Op>> = { '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }
const NEGATED: Readonly<Record<Op, Op>> = { '=': '<>', '<>': '=', '<': '>=', '<=': '>', '>': '<=', '>=': '<' }

function comparison(n: Node, op: Op, negated: boolean): RowPredicate {
  const [left, right] = [n['left'], n['right']]
  const own = negated ? NEGATED[op] : op
  const column = columnOf(left)
  return column === null ? compare(columnOf(right), MIRRORED[own], [left]) : compare(column, own, [right])
}

function between(n: Node, negated: boolean): RowPredicate {
  const column = columnOf(n['input'])
  const low = compare(column, negated ? '<' : '>=', [n['lower']])
  const high = compare(column, negated ? '>' : '<=', [n['upper']])
  return { kind: negated ? 'or' : 'and', of: [low, high] }
}

function among(n: Node, excluded: boolean): RowPredicate {
  const [input, ...values] = n['children'] as unknown[]
  return compare(columnOf(input), excluded ? '<>' : '=', values)
}

/** LIKE, and what DuckDB has for texts that begin alike; a pattern with a wildcard at its end only, or with none. */
function matching(n: Node, negated: boolean): RowPredicate {
  const name = String(n['function_name'])
  const [input, pattern] = (n['children'] ?? []) as unknown[]
  const column = columnOf(input)
  const text = constantOf(pattern)
  if (column === null || typeof text !== 'string') return ANYTHING
  const excluded = (name === '!~~') !== negated
  if (name === 'starts_with' || name === 'prefix' || name === '^@') return prefix(column, text, negated)
  if (name !== '~~' && name !== '!~~') return ANYTHING
  const wild = text.search(/[%_\\]/)
  if (wild < 0) return { kind: 'compare', column, op: excluded ? '<>' : '=', values: [text] }
  // Of a pattern that goes on, only that texts begin so is known; of its negation nothing.
  if (excluded && text.slice(wild) !== '%') return ANYTHING
  return prefix(column, text.slice(0, wild), excluded)
}

function prefix(column: string, text: string, excluded: boolean): RowPredicate {
  return text === '' ? ANYTHING : { kind: 'prefix', column, text, excluded }
}

function compare(column: string | null, op: Op, nodes: readonly unknown[]): RowPredicate {
  const values = nodes.map(constantOf)
  if (column === null || values.length === 0 || values.includes(null)) return ANYTHING
  return { kind: 'compare', column, op, values: values as (string | bigint)[] }
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
