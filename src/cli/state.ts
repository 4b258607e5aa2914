import { join, resolve } from 'node:path'
import type { Clock } from '../contract/clock.ts'
import type { Log, TopicTables } from '../contract/log.ts'
import { openStateDatabase, openStateReader, type StateDatabase } from '../log/embedded/database.ts'
import { createEmbeddedLog, createLogReader } from '../log/embedded/embedded-log.ts'
import type { Retention } from '../log/embedded/retention.ts'
import { lockState } from '../log/embedded/state-lock.ts'
import { createTopicTables } from '../log/embedded/topic-tables.ts'
import { EmbeddedRegistry } from '../registry/embedded/embedded-registry.ts'

/** The state directory: log, registry and topic descriptions over one database. */
export interface State {
  readonly dir: string
  /** For what keeps tables of its own in it: the served registry, the cache of another one's schemas. */
  readonly database: StateDatabase
  readonly log: Log
  readonly registry: EmbeddedRegistry
  readonly topicTables: TopicTables
  close(): void
}

export interface StateOptions {
  readonly clock: Clock
  readonly retention: Retention
  /** E.g. `cdc run --source pg`, for the message to whom it locks out. No secrets. */
  readonly command: string
  readonly pid: number
}

/** Takes the state directory for this process. Fails with TRB-LOG-001 when another process has it, and as openStateDatabase. */
export function openState(dir: string, options: StateOptions): State {
  const path = resolve(dir)
  const started = new Date(options.clock.now()).toISOString()
  const lock = lockState(path, { pid: options.pid, started, command: options.command })
  try {
    const db = openStateDatabase(path)
    const log = createEmbeddedLog(db, { clock: options.clock, retention: options.retention })
    return assemble(path, db, log, () => lock.release())
  } catch (e) {
    lock.release()
    throw e
  }
}

/** The state directory of a run that may be going on in another process or thread, for reading. Fails with TRB-LOG-007 when there is none. */
export function openStateForReading(dir: string): State {
  const path = resolve(dir)
  const db = openStateReader(path)
  return assemble(path, db, createLogReader(db), () => undefined)
}

/** Directory for what the lake writer spills; it may be emptied whenever no process holds the state. */
export function scratchDirectory(dir: string): string {
  return join(resolve(dir), 'scratch')
}

function assemble(dir: string, db: StateDatabase, log: Log, release: () => void): State {
  const registry = new EmbeddedRegistry(db)
  const topicTables = createTopicTables(db)
  return {
    dir,
    database: db,
    log,
    registry,
    topicTables,
    close() {
      log.close()
      release()
    },
  }
}
