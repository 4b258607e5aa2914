import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { runBin } from '../cli/run-bin.ts'
import { runInProcess } from '../cli/run-in-process.ts'
import { ConnectCluster } from '../support/connect.ts'
import { readCommitted } from '../support/kafka-reader.ts'
import { freshDatabase, type TestDatabase } from '../support/postgres.ts'

// The real Debezium in the real Kafka Connect and `cdc run --kafka` read one database into topics of their own; a lake is built from each.
const { bootstrap } = inject('kafka')
const dir = mkdtempSync(join(tmpdir(), 'trib-connect-'))
let database: TestDatabase
let connect: ConnectCluster
let name = ''

beforeAll(async () => {
  const starting = ConnectCluster.start(bootstrap, join(dir, 'connect'))
  database = await freshDatabase('connect')
  await database.sql(TABLES)
  name = database.name.replaceAll(/[^a-z0-9]/g, '')
  connect = await starting
}, 120_000)

afterAll(async () => {
  await connect?.stop()
  await database?.drop()
  rmSync(dir, { recursive: true, force: true })
}, 60_000)

const TABLES = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, since date, rating double precision);
  CREATE TABLE orders (
    id bigint PRIMARY KEY, customer int NOT NULL, total numeric(12,2) NOT NULL, placed timestamptz NOT NULL, note text, tags int[]);
  CREATE TABLE markers (id int PRIMARY KEY);
  INSERT INTO customers SELECT i, 'name ' || i, date '2020-01-01' + i, i / 7.0 FROM generate_series(1, 50) i;
  INSERT INTO orders SELECT i, i % 50 + 1, i * 1.25, '2026-01-02T03:04:05.678901Z', repeat(md5(i::text), 120), array[i, NULL, 2]
    FROM generate_series(1, 300) i;`

/** Transactions over both tables: large values that are not touched, keys that change, what is deleted and comes back. */
const workload = (round: number): string => {
  const at = round * 1000
  return `
  BEGIN; INSERT INTO customers VALUES (${at}, 'new', NULL, NULL); INSERT INTO orders VALUES (${at}, ${at}, 10, now(), NULL, NULL); COMMIT;
  BEGIN; UPDATE orders SET total = total + 1 WHERE id % 3 = 0; UPDATE customers SET rating = rating * 2 WHERE id % 5 = 0; COMMIT;
  BEGIN; UPDATE orders SET id = id + 500000 WHERE id BETWEEN 10 + ${round} AND 14 + ${round}; DELETE FROM orders WHERE id % 11 = ${round}; COMMIT;
  BEGIN; DELETE FROM customers WHERE id = 50; INSERT INTO customers VALUES (50, 'again ${round}', '2026-02-03', 'NaN'); COMMIT;
  BEGIN; UPDATE orders SET note = md5(id::text) WHERE id % 50 = 0; ROLLBACK;
  INSERT INTO markers VALUES (${round})`
}

const connector = (): Record<string, string> => {
  const url = new URL(database.url)
  return {
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'database.hostname': url.hostname,
    'database.port': url.port,
    'database.user': decodeURIComponent(url.username) || 'postgres',
    'database.password': decodeURIComponent(url.password) || 'postgres',
    'database.dbname': database.name,
    'topic.prefix': `${name}d`,
    'plugin.name': 'pgoutput',
    'slot.name': `${name}_dbz`,
    'publication.name': `${name}_dbz`,
    'provide.transaction.metadata': 'true',
    'topic.creation.default.partitions': '1',
    'topic.creation.default.replication.factor': '1',
  }
}

const own = (): string[] => ['--name', `${name}t`, '--slot-name', `${name}_ours`, '--publication', `${name}_ours`]
const ours = (...more: string[]): string[] => {
  const kafka = ['--kafka', bootstrap, '--state', join(dir, 'state'), '--lake', 'none', '--registry-listen', 'none']
  return ['run', '--url', database.url, ...kafka, '--once', ...more]
}

/** Waits until so many markers are in Debezium's topics, and ends of their transactions. */
async function written(round: number, ended = round): Promise<void> {
  const topics = ['public.markers', 'transaction'].map((t) => `${name}d.${t}`)
  for (let i = 0; i < 300; i++) {
    const found = await readCommitted(topics, bootstrap).catch(() => [])
    const texts = (topic: string): string[] => found.flatMap((r) => (r.topic === topic && r.value !== null ? [r.value.toString()] : []))
    const ends = texts(topics[1]!).filter((t) => t.includes('"END"') && t.includes('"public.markers"'))
    if (texts(topics[0]!).length >= round && ends.length >= ended) return
    await sleep(200)
  }
  throw new Error(`Debezium has not written marker ${round}`)
}

async function ingest(prefix: string, ...more: string[]): Promise<string> {
  const flags = [
    '--kafka',
    bootstrap,
    '--topics',
    `${prefix}.*`,
    '--group',
    prefix,
    '--state',
    join(dir, 'state'),
    '--lake',
    join(dir, prefix),
  ]
  const ended = await runBin('lake', ['ingest', ...flags, '--once', ...more])
  expect(ended.code, ended.stderr).toBe(0)
  return ended.stderr
}

const QUERIES = [
  [
    `SELECT id::varchar AS id, name, since::varchar AS since, rating::varchar AS rating FROM public.customers ORDER BY customers.id`,
    `SELECT id::text AS id, name, since::text AS since, CASE WHEN rating = 'NaN' THEN 'nan' ELSE rating::text END AS rating FROM customers ORDER BY customers.id`,
  ],
  [
    `SELECT id::varchar AS id, customer, total::varchar AS total, epoch_us(placed)::varchar AS placed, md5(note) AS note, tags::varchar AS tags FROM public.orders ORDER BY orders.id`,
    `SELECT id::text AS id, customer, total::text AS total, (extract(epoch FROM placed) * 1000000)::bigint::text AS placed, md5(note) AS note,
       '[' || array_to_string(tags, ', ', 'NULL') || ']' AS tags FROM orders ORDER BY orders.id`,
  ],
] as const

const jsonl = (text: string): unknown[] => text.split('\n').flatMap((l) => (l === '' ? [] : [JSON.parse(l) as unknown]))

/** The lake's tables are what the database's are. */
async function expectSame(prefix: string, ...flags: string[]): Promise<void> {
  for (const [inLake, inDatabase] of QUERIES) {
    const answer = await runInProcess('lake', [
      'query',
      inLake,
      '--lake',
      join(dir, prefix),
      '--format',
      'jsonl',
      '--max-rows',
      '0',
      ...flags,
    ])
    expect(answer.code, answer.stderr).toBe(0)
    expect(numbered(jsonl(answer.stdout))).toEqual(numbered(await database.sql(inDatabase)))
  }
}

/** Doubles by value: the two print them differently. */
const numbered = (rows: readonly unknown[]): unknown[] =>
  rows.map((r) => {
    const { rating, ...rest } = r as Record<string, unknown>
    return rating === undefined || rating === null ? { ...rest, rating: null } : { ...rest, rating: Number(rating) }
  })

test('a lake built from the topics of Debezium in Kafka Connect and one from ours are the same, and both are the database', async () => {
  expect(await connect.put(name, connector())).toMatch(/^20/)
  const first = await runBin('cdc', ours(...own()))
  expect(first.code, first.stderr).toBe(0)
  await database.sql(workload(1))
  const second = await runBin('cdc', ours(...own()))
  expect(second.code, second.stderr).toBe(0)
  await written(1)
  const [debezium] = await Promise.all([ingest(`${name}d`), ingest(`${name}t`)])
  expect(debezium).toMatch(/^state {5}[0-9A-F]+\/[0-9A-F]+ /m)
  await Promise.all([expectSame(`${name}d`, '--exact'), expectSame(`${name}t`, '--exact')])
}, 300_000)

test('its offset is taken over from Connect and given back: the same topics go on, whoever writes them, and the lake is still the database', async () => {
  await connect.stopConnector(name)
  await database.sql(workload(2))
  const there = ['--name', `${name}d`, '--slot-name', `${name}_dbz`, '--publication', `${name}_dbz`]
  const moved = await runBin('cdc', ours(...there, '--kafka-offsets-topic', 'connect-offsets', '--kafka-connector', name))
  expect(moved.code, moved.stderr).toBe(0)
  await database.sql(workload(3))
  await connect.resume(name)
  await written(3, 2)
  await ingest(`${name}d`)
  await expectSame(`${name}d`)
}, 300_000)
