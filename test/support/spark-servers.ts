import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { OWNER, stopSparks } from '../interop/spark-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    sparkServers: string
  }
}

/** vitest global set-up of the interop project: a directory for the Spark sessions that its files share, started when the first one asks. */
export default function setup(project: TestProject): () => Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'trib-sparks-'))
  writeFileSync(join(dir, OWNER), String(process.pid))
  project.provide('sparkServers', dir)
  return async () => {
    await stopSparks(dir)
    rmSync(dir, { recursive: true, force: true })
  }
}
