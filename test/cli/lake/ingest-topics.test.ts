import { expect, test } from 'vitest'
import { appendTopicFilter, topicFilter, transactionTopicFilter } from '../../../src/cli/lake/ingest-topics.ts'

const TOPICS = ['shop.public.orders', 'shop.offsets', 'shop.transaction', 'shop.public.transaction', '__consumer_offsets']

/** Of TOPICS: those of tables, of appends and of transactions. */
const chosen = (patterns: readonly string[], offsets: string | null = null, transactions: string | null = null) => {
  const filters = [topicFilter(patterns), appendTopicFilter(offsets, patterns), transactionTopicFilter(transactions, patterns)]
  return filters.map((f) => TOPICS.filter(f))
}

test('topics that hold no table are those of positions and transactions, unless they are named in full', () => {
  expect(chosen(['shop.*'])).toEqual([['shop.public.orders'], ['shop.offsets'], ['shop.transaction', 'shop.public.transaction']])
  expect(chosen(['shop.*', '!shop.transaction'])[2]).toEqual(['shop.public.transaction'])
  expect(chosen(['shop.public.orders', 'shop.transaction'])).toEqual([['shop.public.orders', 'shop.transaction'], [], []])
})

test('a topic of positions or of transactions can be named', () => {
  expect(chosen(['shop.public.orders'], 'shop.offsets', 'shop.transaction')).toEqual([
    ['shop.public.orders'],
    ['shop.offsets'],
    ['shop.transaction'],
  ])
})
