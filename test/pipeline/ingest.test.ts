import { expect, test } from 'vitest'
import type { Clock } from '../../src/contract/clock.ts'
import type { StoredBatch } from '../../src/contract/log.ts'
import type { PartitionedLog, PartitionRange, TopicInfo } from '../../src/contract/partitioned-log.ts'
import type { TableSpec } from '../../src/contract/table.ts'
import { TopicRows } from '../../src/envelope/topic-rows.ts'
import { GrowableSink } from '../../src/format/bytes/growable-sink.ts'
import { writeBlob, writeNullBlob, writeTimestamp } from '../../src/format/record-batch/writer.ts'
import type { FeedLake } from '../../src/pipeline/feed-lake.ts'
import { type IngestOptions, ingest } from '../../src/pipeline/ingest.ts'
import { type Cuts, PlainCuts } from '../../src/pipeline/ingest-cuts.ts'
import { KEY_SCHEMA, keyBytes, VALUE_SCHEMA, valueBytes } from '../support/envelope-topic.ts'
import { wire } from '../support/topic-producer.ts'
import { SharedTable } from './shared-table.ts'

const never = new AbortController().signal
const POISON = wire(2, Buffer.from('ff', 'hex'))
const SCHEMA = async (id: number): Promise<string> => (id === 1 ? KEY_SCHEMA : VALUE_SCHEMA)

/** Topics of one partition, of which `values` are the records; the record at i has the key i. */
class Topics {
  readonly values = new Map<string, Buffer[]>()
  readonly aside: string[] = []
  /** Topics that a list does not have yet. */
  readonly hidden = new Set<string>()
  /** How many records at the end of a topic belong to a transaction that is open, by how often the topics were looked at. */
  open: (topic: string, looks: number) => number = () => 0
  onAside: () => void = () => undefined
  private looks = 0
  private joined: readonly string[] = []
  private generation = 0

  get log(): PartitionedLog {
    const log: PartitionedLog = {
      topics: async (wanted) => {
        const seen = [...this.values.keys()].filter((t) => wanted(t) && !this.hidden.has(t))
        this.hidden.clear()
        return seen.map((name): TopicInfo => ({ name, id: `id-${name}`, partitions: 1 }))
      },
      ranges: async (topics, written) => {
        this.looks++
        const end = (topic: string): number => this.values.get(topic)!.length - (written === true ? 0 : this.open(topic, this.looks))
        return topics.map((topic): PartitionRange => ({ topic, partition: 0, start: 0, end: end(topic) }))
      },
      join: async (topics) => {
        this.joined = topics.map((t) => t.name)
        this.generation++
      },
      assignment: () => ({ generation: this.generation, partitions: this.joined.map((topic) => ({ topic, partition: 0 })) }),
      commit: async () => undefined,
      read: (topic, _partition, from, to) => this.read(topic, from, to),
      appends: async function* () {
        yield* []
      },
      setAside: async ({ topic, offset }) => {
        this.aside.push(`${topic} ${offset}`)
        this.onAside()
      },
      close: async () => undefined,
    }
    return log
  }

  private async *read(topic: string, from: number, to: number): AsyncGenerator<StoredBatch> {
    for (let i = from; i < to; i++) {
      const out = new GrowableSink()
      writeTimestamp(out, i)
      writeBlob(out, keyBytes(i))
      writeBlob(out, this.values.get(topic)![i]!)
      writeNullBlob(out)
      writeNullBlob(out)
      const schemas = { keySchema: 1, valueSchema: 2, headers: null, runs: [{ count: 1, commit: '', commitUs: 0n }] }
      yield { topic, partition: 0, count: 1, baseOffset: i, appendId: 0, records: out.take(), ...schemas }
    }
  }
}

const row = (id: number): Buffer => valueBytes({ op: 'c', id, v: 'x', lsn: id })

/** A lake of tables by path. */
class Lake {
  readonly tables = new Map<string, SharedTable>()

  get lake(): FeedLake {
    const at = (path: string): SharedTable => this.tables.get(path) ?? this.tables.set(path, new SharedTable()).get(path)!
    const watermarks = {
      append: async (w: object) => ({ ...w, seq: 1, writtenMs: 0 }),
      newest: async () => null,
      list: async function* () {
        yield* []
      },
    }
    return {
      root: 'lake',
      watermarks,
      pathOf: ({ database, table }: { database: string; table: { table: string } }) => `${database}/${table.table}`,
      open: async (path: string) => await at(path).lake.open(path),
      create: async (spec: TableSpec) => await at(spec.path).lake.create(spec),
    } as unknown as FeedLake
  }

  /** Ids of the rows by path, of tables that were written. */
  get ids(): Record<string, readonly number[]> {
    return Object.fromEntries([...this.tables].flatMap(([path, t]) => (t.commits.length === 0 ? [] : [[path, t.ids]])))
  }
}

/** Time goes by while somebody sleeps. */
function sleepyClock(): Clock {
  let now = 0
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    now += ms
    await new Promise((resolve) => setImmediate(resolve))
    signal?.throwIfAborted()
  }
  return { now: () => now, random: () => 0.5, uuid: () => 'u', sleep } as Clock
}

function options(topics: Topics, lake: Lake, more: Partial<IngestOptions> = {}): IngestOptions {
  return {
    log: topics.log,
    lake: lake.lake,
    clock: sleepyClock(),
    policy: { records: 1000, bytes: 1 << 30, intervalMs: 1000 },
    layout: () => ({ tableType: 'MERGE_ON_READ', tableVersion: 6, partition: null }),
    source: 'g',
    onLost: 'stop',
    commitBytes: 1 << 20,
    turn: async () => ({ end: async () => undefined }),
    deadLetters: 'dead',
    wanted: () => true,
    tableOf: (topic, database) => {
      const table = { schema: 's', table: topic }
      return { database: database === '' ? 'prefix' : database, table, rowEstimate: -1, keySchema: 0, valueSchema: 0 }
    },
    databaseOf: async (batch) => (Buffer.from(batch.records).includes(POISON) ? undefined : 'db'),
    rowsOf: ({ name: topic, partitions }) =>
      new TopicRows({ topic, partitions, schema: SCHEMA, chunkBytes: 1 << 20, placeholder: Buffer.from('?'), counters: { infinite: 0 } }),
    tells: () => false,
    cuts: () => new PlainCuts('g', 1000, 0),
    pollMs: 100,
    topicsMs: 15_000,
    ...more,
  }
}

test('a topic that begins with records nobody can read has its table where a readable one says, in this process as in the next', async () => {
  const [topics, lake, drain] = [new Topics(), new Lake(), new AbortController()]
  topics.values.set('t', [POISON, POISON])
  // What can be read comes when the first of the others is set aside already.
  topics.onAside = () => {
    if (topics.aside.length === 2) topics.values.get('t')!.push(row(2), POISON, row(4))
  }
  await ingest(options(topics, lake, { onCommit: () => drain.abort() }), false, drain.signal, never)
  expect(lake.ids).toEqual({ 'db/t': [2, 4] })
  expect(topics.aside).toEqual(['t 0', 't 1', 't 3'])
  topics.values.get('t')!.push(row(5))
  await ingest(options(topics, lake), true, never, never)
  expect(lake.ids).toEqual({ 'db/t': [2, 4, 5] })
  expect(topics.aside).toHaveLength(3)
})

test('records that nobody can read stop the ingest where they are not to be set aside', async () => {
  const [topics, lake] = [new Topics(), new Lake()]
  topics.values.set('t', [POISON])
  const run = ingest(options(topics, lake, { deadLetters: null }), true, never, never)
  await expect(run).rejects.toMatchObject({ code: 'TRB-INGEST-007', details: { topic: 't', partition: 0, offset: 0 } })
})

test('who drains lists the topics again where the last cut names one that came to be meanwhile', async () => {
  const [topics, lake] = [new Topics(), new Lake()]
  topics.values.set('a', [row(0), row(1)])
  topics.values.set('b', [row(0)])
  topics.hidden.add('b')
  const place = { source: 'g', at: '0/9', boundary: true, commit: '0/9', commitUs: 9n, snapshotDone: [], consistent: true }
  const ends = new Map([['a', new Map([[0, 2]])], ['b', new Map([[0, 1]])]]) // biome-ignore format: ends by topic
  const told = [{ info: { id: 1, cursor: place, records: 3, bytes: 0 }, ends, exact: true }]
  const cuts: Cuts = { topic: null, start: () => undefined, isPast: () => true, poll: async () => told.splice(0) }
  const end = await ingest(options(topics, lake, { cuts: () => cuts }), false, AbortSignal.abort(), never)
  expect(end).toEqual({ reason: 'stopped', topics: 2 })
  expect(lake.ids).toEqual({ 'db/a': [0, 1], 'db/b': [0] })
})

test('with once a transaction whose commit was answered a moment ago is waited for, also when a topic has nothing else', async () => {
  const [topics, lake] = [new Topics(), new Lake()]
  topics.values.set('a', [row(0), row(1)])
  topics.values.set('b', [row(0)])
  topics.open = (_topic, looks) => (looks > 12 ? 0 : 1)
  expect(await ingest(options(topics, lake), true, never, never)).toEqual({ reason: 'reached', topics: 2 })
  expect(lake.ids).toEqual({ 'db/a': [0, 1], 'db/b': [0] })
})

test('with once a transaction that stays open is not waited for, and it is said what is left', async () => {
  const [topics, lake] = [new Topics(), new Lake()]
  const warnings: string[] = []
  topics.values.set('a', [row(0), row(1)])
  topics.open = () => 1
  await ingest(options(topics, lake, { onWarning: (text) => warnings.push(text) }), true, never, never)
  expect(lake.ids).toEqual({ 'db/a': [0] })
  expect(warnings).toEqual([expect.stringContaining('a partition 0: a transaction is open at offset 1')])
})

test('a member that has not all of the partitions writes loose watermarks only, whatever its cuts are', async () => {
  for (const mine of [true, false]) {
    const [topics, lake] = [new Topics(), new Lake()]
    topics.values.set('a', [row(0)])
    topics.values.set('b', [row(0)])
    const marks: boolean[] = []
    const log: PartitionedLog = { ...topics.log, assignment: () => ({ generation: 1, partitions: mine ? both : both.slice(1) }) }
    const both = ['a', 'b'].map((topic) => ({ topic, partition: 0 }))
    const place = { source: 'g', at: '0/9', boundary: true, commit: '0/9', commitUs: 9n, snapshotDone: [], consistent: true }
    const ends = new Map([['a', new Map([[0, 1]])], ['b', new Map([[0, 1]])]]) // biome-ignore format: ends by topic
    const told = [{ info: { id: 1, cursor: place, records: 2, bytes: 0 }, ends, exact: true }]
    const cuts: Cuts = { topic: null, start: () => undefined, isPast: () => true, poll: async () => told.splice(0) }
    const more = { log, cuts: () => cuts, onWatermark: (w: { readonly loose?: true }) => marks.push(w.loose === true) }
    await ingest(options(topics, lake, more), true, never, never)
    expect(marks).toEqual([!mine])
    expect(Object.keys(lake.ids)).toEqual(mine ? ['db/a', 'db/b'] : ['db/b'])
  }
})
