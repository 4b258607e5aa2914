import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freshName, kafkaServer, readCommitted } from '../../support/kafka.ts'
import { useDatabase } from '../../support/postgres.ts'
import { runBin } from '../run-bin.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-transforms-'))
const db = useDatabase('d2')
afterAll(() => rmSync(root, { recursive: true, force: true }))

test('transforms and masks hold in the topics of Kafka: rows, and one tombstone for a delete', async () => {
  await db().sql("CREATE TABLE t (id int PRIMARY KEY, ssn text); INSERT INTO t VALUES (1, '123')")
  const name = freshName('x').replaceAll('-', '_')
  const file = join(root, 'events.properties')
  writeFileSync(
    file,
    `transforms=u
transforms.u.type=io.debezium.transforms.ExtractNewRecordState
transforms.u.add.headers=op
column.mask.with.4.chars=public.t.ssn
`,
  )
  const run = async (): Promise<void> => {
    const flags = ['--url', db().url, '--tables', 'public.t', '--name', name, '--state', join(root, 'state'), '--once']
    const kafka = ['--kafka', kafkaServer().bootstrap, '--registry-listen', 'none', '--event-settings', file]
    const ended = await runBin('cdc', ['run', ...flags, ...kafka])
    expect([ended.code, ended.stderr]).toEqual([0, expect.stringContaining('stopped')])
  }
  await run()
  await db().sql("UPDATE t SET ssn = '456'; DELETE FROM t")
  await run()
  const got = await readCommitted([`${name}.public.t`], kafkaServer().bootstrap)
  // Avro: id 1, and four asterisks in a field that may be null
  const row = Buffer.concat([Buffer.from([2, 2, 8]), Buffer.from('****')]).toString('hex')
  expect(got.map((r) => [r.headers['__op'], r.value?.toString('hex', 5) ?? null])).toEqual([
    ['r', row],
    ['u', row],
    ['d', null],
  ])
})
