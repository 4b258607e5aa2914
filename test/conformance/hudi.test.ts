import { describe, expect, test } from 'vitest'
import { checkQuery, GOLDEN_TABLES, queriesOf } from './hudi-golden.ts'

/** Tables that this release reads; the rest joins as it does. */
const READ = GOLDEN_TABLES.filter((t) => t.includes('_cow_'))

describe('recorded tables of Spark-Hudi give exactly the rows that Spark gave', () => {
  test.each(READ)('%s', async (table) => {
    for (const [query, rows] of queriesOf(table)) {
      if (query.startsWith('cdc:')) continue
      expect(await checkQuery(table, query, rows)).toEqual({ table, query, difference: null })
    }
  })
})
