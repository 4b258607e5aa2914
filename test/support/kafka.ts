import { spawnSync } from 'node:child_process'
import type { Kafka } from 'kafkajs'
import { inject } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { KafkaOptions } from '../../src/log/kafka/options.ts'
import { foreignClient as clientOf, type ForeignRecord, readCommitted as read } from './kafka-reader.ts'
import type { KafkaServer } from './kafka-server.ts'

/** The broker of `.kafka.test.ts` suites (test/support/kafka-server.ts). */
export function kafkaServer(): KafkaServer {
  return inject('kafka')
}

let counter = 0

/** A name that no other test uses: topics, transactional ids and groups of a test begin with it. */
export function freshName(prefix: string): string {
  return `${prefix}-${process.pid}-${Date.now().toString(36)}-${++counter}`
}

/** The plaintext listener as our own client is told of it. */
export function plainOptions(more: Partial<KafkaOptions> = {}, port = kafkaServer().port): KafkaOptions {
  const bootstrap = [{ host: '127.0.0.1', port }]
  return { bootstrap, clientId: 'test', tls: null, sasl: null, outageMs: 15_000, clock: systemClock, ...more }
}

/** kafkajs: the client that is not ours. */
export function foreignClient(bootstrap = kafkaServer().bootstrap): Kafka {
  return clientOf(bootstrap)
}

/** Everything that a read_committed consumer sees of these topics up to their present ends. */
export async function readCommitted(topics: readonly string[], bootstrap = kafkaServer().bootstrap): Promise<ForeignRecord[]> {
  return await read(topics, bootstrap)
}

/** Runs a class of Kafka's own tools; gives its stdout. */
export function kafkaTool(tool: string, ...args: string[]): string {
  const run = spawnSync('bash', ['test/services/kafka.sh', 'run', tool, ...args], { encoding: 'utf8', timeout: 60_000 })
  if (run.status !== 0) throw new Error(`${tool} ended with ${run.status}: ${run.stderr}\n${run.stdout}`)
  return run.stdout
}
