import { writeSync } from 'node:fs'
import { openStateDatabase } from '../../../src/log/embedded/database.ts'
import { createEmbeddedLog } from '../../../src/log/embedded/embedded-log.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'

// Appends for ever; prints the id of each append that has returned. Append i adds i mod 700 records to both topics.
const clock = { now: () => 0, sleep: async () => undefined, uuid: () => 'u', random: () => 0 }
const log = createEmbeddedLog(openStateDatabase(process.argv[2]!), { clock, retention: { maxAgeMs: 0, maxBytes: 0 } })
let id = Number(log.cursor('s')?.at ?? 0) + 1
for (;;) {
  const count = id % 700
  const first = log.range('a', 0).end
  const got = await log.append([makeBatch('a', first, count, 300), makeBatch('b', first, count, 300)], makeCursor(String(id)))
  writeSync(1, `${got}\n`)
  id++
}
