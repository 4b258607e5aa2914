import { crc32 } from 'node:zlib'
import type { LakeColumn } from '../../contract/columns.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { avroSchemaText, columnsOfAvro } from '../metadata/avro-schema.ts'
import { javaDate, parseProperties, printProperties } from './java-properties.ts'

/** Name of a table's configuration in `.hoodie/`, and of its copy during an update. */
export const PROPERTIES_FILE = 'hoodie.properties'
export const PROPERTIES_BACKUP = 'hoodie.properties.backup'

/** Record key column of a table without a key: a string that identifies a row by content and ordinal (index/bag-key.ts). */
export const BAG_KEY_COLUMN = '_tributary_row_id'

const PARTITION_FORMAT = { day: 'yyyy-MM-dd', month: 'yyyy-MM', year: 'yyyy' } as const

/** Columns that the table's files hold (without meta columns): those of the spec, and the row id of a bag. */
export function storedColumns(spec: Pick<TableSpec, 'columns' | 'key'>): readonly LakeColumn[] {
  return spec.key.length > 0 ? spec.columns : [...spec.columns, { name: BAG_KEY_COLUMN, type: { kind: 'string' } }]
}

/** Record key fields as Hudi knows them. */
export function recordKeyFields(spec: Pick<TableSpec, 'key'>): readonly string[] {
  return spec.key.length > 0 ? spec.key : [BAG_KEY_COLUMN]
}

/** `hoodie.table.checksum`: CRC-32 of `<database>.<table>`, unsigned decimal. */
export function tableChecksum(database: string, name: string): string {
  return String(crc32(`${database}.${name}`))
}

/** Configuration of a new version 6 table, sorted by key. */
export function propertiesOf(spec: TableSpec): Map<string, string> {
  const key = recordKeyFields(spec)
  const p = new Map<string, string>([
    ['hoodie.archivelog.folder', 'archived'],
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
    ['hoodie.table.keygenerator.class', `org.apache.hudi.keygen.${keyGenerator(spec)}`],
    ['hoodie.table.name', spec.name],
    ['hoodie.table.precombine.field', spec.orderingField],
    ['hoodie.table.recordkey.fields', key.join(',')],
    ['hoodie.table.timeline.timezone', 'UTC'],
    ['hoodie.table.type', spec.tableType],
    ['hoodie.table.version', String(spec.tableVersion)],
    ['hoodie.timeline.layout.version', '1'],
    ['tributary.buckets', String(spec.buckets)],
    ['tributary.rows', spec.key.length > 0 ? 'keyed' : 'bag'],
  ])
  if (spec.key.length > 0) {
    // A bag is spread by the content's digest, not by its whole record key: to Hudi that is no bucket index.
    p.set('hoodie.index.type', 'BUCKET')
    p.set('hoodie.bucket.index.hash.field', key.join(','))
    p.set('hoodie.bucket.index.num.buckets', String(spec.buckets))
  }
  if (spec.tableType === 'MERGE_ON_READ') {
    p.set('hoodie.compaction.payload.class', 'org.apache.hudi.common.model.DefaultHoodieRecordPayload')
    p.set('hoodie.compaction.record.merger.strategy', 'eeb8d96f-b1e4-49fd-bbf8-28ac514178e5')
  }
  p.set('hoodie.table.partition.fields', spec.partition?.column ?? '')
  if (spec.partition !== null) p.set('tributary.partition.truncate', spec.partition.truncate)
  if (spec.partition !== null && spec.partition.truncate !== 'none') {
    p.set('hoodie.keygen.timebased.timestamp.type', 'EPOCHMICROSECONDS')
    p.set('hoodie.keygen.timebased.output.dateformat', PARTITION_FORMAT[spec.partition.truncate])
    p.set('hoodie.keygen.timebased.timezone', 'UTC')
  }
  return new Map([...p].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function keyGenerator(spec: TableSpec): string {
  if (spec.partition === null) return 'NonpartitionedKeyGenerator'
  if (spec.partition.truncate !== 'none') return 'TimestampBasedKeyGenerator'
  return spec.key.length > 1 ? 'ComplexKeyGenerator' : 'SimpleKeyGenerator'
}

/** The table that a configuration describes. `columns` null: those of the configuration's own schema, none when it has none. */
export function specOf(p: ReadonlyMap<string, string>, path: string, columns: readonly LakeColumn[] | null): TableSpec {
  const name = p.get('hoodie.table.name') ?? ''
  const stored = columns ?? createColumns(p, name)
  const bag = p.get('tributary.rows') === 'bag'
  const partition = p.get('hoodie.table.partition.fields') ?? ''
  const type = p.get('hoodie.table.type') ?? 'COPY_ON_WRITE'
  if (type !== 'COPY_ON_WRITE' && type !== 'MERGE_ON_READ')
    throw new Failure('TRB-LAKE-003', { table: path, detail: `hoodie.table.type is ${type}` })
  const truncate = p.get('tributary.partition.truncate')
  return {
    name,
    database: p.get('hoodie.database.name') ?? '',
    path,
    columns: bag ? stored.filter((c) => c.name !== BAG_KEY_COLUMN) : stored,
    key: bag ? [] : fields(p.get('hoodie.table.recordkey.fields')),
    orderingField: p.get('hoodie.table.precombine.field') ?? '',
    partition: partition === '' ? null : { column: partition, truncate: isTruncate(truncate) ? truncate : 'none' },
    // 0: another engine's table, not spread over buckets as ours are.
    buckets: Number(p.get('tributary.buckets') ?? '0'),
    tableType: type,
    tableVersion: p.get('hoodie.table.version') === '9' ? 9 : 6,
  }
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

/** Reads hoodie.properties; null when it is incomplete (no name, or a checksum that does not fit): a torn update. */
export function parseTableProperties(body: Uint8Array): Map<string, string> | null {
  const p = parseProperties(Buffer.from(body).toString('utf8'))
  const name = p.get('hoodie.table.name')
  const sum = p.get('hoodie.table.checksum')
  if (name === undefined || (sum !== undefined && sum !== tableChecksum(p.get('hoodie.database.name') ?? '', name))) return null
  return p
}

/** Refuses (TRB-LAKE-002) a table version that this code does not know how to read. */
export function checkReadable(p: ReadonlyMap<string, string>, table: string): void {
  const version = p.get('hoodie.table.version') ?? 'none'
  const layout = p.get('hoodie.timeline.layout.version') ?? '1'
  if (version !== '6' || layout !== '1') throw new Failure('TRB-LAKE-002', { table, version, layout })
}

/** Refuses what a writer cannot keep right: unknown versions, a metadata table (TRB-LAKE-009), merge-on-read (TRB-LAKE-008), no meta columns. */
export function checkWritable(p: ReadonlyMap<string, string>, table: string): void {
  checkReadable(p, table)
  const partitions = [p.get('hoodie.table.metadata.partitions'), p.get('hoodie.table.metadata.partitions.inflight')].filter((v) => v)
  if (partitions.length > 0) throw new Failure('TRB-LAKE-009', { table, partitions: partitions.join(',') })
  if (p.get('hoodie.table.type') === 'MERGE_ON_READ') throw new Failure('TRB-LAKE-008', { file: table })
  const unfit =
    p.get('hoodie.populate.meta.fields') === 'false'
      ? 'hoodie.populate.meta.fields is false'
      : p.get('hoodie.table.cdc.enabled') === 'true'
        ? 'hoodie.table.cdc.enabled is true'
        : p.get('hoodie.datasource.write.drop.partition.columns') === 'true'
          ? 'hoodie.datasource.write.drop.partition.columns is true'
          : null
  if (unfit !== null) throw new Failure('TRB-LAKE-003', { table, detail: unfit })
}
