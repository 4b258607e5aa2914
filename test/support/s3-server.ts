import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

const SCRIPT = 'test/services/s3.sh'
const KEYS = { S3_ACCESS_KEY: 'testkey', S3_SECRET_KEY: 'testsecret' }

export interface S3Server {
  readonly endpoint: string
  stop(): void
}

/** vitest global set-up of the S3 project: one server for all its files. */
export default async function setup(project: TestProject): Promise<() => void> {
  const server = await startS3Server()
  project.provide('s3Endpoint', server.endpoint)
  return () => server.stop()
}

/** A server whose data is in a temporary directory, which goes when it is stopped. */
export async function startS3Server(): Promise<S3Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryStart()
    } catch (e) {
      // Another process may take a port between our look and the server's start.
      if (attempt === 3) throw e
    }
  }
}

async function tryStart(): Promise<S3Server> {
  const data = mkdtempSync(join(tmpdir(), 'trib-s3-'))
  const port = await freePort()
  const env = { ...process.env, ...KEYS, S3_DATA: data, S3_PORT: String(port) }
  const run = (verb: 'start' | 'destroy'): void =>
    void execFileSync('bash', [SCRIPT, verb], { env, stdio: ['ignore', 'inherit', 'inherit'], timeout: 120_000 })
  try {
    run('start')
  } catch (e) {
    rmSync(data, { recursive: true, force: true })
    throw e
  }
  return { endpoint: `http://127.0.0.1:${port}`, stop: () => run('destroy') }
}

declare module 'vitest' {
  export interface ProvidedContext {
    s3Endpoint: string
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}
