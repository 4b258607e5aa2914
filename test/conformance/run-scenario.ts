import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { compareAvro, compareEvents, type OurAvro } from './compare.ts'
import type { GoldenEvent, Scenario } from './scenario.ts'
import { splitSql } from './split-sql.ts'

const BIN = new URL('../../bin/cdc.mjs', import.meta.url).pathname
const FORMATS = ['debezium-json', 'avro-hex'] as const
/** A phase ends when all recorded records are there and no other came for this long … */
const QUIET_MS = 1000
/** … longer where transactions are told: the END of the last one comes behind what is counted … */
const QUIET_AFTER_TRANSACTION_MS = 3000
/** … or when none came for this long. */
const PATIENCE_MS = 60_000
const DDL_PAUSE_MS = 300
const PHASE_LIMIT_MS = 240_000

export interface ScenarioResult {
  readonly name: string
  /** Null: our records are those of the recording. */
  readonly difference: string | null
  readonly records: number
}

/** Runs a scenario against a server: fresh database, `cdc tail` once per format, SQL while it streams, restart where there is one. */
export async function runScenario(scenario: Scenario, server: string): Promise<ScenarioResult> {
  const database = `b_conf_${process.pid}_${process.hrtime.bigint().toString(36)}`
  const dir = mkdtempSync(join(tmpdir(), 'tributary-conformance-'))
  const admin = await connect(server)
  try {
    await admin.query(`CREATE DATABASE ${database}`)
    const { events, avro } = await recordApart(
      scenario,
      (formats) => record(scenario, server, database, dir, formats),
      async () => {
        await dropDatabase(admin, database)
        await admin.query(`CREATE DATABASE ${database}`)
      },
    )
    const names = { ourDatabase: database, goldenDatabase: scenario.config.get('database.dbname') ?? '' }
    const difference = compareEvents(scenario, events, names) ?? compareAvro(scenario, avro, names)
    return { name: scenario.name, difference, records: events.length }
  } catch (e) {
    return { name: scenario.name, difference: e instanceof Error ? e.message : String(e), records: 0 }
  } finally {
    await dropDatabase(admin, database)
    await admin.end()
    rmSync(dir, { recursive: true, force: true })
  }
}

export interface Recorded {
  readonly events: readonly GoldenEvent[]
  readonly avro: readonly OurAvro[]
}

/** Readers of one signal table would each obey it, and see the other's marks: there they run one after the other. */
export async function recordApart(
  scenario: Scenario,
  run: (formats: readonly Format[]) => Promise<Recorded>,
  anew: () => Promise<unknown>,
): Promise<Recorded> {
  if (!scenario.config.has('signal.data.collection')) return await run(FORMATS)
  const { events } = await run(['debezium-json'])
  await anew()
  const { avro } = await run(['avro-hex'])
  return { events, avro }
}

async function record(scenario: Scenario, server: string, database: string, dir: string, formats: readonly Format[]): Promise<Recorded> {
  const url = new URL(server)
  url.pathname = `/${database}`
  const client = await connect(url.href)
  try {
    const place = (format: Format): Map<string, string> => placed(scenario, url, database, format)
    return await recordPhases(scenario, dir, { config: place, run: (sql, pauseMs) => runSql(client, sql, pauseMs) }, formats)
  } finally {
    await client.end()
  }
}

export type Format = (typeof FORMATS)[number]

/** What differs between servers: where the configuration points, and how SQL is run. */
export interface Ground {
  config(format: Format): ReadonlyMap<string, string>
  /** `pauseMs`: before DDL. */
  run(sql: string | null, pauseMs: number): Promise<void>
}

/** The SQL of a scenario with `cdc tail` once per format, started again where the recording was. */
export async function recordPhases(
  scenario: Scenario,
  dir: string,
  ground: Ground,
  formats: readonly Format[] = FORMATS,
): Promise<Recorded> {
  await ground.run(scenario.setup, 0)
  const failAfter = scenario.config.get('harness.fail.after')
  const phases = [{ sql: scenario.stream, until: failAfter === undefined ? null : `count:${failAfter}` }]
  const second = scenario.restart !== null || scenario.stream2 !== null
  if (second) phases.push({ sql: scenario.stream2, until: null })
  const recorded = (phase: number): number => scenario.events.filter((e) => e.phase === phase && counts(`"topic":"${e.topic}"`)).length
  const events: GoldenEvent[] = []
  const avro: OurAvro[] = []
  for (const [n, phase] of phases.entries()) {
    if (n === 1) await ground.run(scenario.restart, 0)
    const tails = formats.map((format) => startTail(scenario, ground.config(format), dir, format, phase.until))
    await Promise.all(tails.map((t) => Promise.race([t.streaming, t.ended])))
    await ground.run(phase.sql, DDL_PAUSE_MS)
    await Promise.all(tails.map((t) => t.stopAfter(recorded(n + 1))))
    const lines = await Promise.all(tails.map((t) => t.ended))
    const json = lines[formats.indexOf('debezium-json')] ?? []
    const hex = lines[formats.indexOf('avro-hex')] ?? []
    events.push(...json.map((l) => ({ ...(JSON.parse(l) as GoldenEvent), phase: n + 1 })))
    avro.push(...hex.map((l) => JSON.parse(l) as OurAvro))
  }
  return { events, avro }
}

/** Heartbeats never end, and a server that others use as well has transactions of theirs: neither says that this scenario has got further. */
const counts = (line: string): boolean => !/"topic":"(__debezium-heartbeat[^"]*|[^"]*\.transaction)"/.test(line)

interface Tail {
  readonly streaming: Promise<void>
  /** Lines of stdout. */
  readonly ended: Promise<string[]>
  /** Ends it as a person would (SIGTERM) when it has printed as many records and is quiet. */
  stopAfter(records: number): Promise<void>
}

/** The recorded configuration as it is, except for the server, the database, and a slot and publication of its own. */
function placed(scenario: Scenario, url: URL, database: string, format: Format): Map<string, string> {
  const own = `${database}_${format === 'avro-hex' ? 'a' : 'j'}`
  const config = new Map(scenario.config)
  config.set('database.hostname', url.hostname).set('database.port', url.port || '5432')
  config.set('database.user', decodeURIComponent(url.username) || 'postgres').set('database.password', decodeURIComponent(url.password))
  return config.set('database.dbname', database).set('slot.name', own).set('publication.name', own)
}

function startTail(scenario: Scenario, config: ReadonlyMap<string, string>, dir: string, format: Format, until: string | null): Tail {
  const file = join(dir, `${format}.properties`)
  writeFileSync(file, [...config].map(([k, v]) => `${k}=${v.replaceAll('\\', '\\\\')}\n`).join(''))
  const args = [BIN, 'tail', '--config', file, '--format', format, '--state', join(dir, format)]
  if (until !== null) args.push('--until', until)
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PHASE_LIMIT_MS })
  return follow(
    child,
    scenario.name,
    scenario.config.get('provide.transaction.metadata') === 'true' ? QUIET_AFTER_TRANSACTION_MS : QUIET_MS,
  )
}

function follow(child: ChildProcess, name: string, quietMs: number): Tail {
  const streaming = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<string[]>()
  let out = ''
  let err = ''
  let count = 1
  let lastMs = performance.now()
  child.stdout!.setEncoding('utf8').on('data', (s: string) => {
    out += s
    const records = out.split('\n').filter(counts).length
    if (records === count) return
    count = records
    lastMs = performance.now()
  })
  child.stderr!.setEncoding('utf8').on('data', (s: string) => {
    err += s
    if (/^streaming$/m.test(err)) streaming.resolve()
  })
  child.on('close', (code, signal) => {
    if (code === 0) ended.resolve(out.split('\n').filter((l) => l !== ''))
    else ended.reject(new Error(`cdc tail (${name}) ended with ${code ?? signal}:\n${err}`))
  })
  // Whoever waits for one of the two may not wait for the other.
  ended.promise.catch(() => undefined)
  const stopAfter = async (records: number): Promise<void> => {
    lastMs = performance.now()
    const quiet = (): boolean => performance.now() - lastMs > (count > records ? quietMs : PATIENCE_MS)
    while (child.exitCode === null && !quiet()) await new Promise((done) => setTimeout(done, 50))
    if (child.exitCode === null) child.kill('SIGTERM')
  }
  return { streaming: streaming.promise, ended: ended.promise, stopAfter }
}

/**
 * Every statement by itself, as a client in autocommit sends them. Before DDL comes a pause: the server announces a changed table also
 * for changes it has not decoded yet, and both engines read the catalogue as it is at that moment.
 */
async function runSql(client: pg.Client, script: string | null, pauseMs = 0): Promise<void> {
  for (const statement of splitSql(script ?? '')) {
    if (/^(alter|create|drop)\b/i.test(statement)) await new Promise((done) => setTimeout(done, pauseMs))
    await client.query(statement)
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

async function dropDatabase(admin: pg.Client, database: string): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const { rows } = await admin.query('SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = $1', [database])
    if (rows.length === 0) break
    for (const r of rows) {
      if (r.active_pid === null) await admin.query('SELECT pg_drop_replication_slot($1)', [r.slot_name])
      else await admin.query('SELECT pg_terminate_backend($1)', [r.active_pid])
    }
    await new Promise((done) => setTimeout(done, 50))
  }
  await admin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
}
