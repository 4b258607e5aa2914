import type { MergeRules } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'

/** What an update of Debezium has where the source's log did not repeat a value. */
const DEBEZIUM_UNAVAILABLE = '__debezium_unavailable_value'
const MERGE_PROPERTY = 'hoodie.record.merge.property.'
/** Classes that ship with Hudi and whose rules are known; Hudi 1.x knows them under the same names. */
const PAYLOAD_PACKAGES = /^org\.apache\.hudi\.(common\.model\.(debezium\.)?|payload\.)/

/** Ids of Hudi's own merge strategies. */
const STRATEGY = {
  eventTime: 'eeb8d96f-b1e4-49fd-bbf8-28ac514178e5',
  commitTime: 'ce9acb64-bde0-424c-9b91-f6ebba25356d',
  payload: '00000000-0000-0000-0000-000000000000',
} as const

/**
 * How rows of one key are merged, from a table's hoodie.properties: version 6 names a payload class, version 8 also a merge mode, version 9 mode,
 * ordering fields and merge properties (spec hudi §2.1, §9.3). Rules that only the code of a Java class knows fail with TRB-LAKE-022.
 */
export function mergeRulesOf(properties: ReadonlyMap<string, string>, table: string): MergeRules {
  const found = rulesOf(properties, table)
  if (properties.get('hoodie.populate.meta.fields') !== 'false') return found
  return { ...found, key: list(properties.get('hoodie.table.recordkey.fields')) }
}

function rulesOf(properties: ReadonlyMap<string, string>, table: string): MergeRules {
  const ordering = list(properties.get('hoodie.table.ordering.fields') ?? properties.get('hoodie.table.precombine.field'))
  const mode = properties.get('hoodie.record.merge.mode') ?? ''
  const version = Number(properties.get('hoodie.table.version') ?? '6')
  const payload = properties.get('hoodie.compaction.payload.class') ?? ''
  if (version >= 9 && mode !== '') return byMode(properties, table, mode, ordering)
  if (payload !== '') return byPayload(payload, table, ordering, strategyOf(properties, table), version)
  if (mode !== '') return byMode(properties, table, mode, ordering)
  return byMode(properties, table, ordering.length > 0 ? 'EVENT_TIME_ORDERING' : 'COMMIT_TIME_ORDERING', ordering)
}

function byMode(properties: ReadonlyMap<string, string>, table: string, mode: string, ordering: readonly string[]): MergeRules {
  if (mode !== 'EVENT_TIME_ORDERING' && mode !== 'COMMIT_TIME_ORDERING') {
    const by = properties.get('hoodie.compaction.payload.class') ?? properties.get('hoodie.record.merge.strategy.id')
    throw custom(table, by ?? `merge mode ${mode}`)
  }
  const partial = properties.get('hoodie.table.partial.update.mode') ?? ''
  if (partial !== '' && !PARTIAL.has(partial)) throw custom(table, `partial update mode ${partial}`)
  const of = (key: string): string | undefined => properties.get(MERGE_PROPERTY + key)
  const column = of('hoodie.payload.delete.field')
  const value = of('hoodie.payload.delete.marker')
  const marker =
    of('hoodie.write.partial.update.unavailable.value') ??
    of('partial.update.unavailable.value') ??
    of('hoodie.table.partial.update.custom.marker') ??
    DEBEZIUM_UNAVAILABLE
  const found = rules(
    mode === 'EVENT_TIME_ORDERING' ? ordering : [],
    column === undefined || value === undefined ? null : { column, value },
    partial === 'FILL_UNAVAILABLE' ? marker : null,
  )
  return partial === 'IGNORE_DEFAULTS' ? { ...found, nulls: 'below' } : found
}

const PARTIAL: ReadonlySet<string> = new Set(['FILL_UNAVAILABLE', 'IGNORE_DEFAULTS'])

/**
 * Payloads that overwrite what is stored: the records of the logs are weighed among themselves by the ordering field first (Hudi 0.x, and 1.0 for
 * those that it knows no merge mode of), where a record always follows a delete in 0.x. Without an ordering field the later one wins.
 */
function overwriting(ordering: readonly string[], deleteMarker: MergeRules['deleteMarker'], version: number): MergeRules {
  const found = rules(ordering, deleteMarker, null)
  if (found.mode === 'commit-time') return found
  return version < 8 ? { ...found, overBase: 'always', overDelete: 'always' } : { ...found, overBase: 'always' }
}

function byPayload(payload: string, table: string, ordering: readonly string[], strategy: string, version: number): MergeRules {
  switch (PAYLOAD_PACKAGES.test(payload) ? payload.replace(PAYLOAD_PACKAGES, '') : '') {
    case 'OverwriteWithLatestAvroPayload':
      return version < 8 ? overwriting(ordering, null, version) : rules([], null, null)
    case 'OverwriteNonDefaultsWithLatestAvroPayload':
      return version < 8 ? { ...overwriting(ordering, null, version), nulls: 'base' } : { ...rules([], null, null), nulls: 'below' }
    case 'PartialUpdateAvroPayload':
      return { ...rules(ordering, null, null), nulls: 'below' }
    case 'DefaultHoodieRecordPayload':
    case 'EventTimeAvroPayload':
      return rules(strategy === STRATEGY.commitTime ? [] : ordering, null, null)
    case 'AWSDmsAvroPayload':
      return overwriting(ordering, { column: 'Op', value: 'D' }, version)
    case 'PostgresDebeziumAvroPayload':
      return rules(['_event_lsn'], { column: '_change_operation_type', value: 'd' }, DEBEZIUM_UNAVAILABLE)
    case 'MySqlDebeziumAvroPayload':
      return rules(['_event_seq'], { column: '_change_operation_type', value: 'd' }, null)
    default:
      throw custom(table, payload)
  }
}

/** The merge strategy; one of someone's own fails, whatever the payload says. */
function strategyOf(properties: ReadonlyMap<string, string>, table: string): string {
  const id = properties.get('hoodie.record.merge.strategy.id') ?? properties.get('hoodie.compaction.record.merger.strategy') ?? ''
  if (id !== '' && !Object.values<string>(STRATEGY).includes(id)) throw custom(table, `merge strategy ${id}`)
  return id
}

function rules(ordering: readonly string[], deleteMarker: MergeRules['deleteMarker'], unavailable: string | null): MergeRules {
  return { mode: ordering.length > 0 ? 'event-time' : 'commit-time', ordering, deleteMarker, unavailable }
}

function custom(table: string, name: string): Failure {
  return new Failure('TRB-LAKE-022', { table, name })
}

function list(text: string | undefined): string[] {
  return (text ?? '').split(',').filter((s) => s !== '')
}
