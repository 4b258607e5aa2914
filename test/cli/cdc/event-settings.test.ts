import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { envelope } from '../run-bin.ts'
import { runInProcess } from '../run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-event-settings-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

test.each([
  ['with the log of this machine', ['--lake', 'none']],
  ['with a lake', []],
  ['with Kafka and a lake', ['--kafka', '127.0.0.1:9', '--registry-listen', 'none', '--lake', './lake']],
])('transforms are refused %s: a lake is made of change events', async (_, flags) => {
  const file = join(root, 'events.properties')
  writeFileSync(file, 'transforms=u\ntransforms.u.type=io.debezium.transforms.ExtractNewRecordState\n')
  const options = { cwd: root, env: { DATABASE_URL: 'postgres://u@127.0.0.1:9/d' } }
  const ended = await runInProcess('cdc', ['run', '--json', '--event-settings', file, ...flags], options)
  expect([ended.code, envelope(ended).error]).toEqual([2, expect.objectContaining({ code: 'TRB-ENV-014' })])
})
