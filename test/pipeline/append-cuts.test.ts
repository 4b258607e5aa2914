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
