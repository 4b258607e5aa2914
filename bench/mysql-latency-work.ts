// In a process of its own: changes at 5,000 per second, and how long each takes from just before its statement is sent to the batch that holds it.
import { setTimeout as sleep } from 'node:timers/promises'
import mysql from 'mysql2/promise'
import { openMysqlSource } from '../src/capture/mysql/adapter.ts'
import { DEFAULT_MYSQL_TYPES } from '../src/capture/mysql/types/options.ts'
import { systemClock } from '../src/cli/clock.ts'
import { startWork } from './measure.ts'

const RATE = 5000
const ROWS_EACH = 5
const SECONDS = 10
const flavor = process.argv[2] as 'mysql' | 'mariadb'
const port = Number(process.argv[3])

const client = await mysql.createConnection({ host: '127.0.0.1', port, user: 'root' })
await client.query('CREATE DATABASE IF NOT EXISTS bench_latency')
await client.query(
  'CREATE OR REPLACE TABLE bench_latency.t (id INT PRIMARY KEY, v INT)'.replace(flavor === 'mysql' ? 'OR REPLACE ' : '', ''),
)
const source = openMysqlSource(
  {
    host: '127.0.0.1',
    port,
    user: 'root',
    password: null,
    ssl: false,
    flavor,
    serverId: 909090,
    tables: { kind: 'patterns', patterns: 'bench_latency.*' },
    snapshot: 'never',
    locking: 'minimal',
    types: DEFAULT_MYSQL_TYPES,
    unsupported: 'refuse',
    includeQuery: false,
  },
  { clock: systemClock, observe: () => undefined },
)
const stream = await source.open(null, new AbortController().signal)
const total = RATE * SECONDS
const sent = new Float64Array(total)
const came = new Float64Array(total)
const batches = stream.batches[Symbol.asyncIterator]()
await batches.next()
const reading = (async () => {
  let seen = 0
  while (seen < total) {
    const { value } = await batches.next()
    const now = performance.now()
    for (let i = 0; i < value.count; i++) came[seen++] = now
    value.release?.()
  }
})()
await sleep(500)
const done = startWork()
const began = performance.now()
for (let n = 0; n < total; n += ROWS_EACH) {
  const due = began + (n / RATE) * 1000
  if (due - performance.now() > 1) await sleep(due - performance.now())
  const rows = Array.from({ length: ROWS_EACH }, (_, i) => `(${n + i}, ${i})`)
  sent.fill(performance.now(), n, n + ROWS_EACH)
  await client.query(`INSERT INTO bench_latency.t VALUES ${rows.join(',')}`)
}
await reading
const latencies = came.map((t, i) => t - sent[i]).sort()
const at = (share: number): string => latencies[Math.floor(total * share)].toFixed(1)
done(total, `commit → batch p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`)
await source.close()
await client.end()
