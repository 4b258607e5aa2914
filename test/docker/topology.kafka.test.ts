import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { repository } from '../cli/run-bin.ts'
import { runInProcess } from '../cli/run-in-process.ts'
import { ask } from '../conformance/registry.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'
import { readText, root } from '../tidy/tree.ts'

// No container runs here: the commands of docker-compose.yml are run as they stand there, on three brokers from jars, with a directory for S3.
interface Compose {
  readonly services: Readonly<
    Record<string, { readonly command: readonly string[]; readonly environment?: Readonly<Record<string, string>> }>
  >
  readonly configs: Readonly<Record<string, { readonly content: string }>>
}
const compose = parse(readText('docker-compose.yml'), { merge: true }) as Compose
const dir = mkdtempSync(join(tmpdir(), 'trib-topology-'))
const lake = join(dir, 'lake')
const kafkaEnv = {
  ...process.env,
  KAFKA_DATA: join(dir, 'kafka'),
  KAFKA_PORT: String(12_000 + (process.pid % 90) * 30),
  KAFKA_HEAP: '256m',
}
const kafka = (...args: string[]): string =>
  execFileSync('bash', [join(root, 'test/services/kafka.sh'), ...args], {
    env: kafkaEnv,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim()

let database: TestDatabase
let bootstrap = ''
let registry = ''
const running: ChildProcess[] = []

beforeAll(async () => {
  bootstrap = kafka('start3')
  database = await freshDatabase('topology')
  await database.sql(compose.configs['postgres-tables']!.content)
}, 300_000)
afterAll(async () => {
  for (const c of running) c.kill('SIGKILL')
  kafka('destroy')
  await database.drop()
  rmSync(dir, { recursive: true, force: true })
}, 180_000)

/** A service of the file, with the addresses of this machine; resolves when it has said so. */
function service(name: string, said: RegExp): Promise<string> {
  const { command, environment = {} } = compose.services[name]!
  const slot = database.name.replaceAll(/[^a-z0-9_]/g, '_')
  const own: Record<string, string> = {
    ...environment,
    ...('TRIBUTARY_URL' in environment ? { TRIBUTARY_URL: database.url, TRIBUTARY_SLOT_NAME: slot, TRIBUTARY_PUBLICATION: slot } : {}),
    ...('TRIBUTARY_LAKE' in environment ? { TRIBUTARY_LAKE: lake } : {}),
    ...('TRIBUTARY_STATE' in environment ? { TRIBUTARY_STATE: join(dir, name) } : {}),
  }
  const args = command.map((a) =>
    a
      .replace('kafka-1:9092,kafka-2:9092,kafka-3:9092', bootstrap)
      .replace(/http:\/\/registry:8081/, registry)
      .replace('0.0.0.0:8081', '127.0.0.1:0'),
  )
  const env = { PATH: process.env['PATH'] ?? '', TZ: 'UTC', TRIBUTARY_FLUSH_INTERVAL: '500ms', ...own }
  const child = spawn(process.execPath, [`${repository}bin/${args[0]}.mjs`, ...args.slice(1)], { env })
  running.push(child)
  return new Promise((resolve, reject) => {
    let text = ''
    child.stderr.on('data', (d: Buffer) => {
      text += d.toString()
      const m = said.exec(text)
      if (m !== null) resolve(m[1] ?? '')
    })
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${text}`)))
  })
}

interface Counts {
  readonly n: number
  readonly total: string
  readonly paid: number
}

async function inDatabase(): Promise<Counts> {
  const sql = "SELECT count(*)::int AS n, sum(total)::text AS total, (count(*) FILTER (WHERE state = 'paid'))::int AS paid FROM shop.orders"
  return (await database.sql<{ n: number; total: string; paid: number }>(sql))[0]!
}

/** What the lake says, asked until it says what the database does, or does not any more. */
async function inLake(wanted: Counts): Promise<unknown> {
  const sql = "SELECT count(*) AS n, sum(total) AS total, count(*) FILTER (WHERE state = 'paid') AS paid FROM shop.orders"
  let last: unknown
  for (let i = 0; i < 180; i++) {
    const { code, stdout, stderr } = await runInProcess('lake', ['query', sql, '--lake', lake, '--format', 'json'])
    last = code === 0 ? (JSON.parse(stdout) as unknown[])[0] : stderr
    if (isDeepStrictEqual(last, wanted)) break
    await sleep(500)
  }
  return last
}

test('the topology of docker-compose.yml brings the tables into the lake; a broker that is killed takes nothing away', async () => {
  registry = await service('registry', /registry (http\S+)/)
  await service('capture-postgres', /(stream)/)
  await service('ingest-postgres', /(orders)/)
  const snapshot = await inDatabase()
  expect(snapshot.n).toBe(1000)
  expect(await inLake(snapshot)).toEqual(snapshot)
  expect((await ask(registry, 'GET', '/subjects/shop.shop.orders-value/versions')).body).toEqual([1])

  kafka('kill', '2')
  await database.sql("UPDATE shop.orders SET state = 'paid', total = total + 1 WHERE id <= 700")
  await database.sql("INSERT INTO shop.orders SELECT i, i % 100 + 1, i * 1.25, 'new' FROM generate_series(1001, 1500) i")
  await database.sql('DELETE FROM shop.orders WHERE id % 50 = 0')
  const after = await inDatabase()
  expect(after).toMatchObject({ n: 1470, paid: 686 })
  expect(await inLake(after)).toEqual(after)
  // The schemas are on the brokers that are left.
  expect((await ask(registry, 'POST', '/subjects/after/versions', { schema: '"int"' })).status).toBe(200)
}, 600_000)
