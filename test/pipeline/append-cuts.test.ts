import { expect, test } from 'vitest'
import type { AppendRecord, PartitionedLog, PartitionRange } from '../../src/contract/partitioned-log.ts'
import { AppendCuts } from '../../src/pipeline/append-cuts.ts'

const APPENDS = 'p.offsets'

/** A topic of appends, one record and one marker each, of which some may have been compacted away. */
class Appends {
  readonly records: AppendRecord[] = []
  end = 0

  add(
    append: number,
    ends: Readonly<Record<string, number>>,
    more: { boundary?: boolean; consistent?: boolean; source?: string } = {},
  ): void {
    const { boundary = true, consistent = true, source = 's' } = more
    const cursor = { source, at: `${append}`, boundary, consistent, commit: `0/${append}`, commitUs: BigInt(append), snapshotDone: [] }
    this.records.push({ offset: this.end, append, cursor, ends: new Map(Object.entries(ends).map(([t, o]) => [t, new Map([[0, o]])])) })
    this.end += 2
  }

  /** Compaction keeps the newest record only. */
  compact(): void {
    this.records.splice(0, this.records.length - 1)
  }

  get log(): PartitionedLog {
    const records = this.records
    const appends = async function* (_topic: string, from: number, to: number) {
      yield* records.filter((r) => r.offset >= from && r.offset < to)
    }
    return { appends } as unknown as PartitionedLog
  }

  ranges(ends: Readonly<Record<string, number>>): PartitionRange[] {
    const tables = Object.entries(ends).map(([topic, end]) => ({ topic, partition: 0, start: 0, end }))
    return [...tables, { topic: APPENDS, partition: 0, start: 0, end: this.end }]
  }
}

const open = (appends: Appends, after = 0): AppendCuts => new AppendCuts(appends.log, APPENDS, after, new AbortController().signal)

test('cuts at every boundary that is a state of the source, with the ends of all tables', async () => {
  const appends = new Appends()
  const cuts = open(appends)
  for (const t of ['a', 'b']) cuts.start(t, 0, 0)
  appends.add(1, { a: 3 }, { boundary: false })
  appends.add(2, { a: 4, b: 1 })
  appends.add(3, { b: 2 })
  const found = await cuts.poll(appends.ranges({ a: 9, b: 9 }))
  expect(found.map((c) => [c.exact, c.info.id])).toEqual([[true, 3], [true, 5]]) // biome-ignore format: rows
  expect(found.map((c) => ['a', 'b'].map((t) => c.ends.get(t)?.get(0)))).toEqual([[4, 1], [4, 2]]) // biome-ignore format: rows
  expect(found[1]!.info.cursor.commit).toBe('0/3')
})

test('before the snapshot is complete the records are brought in as they come, and are no state', async () => {
  const appends = new Appends()
  const cuts = open(appends)
  cuts.start('a', 0, 0)
  appends.add(1, { a: 3 }, { consistent: false })
  expect((await cuts.poll(appends.ranges({ a: 5 }))).map((c) => [c.exact, c.ends.get('a')?.get(0)])).toEqual([[false, 5]])
})

test('a boundary that a table is beyond already is passed over', async () => {
  const appends = new Appends()
  const cuts = open(appends)
  cuts.start('a', 0, 4)
  cuts.start('b', 0, 0)
  appends.add(1, { a: 2, b: 1 })
  appends.add(2, { a: 4 })
  expect((await cuts.poll(appends.ranges({ a: 4, b: 1 }))).map((c) => c.info.id)).toEqual([3])
})

test('where appends were compacted away nothing is called a state until the ends that brokers tell are sure', async () => {
  const appends = new Appends()
  appends.add(1, { a: 5 })
  appends.add(2, { b: 7 })
  appends.compact()
  const cuts = open(appends)
  for (const t of ['a', 'b']) cuts.start(t, 0, 0)
  const exact: boolean[] = []
  const poll = async (ends: Readonly<Record<string, number>>): Promise<number | undefined> => {
    const found = await cuts.poll(appends.ranges(ends))
    exact.push(found.at(-1)?.exact ?? false)
    return found.at(-1)?.ends.get('a')?.get(0)
  }
  // What brokers say of `a` may be of append 3, whose record is not there yet.
  expect(await poll({ a: 6, b: 7 })).toBe(6)
  appends.add(3, { a: 6 })
  await poll({ a: 6, b: 7 })
  expect(await poll({ a: 6, b: 7 })).toBe(undefined)
  appends.add(4, { b: 8 })
  expect(await poll({ a: 6, b: 8 })).toBe(6)
  expect(exact.at(-1)).toBe(true)
})

test('two sources in one topic have no state together', async () => {
  const appends = new Appends()
  const cuts = open(appends)
  cuts.start('a', 0, 0)
  appends.add(1, { a: 3 })
  appends.add(2, { a: 5 }, { source: 'other' })
  expect((await cuts.poll(appends.ranges({ a: 5 }))).at(-1)?.exact).toBe(false)
})

/** Ends of a partition by the cuts that polls give out. */
async function given(cuts: AppendCuts, ranges: PartitionRange[], topic: string, polls: number): Promise<[number | undefined, boolean][]> {
  const out: [number | undefined, boolean][] = []
  for (let i = 0; i < polls; i++) for (const c of await cuts.poll(ranges)) out.push([c.ends.get(topic)?.get(0), c.exact])
  return out
}

test('a topic that no append tells of is brought in all the same, and the way is not over before', async () => {
  const appends = new Appends()
  const cuts = open(appends)
  for (const t of ['a', 'elsewhere']) cuts.start(t, 0, 0)
  appends.add(1, { a: 3 })
  const ranges = appends.ranges({ a: 4, elsewhere: 9 })
  const ends = new Map(ranges.map((r) => [`${r.topic} 0`, r.end]))
  expect((await cuts.poll(ranges)).map((c) => [c.ends.get('elsewhere')?.get(0), c.exact])).toEqual([[0, true]])
  expect(cuts.isPast(ends)).toBe(false)
  expect((await given(cuts, ranges, 'elsewhere', 8))[0]).toEqual([9, false])
})

test('a topic of appends without an append holds nobody up', async () => {
  const cuts = open(new Appends())
  cuts.start('a', 0, 0)
  const ranges = new Appends().ranges({ a: 1 })
  expect(cuts.isPast(new Map([['a 0', 1]]))).toBe(false)
  expect((await given(cuts, ranges, 'a', 8))[0]).toEqual([1, false])
})

test('a topic that is found after its append was read comes in without another append', async () => {
  const appends = new Appends()
  appends.add(1, { a: 3 })
  const cuts = open(appends)
  await cuts.poll(appends.ranges({}))
  cuts.start('a', 0, 0)
  expect(await given(cuts, appends.ranges({ a: 4 }), 'a', 8)).toEqual([[4, false]])
  // Of a later process, whose watermark is behind the append.
  const later = open(appends, 1)
  later.start('a', 0, 0)
  expect((await given(later, appends.ranges({ a: 4 }), 'a', 8))[0]).toEqual([4, false])
})

test('a table that was brought to the marker behind an append is not beyond it', async () => {
  const appends = new Appends()
  appends.add(1, { still: 3 }, { consistent: false })
  const cuts = open(appends)
  for (const t of ['still', 'b']) cuts.start(t, 0, 0)
  await cuts.poll(appends.ranges({ still: 4, b: 0 }))
  // A rebalance: the tables are where they are.
  cuts.start('still', 0, 4)
  appends.add(2, { b: 1 })
  expect((await cuts.poll(appends.ranges({ still: 4, b: 2 }))).map((c) => [c.exact, c.ends.get('b')?.get(0)])).toEqual([[true, 1]])
})

test('a transaction of the source that is longer than some polls is not cut', async () => {
  const appends = new Appends()
  const cuts = open(appends)
  cuts.start('a', 0, 0)
  appends.add(1, { a: 30 }, { boundary: false })
  expect(await given(cuts, appends.ranges({ a: 31 }), 'a', 10)).toEqual([])
  // Whoever wants what is there does not wait for its end; what nobody tells of does not, either.
  expect(cuts.isPast(new Map([['a 0', 31]]))).toBe(true)
  cuts.start('elsewhere', 0, 0)
  expect(await given(cuts, appends.ranges({ a: 31, elsewhere: 9 }), 'a', 10)).toEqual([[0, false]])
  appends.add(2, { a: 40 })
  const cut = await given(cuts, appends.ranges({ a: 41, elsewhere: 9 }), 'a', 10)
  expect(cut[0]).toEqual([41, false])
  // Nothing more came of it while two more appends were read.
  for (const n of [3, 4, 5]) {
    appends.add(n, { a: 40 + n })
    await cuts.poll(appends.ranges({ a: 41 + n, elsewhere: 9 }))
  }
  appends.add(6, { a: 50 })
  expect(await given(cuts, appends.ranges({ a: 51, elsewhere: 9 }), 'a', 1)).toEqual([[50, true]])
})
