import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { goldenAvro, goldenEvents, goldenSchemas } from '../envelope/golden.ts'
import { KEY_SCHEMA, keyBytes, VALUE_SCHEMA, valueBytes } from '../support/envelope-topic.ts'
import { type ProducedRecord, serveSchemas, TopicProducer, wire } from '../support/topic-producer.ts'

// Each run is a process of its own; a busy machine takes its time over them.
vi.setConfig({ testTimeout: 180_000 })

const LAKE = fileURLToPath(new URL('../../bin/lake.mjs', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'tributary-ingest-'))
let producer: TopicProducer
let registry: Awaited<ReturnType<typeof serveSchemas>>
let used = 0

beforeAll(async () => {
  producer = new TopicProducer(inject('kafka').bootstrap)
  registry = await serveSchemas(new Map([[1, KEY_SCHEMA], [2, VALUE_SCHEMA]])) // biome-ignore format: a pair a line
})

afterAll(async () => {
  await producer.close()
  registry.close()
  rmSync(root, { recursive: true, force: true })
})

interface Answer {
  readonly code: number | null
  readonly stderr: string
}

/** A prefix of topics that nobody else has, and the lake that they go into. */
function flow(): {
  readonly prefix: string
  readonly lake: string
  run(...flags: string[]): Promise<Answer>
  rows(table: string): Promise<Row[]>
} {
  const prefix = `i${process.pid}n${used++}`
  const lake = join(root, prefix)
  const run = async (...flags: string[]): Promise<Answer> => {
    const base = { kafka: inject('kafka').bootstrap, topics: `${prefix}.*`, lake, group: prefix, registry: registry.url }
    const given = Object.entries(base).flatMap(([flag, value]) => (flags.includes(`--${flag}`) ? [] : [`--${flag}`, value]))
    const { code, stderr } = await lakeVerb(['ingest', ...given, '--once', ...flags])
    return { code, stderr }
  }
  const rows = async (table: string): Promise<Row[]> => {
    const { code, stdout, stderr } = await lakeVerb(['read', join(lake, databaseIn(lake), 'public', table), '--format', 'jsonl'])
    if (code !== 0) throw new Error(stderr)
    return stdout.split('\n').flatMap((l) => (l === '' ? [] : [JSON.parse(l) as Row]))
  }
  return { prefix, lake, run, rows }
}

type Row = Record<string, unknown>

/** The directory of the only database in a lake. */
function databaseIn(lake: string): string {
  return readdirSync(lake).find((name) => !name.startsWith('.')) ?? 'none'
}

async function lakeVerb(args: readonly string[]): Promise<Answer & { readonly stdout: string }> {
  const child = spawn(process.execPath, [LAKE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (t: string) => (stdout += t))
  child.stderr.setEncoding('utf8').on('data', (t: string) => (stderr += t))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, stdout, stderr }
}

/** A row without what each run makes anew. */
const plain = (rows: readonly Row[]): Row[] =>
  rows.map((r) => Object.fromEntries(Object.entries(r).filter(([k]) => !k.startsWith('_hoodie_'))))

let lsn = 1
const change = (
  topic: string,
  id: number,
  v: string | null,
  op: 'c' | 'u' | 'd' = 'c',
  more: Partial<ProducedRecord> = {},
): ProducedRecord => {
  return { topic, key: keyBytes(id), value: valueBytes({ op, id, v, lsn: lsn++ }), ...more }
}

test('Debezium’s own records give the same rows in Avro and in JSON with schemas', async () => {
  for (const scenario of ['types_text_misc', 'toast']) {
    const [avro, json] = [flow(), flow()]
    const schemas = await serveSchemas(goldenSchemas(scenario))
    const topicIn = (prefix: string, topic: string): string => topic.replace(/^p\./, `${prefix}.`)
    const bytes = (part: { schema: number; hex: string } | null) => part && wire(part.schema, Buffer.from(part.hex, 'hex'))
    const text = (part: string | null) => (part === null ? null : Buffer.from(part, 'utf8'))
    const records = [
      ...goldenAvro(scenario).map((r) => ({ topic: topicIn(avro.prefix, r.topic), key: bytes(r.key), value: bytes(r.value) })),
      ...goldenEvents(scenario).map((r) => ({ topic: topicIn(json.prefix, r.topic), key: text(r.key), value: text(r.value) })),
    ]
    await producer.create([...new Set(records.map((r) => r.topic))])
    await producer.send(records)
    const runs = await Promise.all([avro.run('--registry', schemas.url), json.run()])
    schemas.close()
    expect(runs.map((r) => r.code)).toEqual([0, 0])
    const tables = [...new Set(goldenEvents(scenario).flatMap((r) => /^p\.public\.(\w+)$/.exec(r.topic)?.[1] ?? []))]
    for (const table of tables) {
      const [a, j] = await Promise.all([avro.rows(table), json.rows(table)])
      expect(plain(j)).toEqual(plain(a))
      expect(a.length).toBeGreaterThan(0)
    }
  }
}, 300_000)

test('JSON without schemas gets its types from its values', async () => {
  const { prefix, run, rows } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic])
  const event = (id: number, rest: Row): ProducedRecord => {
    const source = { ts_ms: 5, lsn: 100 + id, txId: 7 }
    const value = JSON.stringify({ before: null, after: { id, ...rest }, source, op: 'c', transaction: null })
    return { topic, key: Buffer.from(`{"id":${id}}`), value: Buffer.from(value.replace('"big"', '9007199254740993')) }
  }
  await producer.send([event(1, { a: 'x', n: 'big', late: null }), event(2, { a: null, n: 2, late: 1.5 })])
  expect(await run()).toMatchObject({ code: 0 })
  expect(plain(await rows('t'))).toMatchObject([
    { id: 1, a: 'x', n: '9007199254740993', late: null, _event_lsn: 101 },
    { id: 2, a: null, n: 2, late: 1.5, _event_lsn: 102 },
  ])
})

test('goes on where its last commit is; a tombstone alone takes its row away; every partition counts by itself', async () => {
  const { prefix, run, rows } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic], 2)
  await producer.send([change(topic, 1, 'a', 'c', { partition: 0 }), change(topic, 2, 'b', 'c', { partition: 1 })])
  expect(await run()).toMatchObject({ code: 0 })
  // The new process has seen no value of this topic when the tombstone comes.
  await producer.send([{ topic, key: keyBytes(1), value: null, partition: 0 }])
  expect(await run()).toMatchObject({ code: 0 })
  expect((await rows('t')).map((r) => r['id'])).toEqual([2])
  await producer.send([change(topic, 2, 'c', 'u', { partition: 1 })])
  const { stderr } = await run()
  expect(stderr).toMatch(/commit .* 1 record\n/)
  expect((await rows('t')).map((r) => r['v'])).toEqual(['c'])
})

test('partitions that are added are brought in, from their beginning', async () => {
  const { prefix, run, rows } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic])
  await producer.send([change(topic, 1, 'a')])
  expect(await run()).toMatchObject({ code: 0 })
  await producer.grow(topic, 2)
  await producer.send([change(topic, 2, 'b', 'c', { partition: 1 })])
  expect(await run()).toMatchObject({ code: 0 })
  expect((await rows('t')).length).toBe(2)
})

test('topics of another producer are brought in beside a topic of positions, whoever’s positions it holds', async () => {
  const { prefix, run, rows } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic, `${prefix}.mine.offsets`])
  await producer.send([change(topic, 1, 'a')])
  expect(await run()).toMatchObject({ code: 0 })
  expect(plain(await rows('t'))).toMatchObject([{ id: 1 }])
  // Positions of a capture that knows nothing of the topic.
  const cursor = {
    v: 1,
    append: 1,
    source: 'o',
    at: '0/1',
    boundary: true,
    consistent: true,
    commit: '0/1',
    commitUs: '1',
    snapshotDone: [],
  }
  const headers = { 'tributary.cursor': JSON.stringify(cursor), 'tributary.ends': '{}' }
  await producer.send([{ topic: `${prefix}.mine.offsets`, key: Buffer.from('o'), value: Buffer.from('{}'), headers }])
  await producer.send([change(topic, 2, 'b')])
  expect(await run()).toMatchObject({ code: 0 })
  expect((await rows('t')).map((r) => r['id'])).toEqual([1, 2])
  // Kafka Connect's own topic: the positions are in any of its partitions.
  await producer.create([`${prefix}.connect`], 3)
  await producer.send([change(topic, 3, 'c')])
  expect(await run('--offsets-topic', `${prefix}.connect`, '--topics', topic)).toMatchObject({ code: 0 })
  expect((await rows('t')).map((r) => r['id'])).toEqual([1, 2, 3])
})

test('records lost to retention stop it (TRB-INGEST-002), until it is told to go on', async () => {
  const { prefix, run, rows } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic])
  await producer.send([change(topic, 1, 'a')])
  await run()
  await producer.send([change(topic, 2, 'b'), change(topic, 3, 'c')])
  await producer.deleteRecords(topic, 0, 2)
  const refused = await run()
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('TRB-INGEST-002')
  expect(await run('--on-lost', 'continue')).toMatchObject({ code: 0 })
  expect((await rows('t')).map((r) => r['id'])).toEqual([1, 3])
})

test('a topic that was created again is another one (TRB-INGEST-005), and another group does not feed the lake (TRB-INGEST-008)', async () => {
  const { prefix, run } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic])
  await producer.send([change(topic, 1, 'a')])
  await run()
  const other = await run('--group', `${prefix}other`)
  expect(other).toMatchObject({ code: 2 })
  expect(other.stderr).toContain('TRB-INGEST-008')
  await producer.delete([topic])
  await producer.createAgain([topic])
  await producer.send([change(topic, 1, 'a'), change(topic, 2, 'b')])
  const again = await run()
  expect(again).toMatchObject({ code: 2 })
  expect(again.stderr).toContain('TRB-INGEST-005')
})

test('a record that cannot be read stops it (TRB-INGEST-007, -012, -006), or goes to the dead-letter topic', async () => {
  const { prefix, run, rows } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic, `${prefix}.dead-letters`])
  await producer.send([change(topic, 1, 'a'), { topic, key: Buffer.from('x'), value: Buffer.from('no event') }, change(topic, 2, 'b')])
  const stopped = await run()
  expect(stopped).toMatchObject({ code: 1 })
  expect(stopped.stderr).toContain('TRB-INGEST-007')
  await producer.send([
    { topic, key: keyBytes(3), value: wire(99, Buffer.from('02', 'hex')) },
    { topic, key: null, value: valueBytes({ op: 'c', id: 4, v: 'd', lsn: lsn++ }) },
  ])
  await producer.send([change(topic, 5, 'e')])
  const aside = await run('--on-poison', 'dead-letter')
  expect(aside).toMatchObject({ code: 0 })
  for (const code of ['TRB-INGEST-007', 'TRB-INGEST-012', 'TRB-INGEST-006']) expect(aside.stderr).toContain(code)
  expect((await rows('t')).map((r) => r['id'])).toEqual([1, 2, 5])
})

test('more poison than can be an accident stops it all the same (TRB-INGEST-013)', async () => {
  const { prefix, run } = flow()
  const topic = `${prefix}.public.t`
  await producer.create([topic, `${prefix}.dead-letters`])
  await producer.send(Array.from({ length: 110 }, () => ({ topic, key: Buffer.from('k'), value: Buffer.from('text') })))
  const { code, stderr } = await run('--on-poison', 'dead-letter')
  expect(code).toBe(1)
  expect(stderr).toContain('TRB-INGEST-013')
})

test('refuses keyless records over several partitions (TRB-INGEST-009) or flattened (-011), and Avro without a registry (TRB-INGEST-010)', async () => {
  const [spread, flat, none] = [flow(), flow(), flow()]
  const keyless = (topic: string, partition: number): ProducedRecord => ({
    topic,
    key: null,
    value: valueBytes({ op: 'c', id: 1, v: 'a', lsn: lsn++ }),
    partition,
  })
  await producer.create([`${spread.prefix}.public.t`], 2)
  await producer.create([`${flat.prefix}.public.t`, `${none.prefix}.public.t`])
  await producer.send([0, 1].map((p) => keyless(`${spread.prefix}.public.t`, p)))
  await producer.send([{ topic: `${flat.prefix}.public.t`, key: null, value: Buffer.from('{"id":1}') }])
  await producer.send([change(`${none.prefix}.public.t`, 1, 'a')])
  expect((await spread.run()).stderr).toContain('TRB-INGEST-009')
  expect((await flat.run()).stderr).toContain('TRB-INGEST-011')
  const args = ['ingest', '--kafka', inject('kafka').bootstrap, '--topics', `${none.prefix}.*`, '--lake', none.lake, '--once']
  expect((await lakeVerb(args)).stderr).toContain('TRB-INGEST-010')
})

test('brokers that do not answer are waited for, then named (TRB-INGEST-004)', async () => {
  const { run } = flow()
  const { code, stderr } = await run('--kafka', '127.0.0.1:1', '--kafka-outage', '1s')
  expect(code).toBe(5)
  expect(stderr).toContain('TRB-INGEST-004')
})
