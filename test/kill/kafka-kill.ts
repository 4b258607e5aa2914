import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import avsc from 'avsc'
import pg from 'pg'
import { startPostgres } from '../../scripts/embedded-postgres.ts'
import { readCommitted } from '../support/kafka-reader.ts'
import { createVersionedRows, historyProblems, type SeenEvent, VersionedRows } from './versioned-rows.ts'
import { seeded } from './workload.ts'

/**
 * Kills `cdc run --kafka` (kind capture) or brokers (kinds broker: the only one; brokers: one of three) with SIGKILL while a workload
 * writes, and then compares what a read_committed consumer of kafkajs sees with what was committed: every change once, in order per row.
 *
 *   node test/kill/kafka-kill.ts --kind capture|broker|brokers --kills 100 --seed 7 [--transactions 1|2] [--url postgres://…]
 */
export type KafkaKillKind = 'capture' | 'broker' | 'brokers'

export interface KafkaKillOptions {
  readonly kind: KafkaKillKind
  readonly kills: number
  readonly seed: number
  /** Superuser connection to a server with wal_level=logical. */
  readonly url: string
  /** First of 30 free ports, for brokers of its own. */
  readonly port: number
  /** The brokers' transaction.version. */
  readonly transactions: '1' | '2'
  readonly log: (line: string) => void
}

export interface KafkaKillReport {
  readonly kills: number
  readonly comparisons: number
  readonly events: number
  readonly transactions: number
  readonly problems: readonly string[]
}

const MAIN = fileURLToPath(new URL('./run-child.ts', import.meta.url))
const SCRIPT = fileURLToPath(new URL('../services/kafka.sh', import.meta.url))
const ROWS = 2000
const KILLS_PER_COMPARISON = 5
const KILLS_PER_FLOW = 15

/** Runs the test; stops at the first problem. */
export async function kafkaKillTest(options: KafkaKillOptions): Promise<KafkaKillReport> {
  const root = mkdtempSync(join(tmpdir(), 'trib-kafka-kill-'))
  const test = new KafkaKill(options, root)
  try {
    await test.run()
    return test.report()
  } finally {
    await test.end()
    rmSync(root, { recursive: true, force: true })
  }
}

class KafkaKill {
  private readonly options: KafkaKillOptions
  private readonly root: string
  private readonly random: () => number
  private readonly database = `k1_kill_${process.pid}`
  private readonly problems: string[] = []
  private admin!: pg.Client
  private db!: pg.Client
  private rows!: VersionedRows
  private bootstrap = ''
  private flow = 0
  private kills = 0
  private events = 0
  private comparisons = 0
  /** A snapshot of this flow was killed and went on. */
  private continued = false
  private child: ChildProcess | null = null

  constructor(options: KafkaKillOptions, root: string) {
    this.options = options
    this.root = root
    this.random = seeded(options.seed)
  }

  async run(): Promise<void> {
    this.bootstrap = this.kafka(this.options.kind === 'brokers' ? 'start3' : 'start').trim()
    this.admin = await connect(this.options.url)
    await this.admin.query(`CREATE DATABASE ${this.database}`)
    this.db = await connect(this.url)
    await createVersionedRows(this.db, ROWS)
    this.rows = new VersionedRows(this.db, seeded(this.options.seed + 1), ROWS)
    while (this.kills < this.options.kills && this.problems.length === 0) {
      if (this.kills % KILLS_PER_FLOW === 0) await this.newFlow()
      if (this.options.kind === 'capture') await this.killCapture()
      else await this.killBroker()
      const due = this.kills % KILLS_PER_COMPARISON === 0 || this.kills >= this.options.kills
      if (due && this.problems.length === 0) await this.compare()
    }
  }

  report(): KafkaKillReport {
    const { kills, comparisons, events, problems } = this
    return { kills, comparisons, events, problems, transactions: this.rows.transactions }
  }

  async end(): Promise<void> {
    this.child?.kill('SIGKILL')
    await this.rows?.pause()
    await this.db?.end()
    if (this.admin !== undefined) {
      await dropSlots(this.admin, this.database)
      await this.admin.query(`DROP DATABASE IF EXISTS ${this.database} WITH (FORCE)`)
      await this.admin.end()
    }
    this.kafka('destroy')
  }

  private get url(): string {
    const url = new URL(this.options.url)
    url.pathname = `/${this.database}`
    return url.href
  }

  private get name(): string {
    return `${this.database}_${this.flow}`
  }

  private get state(): string {
    return join(this.root, `state-${this.flow}`)
  }

  /** New topics and a new slot: the next run takes a snapshot. */
  private async newFlow(): Promise<void> {
    await dropSlots(this.admin, this.database)
    this.flow++
    this.continued = false
  }

  private async killCapture(): Promise<void> {
    this.rows.start()
    const run = this.spawn([])
    // Counted from when it is up: most of its start is the program being loaded.
    for (let i = 0; i < 500 && !run.text().includes('source    ') && run.child.exitCode === null; i++) await sleep(20)
    await sleep(this.random() ** 2 * 2000)
    await this.rows.pause()
    if (run.child.exitCode !== null) this.problems.push(`cdc run ended by itself:\n${run.text()}`)
    run.child.kill('SIGKILL')
    await run.closed
    if (!run.text().includes('streaming from')) this.continued = true
    this.kills++
    this.options.log(`kill ${this.kills}/${this.options.kills} · flow ${this.flow} · ${this.rows.transactions} transactions`)
  }

  /** The same run lives through all kills of brokers between two comparisons. */
  private async killBroker(): Promise<void> {
    if (this.child === null) {
      const run = this.spawn([])
      for (let i = 0; i < 500 && !run.text().includes('streaming') && run.child.exitCode === null; i++) await sleep(20)
    }
    this.rows.start()
    await sleep(this.random() * 1500)
    const node = this.options.kind === 'brokers' ? 1 + Math.floor(this.random() * 3) : 1
    this.kafka('kill', String(node))
    await sleep(this.random() * 1500)
    this.kafka('restart', String(node))
    await sleep(this.random() * 1500)
    await this.rows.pause()
    this.kills++
    if (this.child?.exitCode !== null) this.problems.push('cdc run did not outlast the broker')
    this.options.log(`kill ${this.kills}/${this.options.kills} · broker ${node} · ${this.rows.transactions} transactions`)
  }

  private spawn(more: readonly string[]): { child: ChildProcess; text(): string; closed: Promise<unknown> } {
    const where = ['--url', this.url, '--tables', 'k.*', '--name', this.name, '--state', this.state, '--lake', 'none']
    const kafka = ['--kafka', this.bootstrap, '--registry-listen', 'none', '--kafka-partitions', '3', '--kafka-outage', '300s']
    const child = spawn(process.execPath, [MAIN, 'run', ...where, ...kafka, ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const s of [child.stdout, child.stderr]) s.on('data', (d: Buffer) => (text += d.toString()))
    const closed = once(child, 'close').then(() => {
      if (this.child === child) this.child = null
      if (child.exitCode !== null && child.exitCode !== 0) this.problems.push(`cdc run ended with ${child.exitCode}:\n${text}`)
    })
    this.child = child
    return { child, text: () => text, closed }
  }

  /** Brings the topics up to date, and compares what is in them with what was committed. */
  private async compare(): Promise<void> {
    if (this.child !== null) {
      const { child } = this
      child.kill('SIGINT')
      await once(child, 'close')
    }
    const run = this.spawn(['--once'])
    const timeout = setTimeout(() => run.child.kill('SIGKILL'), 120_000)
    await run.closed
    clearTimeout(timeout)
    if (run.child.exitCode !== 0) {
      this.problems.push(`catching up ended with ${run.child.exitCode ?? 'a timeout of 120 s'}:\n${run.text()}`)
      return
    }
    const decode = decoder(this.state)
    const topics = [`${this.name}.k.row`, `${this.name}.k.note`]
    const seen = new Map<number, SeenEvent[]>()
    const notes = new Map<string, string>()
    const records = await readCommitted(topics, this.bootstrap)
    for (const r of records) {
      const value = r.value === null ? null : decode(r.value)
      if (r.topic === topics[1]) {
        const n = String(value!.after!['n'])
        notes.set(n, `${notes.get(n) ?? ''}${value!.op}`)
        continue
      }
      const id = Number((decode(r.key!) as unknown as { id: number }).id)
      const state = value === null ? null : (value.after ?? value.before)
      const event: SeenEvent = value === null ? { op: 't', version: 0 } : { op: value.op, version: Number(state!['version']) }
      seen.set(id, [...(seen.get(id) ?? []), event])
    }
    this.events = Math.max(this.events, records.length)
    this.problems.push(...historyProblems(this.rows.history, seen, this.continued))
    const all = await this.db.query<{ n: string }>('SELECT n::text FROM k.note')
    const right = this.continued ? /^(r|c|rc)$/ : /^(r|c)$/
    const wrong = all.rows.filter((r) => !right.test(notes.get(r.n) ?? ''))
    if (wrong.length > 0) {
      this.problems.push(`${wrong.length} notes not once, e.g. ${wrong[0]!.n}: ${notes.get(wrong[0]!.n) ?? 'never'}`)
    }
    if (notes.size !== all.rows.length) this.problems.push(`${notes.size} notes in Kafka, ${all.rows.length} in the database`)
    this.comparisons++
  }

  private kafka(...args: string[]): string {
    const { port, transactions } = this.options
    const env = { ...process.env, KAFKA_DATA: join(this.root, 'kafka'), KAFKA_PORT: String(port), KAFKA_TXN: transactions }
    return execFileSync('bash', [SCRIPT, ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: 180_000 })
  }
}

interface Envelope {
  readonly op: 'c' | 'u' | 'd' | 'r'
  readonly before: Record<string, unknown> | null
  readonly after: Record<string, unknown> | null
}

/** Decodes with avsc; the schemas come from the state directory, read by another SQLite than the product's. */
function decoder(state: string): (bytes: Buffer) => Envelope {
  const db = new DatabaseSync(join(state, 'tributary.db'), { readOnly: true })
  const rows = db.prepare('SELECT id, text FROM schemas').all() as { id: number; text: string }[]
  db.close()
  const longs = avsc.types.LongType.__with({
    fromBuffer: (b: Buffer) => b.readBigInt64LE(),
    toBuffer: () => Buffer.alloc(8),
    fromJSON: BigInt,
    toJSON: Number,
    isValid: (v: unknown) => typeof v === 'bigint' || typeof v === 'number',
    compare: () => 0,
  })
  const parse = (text: string): avsc.Type =>
    avsc.Type.forSchema(JSON.parse(text) as avsc.Schema, { wrapUnions: false, registry: { long: longs } as Record<string, avsc.Type> })
  const types = new Map(rows.map((r) => [r.id, parse(r.text)]))
  return (bytes) => types.get(bytes.readInt32BE(1))!.fromBuffer(bytes.subarray(5)) as Envelope
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      ...{ kills: { type: 'string', default: '20' }, seed: { type: 'string' }, url: { type: 'string' } },
      ...{ kind: { type: 'string', default: 'capture' }, port: { type: 'string', default: '24400' } },
      ...{ transactions: { type: 'string', default: '2' } },
    },
  })
  const kind = (['capture', 'broker', 'brokers'] as const).find((k) => k === values.kind)
  if (kind === undefined) throw new Error('--kind capture|broker|brokers')
  const seed = values.seed === undefined ? process.pid : Number(values.seed)
  const transactions = values.transactions === '1' ? '1' : '2'
  const log = (line: string): void => void process.stdout.write(`${line}\n`)
  log(`seed ${seed}: node test/kill/kafka-kill.ts --kind ${kind} --kills ${values.kills} --seed ${seed} --transactions ${transactions}`)
  const server = values.url === undefined ? await startPostgres() : null
  try {
    const url = values.url ?? server!.url
    const report = await kafkaKillTest({ kind, kills: Number(values.kills), seed, url, port: Number(values.port), transactions, log })
    log(
      `${report.kills} kills, ${report.comparisons} comparisons, ${report.transactions} transactions, ${report.events} events in a flow at most`,
    )
    for (const p of report.problems) log(`✗ ${p}`)
    log(
      report.problems.length === 0 ? 'passed: a read_committed consumer sees every change once, in order per row' : `failed, seed ${seed}`,
    )
    process.exitCode = report.problems.length === 0 ? 0 : 1
  } finally {
    await server?.stop()
  }
}
