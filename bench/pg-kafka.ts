import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import {
  type Bench,
  type BenchRow,
  type Cost,
  type Figure,
  measureAnswer,
  measureCommand,
  measureWorker,
  median,
  peakRssMb,
} from './measure.ts'
import { createTable, DEBEZIUM_STREAM, load, withClient } from './orders-data.ts'
import { CDC, startBenchServer } from './orders-server.ts'

const ROWS = 1_000_000
const SERVICE = 'test/services/kafka.sh'
const PORT = 23_400

/**
 * Slot → Kafka: the whole program, transactions of Kafka, zstd, Avro, the position in the same transaction. The broker and Postgres run on
 * the same machine. Every run writes into topics of its own from a copy of one slot. Then one row per commit at 2,000 a second, from the
 * INSERT to a read_committed consumer.
 */
export const bench: Bench = {
  name: 'pg-kafka',
  question: 'how fast do a million inserts go from the slot into Kafka (transactional, zstd, Avro), and how late is a commit seen?',
  async run(say, runs): Promise<readonly BenchRow[]> {
    const started = await startBenchServer()
    const root = mkdtempSync(join(tmpdir(), 'bench-pg-kafka-'))
    const env = { ...process.env, KAFKA_DATA: join(root, 'kafka'), KAFKA_PORT: String(PORT), KAFKA_HEAP: '512m', KAFKA_TIER: '4' }
    const service = (...args: string[]): void =>
      void execFileSync('bash', [SERVICE, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    try {
      service('start')
      const place: Place = { url: started.server.url, root, env, bootstrap: `127.0.0.1:${PORT}` }
      return await withClient(place.url, (c) => compare(c, place, say, runs))
    } finally {
      service('destroy')
      rmSync(root, { recursive: true, force: true })
      await started.server.stop()
    }
  },
}

interface Place {
  readonly url: string
  readonly root: string
  readonly env: NodeJS.ProcessEnv
  readonly bootstrap: string
}

async function compare(client: pg.Client, place: Place, say: (t: string) => void, runs: number): Promise<readonly BenchRow[]> {
  await createTable(client)
  await captured(place, 'base', 0)
  const offset = execFileSync(process.execPath, [CDC, 'offsets', 'export', '--name', 'base', '--kafka', place.bootstrap], {
    encoding: 'utf8',
  })
  await client.query("SELECT pg_copy_logical_replication_slot('base', 'bench_base')")
  say(`loading ${ROWS.toLocaleString('en-US')} rows`)
  await load(client, ROWS)
  await client.query('CHECKPOINT')
  let n = 0
  const ours = await median(runs, async () => {
    const name = `run${++n}`
    await client.query(`SELECT pg_copy_logical_replication_slot('bench_base', '${name}')`)
    const input = ['offsets', 'import', '--name', name, '--kafka', place.bootstrap]
    execFileSync(process.execPath, [CDC, ...input], { input: offset, stdio: ['pipe', 'ignore', 'inherit'] })
    const broker = brokerCpuS(place.root)
    const cost = await captured(place, name, ROWS)
    say(`broker: ${(brokerCpuS(place.root) - broker).toFixed(1)} CPU s; ours: ${cost.cpuS.toFixed(1)} CPU s, ${cost.wallS.toFixed(1)} s`)
    return cost
  })
  say('ProducerPerformance')
  const reference = await producerPerformance(place)
  const rows: BenchRow[] = [
    {
      work: 'PG stream → Avro → Kafka, transactional',
      ours: { rows: ROWS, ...ours },
      reference: { name: 'ProducerPerformance, 300 B, transactional, zstd', figure: reference },
      by: 'cpu',
    },
    {
      work: 'the same',
      ours: { rows: ROWS, ...ours },
      reference: { name: 'Debezium 3.6, Avro, without Connect and Kafka', figure: DEBEZIUM_STREAM },
      by: 'cpu',
    },
  ]
  say('one row per commit, 2,000 a second')
  const latency = await commitToConsumer(client, place)
  if (latency !== null) say(latency)
  return rows
}

/** One run of the program; it must have captured exactly `rows` changes. */
async function captured(place: Place, name: string, rows: number): Promise<Cost> {
  const { cost, stdout } = await measureAnswer(process.execPath, [CDC, ...flags(place, name), '--once', '--json'], process.env)
  const found = (JSON.parse(stdout) as { result: { records: number } }).result.records
  if (found !== rows) throw new Error(`${found} changes were captured, not ${rows}`)
  return cost
}

function flags({ url, bootstrap, root }: Place, name: string): string[] {
  const source = ['run', '--source', 'pg', '--url', url, '--tables', 'public.bench_orders', '--name', name, '--publication', 'base']
  const log = ['--kafka', bootstrap, '--registry-listen', 'none', '--lake', 'none', '--state', join(root, `state-${name}`)]
  return [...source, ...log]
}

async function producerPerformance(place: Place): Promise<Figure> {
  const topic = ['--create', '--topic', 'reference', '--bootstrap-server', place.bootstrap, '--partitions', '1']
  const tool = ['--topic', 'reference', '--num-records', String(ROWS), '--record-size', '300', '--throughput', '-1']
  const props = [`bootstrap.servers=${place.bootstrap}`, 'acks=all', 'compression.type=zstd', 'batch.size=320000', 'linger.ms=5']
  const transactional = ['--transactional-id', 'reference', '--transaction-duration-ms', '100']
  try {
    execFileSync('bash', [SERVICE, 'run', 'org.apache.kafka.tools.TopicCommand', ...topic], { env: place.env, stdio: 'ignore' })
    const args = ['run', 'org.apache.kafka.tools.ProducerPerformance', ...tool, '--producer-props', ...props, ...transactional]
    return { rows: ROWS, ...(await measureCommand('bash', [SERVICE, ...args], place.env)) }
  } catch (e) {
    return { absent: (e as Error).message.split('\n')[0]! }
  }
}

/** What the latency's worker says, and what the capture needed meanwhile. */
async function commitToConsumer(client: pg.Client, place: Place): Promise<string | null> {
  await client.query('TRUNCATE bench_orders')
  await client.query("SELECT pg_drop_replication_slot('bench_base')")
  const child = spawn(process.execPath, [CDC, ...flags(place, 'late')], { stdio: ['ignore', 'ignore', 'pipe'] })
  try {
    let text = ''
    child.stderr.on('data', (d: Buffer) => (text += d.toString()))
    for (let i = 0; i < 300 && !text.includes('streaming'); i++) await new Promise((r) => setTimeout(r, 100))
    await client.query('INSERT INTO bench_orders (id, customer_id) VALUES (-1, 1)')
    await new Promise((r) => setTimeout(r, 1000))
    const worker = fileURLToPath(new URL('./pg-kafka-latency.ts', import.meta.url))
    const { note } = await measureWorker(worker, [place.url, place.bootstrap, 'late.public.bench_orders'])
    return `${note ?? ''}; capture's peak RSS ${peakRssMb(child.pid!).toFixed(0)} MB`
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

function brokerCpuS(root: string): number {
  const pid = readFileSync(join(root, 'kafka', '1.pid'), 'utf8').trim()
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
