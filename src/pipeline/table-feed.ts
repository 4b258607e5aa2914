import type { Log, LogCursor, SchemaRegistry, TopicSchemas, TopicTable } from '../contract/log.ts'
import type { Checkpoint, TableWriter, WriteCounts } from '../contract/table.ts'
import { assert, Failure } from '../failure/failure.ts'
import type { FeedLake, RowSource, TableLayout } from './feed-lake.ts'
import { checkPartitioning, fitShape, stageWhole } from './fit-table.ts'

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
/** Finds out how far the table got: its own newest checkpoint is the only truth. Fails with TRB-LOG-009 when it is not of this log. */
export async function openTableFeed(context: TableFeedContext, source: string, topic: string, info: TopicTable): Promise<TableFeed> {
  const { lake, log } = context
  const path = lake.pathOf(info)
  const feed: TableFeed = { topic, info, path, writer: await lake.open(path), nextOffset: 0, instant: null, known: new Set() }
  const { partition } = context.layout(info)
  if (feed.writer === null) return feed
  checkPartitioning(path, feed.writer.spec.partition, partition)
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
    const staged = await stageWhole(writer, () => rows.rows(log.read(feed.topic, 0, from, upTo), from, textOf))
    if ((await writer.commit(staged, checkpoint)) === 'committed') {
      feed.nextOffset = end
      feed.instant = staged.instant
      return { topic: feed.topic, path: feed.path, instant: staged.instant, records: end - from, counts: staged.counts }
    }
    await writer.abandon(staged)
  }
  throw new Failure('TRB-LOG-010', { table: feed.path, attempts: COMMIT_ATTEMPTS })
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
    // One after the other, as the source changed them: a type that older rows cannot follow is refused wherever in between it was.
    await fitShape(context, feed, schemas, shape)
    feed.known.add(pair(s))
  }
  assert(feed.writer !== null, 'the first records of a table have a value')
  return feed.writer
}

async function loadTexts(registry: SchemaRegistry, schemas: readonly TopicSchemas[]): Promise<Map<number, string>> {
  const texts = new Map<number, string>()
  for (const s of schemas) {
    for (const id of [s.keySchema, s.valueSchema]) if (id !== 0 && !texts.has(id)) texts.set(id, await registry.schema(id))
  }
  return texts
}
