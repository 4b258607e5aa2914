import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { runBin } from '../cli/run-bin.ts'
import { runInProcess } from '../cli/run-in-process.ts'
import { goldenAvro, goldenEvents, goldenSchemas } from '../envelope/golden.ts'
import { type ProducedRecord, serveSchemas, TopicProducer, wire } from '../support/topic-producer.ts'

const MYSQL = new URL('../golden/debezium/mysql/tx_metadata/events.jsonl', import.meta.url)
const root = mkdtempSync(join(tmpdir(), 'tributary-transactions-'))
let producer: TopicProducer
let schemas: Awaited<ReturnType<typeof serveSchemas>>

beforeAll(async () => {
  producer = new TopicProducer(inject('kafka').bootstrap)
  schemas = await serveSchemas(goldenSchemas('tx_metadata'))
})

afterAll(async () => {
  await producer.close()
  schemas.close()
  rmSync(root, { recursive: true, force: true })
})

/** A prefix of topics that nobody else has, the lake that they go into, and what its two tables are in one state of the source. */
function flow(name: string) {
  const prefix = `t${process.pid}${name}`
  const at = join(root, prefix)
  const kafka = ['--kafka', inject('kafka').bootstrap, '--topics', `${prefix}.*`, '--group', prefix, '--registry', schemas.url]
  const topic = (recorded: string): string => recorded.replace(/^p\./, `${prefix}.`)
  return {
    topic,
    ingest: () => runBin('lake', ['ingest', ...kafka, '--lake', at, '--once']),
    query: (sql: string, ...flags: string[]) =>
      runInProcess('lake', ['query', sql, '--lake', at, '--format', 'jsonl', ...flags], { cwd: root }),
  }
}

const avro = (topic: (t: string) => string): ProducedRecord[] =>
  goldenAvro('tx_metadata').map((r) => {
    const bytes = (part: { schema: number; hex: string } | null) => part && wire(part.schema, Buffer.from(part.hex, 'hex'))
    return { topic: topic(r.topic), key: bytes(r.key), value: bytes(r.value) }
  })

const text = (topic: (t: string) => string, events: ReturnType<typeof goldenEvents>): ProducedRecord[] =>
  events.map((r) => ({
    topic: topic(r.topic),
    key: r.key === null ? null : Buffer.from(r.key),
    value: r.value === null ? null : Buffer.from(r.value),
  }))

const create = (records: readonly ProducedRecord[]) => producer.create([...new Set(records.map((r) => r.topic))])

test('tables of a foreign Debezium are committed at its transactions, however the topics lag behind each other', async () => {
  const { topic, ingest, query } = flow('avro')
  const records = avro(topic)
  await create(records)
  // The rows of the snapshot and a part of the first transaction.
  await producer.send(records.slice(0, 5))
  expect(await ingest()).toMatchObject({ code: 0, stderr: expect.not.stringContaining('state ') })
  expect((await query('SELECT count(*) AS n FROM m1')).stdout).toBe('{"n":1}\n')
  expect(await query('SELECT count(*) AS n FROM m1', '--exact')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('TRB-QUERY-004'),
  })
  // Of the last one what it does to one table.
  await producer.send(records.slice(5, 17))
  const second = await ingest()
  expect(second.stderr).toContain('state     0/1C726EF0')
  const joined = 'SELECT (SELECT count(*) FROM m1) AS one, (SELECT count(*) FROM m2) AS two'
  const before = await query(joined, '--exact')
  expect(before.code).toBe(0)
  await producer.send(records.slice(17))
  expect((await ingest()).stderr).toContain('state     0/1C727038')
  const after = await query(joined, '--exact')
  // The last transaction deletes and inserts a row of the one and inserts one into the other.
  expect([JSON.parse(before.stdout), JSON.parse(after.stdout)]).toEqual([{ one: 1, two: 2 }, { one: 1, two: 3 }]) // biome-ignore format: before and after
  expect((await query(joined, '--exact', '--as-of', 'lsn:0/1C726EF0')).stdout).toBe(before.stdout)
  // Between two states only the records would tell, and they are in Kafka.
  const between = ['--as-of', 'lsn:0/1C727000'] as const
  expect(await query(joined, '--exact', ...between)).toMatchObject({ code: 1, stderr: expect.stringContaining('TRB-QUERY-004') })
  const nearest = await query(joined, ...between)
  expect([nearest.stdout, nearest.stderr]).toEqual([before.stdout, expect.stringContaining('note: lsn:0/1C727000 is not reached exactly')])
  // All of it again, as after a crash of the producer: the same state.
  await producer.send(records)
  expect(await ingest()).toMatchObject({ code: 0 })
  expect((await query(joined, '--exact')).stdout).toBe(after.stdout)
}, 240_000)

test('the same in JSON with schemas, and of MySQL, whose transactions are GTIDs', async () => {
  const [json, mysql] = [flow('json'), flow('mysql')]
  const recorded = readFileSync(MYSQL, 'utf8').split('\n').flatMap((l) => (l === '' ? [] : [JSON.parse(l)])) // biome-ignore format: a line
  for (const records of [text(json.topic, goldenEvents('tx_metadata')), text(mysql.topic, recorded)]) {
    await create(records)
    await producer.send(records)
  }
  const runs = await Promise.all([json.ingest(), mysql.ingest()])
  expect(runs[0].stderr).toContain('state     0/1C727038')
  expect(runs[1].stderr).toContain('state     /e216972d-e559-11f1-bd40-02fc00000001:6')
  const joined = 'SELECT (SELECT count(*) FROM m1) AS one, (SELECT count(*) FROM m2) AS two'
  expect((await json.query(joined, '--exact')).stdout).toBe('{"one":1,"two":3}\n')
  const gtid = await mysql.query(joined, '--exact', '--as-of', 'gtid:e216972d-e559-11f1-bd40-02fc00000001:6')
  expect([gtid.code, gtid.stdout]).toEqual([0, '{"one":3,"two":2}\n'])
  expect(await mysql.query(joined, '--as-of', 'binlog:bin.000001:4')).toMatchObject({ stderr: expect.stringContaining('TRB-QUERY-002') })
}, 240_000)
