import { expect, test } from 'vitest'
import type { StoredBatch } from '../../src/contract/log.ts'
import type { PartitionedLog, PartitionRange } from '../../src/contract/partitioned-log.ts'
import { TopicRows } from '../../src/envelope/topic-rows.ts'
import { GrowableSink } from '../../src/format/bytes/growable-sink.ts'
import { writeBlob, writeNullBlob, writeTimestamp } from '../../src/format/record-batch/writer.ts'
import { type IngestContext, IngestTable } from '../../src/pipeline/ingest-table.ts'
import { KEY_SCHEMA, keyBytes, VALUE_SCHEMA, valueBytes } from '../support/envelope-topic.ts'
import { SharedTable } from './shared-table.ts'

const TOPIC = { name: 'p.public.t', id: 'topic-1', partitions: 2 }
const INFO = { database: 'p', table: { schema: 'public', table: 't' }, rowEstimate: -1, keySchema: 0, valueSchema: 0 }

/** The record at this offset empties the table. */
const TRUNCATE_AT = 40
/** Two partitions; record i of partition p has the id 100 p + i. */
const RANGES: readonly PartitionRange[] = [0, 1].map((partition) => ({ topic: TOPIC.name, partition, start: 0, end: 50 }))

async function* read(topic: string, partition: number, from: number, to: number): AsyncGenerator<StoredBatch> {
  if (from >= to) return
  const out = new GrowableSink()
  for (let i = from; i < to; i++) {
    writeTimestamp(out, i)
    if (i === TRUNCATE_AT) writeNullBlob(out)
    else writeBlob(out, keyBytes(100 * partition + i))
    writeBlob(out, valueBytes({ op: i === TRUNCATE_AT ? 't' : 'c', id: 100 * partition + i, v: 'x', lsn: i }))
    writeNullBlob(out)
    writeNullBlob(out)
  }
  const count = to - from
  const schemas = { keySchema: 1, valueSchema: 2, headers: null, runs: [{ count, commit: '', commitUs: 0n }] }
  yield { topic, partition, count, baseOffset: from, appendId: 0, records: out.take(), ...schemas }
}

function member(table: SharedTable, owned: readonly number[], more: Partial<IngestContext> = {}): IngestTable {
  const context: IngestContext = {
    log: { read, ranges: async () => RANGES } as unknown as PartitionedLog,
    lake: table.lake,
    layout: () => ({ tableType: 'MERGE_ON_READ', tableVersion: 6, partition: null }),
    source: 'g',
    onLost: 'stop',
    deadLetters: null,
    commitBytes: 1 << 20,
    turn: async () => ({ end: async () => undefined }),
    ...more,
  }
  const schema = async (id: number): Promise<string> => (id === 1 ? KEY_SCHEMA : VALUE_SCHEMA)
  const { name: topic, partitions } = TOPIC
  const rows = new TopicRows({ topic, partitions, schema, chunkBytes: 64, placeholder: Buffer.from('?'), counters: { infinite: 0 } })
  return new IngestTable(context, TOPIC, INFO, owned, rows)
}

const to = (...ends: number[]) => ({ ends: new Map(ends.map((end, p) => [p, end])), at: null })
const never = new AbortController().signal
const ids = (p: number, from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => 100 * p + from + i)

test('a commit names the offsets of all partitions, and the next process goes on there', async () => {
  const table = new SharedTable()
  const first = member(table, [0, 1])
  await first.open(RANGES)
  await first.flush(to(3, 2), RANGES, never)
  expect(table.commits.at(-1)!.checkpoint).toMatchObject({
    source: 'g',
    topic: TOPIC.name,
    topicId: 'topic-1',
    partitions: [3, 2],
    nextOffset: 5,
  })
  const second = member(table, [0, 1])
  await second.open(RANGES)
  await second.flush(to(5, 2), RANGES, never)
  expect(table.ids).toEqual([...ids(0, 0, 3), ...ids(1, 0, 2), ...ids(0, 3, 5)])
})

test('more rows than one commit takes are several, each with the offsets that it has reached; a state of the source is one', async () => {
  const table = new SharedTable()
  const small = member(table, [0, 1], { commitBytes: 1 })
  await small.open(RANGES)
  const commits = await small.flush(to(3, 2), RANGES, never)
  expect(commits.map((c) => c.records)).toEqual([3, 2])
  await small.flush({ ...to(6, 4), at: { commit: '0/5', commitUs: 1n } }, RANGES, never)
  expect(table.commits.map((c) => c.checkpoint.partitions)).toEqual([[3, 0], [3, 2], [6, 4]]) // biome-ignore format: offsets
  expect(table.ids).toEqual([...ids(0, 0, 3), ...ids(1, 0, 2), ...ids(0, 3, 6), ...ids(1, 2, 4)])
})

test('members with different partitions keep each other’s offsets', async () => {
  const table = new SharedTable()
  const [a, b] = [member(table, [0]), member(table, [1])]
  await a.open(RANGES)
  await b.open(RANGES)
  table.between = async () => {
    await b.flush(to(0, 4), RANGES, never)
  }
  await a.flush(to(6, 4), RANGES, never)
  expect(table.commits.map((c) => c.checkpoint.partitions)).toEqual([[0, 4], [6, 4]]) // biome-ignore format: offsets
  expect(table.ids.toSorted((x, y) => x - y)).toEqual([...ids(0, 0, 6), ...ids(1, 0, 4)])
})

test('the commit of an owner that is late to learn of a rebalance is refused, and nothing is there twice', async () => {
  const table = new SharedTable()
  const [late, owner] = [member(table, [0, 1]), member(table, [0, 1])]
  await late.open(RANGES)
  await owner.open(RANGES)
  table.between = async () => {
    await owner.flush(to(4, 4), RANGES, never)
  }
  // It read the same records, finds them in the table, and takes only what is left.
  await late.flush(to(6, 4), RANGES, never)
  expect(table.ids).toEqual([...ids(0, 0, 4), ...ids(1, 0, 4), ...ids(0, 4, 6)])
  expect(table.commits.map((c) => c.checkpoint.partitions)).toEqual([[4, 4], [6, 4]]) // biome-ignore format: offsets
})

test('a table of another group, of a topic created again, or with lost records is refused', async () => {
  const table = new SharedTable()
  const first = member(table, [0, 1])
  await first.open(RANGES)
  await first.flush(to(3, 2), RANGES, never)
  await expect(member(table, [0, 1], { source: 'other' }).open(RANGES)).rejects.toMatchObject({ code: 'TRB-INGEST-008' })
  const shorter = RANGES.map((r) => ({ ...r, end: 1 }))
  const log = { read, ranges: async () => shorter } as unknown as PartitionedLog
  await expect(member(table, [0, 1], { log }).open(shorter)).rejects.toMatchObject({ code: 'TRB-INGEST-005' })
  const lost = RANGES.map((r) => ({ ...r, start: 10 }))
  await expect(member(table, [0, 1]).open(lost)).rejects.toMatchObject({ code: 'TRB-INGEST-002' })
  const going = member(table, [0, 1], { onLost: 'continue' })
  await going.open(lost)
  expect([going.offset(0), going.offset(1)]).toEqual([10, 10])
})

test('a checkpoint beyond ends that were asked for before it was made is no other topic', async () => {
  const table = new SharedTable()
  const [before, owner] = [member(table, [0, 1]), member(table, [0])]
  const earlier = RANGES.map((r) => ({ ...r, end: 2 }))
  await owner.open(earlier)
  await before.open(RANGES)
  await before.flush(to(5, 5), RANGES, never)
  await owner.flush(to(2), earlier, never)
  expect(owner.offset(0)).toBe(5)
  expect(table.ids).toEqual([...ids(0, 0, 5), ...ids(1, 0, 5)])
})

test('a truncation in a topic with several partitions has no place among their records: refused (TRB-INGEST-014), or set aside', async () => {
  const table = new SharedTable()
  const first = member(table, [0, 1])
  await first.open(RANGES)
  const refused = { code: 'TRB-INGEST-014', details: { partition: 0, offset: TRUNCATE_AT, partitions: 2 } }
  await expect(first.flush(to(42, 3), RANGES, never)).rejects.toMatchObject(refused)
  expect(table.commits).toEqual([])
  const aside: unknown[] = []
  const log = { read, ranges: async () => RANGES, setAside: async (r: unknown) => void aside.push(r) } as unknown as PartitionedLog
  const second = member(table, [0, 1], { deadLetters: 'dead', log })
  await second.open(RANGES)
  await second.flush(to(42, 3), RANGES, never)
  expect(aside).toEqual([{ topic: TOPIC.name, partition: 0, offset: TRUNCATE_AT }])
  expect(table.ids).toEqual([...ids(0, 0, 40), ...ids(0, 41, 42), ...ids(1, 0, 3)])
})
