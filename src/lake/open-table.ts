import type { Clock } from '../contract/clock.ts'
import type { LakeColumn } from '../contract/columns.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import type { TableSpec } from '../contract/table.ts'
import { Failure } from '../failure/failure.ts'
import { countingConfiguration } from './bucket-change.ts'
import { partitionColumns } from './index/partition-path.ts'
import { checkReadable, checkWritable, propertiesOf, specOf, storedColumns } from './layout/table-properties.ts'
import { avroSchemaText, columnsOfAvro } from './metadata/avro-schema.ts'
import { SOURCE_KEY } from './metadata/checkpoint.ts'
import { writesBefore } from './recorded-writes.ts'
import { TimelineStore } from './timeline-store.ts'

/**
 * The table that `spec` asks for: created when there is none, else opened. An existing table keeps its bucket count and its columns
 * (those of its newest commit) and its version; a different key, partitioning, ordering field or type fails with TRB-LAKE-019.
 */
export async function createOrOpenTable(store: ObjectStore, spec: TableSpec, clock: Clock): Promise<TableSpec> {
  const ts = new TimelineStore(store, spec.path, clock)
  if ((await ts.createTable(propertiesOf(spec))) === 'created') return spec
  const properties = await ts.properties()
  checkWritable(properties, spec.path)
  const found = await openTable(store, spec.path, clock)
  const differences = shape(spec).flatMap(([name, wanted], i) => {
    const is = shape(found)[i][1]
    return wanted === is ? [] : [`${name} is ${is || 'none'}, wanted ${wanted || 'none'}`]
  })
  if (found.buckets < 1) differences.push('its rows are not spread over buckets')
  if (differences.length > 0) throw new Failure('TRB-LAKE-019', { table: spec.path, difference: differences.join('; ') })
  return found
}

/** Opens a table for reading: columns of its newest commit, or of its configuration before the first. */
export async function openTable(store: ObjectStore, path: string, clock: Clock): Promise<TableSpec> {
  const ts = new TimelineStore(store, path, clock)
  const properties = await ts.properties()
  checkReadable(properties, path)
  await ts.refresh()
  return specOf(await countingConfiguration(ts), path, await columnsAt(ts, null))
}

/**
 * Stored columns as of the newest completed write ≤ asOf that carries a schema, archived or not; null: none does. Other engines drop what their own schemas
 * have no place for (docs, times of day): of a commit that is not ours, that is taken from our newest one before it.
 */
export async function columnsAt(ts: TimelineStore, asOf: string | null): Promise<readonly LakeColumn[] | null> {
  let columns: readonly LakeColumn[] | null = null
  const sought = ts.configuration.has('tributary.rows')
  for await (const { extra, archived } of writesBefore(ts, asOf, WITH_SCHEMA)) {
    if (columns !== null && archived) return columns
    const schema = extra.get('schema')
    if (schema === undefined || schema === '') continue
    const found = columnsOfAvro(schema, ts.table)
    const ours = extra.has(SOURCE_KEY)
    if (columns === null) columns = found
    else if (ours) columns = columns.map((c) => enriched(c, found))
    // A table of another engine has no commit of ours to look for.
    if (ours || !sought) return columns
  }
  return columns
}

/** A column as another engine wrote it, with the doc and the time type that ours had. */
function enriched(c: LakeColumn, ours: readonly LakeColumn[]): LakeColumn {
  const old = ours.find((o) => o.name === c.name)
  if (old === undefined) return c
  const type = old.type.kind === 'time-micros' && c.type.kind === 'long' ? old.type : c.type
  return c.doc === undefined && old.doc !== undefined ? { name: c.name, type, doc: old.doc } : { ...c, type }
}

/** Avro schema text that a commit of this table records. */
export function tableSchemaText(spec: TableSpec): string {
  return avroSchemaText(spec.name, storedColumns(spec), false)
}

const WITH_SCHEMA: ReadonlySet<string> = new Set(['commit', 'deltacommit', 'replacecommit', 'compaction', 'clustering'])

function shape(s: TableSpec): (readonly [name: string, value: string])[] {
  return [
    ['table name', s.name],
    ['database', s.database],
    ['key', s.key.join(',')],
    ['ordering field', s.orderingField],
    ['partition column', partitionColumns(s.partition).join(',')],
    ['partition truncation', s.partition?.truncate ?? ''],
    ['table type', s.tableType],
  ]
}
