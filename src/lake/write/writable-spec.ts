import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableSpec } from '../../contract/table.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { checkWritable } from '../layout/table-properties.ts'
import { openTable } from '../open-table.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import { fileSlices } from '../read/slices.ts'
import { TimelineStore } from '../timeline-store.ts'

const GENERATORS = /(^|\.)(Simple|Complex|Nonpartitioned)(Avro)?KeyGenerator$|^(SIMPLE|COMPLEX|NON_PARTITION)(_AVRO)?$/

/**
 * The table at `path` as a writer has to see it, whoever created it; null: there is none. A table of another engine is spread over no buckets:
 * its rows are found by their keys, and new ones go into one file group per partition (`buckets` 1; merge-on-read: one per flush). What we could
 * not write as its engine expects fails with TRB-LAKE-003: keys or partition paths made by rules that are not ours, a bucket index whose size is not recorded.
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
  const recorded = Number(properties.get('hoodie.bucket.index.num.buckets') ?? '0')
  if (properties.get('hoodie.index.type') === 'BUCKET' && recorded > 0) return { ...spec, buckets: recorded }
  await ts.refresh()
  const bucketed = (await fileSlices(ts, null)).find((s) => /^0000\d{4}-/.test(s.fileId) && !OURS.test(s.fileId))
  if (bucketed !== undefined) {
    const file = `${bucketed.partition === '' ? '' : `${bucketed.partition}/`}${bucketed.fileId}`
    throw new Failure('TRB-LAKE-003', {
      table: path || store.root,
      detail: `its file groups (${file}) look like those of a bucket index, and hoodie.bucket.index.num.buckets is not recorded`,
    })
  }
  return { ...spec, buckets: 1 }
}

/** The file group that we add to a table without buckets: bucket 0 of 1. */
const OURS = /^00000000-/

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
  const generator = p.get('hoodie.table.keygenerator.type') ?? p.get('hoodie.table.keygenerator.class') ?? ''
  if (generator !== '' && !GENERATORS.test(generator)) return `its keys are made by ${generator}`
  if (/complex/i.test(generator) && spec.key.length === 1) return 'its keys of one field are written as field:value'
  if (spec.partition === null) return null
  if (spec.partition.column.includes(',')) return `it is partitioned by several columns (${spec.partition.column})`
  if (!spec.columns.some((c) => c.name === spec.partition?.column))
    return `its partition column ${spec.partition.column} is not in its files`
  return null
}
