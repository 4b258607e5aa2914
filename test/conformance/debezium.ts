import { readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import { runScenario, type ScenarioResult } from './run-scenario.ts'
import { loadScenario } from './scenario.ts'

/**
 * npm run conformance [-- name …] [--golden DIR] [--report FILE] [--jobs N]
 *
 * Runs the recordings of the real Debezium (test/golden/debezium/postgres, or every folder of DIR) against a Postgres and compares
 * events, schema texts and Avro bytes. One line per scenario and its first difference; exit status 1 when there is one.
 * Server: TRIBUTARY_TEST_PG_URL (superuser, wal_level=logical), else an embedded one; TRIBUTARY_TEST_PG17_URL for scenarios of PG 17.
 */
const GOLDEN = new URL('../golden/debezium/postgres/', import.meta.url).pathname

async function main(args: string[]): Promise<number> {
  const option = (name: string): string | undefined => {
    const at = args.indexOf(name)
    return at < 0 ? undefined : args.splice(at, 2)[1]
  }
  const root = resolve(option('--golden') ?? GOLDEN)
  const report = option('--report')
  const jobs = Number(option('--jobs') ?? '2')
  const names = args.length > 0 ? args : readdirSync(root).sort()
  const given = process.env['TRIBUTARY_TEST_PG_URL']
  const own = given === undefined ? await startPostgres() : null
  const server = given ?? own!.url
  const results: ScenarioResult[] = []
  const queue = [...names]
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const scenario = loadScenario(join(root, name))
      const pg17 = scenario.config.get('harness.kind') === 'pg17' ? process.env['TRIBUTARY_TEST_PG17_URL'] : undefined
      const r = await runScenario(scenario, pg17 ?? server)
      results.push(r)
      console.log(r.difference === null ? `✓ ${r.name} (${r.records} records)` : `✗ ${r.name}: ${r.difference}`)
    }
  }
  try {
    await Promise.all(Array.from({ length: jobs }, worker))
  } finally {
    await own?.stop()
  }
  if (report !== undefined) writeReport(report, results)
  const failed = results.filter((r) => r.difference !== null).length
  console.log(`${results.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

/** A table for docs/debezium-compat.md, between its markers. */
function writeReport(file: string, results: readonly ScenarioResult[]): void {
  const sorted = results.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const why = (r: ScenarioResult): string => (r.difference === null ? 'matches' : firstLine(r.difference))
  writeFileSync(file, `| scenario | state |\n|---|---|\n${sorted.map((r) => `| ${r.name} | ${why(r)} |\n`).join('')}`)
}

function firstLine(text: string): string {
  const failure = /what|(TRB-[A-Z]+-\d+)\s+(.*)/.exec(text)
  return `later: ${(failure?.[2] ?? text.split('\n')[0]).replaceAll('|', '\\|').slice(0, 160)}`
}

process.exit(await main(process.argv.slice(2)))
