import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

const SCRIPT = 'test/services/kafka.sh'

/** How a test reaches the broker. */
export interface KafkaServer {
  /** Plaintext: may do everything. */
  readonly bootstrap: string
  /** Directory of the broker's data; certificates are in `tls/`. */
  readonly data: string
  /** First port; secured listeners are at +2 (SASL), +3 (SASL over TLS), +4 (TLS with client certificates). */
  readonly port: number
}

/** vitest global set-up of the Kafka project: one broker for all its files. TRIBUTARY_TEST_KAFKA=PORT,DATA takes one that is running. */
export default async function setup(project: TestProject): Promise<() => void> {
  const running = process.env['TRIBUTARY_TEST_KAFKA']?.split(',')
  if (running !== undefined) {
    const [port, data] = running
    project.provide('kafka', { bootstrap: `127.0.0.1:${port}`, data: data!, port: Number(port) })
    return () => undefined
  }
  const data = mkdtempSync(join(tmpdir(), 'trib-kafka-'))
  const port = await freePort()
  const env = { ...process.env, KAFKA_DATA: data, KAFKA_PORT: String(port) }
  const run = (verb: string): void => {
    execFileSync('bash', [SCRIPT, verb], { env, stdio: ['ignore', 'ignore', 'inherit'], timeout: 150_000 })
  }
  const stop = (): void => run('destroy')
  try {
    run('start')
  } catch (e) {
    stop()
    throw e
  }
  project.provide('kafka', { bootstrap: `127.0.0.1:${port}`, data, port })
  return stop
}

declare module 'vitest' {
  export interface ProvidedContext {
    kafka: KafkaServer
  }
}

/** First of five ports that are free now, below the range that outgoing connections take theirs from. */
async function freePort(): Promise<number> {
  for (let base = 20_000 + (process.pid % 900) * 10; ; base += 10) {
    const free = await Promise.all([0, 1, 2, 3, 4].map((i) => isFree(base + i)))
    if (free.every(Boolean)) return base
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
