import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { PartitionField, TableSpec } from '../../contract/table.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { toVector } from '../../format/parquet/column.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { partitionColumns } from '../index/partition-path.ts'
import { keyWriter } from '../index/record-key.ts'
import { checkWritable, keyGeneratorOf } from '../layout/table-properties.ts'
import { recordKeys } from '../merge/join.ts'
import { openTable } from '../open-table.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { fileSlices } from '../read/slices.ts'
import { TimelineStore } from '../timeline-store.ts'

/**
 * The table at `path` as a writer has to see it, whoever created it; null: there is none. A table of another engine is spread over no buckets:
 * its rows are found by their keys, and new ones go into the smallest base file of their partition, or a new one (`buckets` 1; merge-on-read: one
 * per flush). What we could not write as its engine expects fails with TRB-LAKE-003: keys or partition paths made by rules that are not known, rows
 * that are merged field by field, a bucket index whose size is not recorded.
 */
export async function writableSpec(store: ObjectStore, path: string, clock: Clock): Promise<TableSpec | null> {
  const ts = new TimelineStore(store, path, clock)
  let properties: Map<string, string>
  try {
    properties = await ts.properties()
  } catch (e) {
    if (isFailure(e, 'TRB-LAKE-001')) return null
    throw e
  }
  checkWritable(properties, path)
  const spec = await openTable(store, path, clock)
  if (spec.buckets > 0) return spec
  const detail = unfit(properties, spec) ?? mergedByField(properties, path || store.root)
  if (detail !== null) throw new Failure('TRB-LAKE-003', { table: path || store.root, detail })
  await ts.refresh()
  const complex = /complex/i.test(keyGeneratorOf(properties)) && spec.key.length === 1
  const named = complex && (await namedKey(store, ts, spec)) ? { namedKey: true as const } : {}
  const recorded = Number(properties.get('hoodie.bucket.index.num.buckets') ?? '0')
  if (properties.get('hoodie.index.type') === 'BUCKET' && recorded > 0) return { ...spec, ...named, buckets: recorded }
  const bucketed = (await fileSlices(ts, null)).find((s) => /^0000\d{4}-/.test(s.fileId) && !OURS.test(s.fileId))
  if (bucketed !== undefined) {
    const file = `${bucketed.partition === '' ? '' : `${bucketed.partition}/`}${bucketed.fileId}`
    throw new Failure('TRB-LAKE-003', {
      table: path || store.root,
      detail: `its file groups (${file}) look like those of a bucket index, and hoodie.bucket.index.num.buckets is not recorded`,
    })
  }
  return { ...spec, ...named, buckets: 1 }
}

/** The file group that we add to a table without buckets: bucket 0 of 1. */
const OURS = /^00000000-/

const GENERATORS =
  /(^|\.)(Simple|Complex|Nonpartitioned|TimestampBased|Custom)(Avro)?KeyGenerator$|^(SIMPLE|COMPLEX|NON_PARTITION|TIMESTAMP|CUSTOM)(_AVRO)?$/
/** Types whose text in a path is Spark's. */
const PATHS: ReadonlySet<string> = new Set(['string', 'int', 'long', 'date', 'timestamp-micros'])

/**
 * Why rows cannot be written as they are; null: they can. Where nulls and placeholders stand for what is stored, a row of a copy-on-write table would have
 * to be merged field by field when it is written, and two rows of one key in an input, too. Fails with TRB-LAKE-022 for rules that are not known.
 */
function mergedByField(p: ReadonlyMap<string, string>, table: string): string | null {
  const rules = mergeRulesOf(p, table)
  return rules.nulls === undefined && rules.unavailable === null
    ? null
    : 'its rows are merged field by field (hoodie.table.partial.update.mode, or a payload class that does so)'
}

/** Why keys or paths would not be those that the table's own engine makes; null: they are. */
function unfit(p: ReadonlyMap<string, string>, spec: TableSpec): string | null {
  if (spec.key.length === 0) return 'it has no record key fields'
  const generator = keyGeneratorOf(p)
  if (generator !== '' && !GENERATORS.test(generator)) return `its keys are made by ${generator}`
  for (const { column: name, date, unknown } of spec.partition?.fields ?? partitionColumns(spec.partition).map(plainField)) {
    const column = spec.columns.find((c) => c.name === name)
    if (unknown === true) return `its partition paths are made of ${name} by ${generator}, with settings that are not recorded or not known`
    if (column === undefined) return `its partition column ${name} is not in its files`
    const { kind } = column.type
    if (date === undefined ? !PATHS.has(kind) : kind !== 'long' && kind !== 'int') return `its partition column ${name} is a ${kind}`
  }
  return null
}

const plainField = (column: string): PartitionField => ({ column })

/**
 * A key of one field that Hudi's ComplexKeyGenerator made is the value alone (0.14.1 to 1.0), or `field:value` (before, and from 1.1 on): the stored
 * keys tell. Without any it is as the release that makes tables of this version writes it. Fails with TRB-LAKE-003 when files differ.
 */
async function namedKey(store: ObjectStore, ts: TimelineStore, spec: TableSpec): Promise<boolean> {
  const column = spec.columns.find((c) => c.name === spec.key[0])!
  const found = new Set<boolean>()
  for (const { base } of await fileSlices(ts, null)) {
    if (base === null) continue
    const file = await ParquetFile.open(store, base.key, base.bytes)
    const group = file.meta.rowGroups.findIndex((g) => g.rows > 0)
    if (group < 0) continue
    const stored = await recordKeys(file, group)
    const values = await file.read(group, column.name, column.type)
    if (values === null) continue
    const first = stored.data.subarray(stored.starts[0] + 4, stored.starts[1])
    const own = keyWriter(ts.table, [column]).write([toVector(values)], Int32Array.of(0), 1, 0)
    found.add(!first.equals(own.data.subarray(0, own.offsets[1])))
  }
  if (found.size > 1) {
    const detail = `its keys of one field are the value alone in some files, and ${column.name}:value in others`
    throw new Failure('TRB-LAKE-003', { table: ts.table || store.root, detail })
  }
  return [...found][0] ?? spec.tableVersion === 9
}
