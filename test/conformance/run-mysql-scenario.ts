import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import avro from 'avsc'
import { compareAvro, compareEvents, type OurAvro, readable } from './compare.ts'
import { connectTest, runMysql } from './mysql-sql.ts'
import { type Format, recordApart, recordPhases, type ScenarioResult } from './run-scenario.ts'
import type { Scenario } from './scenario.ts'

/**
 * The server has other databases, whose transactions give a BEGIN and an END that count nothing; the recordings were made on a server of its
 * own and hold none. True for what remains.
 */
function withoutStrangers(records: readonly (readonly [topic: string, value: string | null])[]): (_: unknown, i: number) => boolean {
  const empty = new Set<string>()
  const ids = records.map(([topic, value]) => {
    if (!topic.endsWith('.transaction') || value === null) return null
    const { payload } = JSON.parse(value) as { payload: { id: string; status: string; event_count: number | null } }
    if (payload.status === 'END' && payload.event_count === 0) empty.add(payload.id)
    return payload.id
  })
  return (_, i) => ids[i] === null || !empty.has(ids[i])
}

/** A record of the transaction topic as `{"payload":…}`. */
function decodedTransaction(record: OurAvro): string | null {
  if (!record.topic.endsWith('.transaction') || record.value === null) return null
  const type = avro.Type.forSchema(JSON.parse(record.value.schema, readable))
  return JSON.stringify({ payload: type.fromBuffer(Buffer.from(record.value.hex ?? '', 'hex')) })
}

let readers = 0

/**
 * Runs a scenario against a MySQL or MariaDB server: its own database (named as in the recording), `cdc tail` once per format. Where the
 * recorded consumer stopped after a number of records, transactions of other databases at that moment are counted too: then once more.
 * `listed` is the difference that is known, if there is one.
 */
export async function runMysqlScenario(scenario: Scenario, server: string, listed: RegExp | null = null): Promise<ScenarioResult> {
  const counted = scenario.config.has('harness.fail.after')
  const settled = ({ difference }: ScenarioResult): boolean => difference === null || listed?.test(difference) === true
  let result = await runOnce(scenario, server)
  for (let again = 0; counted && !settled(result) && again < 3; again++) result = await runOnce(scenario, server)
  return result
}

async function runOnce(scenario: Scenario, server: string): Promise<ScenarioResult> {
  const database = scenario.config.get('database.include.list')!
  const dir = mkdtempSync(join(tmpdir(), 'tributary-conformance-'))
  const client = await connectTest(server)
  try {
    await client.query(`DROP DATABASE IF EXISTS \`${database}\``)
    const ground = {
      config: (format: Format) => placed(scenario, new URL(server), format),
      run: (sql: string | null, pauseMs: number) =>
        runMysql(client, scenario.config.get('connector.class')?.includes('mariadb') === true ? withoutComments(sql) : sql, pauseMs),
    }
    const recorded = await recordApart(
      scenario,
      (formats) => recordPhases(scenario, dir, ground, formats),
      async () => {
        await client.query(`DROP DATABASE \`${database}\``)
        rmSync(dir, { recursive: true })
        mkdirSync(dir)
      },
    )
    const events = recorded.events.filter(withoutStrangers(recorded.events.map((e) => [e.topic, e.value])))
    // The two readers see the same transactions, not always the same of those that others run after ours.
    const bytes = recorded.avro.filter(withoutStrangers(recorded.avro.map((r) => [r.topic, decodedTransaction(r)])))
    const names = { ourDatabase: database, goldenDatabase: database }
    const difference = compareEvents(scenario, events, names) ?? compareAvro(scenario, bytes, names)
    return { name: scenario.name, difference, records: events.length }
  } catch (e) {
    return { name: scenario.name, difference: e instanceof Error ? e.message : String(e), records: 0 }
  } finally {
    await client.query(`DROP DATABASE IF EXISTS \`${database}\``)
    await client.end()
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The client that ran the recorded SQL on MariaDB leaves comments out. */
function withoutComments(sql: string | null): string | null {
  return sql?.replace(/\/\*[^!][\s\S]*?\*\//g, '') ?? null
}

const ids = new Map<string, string>()

/** The recorded configuration as it is, except for the server, and a number of its own for each reader (the same one after a restart). */
function placed(scenario: Scenario, url: URL, format: Format): Map<string, string> {
  const key = `${scenario.name} ${format}`
  const id = ids.get(key) ?? String(500_000 + (process.pid % 10_000) * 200 + readers++)
  ids.set(key, id)
  const config = new Map(scenario.config)
  config.set('database.hostname', url.hostname).set('database.port', url.port)
  config.set('database.user', decodeURIComponent(url.username)).set('database.password', decodeURIComponent(url.password))
  return config.set('database.server.id', id)
}
