import type { LakeColumn } from '../contract/columns.ts'
import type { Log, LogCursor, SchemaRegistry, TopicSchemas, TopicTable } from '../contract/log.ts'
import type { Checkpoint, Staged, TableSpec, TableWriter, WriteCounts } from '../contract/table.ts'
import { assert, Failure, isFailure } from '../failure/failure.ts'
import type { FeedLake, RowSource, TableLayout } from './feed-lake.ts'

/** Where the feed of one table stands. */
export interface TableFeed {
  readonly topic: string
  readonly info: TopicTable
  readonly path: string
  writer: TableWriter | null
  /** Next log offset to bring into the table. */
  nextOffset: number
  /** Newest completed instant, null: none. */
  instant: string | null
  /** Key and value schemas whose columns the table has. */
  readonly known: Set<string>
}

export interface TableFeedContext {
  readonly log: Log
  readonly lake: FeedLake
  readonly rows: RowSource
  readonly registry: SchemaRegistry
  readonly layout: (table: TopicTable) => TableLayout
}

export interface TableCommit {
  readonly topic: string
  readonly path: string
  readonly instant: string
  readonly records: number
  readonly counts: WriteCounts
}

/** Attempts at a commit that other writers get in the way of. */
const COMMIT_ATTEMPTS = 5
/** Aim for the size of a base file. */
const BASE_FILE_BYTES = 100_000_000
const MAX_BUCKETS = 256
const WHOLE_FLUSH_BYTES = 1 << 30
/** What the envelope adds to a row, and what Parquet makes of the rest; measured on the shop's tables, only a start value for buckets. */
const ENVELOPE_BYTES = 150
const PARQUET_RATIO = 0.5

/** Finds out how far the table got: its own newest checkpoint is the only truth. Fails with TRB-LOG-009 when it is not of this log. */
export async function openTableFeed(context: TableFeedContext, source: string, topic: string, info: TopicTable): Promise<TableFeed> {
  const { lake, log } = context
  const path = lake.pathOf(info)
  const feed: TableFeed = { topic, info, path, writer: await lake.open(path), nextOffset: 0, instant: null, known: new Set() }
  const { partition } = context.layout(info)
  if (feed.writer === null) return feed
  if (partition !== null && !isSame(partition, feed.writer.spec.partition)) {
    const difference = `partitioned by ${nameOf(feed.writer.spec.partition)}, asked for was ${nameOf(partition)}`
    throw new Failure('TRB-LAKE-019', { table: path, difference })
  }
  feed.instant = await feed.writer.instant()
  const checkpoint = await feed.writer.checkpoint()
  if (checkpoint === null) return feed
  const held = log.range(topic, 0)
  const foreign =
    checkpoint.source !== source
      ? `${path} is fed by the source "${checkpoint.source}"`
      : checkpoint.topic !== topic
        ? `${path} is fed from the topic ${checkpoint.topic}`
        : checkpoint.nextOffset > held.end
          ? `${path} is complete up to offset ${checkpoint.nextOffset}, the log of ${topic} ends at ${held.end}`
          : null
  if (foreign !== null) throw new Failure('TRB-LOG-009', { lake: lake.root, detail: foreign })
  feed.nextOffset = checkpoint.nextOffset
  return feed
}

type Partition = TableSpec['partition']

const isSame = (a: NonNullable<Partition>, b: Partition): boolean => a.column === b?.column && a.truncate === b.truncate
const nameOf = (p: Partition): string => (p === null ? 'nothing' : p.truncate === 'none' ? p.column : `${p.truncate} of ${p.column}`)

/**
 * Brings the table to append `upTo`: one commit of all its records since the last one, or nothing when there are none.
 * After a crash anywhere in here the table is where it was or at `upTo`.
 */
export async function commitTable(
  context: TableFeedContext,
  feed: TableFeed,
  upTo: number,
  at: Pick<LogCursor, 'source' | 'commit' | 'commitUs'>,
): Promise<TableCommit | null> {
  const { log, rows } = context
  const end = log.endAt(feed.topic, 0, upTo)
  const from = feed.nextOffset
  if (end <= from) return null
  const schemas = log.schemas(feed.topic, 0, from, upTo)
  const texts = await loadTexts(context.registry, schemas)
  const textOf = (id: number): string => {
    const text = texts.get(id)
    assert(text !== undefined, 'the log names every schema that its records have')
    return text
  }
  const writer = await fitTable(context, feed, schemas, textOf)
  const { source, commit, commitUs } = at
  const checkpoint: Checkpoint = { source, commit, commitUs, topic: feed.topic, nextOffset: end }
  for (let attempt = 1; attempt <= COMMIT_ATTEMPTS; attempt++) {
    const staged = await stage(writer, () => rows.rows(log.read(feed.topic, 0, from, upTo), from, textOf))
    if ((await writer.commit(staged, checkpoint)) === 'committed') {
      feed.nextOffset = end
      feed.instant = staged.instant
      return { topic: feed.topic, path: feed.path, instant: staged.instant, records: end - from, counts: staged.counts }
    }
    await writer.abandon(staged)
  }
  throw new Failure('TRB-LOG-010', { table: feed.path, attempts: COMMIT_ATTEMPTS })
}

/** A flush that moves rows with large values to other keys has to be in memory as a whole: rare enough to go beyond the budget for it. */
async function stage(writer: TableWriter, changes: () => ReturnType<RowSource['rows']>): Promise<Staged> {
  try {
    return await writer.stage(changes())
  } catch (e) {
    if (!isFailure(e, 'TRB-LAKE-407')) throw e
    return await writer.stage(changes(), WHOLE_FLUSH_BYTES)
  }
}

/** Creates the table of a topic without records, so that it can be queried: it has no commit yet. */
export async function createEmptyTable(context: TableFeedContext, feed: TableFeed): Promise<void> {
  if (feed.writer !== null) return
  const { keySchema, valueSchema } = feed.info
  const schemas = [{ keySchema, valueSchema, records: 0, bytes: 0 }]
  const texts = await loadTexts(context.registry, schemas)
  await fitTable(context, feed, schemas, (id) => texts.get(id)!)
}

const pair = (s: TopicSchemas): string => `${s.keySchema}:${s.valueSchema}`

/** The writer of a table that has all columns of these schemas: created or evolved as needed. */
async function fitTable(
  context: TableFeedContext,
  feed: TableFeed,
  schemas: readonly TopicSchemas[],
  textOf: (id: number) => string,
): Promise<TableWriter> {
  const unknown = schemas.filter((s) => s.valueSchema !== 0 && !feed.known.has(pair(s)))
  for (const s of unknown) {
    const shape = context.rows.shape(s.keySchema === 0 ? null : textOf(s.keySchema), textOf(s.valueSchema))
    feed.writer ??= await context.lake.create(newTableSpec(context, feed, schemas, shape.columns, shape.key))
    const key = feed.writer.spec.key
    if (key.join() !== shape.key.join()) {
      const text = (k: readonly string[]): string => (k.length === 0 ? 'none' : k.join(', '))
      throw new Failure('TRB-LAKE-019', { table: feed.path, difference: `key is ${text(key)}, of newer rows ${text(shape.key)}` })
    }
    // One after the other, as the source changed them: a type that older rows cannot follow is refused wherever in between it was.
    await feed.writer.evolve(shape.columns)
    feed.known.add(pair(s))
  }
  assert(feed.writer !== null, 'the first records of a table have a value')
  return feed.writer
}

function newTableSpec(
  context: TableFeedContext,
  feed: TableFeed,
  schemas: readonly TopicSchemas[],
  columns: readonly LakeColumn[],
  key: readonly string[],
): TableSpec {
  const { info, path } = feed
  const buckets = bucketCount(info.rowEstimate, schemas)
  const names = { name: info.table.table, database: info.table.schema, path }
  return { ...names, columns, key, orderingField: '_event_lsn', buckets, ...context.layout(info) }
}

/** File groups for a new table: from the rows at hand or the source's estimate, whichever is more, for base files of about 100 MB. */
export function bucketCount(rowEstimate: number, schemas: readonly { readonly records: number; readonly bytes: number }[]): number {
  let records = 0
  let bytes = 0
  for (const s of schemas) {
    records += s.records
    bytes += s.bytes
  }
  if (records === 0) return 1
  const rowBytes = Math.max(16, bytes / records - ENVELOPE_BYTES) * PARQUET_RATIO
  const buckets = Math.ceil((Math.max(rowEstimate, records) * rowBytes) / BASE_FILE_BYTES)
  return Math.min(MAX_BUCKETS, Math.max(1, buckets))
}

async function loadTexts(registry: SchemaRegistry, schemas: readonly TopicSchemas[]): Promise<Map<number, string>> {
  const texts = new Map<number, string>()
  for (const s of schemas) {
    for (const id of [s.keySchema, s.valueSchema]) if (id !== 0 && !texts.has(id)) texts.set(id, await registry.schema(id))
  }
  return texts
}
