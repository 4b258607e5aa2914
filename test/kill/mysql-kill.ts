import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import mysql from 'mysql2/promise'
import { startDatabase } from '../support/mysql-process.ts'
import { createMysqlTables, MYSQL_TABLES, type MysqlColumn, MysqlWorkload } from './mysql-workload.ts'
import { baseFiles, difference, lakeNumber, lakeRows, newestWatermark } from './oracle.ts'
import { ACCOUNTS, START_BALANCE, seeded } from './workload.ts'

/**
 * Kills `cdc run --source mysql|mariadb` with SIGKILL at random moments of snapshot, streaming and commit, while a random workload writes. After
 * each kill the lake's newest watermark shows one state of the database (money in accounts = money in the ledger); then the workload pauses, a run
 * with --once catches up (it may be killed too), and every lake table must equal the database, row for row.
 *
 *   node test/kill/mysql-kill.ts --source mysql|mariadb --kills 100 --seed 7 [--port N] [--keep]
 */
export interface MysqlKillOptions {
  readonly flavor: 'mysql' | 'mariadb'
  readonly port: number
  readonly kills: number
  readonly seed: number
  readonly log: (line: string) => void
  readonly keep?: boolean
}

export interface MysqlKillReport {
  readonly kills: number
  readonly phases: Readonly<Record<string, number>>
  readonly comparisons: number
  readonly transactions: number
  /** Empty: passed. */
  readonly problems: readonly string[]
}

const ROWS = 20_000
const KILLS_PER_FLOW = 7
const MAIN = fileURLToPath(new URL('./run-child.ts', import.meta.url))

/** Runs the test; stops at the first problem. */
export async function mysqlKillTest(options: MysqlKillOptions): Promise<MysqlKillReport> {
  const root = mkdtempSync(join(tmpdir(), 'trib-kill-'))
  const database = `k_${process.pid}`
  const connect = async (name?: string): Promise<mysql.Connection> => {
    const server = { host: '127.0.0.1', port: options.port, user: 'root', multipleStatements: true }
    return await mysql.createConnection(name === undefined ? server : { ...server, database: name })
  }
  const admin = await connect()
  await admin.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`)
  const test = new MysqlKillTest(options, root, database, await connect(database), await connect(database))
  try {
    await test.run()
    return test.report()
  } finally {
    await test.end()
    await admin.query(`DROP DATABASE ${database}`)
    await admin.end()
    if (options.keep !== true) rmSync(root, { recursive: true, force: true })
    else options.log(`kept: ${root}`)
  }
}

class MysqlKillTest {
  readonly #options: MysqlKillOptions
  readonly #root: string
  readonly #database: string
  readonly #db: mysql.Connection
  readonly #random: () => number
  readonly #workload: MysqlWorkload
  readonly #phases: Record<string, number> = {}
  readonly #problems: string[] = []
  #flow = 0
  #flowKills = 0
  #kills = 0
  #comparisons = 0
  #child: ChildProcess | null = null

  constructor(options: MysqlKillOptions, root: string, database: string, db: mysql.Connection, writer: mysql.Connection) {
    this.#options = options
    this.#root = root
    this.#database = database
    this.#db = db
    this.#random = seeded(options.seed)
    this.#workload = new MysqlWorkload(writer, seeded(options.seed + 1), ROWS)
  }

  async run(): Promise<void> {
    await createMysqlTables(this.#db, ROWS)
    while (this.#kills < this.#options.kills && this.#problems.length === 0) {
      if (this.#flow === 0 || this.#flowKills >= KILLS_PER_FLOW) this.#newFlow()
      await this.#round()
    }
  }

  report(): MysqlKillReport {
    const transactions = this.#workload.transactions
    return { kills: this.#kills, phases: this.#phases, comparisons: this.#comparisons, transactions, problems: this.#problems }
  }

  async end(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#workload.close()
    await this.#db.end()
  }

  get #lake(): string {
    return join(this.#root, `lake-${this.#flow}`)
  }

  get #state(): string {
    return join(this.#root, `state-${this.#flow}`)
  }

  /** A new state directory and lake: the next run takes a snapshot. */
  #newFlow(): void {
    if (this.#options.keep !== true) for (const d of [this.#lake, this.#state]) rmSync(d, { recursive: true, force: true })
    this.#flow++
    this.#flowKills = 0
  }

  async #round(): Promise<void> {
    this.#workload.start()
    const phase = await this.#killAfter(this.#random() ** 2 * 3000, [])
    await this.#checkWatermark(phase)
    await this.#workload.pause()
    if (this.#random() < 0.3 && this.#kills < this.#options.kills) {
      await this.#killAfter(this.#random() * 1500, ['--once'])
      await this.#checkWatermark('catching up')
    }
    // Some snapshots are killed several times before they may end; what follows the last kill is always compared.
    if (phase === 'snapshot' && this.#random() < 0.6 && this.#kills < this.#options.kills) return
    await this.#catchUp()
    await this.#compare()
    const { kills } = this.#options
    this.#options.log(`kill ${this.#kills}/${kills} · flow ${this.#flow} · ${phase} · ${this.#workload.transactions} transactions`)
  }

  #spawn(more: readonly string[]): ChildProcess {
    const source = ['--source', this.#options.flavor, '--url', `mysql://root@127.0.0.1:${this.#options.port}`]
    const flags = ['--tables', `${this.#database}.*`, '--name', `kill${process.pid}`, '--state', this.#state, '--lake', this.#lake]
    const pace = ['--flush-interval', '300ms', '--flush-rows', '2000', '--table-type', 'cow', '--keep-commits', '0']
    const child = spawn(process.execPath, [MAIN, 'run', ...source, ...flags, ...pace, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    return child
  }

  /** Starts a run, kills it after `ms` (if it has not ended by then), and says what it was doing. */
  async #killAfter(ms: number, more: readonly string[]): Promise<string> {
    const child = this.#spawn(more)
    let text = ''
    child.stderr!.on('data', (d: Buffer) => {
      text += d.toString()
    })
    const closed = once(child, 'close')
    // A busy machine takes a second to start the program: most moments are counted from when it is up, or past its snapshot.
    const young = newestWatermark(this.#lake) === null
    const sign = this.#random() < 0.1 ? '' : young ? 'source    ' : 'streaming'
    const moment = (async (): Promise<boolean> => {
      for (let i = 0; i < 1000 && !text.includes(sign); i++) await sleep(20)
      await sleep(young ? ms / 3 : ms)
      return false
    })()
    if (await Promise.race([closed.then(() => true), moment])) {
      const [code] = (await closed) as [number | null]
      if (code !== 0 || !more.includes('--once')) this.#problems.push(`cdc run ended by itself with ${code}:\n${text}`)
      return 'ended'
    }
    child.kill('SIGKILL')
    await closed
    this.#kills++
    this.#flowKills++
    const phase = phaseOf(text, this.#lake)
    this.#phases[phase] = (this.#phases[phase] ?? 0) + 1
    return phase
  }

  async #catchUp(): Promise<void> {
    if (this.#problems.length > 0) return
    const child = this.#spawn(['--once', '--json'])
    let text = ''
    for (const s of [child.stdout!, child.stderr!]) {
      s.on('data', (d: Buffer) => {
        text += d.toString()
      })
    }
    const timeout = setTimeout(() => child.kill('SIGKILL'), 600_000)
    const [code] = (await once(child, 'close')) as [number | null]
    clearTimeout(timeout)
    if (code !== 0) this.#problems.push(`catching up with --once ended with ${code ?? 'a timeout of 600 s'}:\n${text}`)
  }

  async #checkWatermark(phase: string): Promise<void> {
    const mark = newestWatermark(this.#lake)
    if (mark === null) return
    const wanted = mark.tables.filter((t) => t.table === 'account' || t.table === 'ledger')
    const files = new Map(wanted.map((t) => [t.table, t.instant === null ? [] : baseFiles(join(this.#lake, t.path), t.instant)]))
    const balance = await lakeNumber('SELECT coalesce(sum(balance), 0)::bigint FROM $account', files)
    const moved = await lakeNumber('SELECT coalesce(sum(amount), 0)::bigint FROM $ledger', files)
    if (balance - moved !== ACCOUNTS * START_BALANCE) {
      const ledger = ACCOUNTS * START_BALANCE + moved
      this.#problems.push(`at watermark ${mark.commit} (${phase}) accounts hold ${balance}, the ledger says ${ledger}`)
    }
  }

  async #compare(): Promise<void> {
    if (this.#problems.length > 0) return
    for (const { name, columns } of MYSQL_TABLES) {
      const added = name === 'keyed' ? this.#workload.added.map((c) => ({ name: c, sql: `CAST(${c} AS CHAR)`, duck: `${c}::varchar` })) : []
      const all: MysqlColumn[] = [...columns, ...added]
      const expected = await this.#sourceRows(name, all)
      const files = baseFiles(join(this.#lake, `kill${process.pid}`, this.#database, name), null)
      const found = await lakeRows(
        files,
        all.map((c) => ({ ...c, pg: '' })),
      )
      const differences = difference(expected, found)
      if (differences.length === 0) continue
      const shown = differences.slice(0, 5).join('\n  ')
      const counts = `${expected.length} rows in the database, ${found.length} in the lake, ${differences.length} differences`
      this.#problems.push(`${name}: ${counts}:\n  ${shown}`)
    }
    this.#comparisons++
  }

  async #sourceRows(table: string, columns: readonly MysqlColumn[]): Promise<string[]> {
    const texts = columns.map((c) => `COALESCE(${c.sql}, '\\\\N')`).join(`, '|', `)
    const [rows] = await this.#db.query<mysql.RowDataPacket[]>({ sql: `SELECT CONCAT(${texts}) FROM ${table}`, rowsAsArray: true })
    return rows.map((r) => String(r[0])).sort()
  }
}

function phaseOf(text: string, lake: string): string {
  if (text.includes('streaming from')) return newestWatermark(lake) === null ? 'streaming, first commit' : 'streaming'
  return text.includes('snapshot  ') ? 'snapshot' : 'starting'
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      source: { type: 'string', default: 'mysql' },
      kills: { type: 'string', default: '20' },
      seed: { type: 'string' },
      port: { type: 'string' },
      keep: { type: 'boolean' },
    },
  })
  const flavor = values.source === 'mariadb' ? 'mariadb' : 'mysql'
  const seed = values.seed === undefined ? process.pid : Number(values.seed)
  const log = (line: string): void => void process.stdout.write(`${line}\n`)
  log(`seed ${seed}: node test/kill/mysql-kill.ts --source ${flavor} --kills ${values.kills} --seed ${seed}`)
  const server = values.port === undefined ? await startDatabase(flavor) : null
  try {
    const port = server?.port ?? Number(values.port)
    const report = await mysqlKillTest({ flavor, port, kills: Number(values.kills), seed, log, keep: values.keep === true })
    const phases = Object.entries(report.phases).map(([p, n]) => `${n} ${p}`)
    log(`${report.kills} kills (${phases.join(', ')}), ${report.comparisons} comparisons, ${report.transactions} transactions`)
    for (const p of report.problems) log(`✗ ${p}`)
    log(report.problems.length === 0 ? 'passed: the lake equals the database' : `failed, seed ${seed}`)
    process.exitCode = report.problems.length === 0 ? 0 : 1
  } finally {
    await server?.destroy()
  }
}
