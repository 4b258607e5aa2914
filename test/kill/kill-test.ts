import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import { baseFiles, difference, exported, lakeNumber, lakeRows, newestWatermark, sourceRows } from './oracle.ts'
import { ACCOUNTS, createTables, type KillColumn, type KillTable, START_BALANCE, seeded, TABLES, Workload } from './workload.ts'

/**
 * Kills `cdc run` with SIGKILL again and again, at random moments of snapshot, streaming and commit, while a random workload writes.
 * After each kill: the lake's newest watermark shows one state of the database (money in accounts = money in the ledger), and the slot
 * was acknowledged no further than the log. Then the workload pauses, a run with --once catches up (it may be killed too), and every lake table must
 * equal the database, row for row. Every few kills it starts over with a new state directory and lake, for more snapshots.
 *
 * Merge-on-read tables get their services at a pace that kills meet too, and hudi-rs reads them (python3 is needed).
 *
 *   node test/kill/kill-test.ts --kills 100 --seed 7 [--type cow|mor] [--table-version 6|9] [--url postgres://…] [--keep]
 */
interface KillOptions {
  readonly kills: number
  readonly seed: number
  /** Superuser connection to a server with wal_level=logical. */
  readonly url: string
  readonly type?: 'cow' | 'mor'
  readonly tableVersion?: '6' | '9'
  readonly log: (line: string) => void
  /** Leaves state and lake for inspection. */
  readonly keep?: boolean
}

interface KillReport {
  readonly kills: number
  readonly phases: Readonly<Record<string, number>>
  readonly comparisons: number
  readonly transactions: number
  /** Empty: passed. */
  readonly problems: readonly string[]
}

const ROWS = 20_000
/** Of a table: whatever is newest. */
const NEWEST = 'newest'
const KILLS_PER_FLOW = 7
/** Commits and services as often as a short test needs them; the oracle for copy-on-write reads the active timeline alone. */
const SERVICES = {
  cow: ['--table-type', 'cow', '--keep-commits', '0', '--bucket-size', '100KiB'],
  mor: [
    '--table-type',
    'mor',
    '--compact-logs',
    '3',
    '--compact-share',
    '10',
    '--compact-log-files',
    '2',
    '--bucket-size',
    '100KiB',
    '--cluster-sort',
    'k.keyed=id',
    '--cluster-every',
    '2s',
    '--keep-commits',
    '3',
    '--keep-history',
    '40s',
    '--partition',
    'k.keyed=b',
  ],
}
const MAIN = fileURLToPath(new URL('./run-child.ts', import.meta.url))

/** Runs the test; stops at the first problem. */
async function killTest(options: KillOptions): Promise<KillReport> {
  const root = mkdtempSync(join(tmpdir(), 'trib-kill-'))
  const test = new KillTest(options, root)
  try {
    await test.run()
    return test.report()
  } finally {
    await test.end()
    if (options.keep !== true) rmSync(root, { recursive: true, force: true })
    else options.log(`kept: ${root}`)
  }
}

class KillTest {
  private readonly options: KillOptions
  private readonly root: string
  private readonly random: () => number
  private readonly phases: Record<string, number> = {}
  private readonly problems: string[] = []
  private readonly database: string
  private db!: pg.Client
  private admin!: pg.Client
  private workload!: Workload
  private flow = 0
  /** Kills since the flow began. */
  private flowKills = 0
  private kills = 0
  private comparisons = 0
  private child: ChildProcess | null = null

  constructor(options: KillOptions, root: string) {
    this.options = options
    this.root = root
    this.random = seeded(options.seed)
    this.database = `c_kill_${process.pid}`
  }

  async run(): Promise<void> {
    this.admin = await connect(this.options.url)
    await this.admin.query(`CREATE DATABASE ${this.database}`)
    this.db = await connect(this.url)
    await createTables(this.db, ROWS)
    this.workload = new Workload(await connect(this.url), seeded(this.options.seed + 1), ROWS)
    while (this.kills < this.options.kills && this.problems.length === 0) {
      if (this.flow === 0 || this.flowKills >= KILLS_PER_FLOW) await this.newFlow()
      await this.round()
    }
  }

  report(): KillReport {
    const { kills, phases, comparisons, problems } = this
    return { kills, phases, comparisons, transactions: this.workload.transactions, problems }
  }

  async end(): Promise<void> {
    this.child?.kill('SIGKILL')
    await this.workload?.close()
    await this.db?.end()
    if (this.admin === undefined) return
    await dropSlots(this.admin, this.database)
    await this.admin.query(`DROP DATABASE IF EXISTS ${this.database} WITH (FORCE)`)
    await this.admin.end()
  }

  private get url(): string {
    const url = new URL(this.options.url)
    url.pathname = `/${this.database}`
    return url.href
  }

  private get type(): 'cow' | 'mor' {
    return this.options.type ?? 'cow'
  }

  private get lake(): string {
    return join(this.root, `lake-${this.flow}`)
  }

  private get state(): string {
    return join(this.root, `state-${this.flow}`)
  }

  /** A new state directory and lake: the next run takes a snapshot. */
  private async newFlow(): Promise<void> {
    await dropSlots(this.admin, this.database)
    if (this.options.keep !== true) for (const d of [this.lake, this.state]) rmSync(d, { recursive: true, force: true })
    this.flow++
    this.flowKills = 0
  }

  private async round(): Promise<void> {
    this.workload.start()
    const phase = await this.killAfter(this.random() ** 2 * 3000, [])
    await this.checkAfterKill(phase)
    await this.workload.pause()
    if (this.random() < 0.3 && this.kills < this.options.kills) {
      await this.killAfter(this.random() * 1500, ['--once'])
      await this.checkAfterKill('catching up')
    }
    // Some snapshots are killed several times before they may end; what follows the last kill is always compared.
    if (phase === 'snapshot' && this.random() < 0.6 && this.kills < this.options.kills) return
    await this.catchUp()
    await this.compare()
    this.options.log(`kill ${this.kills}/${this.options.kills} · flow ${this.flow} · ${phase} · ${this.workload.transactions} transactions`)
  }

  private spawn(more: readonly string[]): ChildProcess {
    const flags = ['--url', this.url, '--tables', 'k.*', '--name', `kill${this.flow}`, '--state', this.state, '--lake', this.lake]
    const pace = ['--flush-interval', '300ms', '--flush-rows', '2000', '--table-version', this.options.tableVersion ?? '6']
    const child = spawn(
      process.execPath,
      [MAIN, 'run', ...flags, ...pace, ...SERVICES[this.type], '--slot-name', `${this.database}_${this.flow}`, ...more],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.child = child
    return child
  }

  /** Starts a run, kills it after `ms` (if it has not ended by then), and says what it was doing. */
  private async killAfter(ms: number, more: readonly string[]): Promise<string> {
    const child = this.spawn(more)
    let text = ''
    child.stderr!.on('data', (d: Buffer) => {
      text += d.toString()
    })
    const closed = once(child, 'close')
    // A busy machine takes a second to start the program: most moments are counted from when it is up, or past its snapshot.
    const young = newestWatermark(this.lake) === null
    const sign = this.random() < 0.1 ? '' : young ? 'source    ' : 'streaming'
    const moment = (async (): Promise<boolean> => {
      for (let i = 0; i < 1000 && !text.includes(sign); i++) await sleep(20)
      await sleep(young ? ms / 3 : ms)
      return false
    })()
    const early = await Promise.race([closed.then(() => true), moment])
    if (early) {
      const [code] = (await closed) as [number | null]
      if (code !== 0 || !more.includes('--once')) this.problems.push(`cdc run ended by itself with ${code}:\n${text}`)
      return 'ended'
    }
    child.kill('SIGKILL')
    await closed
    this.kills++
    this.flowKills++
    const phase = phaseOf(text, this.lake)
    this.phases[phase] = (this.phases[phase] ?? 0) + 1
    return phase
  }

  private async catchUp(): Promise<void> {
    if (this.problems.length > 0) return
    const child = this.spawn(['--once', '--json'])
    let text = ''
    for (const s of [child.stdout!, child.stderr!]) {
      s.on('data', (d: Buffer) => {
        text += d.toString()
      })
    }
    const timeout = setTimeout(() => child.kill('SIGKILL'), 120_000)
    const [code] = (await once(child, 'close')) as [number | null]
    clearTimeout(timeout)
    if (code !== 0) this.problems.push(`catching up with --once ended with ${code ?? 'a timeout of 120 s'}:\n${text}`)
  }

  private async checkAfterKill(phase: string): Promise<void> {
    await this.checkAcknowledged(phase)
    const mark = newestWatermark(this.lake)
    if (mark === null) return
    const files = await this.filesAt(mark.tables.filter((t) => t.table === 'account' || t.table === 'ledger'))
    const balance = await lakeNumber('SELECT coalesce(sum(balance), 0)::bigint FROM $account', files)
    const moved = await lakeNumber('SELECT coalesce(sum(amount), 0)::bigint FROM $ledger', files)
    if (balance - moved !== ACCOUNTS * START_BALANCE) {
      this.problems.push(
        `at watermark ${mark.commit} (${phase}) accounts hold ${balance}, the ledger says ${ACCOUNTS * START_BALANCE + moved}`,
      )
    }
  }

  /** Parquet files with the rows of tables, by name: of copy-on-write tables their own, of others what hudi-rs made of them. */
  private async filesAt(
    tables: readonly { readonly table: string; readonly path: string; readonly instant: string | null }[],
  ): Promise<Map<string, string[]>> {
    const wanted = tables.map((t) => ({ ...t, directory: join(this.lake, t.path) }))
    if (this.type === 'cow') {
      return new Map(
        wanted.map((t) => [t.table, t.instant === null ? [] : baseFiles(t.directory, t.instant === NEWEST ? null : t.instant)]),
      )
    }
    const there = wanted.filter((t) => t.instant !== null)
    const into = join(this.root, 'exported')
    mkdirSync(into, { recursive: true })
    const jobs = there.map((t) => ({ directory: t.directory, instant: t.instant === NEWEST ? null : t.instant }))
    const files = await exported(jobs, into)
    return new Map(wanted.map((t) => [t.table, t.instant === null ? [] : [files[there.indexOf(t)]]]))
  }

  /** The slot's confirmed_flush_lsn is not beyond what the log's cursor says is durable. */
  private async checkAcknowledged(phase: string): Promise<void> {
    const name = `${this.database}_${this.flow}`
    const slots = await this.admin.query<{ at: string }>(
      'SELECT confirmed_flush_lsn - $2::pg_lsn AS at FROM pg_replication_slots WHERE slot_name = $1',
      [name, '0/0'],
    )
    const confirmed = slots.rows[0]?.at
    const position = cursorPosition(this.state)
    if (confirmed === undefined || position === null) return
    // lsn+tail: everything before lsn + tail is in the log; lsn:n: the n-th change of the transaction that commits at lsn.
    const m = /^([0-9A-F]+)\/([0-9A-F]+)(?:\+(\d+))?/.exec(position)
    if (m === null) return
    const durable = (BigInt(`0x${m[1]}`) << 32n) + BigInt(`0x${m[2]}`) + BigInt(m[3] ?? 0)
    if (BigInt(confirmed) > durable)
      this.problems.push(`the slot is acknowledged up to ${confirmed}, the log holds up to ${durable} (${position}, ${phase})`)
  }

  private async compare(): Promise<void> {
    if (this.problems.length > 0) return
    const files = await this.filesAt(TABLES.map((t) => ({ table: t.name, path: join(this.database, 'k', t.name), instant: NEWEST })))
    for (const table of TABLES) {
      const columns = columnsOf(table, this.workload.added)
      const expected = await sourceRows(this.db, `k.${table.name}`, columns)
      const found = await lakeRows(files.get(table.name)!, columns)
      const differences = difference(expected, found)
      if (differences.length > 0) {
        const shown = differences.slice(0, 5).join('\n  ')
        this.problems.push(
          `k.${table.name}: ${expected.length} rows in the database, ${found.length} in the lake, ${differences.length} differences:\n  ${shown}`,
        )
      }
    }
    this.comparisons++
  }
}

function columnsOf(table: KillTable, added: readonly string[]): readonly KillColumn[] {
  if (table.name !== 'keyed') return table.columns
  return [...table.columns, ...added.map((name) => ({ name, pg: `${name}::text`, duck: `${name}::varchar` }))]
}

function phaseOf(text: string, lake: string): string {
  if (text.includes('streaming from')) return newestWatermark(lake) === null ? 'streaming, first commit' : 'streaming'
  return text.includes('created   slot') || text.includes('snapshot  ') ? 'snapshot' : 'starting'
}

/** The log's newest position, read by another SQLite than the product's. */
function cursorPosition(state: string): string | null {
  const file = join(state, 'tributary.db')
  if (!existsSync(file)) return null
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'appends'").get() as { n: number }
    if (tables.n === 0) return null
    const row = db.prepare('SELECT position FROM appends ORDER BY id DESC LIMIT 1').get() as { position: string } | undefined
    return row?.position ?? null
  } finally {
    db.close()
  }
}

async function dropSlots(admin: pg.Client, database: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await admin.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active', [database])
    await admin.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT active', [database])
    const left = await admin.query('SELECT 1 FROM pg_replication_slots WHERE database = $1', [database])
    if (left.rowCount === 0) return
    await sleep(50)
  }
  throw new Error(`slots of ${database} stay active`)
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      ...{ kills: { type: 'string', default: '20' }, seed: { type: 'string' }, url: { type: 'string' }, keep: { type: 'boolean' } },
      ...{ type: { type: 'string', default: 'cow' }, 'table-version': { type: 'string', default: '6' } },
    },
  })
  const type = values.type === 'mor' ? 'mor' : 'cow'
  const tableVersion = values['table-version'] === '9' ? '9' : '6'
  const seed = values.seed === undefined ? process.pid : Number(values.seed)
  const log = (line: string): void => void process.stdout.write(`${line}\n`)
  log(`seed ${seed}: node test/kill/kill-test.ts --kills ${values.kills} --seed ${seed} --type ${type} --table-version ${tableVersion}`)
  const server = values.url === undefined ? await startPostgres() : null
  try {
    const url = values.url ?? server!.url
    const report = await killTest({ kills: Number(values.kills), seed, url, log, type, tableVersion, keep: values.keep === true })
    log(
      `${report.kills} kills (${Object.entries(report.phases)
        .map(([p, n]) => `${n} ${p}`)
        .join(', ')}), ${report.comparisons} comparisons, ${report.transactions} transactions`,
    )
    for (const p of report.problems) log(`✗ ${p}`)
    log(
      report.problems.length === 0
        ? 'passed: the lake equals the database, nothing was acknowledged beyond the log'
        : `failed, seed ${seed}`,
    )
    process.exitCode = report.problems.length === 0 ? 0 : 1
  } finally {
    await server?.stop()
  }
}
