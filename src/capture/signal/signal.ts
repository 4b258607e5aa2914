/** A signal: what people ask of a running capture (spec debezium §3.6). */
export type Signal =
  | { readonly kind: 'snapshot'; readonly request: SnapshotRequest }
  | { readonly kind: 'blocking' }
  | { readonly kind: 'stop'; readonly collections: readonly string[] | null }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'log'; readonly message: string }
  | { readonly kind: 'window' }
  | { readonly kind: 'unusable'; readonly reason: string }

export interface SnapshotRequest {
  /** Regular expressions that match whole names of tables (`schema.table`). */
  readonly collections: readonly string[]
  /** Expression of names → SQL condition of the rows that are wanted. */
  readonly conditions: readonly (readonly [collection: string, filter: string])[]
  /** Column that the rows are read in order of, in place of the key. */
  readonly surrogate: string | null
}

/** Reads `type` and `data` of a row of the signal table. What cannot be done is `unusable`, with the reason: the stream goes on. */
export function parseSignal(type: string, data: string | null): Signal {
  if (type === 'snapshot-window-open' || type === 'snapshot-window-close') return { kind: 'window' }
  let fields: Readonly<Record<string, unknown>>
  try {
    const value: unknown = data === null || data.trim() === '' ? {} : JSON.parse(data)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return unusable('its data is no JSON object')
    fields = value as Record<string, unknown>
  } catch (e) {
    return unusable(`its data is not JSON: ${e instanceof Error ? e.message : String(e)}`)
  }
  switch (type) {
    case 'execute-snapshot':
      return executeSignal(fields)
    case 'stop-snapshot':
      return stopSignal(fields)
    case 'pause-snapshot':
      return { kind: 'pause' }
    case 'resume-snapshot':
      return { kind: 'resume' }
    case 'log':
      return typeof fields['message'] === 'string' ? { kind: 'log', message: fields['message'] } : unusable('it has no message')
    default:
      return unusable(`type ${type} is not supported`)
  }
}

function executeSignal(fields: Readonly<Record<string, unknown>>): Signal {
  const type = kindOf(fields)
  if (type === 'blocking') return { kind: 'blocking' }
  if (type !== 'incremental') return unusable(`snapshots of type ${type} are not known`)
  const collections = texts(fields['data-collections'])
  if (collections === null || collections.length === 0) return unusable('it names no data-collections')
  const bad = collections.find((c) => pattern(c) === null)
  if (bad !== undefined) return unusable(`${bad} is not a regular expression`)
  const surrogate = fields['surrogate-key']
  if (surrogate !== undefined && typeof surrogate !== 'string') return unusable('its surrogate-key is no name of a column')
  const conditions = conditionsOf(fields, collections)
  if (conditions === null) return unusable('additional-conditions is no list of {"data-collection":…,"filter":…}')
  return { kind: 'snapshot', request: { collections, conditions, surrogate: surrogate ?? null } }
}

function conditionsOf(fields: Readonly<Record<string, unknown>>, collections: readonly string[]): [string, string][] | null {
  // The older form: one condition for all.
  const one = fields['additional-condition']
  if (typeof one === 'string') return collections.map((c) => [c, one])
  const list = fields['additional-conditions'] ?? []
  if (!Array.isArray(list)) return null
  const conditions: [string, string][] = []
  for (const entry of list as unknown[]) {
    const { 'data-collection': collection, filter } = (entry ?? {}) as Record<string, unknown>
    if (typeof collection !== 'string' || typeof filter !== 'string' || pattern(collection) === null) return null
    conditions.push([collection, filter])
  }
  return conditions
}

function stopSignal(fields: Readonly<Record<string, unknown>>): Signal {
  const type = kindOf(fields)
  if (type !== 'incremental') return unusable(`snapshots of type ${type} cannot be stopped`)
  if (fields['data-collections'] === undefined) return { kind: 'stop', collections: null }
  const collections = texts(fields['data-collections'])
  if (collections === null || collections.some((c) => pattern(c) === null))
    return unusable('its data-collections are no regular expressions')
  return { kind: 'stop', collections }
}

function kindOf(fields: Readonly<Record<string, unknown>>): string {
  return String(fields['type'] ?? 'incremental').toLowerCase()
}

function texts(value: unknown): readonly string[] | null {
  return Array.isArray(value) && value.every((v) => typeof v === 'string') ? (value as string[]) : null
}

function unusable(reason: string): Signal {
  return { kind: 'unusable', reason }
}

/** The expression over the whole name of a table; null: it is none. */
export function pattern(text: string): RegExp | null {
  try {
    return new RegExp(`^(?:${text.trim()})$`, 'iu')
  } catch (e) {
    if (e instanceof SyntaxError) return null
    throw e
  }
}
