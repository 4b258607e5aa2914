import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import mysql from 'mysql2/promise'
import { type DatabaseServer, startDatabase } from '../test/support/mysql-process.ts'
import { type Bench, type BenchRow, type Cost, type Figure, measureAnswer, measureCommand, measureWorker, median } from './measure.ts'
import { CDC } from './orders-server.ts'

const ROWS = 1_000_000
const TABLE = `CREATE TABLE bench_orders (id BIGINT PRIMARY KEY, customer_id BIGINT NOT NULL, status VARCHAR(20), qty INT, price DOUBLE,
  amount DECIMAL(12,2), created_at DATETIME(6), note VARCHAR(200), active TINYINT(1), email VARCHAR(100)) DEFAULT CHARSET=utf8mb4`

/** Rows [first, first + 1000), as Debezium's recorded runs had them; one transaction. */
const INSERT = (first: number): string => `INSERT INTO bench_orders SELECT ${first} + n, (${first} + n) % 977,
  ELT(1 + (${first} + n) % 5, 'NEW', 'PAID', 'PACKED', 'SHIPPED', 'DELIVERED'), ((${first} + n) * 7) % 1000, ((${first} + n) % 100000) / 7.0,
  (((${first} + n) * 13) % 1000000) / 100.0, TIMESTAMP('2026-01-01') + INTERVAL (${first} + n) * 1000 MICROSECOND,
  IF((${first} + n) % 3 = 0, NULL, CONCAT('some note about order number ', ${first} + n, ', long enough to make the row about two hundred bytes wide ',
  LEFT(SHA2(${first} + n, 256), 32))), (${first} + n) % 2 = 0, CONCAT('user', ${first} + n, '@example.com') FROM gen WHERE n < 1000 ORDER BY n`

const recorded = { rows: ROWS, recorded: 'a quiet run of Debezium on the same data, start-up of the JVM left out' }
/** CPU of the whole connector, Avro converted, for a million of these rows. */
const DEBEZIUM: Readonly<Record<'mysql' | 'mariadb', Figure>> = {
  mysql: { wallS: 37.7, cpuS: 46.7, rssMb: 870, ...recorded },
  mariadb: { wallS: 47.0, cpuS: 40.5, rssMb: 1612, ...recorded },
}

/**
 * Ours is the whole program (`cdc run --lake none --once`: start, connect, stream, decode, Debezium envelope in Avro, durable log) from a state
 * that was made before the load; theirs reads the same binlog file over the network: copies it, or prints its rows to /dev/null.
 */
export const bench: Bench = {
  name: 'mysql-stream',
  question:
    'how fast do a million inserts go from the binlog into the durable log as Debezium Avro, beside mysqlbinlog and mariadb-binlog?',
  async run(say, runs) {
    return [...(await compare('mysql', say, runs)), ...(await compare('mariadb', say, runs))]
  },
}

async function compare(flavor: 'mysql' | 'mariadb', say: (t: string) => void, runs: number): Promise<BenchRow[]> {
  const server = await startDatabase(flavor)
  const scratch = mkdtempSync(join(tmpdir(), 'tributary-bench-'))
  try {
    const base = join(scratch, 'base')
    const file = await prepare(server, base, say)
    const ours: Figure = { ...(await median(runs, () => fresh(server, base, join(scratch, 'state')))), rows: ROWS }
    const work = `${flavor} binlog → Avro → durable log`
    const reference = flavor === 'mysql' ? 'mysqlbinlog' : 'mariadb-binlog'
    say(`${flavor}: ${reference}`)
    const copy: Figure = { ...(await median(runs, () => binlog(server, ['--raw', `--result-file=${scratch}/`, file]))), rows: ROWS }
    const print: Figure = { ...(await median(runs, () => binlog(server, ['--base64-output=decode-rows', '-v', file]))), rows: ROWS }
    say(`${flavor}: 5,000 events per second`)
    const worker = fileURLToPath(new URL('./mysql-latency-work.ts', import.meta.url))
    const latency = await measureWorker(worker, [flavor, String(server.port)])
    return [
      { work, ours, reference: { name: `${reference} --raw`, figure: copy }, by: 'cpu' },
      { work: 'the same', ours, reference: { name: `${reference} -v > /dev/null`, figure: print }, by: 'cpu' },
      {
        work: 'the same',
        ours,
        reference: { name: `Debezium ${flavor === 'mysql' ? '3.6' : '3.5'}, Avro`, figure: DEBEZIUM[flavor] },
        by: 'cpu',
      },
      {
        work: `${flavor} at 5,000 events/s (CPU with the writer), ${latency.note}`,
        ours: { ...latency.cost, rows: latency.rows },
        reference: { name: 'the target: p99 20 ms', figure: { absent: 'no reference' } },
        by: 'wall',
      },
    ]
  } finally {
    rmSync(scratch, { recursive: true, force: true })
    await server.destroy()
  }
}

/** Makes the table, a state that has seen it empty, and the rows; returns the binlog file that holds them. */
async function prepare(server: DatabaseServer, base: string, say: (t: string) => void): Promise<string> {
  const client = await mysql.createConnection({ host: '127.0.0.1', port: server.port, user: 'root' })
  await client.query('CREATE DATABASE bench')
  await client.query('USE bench')
  await client.query(TABLE)
  await client.query('CREATE TABLE gen (n INT PRIMARY KEY)')
  await client.query('INSERT INTO gen WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < 999) SELECT n FROM r')
  await captured(server, base, 0)
  await client.query('SET GLOBAL max_binlog_size = 1073741824')
  await client.query('FLUSH BINARY LOGS')
  const [files] = await client.query<mysql.RowDataPacket[]>('SHOW BINARY LOGS')
  say(`${server.flavor}: loading ${ROWS.toLocaleString('en-US')} rows`)
  for (let first = 0; first < ROWS; first += 1000) await client.query(INSERT(first))
  await client.end()
  return String(files.at(-1)!['Log_name'])
}

function fresh(server: DatabaseServer, base: string, state: string): Promise<Cost> {
  rmSync(state, { recursive: true, force: true })
  cpSync(base, state, { recursive: true })
  return captured(server, state, ROWS)
}

/** One run of the program; it must have captured exactly `rows` changes. */
async function captured(server: DatabaseServer, state: string, rows: number): Promise<Cost> {
  const url = `mysql://root@127.0.0.1:${server.port}`
  const args = [
    CDC,
    'run',
    '--source',
    server.flavor,
    '--url',
    url,
    '--tables',
    'bench.bench_orders',
    '--lake',
    'none',
    '--once',
    '--state',
    state,
  ]
  const { cost, stdout } = await measureAnswer(process.execPath, [...args, '--json'], process.env)
  const found = (JSON.parse(stdout) as { result: { records: number } }).result.records
  if (found !== rows) throw new Error(`${found} changes were captured, not ${rows}`)
  return cost
}

function binlog(server: DatabaseServer, args: readonly string[]): Promise<Cost> {
  const script = `test/services/${server.flavor}.sh`
  const connect = ['--read-from-remote-server', '--protocol=tcp', '--host=127.0.0.1', `--port=${server.port}`, '--user=root']
  return measureCommand('bash', [script, 'binlog', ...connect, ...args])
}
