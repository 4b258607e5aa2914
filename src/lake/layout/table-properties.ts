import { crc32 } from 'node:zlib'
import type { Layout } from '../../../timeline/name.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { PartitionField, TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { datePatternOf } from '../index/date-pattern.ts'
import { avroSchemaText, columnsOfAvro } from '../metadata/avro-schema.ts'
import { javaDate, parseProperties, printProperties } from './java-properties.ts'

/** Name of a table's configuration in `.hoodie/`, and of its copy during an update. */
export const PROPERTIES_FILE = 'hoodie.properties'
export const PROPERTIES_BACKUP = 'hoodie.properties.backup'

/** Record key column of a table without a key: a string that identifies a row by content and ordinal (index/bag-key.ts). */
export const BAG_KEY_COLUMN = '_tributary_row_id'

/**
 * Partition column of a table whose partitions are not simply the values of a column: a string with the name of the directory, null in the
 * directory of nulls. Spark takes a partition column's values from the path (and refuses Hudi's timestamp key generators when it reads), so
 * the column that is truncated cannot be the one that Hudi is told of.
 */
export const PARTITION_COLUMN = '_tributary_partition'

/** Types whose text in a path every engine reads back as the same value. */
const PLAIN_IN_PATH: ReadonlySet<string> = new Set(['string', 'int', 'long', 'date'])

/** Columns that the table's files hold (without meta columns): those of the spec, then its row id and partition column where it has them. */
export function storedColumns(spec: Pick<TableSpec, 'columns' | 'key' | 'partition'>): readonly LakeColumn[] {
  const hidden = [...(spec.key.length > 0 ? [] : [BAG_KEY_COLUMN]), ...(hasPartitionColumn(spec) ? [PARTITION_COLUMN] : [])]
  return hidden.length === 0 ? spec.columns : [...spec.columns, ...hidden.map((name) => ({ name, type: { kind: 'string' as const } }))]
}

/** Whether the table is partitioned by PARTITION_COLUMN. */
export function hasPartitionColumn(spec: Pick<TableSpec, 'columns' | 'partition'>): boolean {
  const { partition } = spec
  if (partition === null || partition.foreign === true) return false
  const column = spec.columns.find((c) => c.name === partition.column)
  return partition.truncate !== 'none' || (column !== undefined && !PLAIN_IN_PATH.has(column.type.kind))
}

/** Record key fields as Hudi knows them. */
export function recordKeyFields(spec: Pick<TableSpec, 'key'>): readonly string[] {
  return spec.key.length > 0 ? spec.key : [BAG_KEY_COLUMN]
}

/** `hoodie.table.checksum`: CRC-32 of `<database>.<table>`, unsigned decimal. */
export function tableChecksum(database: string, name: string): string {
  return String(crc32(`${database}.${name}`))
}

/** Configuration of a new table of version 6 or 9, sorted by key. */
export function propertiesOf(spec: TableSpec): Map<string, string> {
  const key = recordKeyFields(spec)
  const p = new Map<string, string>([
    ['hoodie.database.name', spec.database],
    ['hoodie.datasource.write.drop.partition.columns', 'false'],
    ['hoodie.datasource.write.hive_style_partitioning', 'false'],
    ['hoodie.datasource.write.partitionpath.urlencode', String(spec.partition !== null)],
    ['hoodie.partition.metafile.use.base.format', 'false'],
    ['hoodie.populate.meta.fields', 'true'],
    ['hoodie.table.base.file.format', 'PARQUET'],
    ['hoodie.table.cdc.enabled', 'false'],
    ['hoodie.table.checksum', tableChecksum(spec.database, spec.name)],
    ['hoodie.table.create.schema', avroSchemaText(spec.name, storedColumns(spec), false)],
    ['hoodie.table.name', spec.name],
    ['hoodie.table.recordkey.fields', key.join(',')],
    ['hoodie.table.timeline.timezone', 'UTC'],
    ['hoodie.table.type', spec.tableType],
    ['hoodie.table.version', String(spec.tableVersion)],
    ['tributary.buckets', String(spec.buckets)],
    ['tributary.rows', spec.key.length > 0 ? 'keyed' : 'bag'],
    ...(spec.tableVersion === 6 ? version6(spec) : version9(spec)),
  ])
  if (spec.key.length > 0) {
    // A bag is spread by the content's digest, not by its whole record key: to Hudi that is no bucket index.
    p.set('hoodie.index.type', 'BUCKET')
    p.set('hoodie.bucket.index.hash.field', key.join(','))
    p.set('hoodie.bucket.index.num.buckets', String(spec.buckets))
  }
  p.set('hoodie.table.partition.fields', hasPartitionColumn(spec) ? PARTITION_COLUMN : (spec.partition?.column ?? ''))
  if (spec.partition !== null) {
    p.set('tributary.partition.column', spec.partition.column)
    p.set('tributary.partition.truncate', spec.partition.truncate)
  }
  return new Map([...p].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function version6(spec: TableSpec): [string, string][] {
  const merging: [string, string][] = [
    ['hoodie.compaction.payload.class', 'org.apache.hudi.common.model.DefaultHoodieRecordPayload'],
    ['hoodie.compaction.record.merger.strategy', 'eeb8d96f-b1e4-49fd-bbf8-28ac514178e5'],
  ]
  const generators = { NON_PARTITION: 'Nonpartitioned', COMPLEX: 'Complex', SIMPLE: 'Simple' }
  return [
    ['hoodie.archivelog.folder', 'archived'],
    ['hoodie.table.keygenerator.class', `org.apache.hudi.keygen.${generators[keyGenerator(spec)]}KeyGenerator`],
    ['hoodie.table.precombine.field', spec.orderingField],
    ['hoodie.timeline.layout.version', '1'],
    ...(spec.tableType === 'MERGE_ON_READ' ? merging : []),
  ]
}

function version9(spec: TableSpec): [string, string][] {
  return [
    ['hoodie.archivelog.folder', 'history'],
    ['hoodie.record.merge.mode', spec.orderingField === '' ? 'COMMIT_TIME_ORDERING' : 'EVENT_TIME_ORDERING'],
    ['hoodie.table.format', 'native'],
    ['hoodie.table.initial.version', '9'],
    ['hoodie.table.keygenerator.type', keyGenerator(spec)],
    ['hoodie.table.multiple.base.file.formats.enable', 'false'],
    ['hoodie.table.ordering.fields', spec.orderingField],
    ['hoodie.timeline.history.path', 'history'],
    ['hoodie.timeline.layout.version', '2'],
    ['hoodie.timeline.path', 'timeline'],
  ]
}

function keyGenerator(spec: TableSpec): 'NON_PARTITION' | 'COMPLEX' | 'SIMPLE' {
  if (spec.partition === null) return 'NON_PARTITION'
  return spec.key.length > 1 ? 'COMPLEX' : 'SIMPLE'
}

/** The table that a configuration describes. `columns` null: those of the configuration's own schema, none when it has none. */
export function specOf(p: ReadonlyMap<string, string>, path: string, columns: readonly LakeColumn[] | null): TableSpec {
  const name = p.get('hoodie.table.name') ?? ''
  const stored = columns ?? createColumns(p, name)
  const bag = p.get('tributary.rows') === 'bag'
  const partition = p.get('tributary.partition.column') ?? p.get('hoodie.table.partition.fields') ?? ''
  const type = p.get('hoodie.table.type') ?? 'COPY_ON_WRITE'
  if (type !== 'COPY_ON_WRITE' && type !== 'MERGE_ON_READ')
    throw new Failure('TRB-LAKE-003', { table: path, detail: `hoodie.table.type is ${type}` })
  const truncate = p.get('tributary.partition.truncate')
  return {
    name,
    database: p.get('hoodie.database.name') ?? '',
    path,
    columns: stored.filter((c) => c.name !== BAG_KEY_COLUMN && c.name !== PARTITION_COLUMN),
    key: bag ? [] : fields(p.get('hoodie.table.recordkey.fields')),
    // Version 9 may name several; the first decides for a writer of ours, which has one.
    orderingField: fields(p.get('hoodie.table.ordering.fields') ?? p.get('hoodie.table.precombine.field')).at(0) ?? '',
    partition: partition === '' ? null : { ...fieldsOf(p, partition), truncate: isTruncate(truncate) ? truncate : 'none', ...pathStyle(p) },
    // 0: another engine's table, not spread over buckets as ours are.
    buckets: Number(p.get('tributary.buckets') ?? '0'),
    tableType: type,
    // Version 8 is read as 9 is, and not written.
    tableVersion: layoutOf(p) === 2 ? 9 : 6,
  }
}

const SIMPLE = /(^|\.)(Simple|Complex|Nonpartitioned)(Avro)?KeyGenerator$|^(SIMPLE|COMPLEX|NON_PARTITION)(_AVRO)?$/
const TIMESTAMP = /(^|\.)TimestampBased(Avro)?KeyGenerator$|^TIMESTAMP(_AVRO)?$/
const CUSTOM = /(^|\.)Custom(Avro)?KeyGenerator$|^CUSTOM(_AVRO)?$/

/** Hudi's key generator of a table, by type or class; '': none is recorded. */
export function keyGeneratorOf(p: ReadonlyMap<string, string>): string {
  return p.get('hoodie.table.keygenerator.type') ?? p.get('hoodie.table.keygenerator.class') ?? ''
}

/**
 * Of what partition paths are made. A custom key generator names each field's kind in version 9 (`a:SIMPLE,b:TIMESTAMP`); in version 6 they are not
 * recorded, and so not known.
 */
function fieldsOf(
  p: ReadonlyMap<string, string>,
  list: string,
): Pick<NonNullable<TableSpec['partition']>, 'column' | 'foreign' | 'fields'> {
  if (p.has('tributary.partition.column') || list === PARTITION_COLUMN) return { column: list }
  const generator = keyGeneratorOf(p)
  const date = datePatternOf(p)
  const found = fields(list).map((text): PartitionField => {
    const [column, kind] = text.split(':')
    const timestamp = CUSTOM.test(generator) ? kind === 'TIMESTAMP' : TIMESTAMP.test(generator)
    const known = CUSTOM.test(generator) ? kind !== undefined : timestamp || generator === '' || SIMPLE.test(generator)
    if (!known || (timestamp && date === null)) return { column: column!, unknown: true }
    return timestamp ? { column: column!, date: date! } : { column: column! }
  })
  const [first] = found
  const plain = found.length === 1 && first!.date === undefined && first!.unknown === undefined
  return { column: first!.column, foreign: true, ...(plain ? {} : { fields: found }) }
}

/** How partition paths are written where it is not as in tables of ours. */
function pathStyle(p: ReadonlyMap<string, string>): { hive?: boolean; plain?: boolean } {
  const hive = p.get('hoodie.datasource.write.hive_style_partitioning') === 'true'
  const plain = p.get('hoodie.datasource.write.partitionpath.urlencode') !== 'true'
  return { ...(hive ? { hive } : {}), ...(plain ? { plain } : {}) }
}

function createColumns(p: ReadonlyMap<string, string>, table: string): readonly LakeColumn[] {
  const text = p.get('hoodie.table.create.schema')
  return text === undefined ? [] : columnsOfAvro(text, table)
}

function fields(list: string | undefined): readonly string[] {
  return list === undefined || list === '' ? [] : list.split(',')
}

function isTruncate(t: string | undefined): t is 'none' | 'day' | 'month' | 'year' {
  return t === 'none' || t === 'day' || t === 'month' || t === 'year'
}

/** Text of hoodie.properties. `note` as Java writes it: `Properties saved on …` for a new table, `Updated at …` later. */
export function printTableProperties(p: ReadonlyMap<string, string>, note: 'Properties saved on' | 'Updated at', nowMs: number): Buffer {
  const text = printProperties([`${note} ${new Date(nowMs).toISOString()}`, javaDate(nowMs)], p)
  return Buffer.from(text, 'latin1')
}

/** Reads hoodie.properties; a text: why it is incomplete (no name, or a checksum that does not fit): a torn update. */
export function parseTableProperties(body: Uint8Array): Map<string, string> | string {
  const p = parseProperties(Buffer.from(body).toString('utf8'))
  const name = p.get('hoodie.table.name')
  if (name === undefined) return 'hoodie.table.name is missing'
  const sum = p.get('hoodie.table.checksum')
  const right = tableChecksum(p.get('hoodie.database.name') ?? '', name)
  return sum === undefined || sum === right ? p : `hoodie.table.checksum is ${sum}, but name and database give ${right}`
}

/** Layout of the timeline: as configured, else what the table version has. */
export function layoutOf(p: ReadonlyMap<string, string>): Layout {
  const layout = p.get('hoodie.timeline.layout.version')
  if (layout !== undefined) return layout === '2' ? 2 : 1
  return Number(p.get('hoodie.table.version') ?? '6') >= 8 ? 2 : 1
}

/** The setting by which rows, or parts of them, are not in Parquet files of the table; null: none. */
function unreadable(p: ReadonlyMap<string, string>): string | null {
  const is = (key: string, wrong: (value: string) => boolean): string | null => {
    const value = p.get(key) ?? ''
    return value !== '' && wrong(value) ? `${key} is ${value}` : null
  }
  return (
    is('hoodie.table.base.file.format', (v) => v !== 'PARQUET') ??
    is('hoodie.table.multiple.base.file.formats.enable', (v) => v === 'true') ??
    is('hoodie.bootstrap.base.path', () => true) ??
    is('hoodie.datasource.write.drop.partition.columns', (v) => v === 'true')
  )
}

/** Table versions that are read, with the layout that each must have. */
const READABLE: ReadonlyMap<string, string> = new Map([
  ['6', '1'],
  ['8', '2'],
  ['9', '2'],
])

/** Refuses a table version that this code does not know how to read (TRB-LAKE-002: 6, 8 and 9 are known), and tables whose rows are elsewhere (027). */
export function checkReadable(p: ReadonlyMap<string, string>, table: string): void {
  const version = p.get('hoodie.table.version') ?? 'none'
  const layout = p.get('hoodie.timeline.layout.version') ?? READABLE.get(version) ?? 'none'
  if (READABLE.get(version) !== layout) throw new Failure('TRB-LAKE-002', { table, version, layout })
  const foreign = unreadable(p)
  if (foreign !== null) throw new Failure('TRB-LAKE-027', { table, detail: foreign })
}

/** Refuses (TRB-LAKE-027) to tell what commits changed where rows do not say which commit wrote them, or by which key they are known. */
export function checkHistory(p: ReadonlyMap<string, string>, table: string): void {
  if (p.get('hoodie.populate.meta.fields') !== 'false') return
  throw new Failure('TRB-LAKE-027', {
    table,
    detail: 'hoodie.populate.meta.fields is false, so its rows do not say which commit wrote them',
  })
}

/** Partitions of the metadata table; empty or absent: there is none. */
export const METADATA_PARTITIONS = 'hoodie.table.metadata.partitions'
/** Those that are being built. */
export const INDEXES_IN_USE = 'hoodie.table.metadata.partitions.inflight'

/** Partitions of a metadata table that an engine makes on its own, and can make again. Others are indexes that somebody has asked for. */
const OWN_PARTITIONS: ReadonlySet<string> = new Set(['files', 'column_stats', 'partition_stats', 'bloom_filters', 'record_index'])

/**
 * Refuses what a writer cannot keep right: versions other than 6 and 9, no meta columns, indexes that somebody has created or is building
 * in a metadata table (TRB-LAKE-009; another metadata table is taken away, see open-for-writing.ts).
 */
export function checkWritable(p: ReadonlyMap<string, string>, table: string): void {
  checkReadable(p, table)
  const version = p.get('hoodie.table.version') ?? 'none'
  if (version === '8') throw new Failure('TRB-LAKE-002', { table, version, layout: '2, read only' })
  const asked = fields(p.get(METADATA_PARTITIONS)).filter((name) => !OWN_PARTITIONS.has(name))
  const indexes = [...asked, ...fields(p.get(INDEXES_IN_USE))]
  if (indexes.length > 0) throw new Failure('TRB-LAKE-009', { table, partitions: indexes.join(',') })
  if (p.get('hoodie.populate.meta.fields') === 'false') {
    throw new Failure('TRB-LAKE-003', { table, detail: 'hoodie.populate.meta.fields is false' })
  }
}

/** Whether the number at the front of a file id is the bucket of its keys. */
export function hasBuckets(p: ReadonlyMap<string, string>): boolean {
  return Number(p.get('tributary.buckets') ?? '0') > 0 || p.get('hoodie.index.type') === 'BUCKET'
}
