import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStateDatabase, type StateDatabase } from '../../../src/log/embedded/database.ts'
import type { CompatibilityLevel } from '../../../src/registry/avro/levels.ts'
import { type RegistryServer, type ServerOptions, serveRegistry } from '../../../src/registry/server/http-server.ts'
import { openRegistryService, type RegistryService } from '../../../src/registry/server/registry-service.ts'
import type { RegistryJournal } from '../../../src/registry/server/schema-record.ts'
import { createStateJournal } from '../../../src/registry/server/state-journal.ts'

export interface OpenedRegistry extends RegistryServer {
  readonly service: RegistryService
  readonly db: StateDatabase
  /** What was answered with 500. */
  readonly errors: unknown[]
}

/** Our registry in a state directory of its own, which goes with it; or in the one given, which stays. */
export async function openRegistry(
  options: Partial<ServerOptions> & { readonly dir?: string; readonly level?: CompatibilityLevel; readonly journal?: RegistryJournal } = {},
): Promise<OpenedRegistry> {
  const { level = 'BACKWARD', journal, dir: given, ...server } = options
  const dir = given ?? mkdtempSync(join(tmpdir(), 'trib-registry-'))
  const db = openStateDatabase(dir)
  // Tests end before a machine fails.
  db.pragma('synchronous = OFF')
  const gone = (): void => {
    db.close()
    if (given === undefined) rmSync(dir, { recursive: true })
  }
  const errors: unknown[] = []
  try {
    const service = await openRegistryService(journal ?? createStateJournal(db), level)
    const onError = (e: unknown): void => void errors.push(e)
    const { url, close } = await serveRegistry(service, { host: '127.0.0.1', port: 0, user: null, tls: null, onError, ...server })
    return {
      ...{ url, service, db, errors },
      async close() {
        await close()
        await service.close()
        gone()
      },
    }
  } catch (e) {
    gone()
    throw e
  }
}
