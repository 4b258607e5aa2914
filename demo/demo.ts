// npm run demo [-- --keep]     Postgres → change capture → a lake of Hudi tables → SQL as of any moment, with a SIGKILL in the middle.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type RunningPostgres, startPostgres } from '../scripts/embedded-postgres.ts'
import { commandLine, type Finished, type Program, root, run, type Service, service } from './programs.ts'
import { createShop, startWorkload, type Workload } from './shop.ts'

const keep = process.argv.includes('--keep')
const home = relative(process.cwd(), join(root, 'demo-data')) || '.'
const lake = join(home, 'lake')
const state = join(home, 'state')
const logFile = join(home, 'cdc.log')
const pidFile = join(home, 'demo.pid')
const capture: Program = {
  name: 'cdc',
  args: ['run', '--source', 'pg', '--tables', 'shop.*', '--table-type', 'cow', '--flush-interval', '1s'],
}
const started = performance.now()
/** Settings of every command below, by environment. */
let env: Readonly<Record<string, string>> = {}

/** What the database said of itself at one moment between two transactions. */
interface Moment {
  readonly at: string
  readonly lsn: string
  readonly orders: number
}

function say(text = ''): void {
  process.stdout.write(`${text}\n`)
}

function step(text: string): void {
  say(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${text}`)
}

class DemoFailed extends Error {}

/** Prints the command, runs it, prints its real output. */
async function show(p: Program): Promise<Finished> {
  say(`\n$ ${commandLine(p)}`)
  const r = await run(p, env)
  say(
    [r.stdout, r.stderr]
      .map((t) => t.trimEnd())
      .filter((t) => t !== '')
      .join('\n'),
  )
  return r
}

async function createDatabase(server: RunningPostgres): Promise<string> {
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  await admin.query('CREATE DATABASE acme')
  await admin.end()
  return server.url.replace(/postgres$/, 'acme')
}

function exports(): string {
  return Object.entries(env)
    .map(([k, v]) => `${k}=${v}`)
    .join(' ')
}

async function moment(client: pg.Client): Promise<Moment> {
  // To the microsecond: a Date would round down, to before a transaction that committed within the same millisecond.
  const r = await client.query<{ at: string; lsn: string; orders: string }>(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, pg_current_wal_lsn() AS lsn,
            (SELECT count(*) FROM shop.orders) AS orders`,
  )
  const { at, lsn, orders } = r.rows[0]
  return { at, lsn, orders: Number(orders) }
}

function lsnNumber(lsn: string): bigint {
  const [hi, lo] = lsn.split('/')
  return (BigInt(`0x${hi}`) << 32n) | BigInt(`0x${lo}`)
}

/** Waits until every table of the lake is complete up to `lsn`. */
async function caughtUp(lsn: string, running: Service): Promise<void> {
  let ended: number | string | undefined
  running.ended.then((code) => {
    ended = code
  })
  for (const deadline = performance.now() + 120_000; performance.now() < deadline; await sleep(250)) {
    if (ended !== undefined) throw new DemoFailed(`cdc run ended by itself (${ended}):\n${readFileSync(logFile, 'utf8')}`)
    const at = await lakePosition()
    if (at !== null && lsnNumber(at) >= lsnNumber(lsn)) return
  }
  throw new DemoFailed(`the lake did not reach ${lsn} within 120 s:\n${readFileSync(logFile, 'utf8')}`)
}

/** Commit position of the newest state of the source that the whole lake has reached. */
async function lakePosition(): Promise<string | null> {
  if (!existsSync(lake)) return null
  const r = await run({ name: 'lake', args: ['tables', '--json'] }, env)
  const answer = JSON.parse(r.stdout) as { ok: boolean; result: { watermark: { commit: string } | null } | null }
  return answer.ok ? (answer.result?.watermark?.commit ?? null) : null
}

/** Runs the query of the demo as of a moment; the count must be what the database itself said then. */
async function ask(asOf: readonly string[], expected: number | null): Promise<boolean> {
  const sql = 'SELECT status, count(*) AS orders, sum(total) AS total FROM shop.orders GROUP BY status ORDER BY status'
  const query: Program = { name: 'lake', args: ['query', sql, ...asOf] }
  const shown = await show(query)
  if (shown.code !== 0) return false
  if (expected === null) return true
  const count = await run({ name: 'lake', args: ['query', 'SELECT count(*) AS n FROM shop.orders', ...asOf, '--format', 'csv'] }, env)
  const found = Number(count.stdout.trim().split('\n').at(-1))
  say(
    found === expected
      ? `✓ the database itself counted ${expected} orders at that moment`
      : `✗ ${found} orders, but the database had ${expected}`,
  )
  return found === expected
}

async function main(server: RunningPostgres): Promise<boolean> {
  env = { DATABASE_URL: await createDatabase(server), TRIBUTARY_LAKE: lake, TRIBUTARY_STATE: state }
  const client = new pg.Client({ connectionString: env['DATABASE_URL'] })
  const writer = new pg.Client({ connectionString: env['DATABASE_URL'] })
  // A lost server also fails the query at hand, which says so; without a listener it would end the process before that.
  for (const c of [client, writer]) c.on('error', () => undefined)
  await Promise.all([client.connect(), writer.connect()])
  await createShop(client)
  step(`Postgres ${server.major} on 127.0.0.1:${server.port}, wal_level=logical: a shop of 5 tables and 70,500 rows`)
  const workload = startWorkload(writer, 7)
  try {
    return await story(client, workload)
  } finally {
    await Promise.allSettled([client.end(), writer.end()])
  }
}

async function story(client: pg.Client, workload: Workload): Promise<boolean> {
  say(`\n$ export ${exports()}\n$ ${commandLine(capture)} &`)
  const first = service(capture, env, logFile)
  await caughtUp('0/1', first)
  step(`snapshot in the lake while ${workload.transactions()} transactions were written; streaming`)
  await sleep(2500)
  const before = await workload.pause(() => moment(client))
  await sleep(1500)
  const exact = await workload.pause(() => moment(client))
  await sleep(700 + Math.floor(process.pid % 10) * 60)
  const how = await first.kill()
  step(`${how} to cdc run (pid ${first.pid}) after ${workload.transactions()} transactions; the shop goes on writing`)
  await sleep(2000)
  const second = service(capture, env, logFile)
  step(`the same command again (pid ${second.pid}); it goes on where the lake ends`)
  await sleep(2500)
  await workload.stop()
  const closing = await moment(client)
  await client.query(`UPDATE shop.products SET updated_at = now() WHERE sku = 'sku-1'`) // commits after closing.lsn: what to wait for
  step(`the shop closes after ${workload.transactions()} transactions`)
  await caughtUp(closing.lsn, second)
  step('the lake has caught up')

  const answers = [
    await ask([], closing.orders),
    await ask(['--as-of', before.at], before.orders),
    await ask(['--as-of', `lsn:${exact.lsn}`], exact.orders),
  ]
  const verify = await show({ name: 'cdc', args: ['verify', '--source', 'pg', '--tables', 'shop.*'] })
  const code = await second.stop()
  if (code !== 0) throw new DemoFailed(`cdc run did not stop cleanly (${code}):\n${readFileSync(logFile, 'utf8')}`)
  return answers.every(Boolean) && verify.code === 0
}

function byHand(server: RunningPostgres): void {
  say(`\nPostgres stays up. Go on by hand:
  export ${exports()}
  ${commandLine(capture)}
  psql "$DATABASE_URL"                    # in another terminal: write something
  npx lake query "SELECT count(*) FROM shop.orders" --as-of -1m
  npx lake timeline shop.orders
  kill ${server.pid}                              # stops Postgres and removes its files`)
}

/** One demo at a time in one checkout: they would remove each other's files. */
function claim(): void {
  const owner = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
  if (owner > 0 && isAlive(owner)) {
    say(`✗ another demo runs here (pid ${owner}); wait for it, or stop it with: kill ${owner}`)
    process.exit(3)
  }
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  writeFileSync(pidFile, `${process.pid}\n`)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM'
  }
}

claim()
const server = await startPostgres({ keep })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    server.stop().finally(() => process.exit(130))
  })
}
let good = false
try {
  good = await main(server)
} catch (e) {
  say(e instanceof DemoFailed ? `✗ ${e.message}` : `✗ ${(e as Error).stack}`)
} finally {
  if (keep) byHand(server)
  else await server.stop()
}
say()
step(good ? `✓ the lake equals the database. Its files stay in ${home} until the next run.` : '✗ the demo failed')
rmSync(pidFile)
process.exit(good ? 0 : 1) // children that a failure left behind end with us
