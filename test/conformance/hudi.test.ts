import { describe, expect, test } from 'vitest'
import { checkQuery, GOLDEN_TABLES, queriesOf } from './hudi-golden.ts'

describe('recorded tables of Spark-Hudi give exactly the rows that Spark gave', () => {
  test.each(GOLDEN_TABLES)('%s', async (table) => {
    for (const [query, rows] of queriesOf(table)) {
      expect(await checkQuery(table, query, rows)).toEqual({ table, query, difference: null })
    }
  })
})
