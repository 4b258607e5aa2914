import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveSchemas } from '../test/support/topic-producer.ts'
import { eventSchemas, produceEvents } from './kafka-events.ts'
import { type Bench, type BenchRow, type Cost, type Figure, measureCommand, median } from './measure.ts'

const EVENTS = 1_000_000
const SERVICE = 'test/services/kafka.sh'
const LAKE = join(import.meta.dirname, '..', 'bin', 'lake.mjs')

/** Kafka → merge-on-read table: 1 M changes of about 300 bytes, two partitions, zstd; half of them new rows, half updates of those. */
export const bench: Bench = {
  name: 'kafka-lake',
  question: 'how fast do change events in Avro go from Kafka into a merge-on-read table (1 M events of 300 B, two partitions)?',
  async run(say, runs): Promise<readonly BenchRow[]> {
    const data = mkdtempSync(join(tmpdir(), 'bench-kafka-'))
    const port = await freePort()
    const env = { ...process.env, KAFKA_DATA: data, KAFKA_PORT: String(port), KAFKA_HEAP: '512m', KAFKA_TIER: '4' }
    const service = (...args: string[]) => execFileSync('bash', [SERVICE, ...args], { env, stdio: ['ignore', 'ignore', 'inherit'] })
    const registry = await serveSchemas(eventSchemas())
    try {
      service('start')
      const bootstrap = `127.0.0.1:${port}`
      say(`writing ${EVENTS} events`)
      await produceEvents(bootstrap, 'bench.public.orders', EVENTS)
      const ours = await median(runs, () => ingested(bootstrap, registry.url, data))
      say('reading the same topic with ConsumerPerformance')
      const reference = await consumerPerformance(env, bootstrap)
      return [
        {
          work: 'Kafka → lake (MOR)',
          ours: { rows: EVENTS, ...ours },
          reference: { name: 'ConsumerPerformance (reads only)', figure: reference },
          by: 'cpu',
        },
      ]
    } finally {
      registry.close()
      service('destroy')
      rmSync(data, { recursive: true, force: true })
    }
  },
}

async function ingested(bootstrap: string, registry: string, root: string): Promise<Cost> {
  const lake = mkdtempSync(join(root, 'lake-'))
  const flags = ['--kafka', bootstrap, '--topics', 'bench.*', '--registry', registry, '--lake', lake, '--group', 'bench', '--once']
  try {
    return await measureCommand(process.execPath, [LAKE, 'ingest', ...flags])
  } finally {
    rmSync(lake, { recursive: true, force: true })
  }
}

async function consumerPerformance(env: NodeJS.ProcessEnv, bootstrap: string): Promise<Figure> {
  const tool = ['run', 'org.apache.kafka.tools.ConsumerPerformance', '--bootstrap-server', bootstrap, '--topic', 'bench.public.orders']
  const args = [SERVICE, ...tool, '--num-records', String(EVENTS), '--timeout', '60000', '--group', 'reference']
  try {
    return { rows: EVENTS, ...(await measureCommand('bash', args, env)) }
  } catch (e) {
    return { absent: (e as Error).message.split('\n')[0]! }
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  await new Promise((done) => server.close(done))
  return port
}
