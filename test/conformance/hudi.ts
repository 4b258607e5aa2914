import { checkQuery, GOLDEN_TABLES, type QueryResult, queriesOf } from './hudi-golden.ts'

/**
 * npm run conformance:hudi [-- table …]
 *
 * Reads the recorded tables of Spark-Hudi (test/golden/hudi) in every query mode. One line per table; what differs, below it.
 * Exit status 1 when something does.
 */
async function main(names: readonly string[]): Promise<number> {
  const results: QueryResult[] = []
  for (const table of names.length > 0 ? names : GOLDEN_TABLES) {
    const own: QueryResult[] = []
    for (const [query, rows] of queriesOf(table)) own.push(await checkQuery(table, query, rows))
    const wrong = own.filter((r) => r.difference !== null)
    console.log(`${wrong.length === 0 ? '✓' : '✗'} ${table} ${own.length - wrong.length}/${own.length}`)
    for (const r of wrong) console.log(`    ${r.query}: ${r.difference}`)
    results.push(...own)
  }
  const good = results.filter((r) => r.difference === null).length
  console.log(`${good} of ${results.length} queries answered exactly`)
  return good === results.length ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
