import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import mysql from 'mysql2/promise'
import { javaDouble } from '../../src/format/text/java-number.ts'
import { compareAvro, compareEvents, type OurAvro } from '../conformance/compare.ts'
import { type GoldenEvent, loadScenario, type Scenario } from '../conformance/scenario.ts'
import type { Flavor } from '../support/mysql.ts'
import { startDatabase } from '../support/mysql-process.ts'
import { CONFIGURATIONS } from './configurations.ts'
import { LiveDebezium } from './live-debezium.ts'
import { OurTail } from './our-tail.ts'
import { Workload } from './workload.ts'

/** One run of the real connector and of ours over the databases of some seeds. */
export interface Batch {
  readonly flavor: Flavor
  readonly port: number
  readonly seeds: readonly number[]
  /** Settings of the connector beside those of where it reads. */
  readonly settings: Readonly<Record<string, string>>
  readonly live: LiveDebezium
  /** A directory that is empty. */
  readonly dir: string
}

export interface BatchResult {
  /** Records of the real connector. */
  readonly records: number
  /** Statements that the server took, and refused. */
  readonly done: number
  readonly refused: number
  /** The first difference of each topic. */
  readonly differences: readonly string[]
}

const END = 'dz_end'
const SENTINEL = `p.${END}.sentinel`
const ROUNDS = 6
let readers = 0

/**
 * The same statements, read by both: databases and rows for the snapshot, then rounds of DDL and of rows. After each round ours is waited for
 * (a record of a table that says so), since it looks defaults up in the catalogue when it comes to a changed table.
 */
export async function runBatch(batch: Batch): Promise<BatchResult> {
  const { seeds, dir, live } = batch
  const client = await mysql.createConnection({
    host: '127.0.0.1',
    port: batch.port,
    user: 'root',
    charset: 'utf8mb4_general_ci',
    timezone: 'Z',
  })
  const count = { done: 0, refused: 0 }
  mkdirSync(dir, { recursive: true })
  const run = async (sql: string): Promise<boolean> => {
    try {
      await client.query(sql)
      count.done++
      appendFileSync(join(dir, 'statements.sql'), `${sql};\n`)
      return true
    } catch (e) {
      if (!(e instanceof Error) || !('errno' in e)) throw e
      appendFileSync(join(dir, 'statements.sql'), `-- refused: ${e.message}: ${sql};\n`)
      count.refused++
      return false
    }
  }
  try {
    await client.query("SET SESSION sql_mode = '', time_zone = '+00:00'")
    const loads = seeds.map((s) => new Workload(s, batch.flavor, run))
    await drop(client, loads)
    await client.query(`CREATE DATABASE ${END}`)
    await client.query(`CREATE TABLE ${SENTINEL.slice(2)} (n INT PRIMARY KEY)`)
    for (const load of loads) await load.setUp()
    await readWhile(batch, loads, async (tails) => {
      for (let round = 1; round <= ROUNDS; round++) {
        for (const load of loads) await load.reshape()
        for (const load of loads) await load.change()
        await client.query(`INSERT INTO ${SENTINEL.slice(2)} VALUES (${round})`)
        await Promise.all(tails.map((t) => t.sentinels(round)))
      }
      await live.sentinels(ROUNDS)
    })
    await drop(client, loads)
  } finally {
    await client.end()
  }
  return { ...compare(dir), ...count }
}

async function drop(client: mysql.Connection, loads: readonly Workload[]): Promise<void> {
  for (const name of [END, ...loads.map((l) => l.database)]) await client.query(`DROP DATABASE IF EXISTS ${name}`)
}

/** Both read, once each has its snapshot and streams; their records are files of `dir` afterwards. */
async function readWhile(batch: Batch, loads: readonly Workload[], work: (tails: readonly OurTail[]) => Promise<void>): Promise<void> {
  const { dir, live } = batch
  mkdirSync(join(dir, 'ours'), { recursive: true })
  write(batch, loads, dir)
  const formats = ['debezium-json', 'avro-hex'] as const
  const tails = formats.map((format) => {
    const own = join(dir, 'ours', format)
    mkdirSync(own)
    write(batch, loads, own)
    return new OurTail(join(own, 'connector.properties'), format, join(own, 'state'), SENTINEL)
  })
  try {
    await Promise.all([live.start(dir), ...tails.map((t) => t.streaming())])
    await work(tails)
  } finally {
    await live.stop()
    await Promise.all(tails.map((t) => t.stop()))
    for (const [i, format] of formats.entries())
      writeFileSync(join(dir, 'ours', `${format}.jsonl`), tails[i]!.lines.map((l) => `${l}\n`).join(''))
  }
}

/** The MariaDB connector (3.5) begins transactions that it never ends, for one at TRUNCATE: there the recordings have to do. */
const ENDLESS = 'provide.transaction.metadata'

function write(batch: Batch, loads: readonly Workload[], dir: string): void {
  const kind = batch.flavor === 'mysql' ? 'mysql.MySql' : 'mariadb.MariaDb'
  const settings = {
    'connector.class': `io.debezium.connector.${kind}Connector`,
    'database.hostname': '127.0.0.1',
    'database.port': String(batch.port),
    'database.user': 'root',
    'database.password': '',
    'database.server.id': String(800_000 + (process.pid % 10_000) * 100 + readers++),
    'topic.prefix': 'p',
    'database.include.list': [...loads.map((l) => l.database), END].join(','),
    'include.schema.changes': 'false',
    'harness.sentinel': SENTINEL,
    ...batch.settings,
  }
  writeFileSync(
    join(dir, 'connector.properties'),
    Object.entries(settings)
      .filter(([k]) => batch.flavor === 'mysql' || k !== ENDLESS)
      .map(([k, v]) => `${k}=${v.replaceAll('\\', '\\\\')}\n`)
      .join(''),
  )
}

/** Topic by topic as the recordings are compared, and the order of all. */
function compare(dir: string): { records: number; differences: string[] } {
  const recorded = loadScenario(dir)
  const golden = { ...recorded, events: recorded.events.map(printedLater) }
  const events = readLines<GoldenEvent>(join(dir, 'ours/debezium-json.jsonl')).map((e) => ({ ...e, phase: 1 }))
  const avro = readLines<OurAvro>(join(dir, 'ours/avro-hex.jsonl'))
  const differences: string[] = []
  const topics = new Set([...golden.events, ...events].map((e) => e.topic))
  const names = { ourDatabase: '', goldenDatabase: '' }
  for (const topic of topics) {
    const of = <T extends { readonly topic: string }>(all: readonly T[]): T[] => all.filter((e) => e.topic === topic)
    const part: Scenario = { ...golden, events: of(golden.events), avro: of(golden.avro) }
    const difference = compareEvents(part, of(events), names) ?? compareAvro(part, of(avro), names)
    if (difference !== null) differences.push(`${topic}: ${difference}`)
  }
  const at = golden.events.findIndex((e, i) => e.topic !== events[i]?.topic)
  if (differences.length === 0 && at >= 0)
    differences.push(`record ${at} is of ${golden.events[at]!.topic} in Debezium's order, of ${events[at]?.topic} in ours`)
  return { records: golden.events.length, differences }
}

function printedLater(e: GoldenEvent): GoldenEvent {
  const headers = e.headers.map((h) => ({ ...h, value: shortest(h.value) }))
  return { ...e, key: shortest(e.key), value: shortest(e.value), headers }
}

/** Numbers as Java 19 and later print them; before, some have one digit more. */
function shortest(json: string | null): string | null {
  const token = /"(?:[^"\\]|\\.)*"|-?\d+\.\d+(?:E-?\d+)?/g
  return json?.replace(token, (t) => (t.startsWith('"') ? t : javaDouble(Number(t)))) ?? null
}

function readLines<T>(file: string): T[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((l) => l !== '')
    .map((l) => JSON.parse(l) as T)
}

// node test/differential/differential.ts [--flavor mysql|mariadb] [--seeds 200] [--from 1] [--per-batch 20] [--keep DIR]
// Hundreds of seeds under all configurations on a server of its own; exit status 1 when there is a difference.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      flavor: { type: 'string', default: 'mysql' },
      seeds: { type: 'string', default: '200' },
      from: { type: 'string', default: '1' },
      'per-batch': { type: 'string', default: '20' },
      keep: { type: 'string' },
    },
  })
  const flavor = values.flavor === 'mariadb' ? 'mariadb' : 'mysql'
  const [seeds, from, perBatch] = [Number(values.seeds), Number(values.from), Number(values['per-batch'])]
  const scratch = values.keep ?? mkdtempSync(join(tmpdir(), 'tributary-differential-'))
  const server = await startDatabase(flavor, { args: flavor === 'mysql' ? '--binlog-rows-query-log-events=ON' : '' })
  const live = new LiveDebezium(flavor)
  let passed = 0
  let failed = 0
  try {
    for (let n = 0; n * perBatch < seeds; n++) {
      const first = from + n * perBatch
      const batch = Array.from({ length: Math.min(perBatch, seeds - n * perBatch) }, (_, i) => first + i)
      const settings = CONFIGURATIONS[Math.floor((first - 1) / perBatch) % CONFIGURATIONS.length]!
      const started = performance.now()
      const result = await runBatch({ flavor, port: server.port, seeds: batch, settings, live, dir: join(scratch, `${flavor}-${first}`) })
      const differing = new Set(result.differences.map((d) => /^p\.(dz_\d+)/.exec(d)?.[1] ?? 'order'))
      for (const d of result.differences) console.log(d)
      failed += differing.size
      passed += batch.length - differing.size
      const seconds = ((performance.now() - started) / 1000).toFixed(0)
      console.log(
        `${flavor} seeds ${first}-${first + batch.length - 1} ${JSON.stringify(settings)}: ${result.records} records, ${result.done} statements, ${result.refused} refused, ${seconds} s, ${differing.size} differ`,
      )
    }
  } finally {
    await live.close()
    await server.destroy()
    if (values.keep === undefined) rmSync(scratch, { recursive: true, force: true })
  }
  console.log(`${passed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}
