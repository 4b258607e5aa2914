import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe } from 'vitest'
import type { Clock } from '../../../src/contract/clock.ts'
import type { Log } from '../../../src/contract/log.ts'
import { openStateDatabase, openStateReader, type StateDatabase } from '../../../src/log/embedded/database.ts'
import { createEmbeddedLog, createLogReader } from '../../../src/log/embedded/embedded-log.ts'
import { logSuite } from '../../conformance/log.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-log-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const clock: Clock = { now: () => 1_700_000_000_000, sleep: async () => undefined, uuid: () => 'u', random: () => 0 }
const handles = new WeakMap<Log, StateDatabase>()
let count = 0

function open(dir: string): Log {
  const db = openStateDatabase(dir)
  const log = createEmbeddedLog(db, { clock, retention: { maxAgeMs: 0, maxBytes: 0 } })
  handles.set(log, db)
  return log
}

describe('embedded log', () => {
  logSuite({
    open: async () => open(join(root, String(count++))),
    reopen: async (log) => {
      const dir = dirname(handles.get(log)!.name)
      log.close()
      return open(dir)
    },
    reader: async (log) => createLogReader(openStateReader(dirname(handles.get(log)!.name))),
  })
})
