import type { LakeColumn, Vector } from '../../contract/columns.ts'
import type { FileSlice, RowChunk } from '../../contract/slice.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { isFailure } from '../../failure/failure.ts'
import { ParquetFile } from '../../format/parquet/file.ts'
import { DIGEST_LENGTH } from '../index/bag-key.ts'
import { BLOOM_KEY, BloomFilter, MAX_KEY, MIN_KEY } from '../index/bloom.ts'
import { bucketHash, bucketOf } from '../index/bucket.ts'
import { bucketOfFileId } from '../layout/file-name.ts'
import { recordKeyFields } from '../layout/table-properties.ts'
import { META_COLUMNS } from '../metadata/avro-schema.ts'
import { baseRows } from '../read/base-rows.ts'
import { type DeltaRequest, mergedRows } from '../read/delta.ts'
import { mergeRulesOf } from '../read/merge-rules.ts'
import type { TimelineStore } from '../timeline-store.ts'
import { checkTimes } from './check-changes.ts'
import type { History } from './check-timeline.ts'
import { KeyHashes } from './key-hashes.ts'
import type { Violations, Walked } from './violation.ts'

const META: readonly LakeColumn[] = META_COLUMNS.map((name) => ({ name, type: { kind: 'string' } }))
const REWRITE = 'Rewrite the file group: lake cluster, or a bulk_insert of its rows into a new table.'
const LOST = 'The rows of that file are lost: restore it from a backup, or write them again from the source.'

/** I14 and I15: what the files of the newest state hold. Reads every key of the table. `counts`: which blocks of logs count. */
export async function checkRows(ts: TimelineStore, history: History, plan: ScanPlan, found: Violations, walked: Walked): Promise<void> {
  const { spec, slices } = plan
  const hash = spec.buckets > 0 ? bucketHash(recordKeyFields(spec), spec.buckets) : null
  const seen = new KeyHashes()
  const properties = await ts.properties()
  const rules = slices.some((s) => s.logs.length > 0) ? mergeRulesOf(properties, ts.table) : NO_RULES
  for (const slice of slices) {
    try {
      if (slice.base !== null) await checkBase(ts, history, slice, found)
      const request = { store: ts.store, table: ts.table, slice, schema: plan.columns, columns: [], rules, visible: plan.counts }
      for await (const chunk of rowsOf(request)) {
        walked.rows += chunk.count
        checkTimes(chunk, history, { file: slice.base?.key ?? slice.logs[0]?.key, instant: slice.baseInstant }, found)
        checkKeys(slice, chunk, hash, spec.key.length === 0, seen, found)
      }
    } catch (e) {
      if (!isFailure(e)) throw e
      found.add('format', e.explain().what, { file: slice.base?.key ?? slice.logs[0]?.key, instant: slice.baseInstant }, LOST)
    }
  }
  for (const { key, places } of await duplicates(ts, plan, rules, seen)) {
    const what = `the key ${JSON.stringify(key)} is in the table ${places.length} times: ${places.slice(0, 5).join(', ')}`
    found.add('I14', what, {}, 'Upsert or delete the key with an engine that finds it by content (Spark, index type GLOBAL_SIMPLE).')
  }
}

const NO_RULES: DeltaRequest['rules'] = { mode: 'commit-time', ordering: [], deleteMarker: null, unavailable: null }

async function* rowsOf(request: DeltaRequest): AsyncGenerator<RowChunk> {
  const { base, logs } = request.slice
  if (logs.length > 0) yield* mergedRows(request)
  else if (base !== null) yield* baseRows(await ParquetFile.open(request.store, base.key, base.bytes), META, new Int32Array(0))
}

/** I15 and the footer: counts, smallest and largest key, Bloom filter, and what each row says of where it is. */
async function checkBase(ts: TimelineStore, history: History, slice: FileSlice, found: Violations): Promise<void> {
  const base = slice.base!
  const at = { file: base.key, instant: base.instant }
  const file = await ParquetFile.open(ts.store, base.key, base.bytes)
  const rows = file.meta.rowGroups.reduce((n, g) => n + g.rows, 0)
  const name = base.key.slice(base.key.lastIndexOf('/') + 1)
  const stat = history.commits
    .get(base.instant)
    ?.stats.get(base.partition)
    ?.find((s) => s.path?.endsWith(`/${name}`) || s.path === name)
  if (stat !== undefined && stat.numWrites !== rows)
    found.add('I15', `it holds ${rows} rows, its commit counted ${stat.numWrites}`, at, REWRITE)
  const bloom = BloomFilter.simple(file.meta.keyValues.get(BLOOM_KEY))
  let min: Buffer | null = null
  let max: Buffer | null = null
  for await (const { vectors, count } of baseRows(file, META, new Int32Array(0))) {
    const [time, , key, partition, fileName] = vectors.map(bytesOf)
    for (let r = 0; r < count; r++) {
      const k = key(r)
      if (k === null) continue
      if (min === null || k.compare(min) < 0) min = Buffer.from(k)
      if (max === null || k.compare(max) > 0) max = Buffer.from(k)
      if (bloom !== null && !bloom.mayHold(k, 0, k.length)) found.add('I15', `its Bloom filter lacks the key ${k.toString()}`, at, REWRITE)
      const wrong = [
        [time(r)?.toString('latin1') ?? '', 'is of commit', (v: string) => v <= base.instant],
        [partition(r)?.toString() ?? '', 'says that it is in partition', (v: string) => v === base.partition],
        [fileName(r)?.toString() ?? name, 'says that it is in file', (v: string) => v === name],
      ].find(([value, , right]) => !(right as (v: string) => boolean)(value as string))
      if (wrong !== undefined) found.add('I15', `row ${r} ${wrong[1]} "${wrong[0]}"`, at, REWRITE)
    }
  }
  for (const [entry, is] of [
    [MIN_KEY, min],
    [MAX_KEY, max],
  ] as const) {
    const recorded = file.meta.keyValues.get(entry)
    if (recorded !== undefined && is !== null && recorded !== is.toString()) {
      found.add('I15', `its footer says ${entry} = "${recorded}", the rows say "${is.toString()}"`, at, REWRITE)
    }
  }
}

/** Remembers the keys of a chunk, and checks that each is in the file group of its bucket. */
function checkKeys(
  slice: FileSlice,
  { vectors, count }: RowChunk,
  hash: ReturnType<typeof bucketHash> | null,
  bag: boolean,
  seen: KeyHashes,
  found: Violations,
): void {
  const keys = vectors[2]
  if (keys.kind !== 'bytes') return
  const own = bucketOfFileId(slice.fileId)
  for (let r = 0; r < count; r++) {
    if (keys.valid !== null && keys.valid[r] === 0) continue
    const [from, to] = [keys.offsets[r], keys.offsets[r + 1]]
    seen.add(keys.data, from, to)
    if (hash === null || own === null) continue
    // Rows of one content lie together, whatever their ordinals.
    const bucket = bucketOf(hash, keys.data, from, bag ? from + DIGEST_LENGTH : to)
    if (bucket !== own) {
      const what = `the key "${keys.data.toString('utf8', from, to)}" belongs into bucket ${bucket}, not ${own}: the next update would double it`
      found.add('I14', what, { file: slice.base?.key ?? slice.logs[0]?.key, instant: slice.baseInstant }, REWRITE)
    }
  }
}

/** Keys that are really there more than once, and in which file groups: a second reading, only when hashes met. */
async function duplicates(
  ts: TimelineStore,
  plan: ScanPlan,
  rules: DeltaRequest['rules'],
  seen: KeyHashes,
): Promise<readonly { readonly key: string; readonly places: readonly string[] }[]> {
  const suspects = seen.repeated()
  if (suspects.size === 0) return []
  const places = new Map<string, string[]>()
  for (const slice of plan.slices) {
    const request = { store: ts.store, table: ts.table, slice, schema: plan.columns, columns: [], rules, visible: plan.counts }
    for await (const { vectors, count } of rowsOf(request)) {
      const key = bytesOf(vectors[2])
      for (let r = 0; r < count; r++) {
        const k = key(r)
        if (k === null || !suspects.has(KeyHashes.of(k, 0, k.length))) continue
        const text = k.toString()
        places.set(text, [...(places.get(text) ?? []), `${slice.partition}/${slice.fileId}`])
      }
    }
  }
  return [...places].filter(([, list]) => list.length > 1).map(([key, list]) => ({ key, places: list }))
}

/** Row → bytes of a text column; null: no value. */
function bytesOf(v: Vector): (row: number) => Buffer | null {
  if (v.kind !== 'bytes') return () => null
  return (r) => (v.valid !== null && v.valid[r] === 0 ? null : v.data.subarray(v.offsets[r], v.offsets[r + 1]))
}
