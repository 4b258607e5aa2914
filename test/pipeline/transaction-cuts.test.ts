import { expect, test } from 'vitest'
import type { Cut } from '../../src/pipeline/ingest-cuts.ts'
import type { TransactionCuts } from '../../src/pipeline/transaction-cuts.ts'
import { TRANSACTIONS, TransactionTopics, watermarkAt } from './transaction-topics.ts'

const ev = (id: string | null, order = 1) => ({ id, order })

/** The cuts of some polls: ends of `a` and `b`, and whether they are states. */
async function polls(cuts: TransactionCuts, topics: TransactionTopics, count: number): Promise<Cut[]> {
  const out: Cut[] = []
  for (let i = 0; i < count; i++) out.push(...(await cuts.poll(topics.ranges())))
  return out
}
const at = (c: Cut | undefined) => c && [c.ends.get('p.s.a')?.get(0), c.ends.get('p.s.b')?.get(0), c.exact]

function twoTables(): TransactionTopics {
  const topics = new TransactionTopics()
  topics.add('p.s.a', 0)
  topics.add('p.s.b', 0)
  return topics
}

test('a transaction comes in when all that its END counts is there, whichever topic is late', async () => {
  const topics = twoTables()
  const cuts = topics.open()
  topics.begin('7:100')
  topics.add('p.s.a', 0, ev('7:100', 1), ev('7:101', 2), 'tombstone')
  expect(await polls(cuts, topics, 4)).toEqual([])
  topics.end('7:300', { 's.a': 2, 's.b': 1 })
  expect(await polls(cuts, topics, 4)).toEqual([])
  topics.add('p.s.b', 0, ev('7:200'), ev('8:400'))
  const [cut] = await polls(cuts, topics, 1)
  expect(at(cut)).toEqual([3, 1, true])
  // The position of a watermark: the LSN behind the transaction, and its time.
  expect(cut!.info.cursor).toMatchObject({ commit: '0/12C', commitUs: 7000n })
  expect(cut!.place).toEqual({ topic: TRANSACTIONS, next: 2, ends: { 'p.s.a': [3], 'p.s.b': [1] } })
  expect(cuts.isPast(new Map(topics.ranges().map((r) => [`${r.topic} ${r.partition}`, r.end])))).toBe(true)
})

test('rows of a snapshot come in as they are; a state it is when no more of them come', async () => {
  const topics = twoTables()
  const cuts = topics.open()
  topics.add('p.s.a', 0, ev(null), ev(null))
  expect((await polls(cuts, topics, 4)).map(at)).toEqual([[2, 0, false]])
  topics.add('p.s.b', 0, ev(null), ev('g:1'))
  topics.end('g:1', { 's.b': 1 })
  const ends = new Map(topics.ranges().map((r) => [`${r.topic} ${r.partition}`, r.end]))
  expect((await polls(cuts, topics, 1)).map(at)).toEqual([[2, 2, false]])
  expect(cuts.isPast(ends)).toBe(false)
  expect((await polls(cuts, topics, 5)).map(at)).toEqual([[2, 2, true]])
  expect(cuts.isPast(ends)).toBe(true)
})

test('what the producer repeats after a crash changes nothing, and a transaction that it resumed is whole when its tables have gone on', async () => {
  const topics = twoTables()
  const cuts = topics.open()
  topics.begin('1:1')
  topics.add('p.s.a', 0, ev('1:1', 1))
  topics.end('1:9', { 's.a': 1 })
  expect((await polls(cuts, topics, 1)).map(at)).toEqual([[1, 0, true]])
  // Again, and then a part of the next one; after another crash only the rest of it is counted, from 1.
  topics.begin('1:1')
  topics.add('p.s.a', 0, ev('1:1', 1))
  topics.end('1:9', { 's.a': 1 })
  expect((await polls(cuts, topics, 1)).map(at)).toEqual([[2, 0, true]])
  topics.begin('2:20')
  topics.add('p.s.a', 0, ev('2:20', 1))
  topics.begin('2:20')
  topics.end('2:29', { 's.a': 1 })
  expect(await polls(cuts, topics, 5)).toEqual([])
  topics.add('p.s.a', 0, ev('2:25', 1), ev('3:30', 1))
  expect(await polls(cuts, topics, 5)).toEqual([])
  topics.end('3:39', { 's.a': 2 })
  expect((await polls(cuts, topics, 2)).map(at)).toEqual([[4, 0, true]])
})

test('a count that is never reached is said, and its tables are no state until they have gone on', async () => {
  const topics = twoTables()
  const warnings: string[] = []
  const cuts = topics.open({ onWarning: (text) => warnings.push(text) })
  topics.add('p.s.a', 0, ev('1:1', 1))
  topics.end('1:2', { 's.a': 2, 's.b': 1 })
  topics.add('p.s.b', 0, ev('1:1'))
  expect((await polls(cuts, topics, 160)).map(at)).toEqual([[1, 1, false]])
  expect(warnings).toEqual([expect.stringContaining('1 of 2 of p.s.a')])
  topics.add('p.s.a', 0, ev('2:3', 1))
  topics.end('2:4', { 's.a': 1 })
  expect((await polls(cuts, topics, 2)).map(at)).toEqual([[2, 1, true]])
})

test('a transaction whose END is gone comes in with the next one, and it is said', async () => {
  const topics = twoTables()
  const warnings: string[] = []
  const cuts = topics.open({ onWarning: (text) => warnings.push(text) })
  topics.add('p.s.a', 0, ev('1:1', 1), ev('2:3', 1), ev('3:5', 1))
  topics.add('p.s.b', 0, ev('2:3', 1), ev('3:5', 1))
  topics.end('2:4', { 's.a': 1, 's.b': 1 })
  topics.end('3:6', { 's.a': 1, 's.b': 1 })
  expect((await polls(cuts, topics, 3)).map(at)).toEqual([[3, 2, true]])
  expect(warnings).toEqual([expect.stringContaining('the end of transaction 1 is not in p.transaction')])
})

test('ends that retention took are said; the tables are a state again when each has gone on', async () => {
  const topics = twoTables()
  const warnings: string[] = []
  topics.end('1:2', { 's.a': 1 })
  topics.starts.set(`${TRANSACTIONS} 0`, 1)
  topics.add('p.s.a', 0, ev('2:3', 1))
  topics.end('2:4', { 's.a': 1 })
  const cuts = topics.open({ onWarning: (text) => warnings.push(text) })
  expect((await polls(cuts, topics, 3)).map(at)).toEqual([[1, 0, false]])
  expect(warnings).toEqual([expect.stringContaining('begins at offset 1')])
  topics.add('p.s.b', 0, ev('3:5', 1))
  topics.end('3:6', { 's.b': 1 })
  expect((await polls(cuts, topics, 3)).map(at)).toEqual([[1, 1, true]])
})

test('flattened records and renamed topics are no states, and it is said', async () => {
  const warnings: string[] = []
  const topics = twoTables()
  topics.add('p.s.a', 0, ev('1:1', 1))
  topics.end('1:2', { 'other.name': 1 })
  const cuts = topics.open({ onWarning: (text) => warnings.push(text), wanted: (t) => t.startsWith('p.s.') })
  expect((await polls(cuts, topics, 4)).map(at)).toEqual([[1, 0, false]])
  expect(warnings).toEqual([expect.stringContaining('is the topic renamed on its way?')])
})

test('a topic that a transaction names is looked for before the transaction counts as whole', async () => {
  const topics = twoTables()
  const cuts = topics.open()
  topics.add('p.s.a', 0, ev('1:1', 1))
  topics.end('1:2', { 's.a': 1, 's.fresh': 1 })
  expect(await polls(cuts, topics, 2)).toEqual([])
  expect(cuts.lacks()).toEqual(['p.s.fresh'])
  topics.add('p.s.fresh', 0, ev('1:1', 1))
  cuts.assigned(['a', 'b', 'fresh'].map((t) => ({ topic: `p.s.${t}`, partition: 0 })))
  cuts.start('p.s.fresh', 0, 0)
  const [cut] = await polls(cuts, topics, 1)
  expect([at(cut), cut?.ends.get('p.s.fresh')?.get(0)]).toEqual([[1, 0, true], 1])
})

test('goes on from its watermark: what tables were ahead of it is no state until the rest has caught up', async () => {
  const topics = twoTables()
  topics.add('p.s.a', 0, ev('1:1', 1))
  topics.end('1:2', { 's.a': 1 })
  const [first] = await polls(topics.open(), topics, 1)
  topics.add('p.s.a', 0, ev('2:3', 1))
  topics.end('2:4', { 's.a': 1, 's.b': 1 })
  // The process died between the commits of the two tables.
  const again = topics.open({ exact: watermarkAt(first!, 1), newest: watermarkAt(first!, 9) }, new Map([['p.s.a 0', 2]]))
  expect(await polls(again, topics, 3)).toEqual([])
  topics.add('p.s.b', 0, ev('2:3', 1))
  const cuts = await polls(again, topics, 3)
  expect(cuts.map(at)).toEqual([[2, 1, true]])
  expect(cuts[0]!.info.id).toBe(10)
})

test('changes that do not say their transaction come in, and are no state until their table has told ones again', async () => {
  const topics = twoTables()
  const warnings: string[] = []
  const cuts = topics.open({ onWarning: (text) => warnings.push(text) })
  topics.add('p.s.a', 0, ev('1:1'))
  topics.end('1:2', { 's.a': 1 })
  expect((await polls(cuts, topics, 1)).map(at)).toEqual([[1, 0, true]])
  topics.add('p.s.a', 0, ev(null, 0))
  expect((await polls(cuts, topics, 300)).map(at)).toEqual([[2, 0, false]])
  expect(warnings).toEqual([expect.stringContaining('provide.transaction.metadata')])
  topics.add('p.s.a', 0, ev('2:3'))
  topics.end('2:4', { 's.a': 1 })
  expect((await polls(cuts, topics, 1)).map(at)).toEqual([[3, 0, true]])
})

test('transactions whose END never comes do not hold up their tables for good', async () => {
  const topics = twoTables()
  const warnings: string[] = []
  const cuts = topics.open({ onWarning: (text) => warnings.push(text) })
  topics.add('p.s.a', 0, ev('1:1'))
  // The newest one may be a long one that goes on.
  expect(await polls(cuts, topics, 400)).toEqual([])
  topics.add('p.s.a', 0, ev('2:3'), ev('3:5'), ev('4:7'))
  topics.add('p.s.b', 0, ev('x:1'), ev(null, 0))
  expect((await polls(cuts, topics, 170)).map(at).at(-1)).toEqual([3, 2, false])
  expect(warnings).toContainEqual(expect.stringContaining('is not in p.transaction'))
  topics.add('p.s.a', 0, ev('5:9'), ev('6:11'))
  expect((await polls(cuts, topics, 10)).map(at)).toEqual([[5, 2, false]])
  // It says them again.
  topics.add('p.s.b', 0, ev('7:13'))
  topics.end('6:12', { 's.a': 1 })
  topics.end('7:14', { 's.b': 1 })
  expect((await polls(cuts, topics, 3)).map(at).at(-1)).toEqual([6, 3, true])
})

test('a table that stands at a transaction without END has not gone on to a later one', async () => {
  const topics = twoTables()
  const cuts = topics.open()
  topics.add('p.s.a', 0, ev('1:1'))
  topics.end('2:4', { 's.a': 1 })
  expect(await polls(cuts, topics, 5)).toEqual([])
  topics.add('p.s.a', 0, ev('2:3'))
  expect((await polls(cuts, topics, 5)).map(at).at(-1)).toEqual([2, 0, false])
})

test('a table that another member has taken further meanwhile is no state until what is told has caught up', async () => {
  const topics = twoTables()
  const cuts = topics.open()
  topics.add('p.s.a', 0, ev('1:1'))
  topics.end('1:2', { 's.a': 1 })
  expect((await polls(cuts, topics, 2)).map(at)).toEqual([[1, 0, true]])
  topics.add('p.s.a', 0, ev('2:3'), ev('3:6'), ev('3:7', 2))
  cuts.start('p.s.a', 0, 4)
  topics.end('2:5', { 's.a': 1 })
  expect((await polls(cuts, topics, 2)).map(at)).toEqual([[2, 0, false]])
  topics.end('3:8', { 's.a': 2 })
  expect((await polls(cuts, topics, 2)).map(at)).toEqual([[4, 0, true]])
})
