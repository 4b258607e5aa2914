import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { foreignClient, freshName, kafkaServer, readCommitted } from '../../support/kafka.ts'
import { useDatabase } from '../../support/postgres.ts'
import { runInProcess } from '../run-in-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trib-offsets-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const db = useDatabase('k1')

let inputs = 0

/** `input`: the text of --input. */
async function cdc(args: readonly string[], input?: string): Promise<{ status: number | null; out: string; err: string }> {
  const file = join(root, `input-${++inputs}`)
  if (input !== undefined) writeFileSync(file, input)
  const { code, stdout, stderr } = await runInProcess('cdc', input === undefined ? args : [...args, '--input', file])
  return { status: code, out: stdout, err: stderr }
}

test('a run captures into Kafka and goes on; its offset is exported, reset, imported in the form of Kafka Connect', async () => {
  await db().sql(
    "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY, a text); INSERT INTO s.t SELECT i, 'x' FROM generate_series(1, 10) i",
  )
  const name = freshName('o').replaceAll('-', '_')
  const kafka = ['--kafka', kafkaServer().bootstrap, '--name', name]
  const state = join(root, name)
  const where = ['--url', db().url, '--tables', 's.*', '--state', state, '--lake', 'none', '--registry-listen', 'none']
  const run = (): ReturnType<typeof cdc> => cdc(['run', ...kafka, ...where, '--once'])
  const first = await run()
  expect(first.err).toContain('10 changes captured')

  // Without a registry that consumers can ask, ids would be numbers without a meaning.
  const unresolvable = await cdc(['run', ...kafka, ...where.slice(0, -2), '--once'])
  expect([unresolvable.status, unresolvable.err]).toEqual([2, expect.stringContaining('TRB-KAFKA-014')])

  const shown = await cdc(['offsets', 'show', ...kafka, '--json'])
  const { result } = JSON.parse(shown.out) as { result: { at: string; boundary: boolean; commit: string } }
  expect(result.boundary).toBe(true)
  const status = JSON.parse((await cdc(['status', ...kafka, '--lake', 'none', '--json'])).out) as {
    result: { position: { at: string }; lake: null; topics: { topic: string; partitions: number; first: number; next: number }[] }
  }
  expect(status.result).toMatchObject({
    position: { at: result.at },
    lake: null,
    topics: [{ topic: `${name}.s.t`, partitions: 1, first: 0 }],
  })
  // Ten records, and the marker of each transaction.
  expect(status.result.topics[0]!.next).toBeGreaterThan(10)
  const exported = (await cdc(['offsets', 'export', ...kafka])).out
  const { offsets } = JSON.parse(exported) as { offsets: { partition: object; offset: Record<string, unknown> }[] }
  expect(offsets[0]!.partition).toEqual({ server: name })
  const [hi, lo] = result.commit.split('/')
  const end = (Number.parseInt(hi!, 16) * 2 ** 32 + Number.parseInt(lo!, 16) + 1) as number
  expect(offsets[0]!.offset).toMatchObject({ lsn_proc: end, lsn_commit: end, lsn: end, messageType: 'COMMIT' })

  await db().sql("INSERT INTO s.t VALUES (11, 'y')")
  expect((await cdc(['offsets', 'reset', ...kafka])).status).toBe(0)
  expect((await cdc(['offsets', 'show', ...kafka])).err).toContain('TRB-KAFKA-017')
  // Without a position the run refuses to fill the topics a second time.
  expect((await run()).err).toContain('TRB-KAFKA-013')
  expect((await cdc(['offsets', 'import', ...kafka], exported)).out).toContain(`goes on from ${result.at}`)
  expect((await run()).err).toContain('1 changes captured')
  expect(await readCommitted([`${name}.s.t`])).toHaveLength(11)

  // A Debezium's own offset, under the connector's name, in a topic of Kafka Connect.
  const connect = `${name}-connect`
  const admin = foreignClient().admin()
  await admin.connect()
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
  await admin.createTopics({ topics: [{ topic: connect, numPartitions: 25, configEntries }], waitForLeaders: true })
  await admin.disconnect()
  const newest = JSON.parse((await cdc(['offsets', 'export', ...kafka])).out) as { offsets: { offset: object }[] }
  const theirs = JSON.stringify(newest.offsets[0]!.offset)
  await db().sql("INSERT INTO s.t VALUES (12, 'z')")
  const producer = foreignClient().producer()
  await producer.connect()
  await producer.send({ topic: connect, messages: [{ key: `["inventory",{"server":"${name}"}]`, value: theirs }] })
  await producer.disconnect()
  const taken = await cdc(['run', ...kafka, ...where, '--once', '--kafka-offsets-topic', connect, '--kafka-connector', 'inventory'])
  expect(taken.err).toContain('1 changes captured')
})

test('offsets of the embedded log are shown and exported; what is no offset is refused', async () => {
  const name = freshName('e').replaceAll('-', '_')
  const state = join(root, name)
  expect((await cdc(['offsets', 'import', '--name', name, '--state', state], '{"lsn":37124488,"ts_usec":1721901234567890}')).status).toBe(0)
  const exported = (await cdc(['offsets', 'export', '--name', name, '--state', state])).out
  expect(JSON.parse(exported)).toMatchObject({ offsets: [{ offset: { lsn_commit: 37124488, ts_usec: 1721901234567890 } }] })
  for (const [text, why] of [
    ['no json', 'it is not JSON'],
    ['[1]', 'it is not a JSON object'],
    ['{"lsn":"x"}', 'it has no lsn_commit'],
    ['{"lsn":5,"snapshot":"INITIAL","snapshot_completed":false}', 'its snapshot is not complete'],
    ['{"offsets":[]}', 'it holds no offset'],
  ]) {
    const refused = await cdc(['offsets', 'import', '--name', name, '--state', state], text)
    expect([refused.status, refused.err]).toEqual([2, expect.stringMatching(new RegExp(`TRB-KAFKA-015.*${why}`))])
  }
  expect((await cdc(['offsets', 'reset', '--name', name, '--state', state])).err).toContain('TRB-KAFKA-016')
  expect(readFileSync(join(state, 'tributary.db')).length).toBeGreaterThan(0)
})
