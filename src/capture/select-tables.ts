import type { TableId } from '../contract/change.ts'
import { Failure } from '../failure/failure.ts'

/**
 * Which tables are captured. `patterns`: `schema.table` with * for any text, as on the command line; several separated by commas; a
 * leading ! excludes. `regex`: Debezium's lists: comma-separated Java regular expressions that must match the whole `schema.table`
 * (or schema), case-insensitively.
 */
export type TableSelection =
  | { readonly kind: 'patterns'; readonly patterns: string }
  | {
      readonly kind: 'regex'
      readonly tableInclude: string | null
      readonly tableExclude: string | null
      readonly schemaInclude: string | null
      readonly schemaExclude: string | null
    }

export interface TableMatcher {
  matches(schema: string, table: string): boolean
  /** Place of the first entry of the include list that matches: the order in which tables are snapshotted; 0 without a list. */
  rank(schema: string, table: string): number
  /** For messages. */
  readonly text: string
}

/** Compiles a selection. Fails with TRB-PG-025 on an empty list or a malformed expression. */
export function tableMatcher(selection: TableSelection): TableMatcher {
  return selection.kind === 'patterns' ? patternMatcher(selection.patterns) : regexMatcher(selection)
}

/** The same, with one more table, which comes last. */
export function withTable(matcher: TableMatcher, id: TableId): TableMatcher {
  const own = (schema: string, table: string): boolean => schema === id.schema && table === id.table
  return {
    text: matcher.text,
    matches: (schema, table) => own(schema, table) || matcher.matches(schema, table),
    rank: (schema, table) => (matcher.matches(schema, table) ? matcher.rank(schema, table) : Number.MAX_SAFE_INTEGER),
  }
}

function patternMatcher(text: string): TableMatcher {
  const entries = splitList(text)
  const include = entries.filter((e) => !e.startsWith('!')).map(globRegex)
  const exclude = entries.filter((e) => e.startsWith('!')).map((e) => globRegex(e.slice(1)))
  if (include.length === 0) throw badPatterns('--tables', text, 'it names no table')
  return matcher(include, exclude, text)
}

/** `shop.*` → every table of schema shop; `orders` without a schema → public.orders; `*` → every table. */
function globRegex(glob: string): RegExp {
  const full = glob === '*' ? '*.*' : glob.includes('.') ? glob : `public.${glob}`
  const body = full.replace(/[\\^$+?.()|[\]{}]/g, '\\$&').replaceAll('*', '.*')
  return new RegExp(`^${body}$`, 'su')
}

function regexMatcher(s: Extract<TableSelection, { kind: 'regex' }>): TableMatcher {
  const include = s.tableInclude === null ? null : javaList('table.include.list', s.tableInclude)
  const exclude = s.tableExclude === null ? [] : javaList('table.exclude.list', s.tableExclude)
  const schemas = s.schemaInclude === null ? null : javaList('schema.include.list', s.schemaInclude)
  const noSchemas = s.schemaExclude === null ? [] : javaList('schema.exclude.list', s.schemaExclude)
  const inner = matcher(include ?? [/^/], exclude, s.tableInclude ?? s.schemaInclude ?? 'all tables')
  return {
    ...inner,
    matches: (schema, table) =>
      (schemas === null || schemas.some((r) => r.test(schema))) && !noSchemas.some((r) => r.test(schema)) && inner.matches(schema, table),
  }
}

function matcher(include: readonly RegExp[], exclude: readonly RegExp[], text: string): TableMatcher {
  const rank = (schema: string, table: string): number => include.findIndex((r) => r.test(`${schema}.${table}`))
  return {
    text,
    matches: (schema, table) => rank(schema, table) >= 0 && !exclude.some((r) => r.test(`${schema}.${table}`)),
    rank,
  }
}

function javaList(option: string, text: string): RegExp[] {
  return splitList(text).map((entry) => {
    try {
      return new RegExp(`^(?:${entry})$`, 'i')
    } catch {
      throw badPatterns(option, text, `${entry} is not a regular expression`)
    }
  })
}

function splitList(text: string): string[] {
  // A comma inside {m,n} or […] belongs to the expression; `\,` is a comma.
  const parts = text.match(/(?:\\.|\{[^}]*\}|\[[^\]]*\]|[^,])+/gs) ?? []
  return parts.map((p) => p.trim().replaceAll('\\,', ',')).filter((p) => p !== '')
}

function badPatterns(option: string, value: string, reason: string): Failure {
  return new Failure('TRB-PG-025', {
    option,
    value,
    reason,
    fix: `Write ${option} 'shop.*,public.orders' (schema.table, separated by commas).`,
  })
}
