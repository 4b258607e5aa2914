import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import type { LogCursor, TopicBatch } from '../../../src/contract/log.ts'
import type { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { codecOf } from '../../../src/log/kafka/compression.ts'
import type { KafkaLog, KafkaLogOptions } from '../../../src/log/kafka/kafka-writer.ts'
import { COMPRESSIONS } from '../../../src/log/kafka/options.ts'
import { PartitionWriter } from '../../../src/log/kafka/record-batch.ts'
import { ensureTopic } from '../../../src/log/kafka/topics.ts'
import type { TransactionalProducer } from '../../../src/log/kafka/transaction.ts'
import { makeBatch, makeCursor, record } from '../../conformance/log-data.ts'
import { foreignClient, freshName, kafkaServer, kafkaTool, plainOptions, readCommitted } from '../../support/kafka.ts'
import { openLog } from './open-log.ts'

const open = new Set<KafkaLog>()
afterEach(async () => {
  for (const log of open) await log.close()
  open.clear()
})

async function start(name: string, more: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> {
  const log = await openLog(name, more)
  open.add(log)
  return log
}

const at = (name: string, place: string, more: Partial<LogCursor> = {}): LogCursor => makeCursor(place, { source: name, ...more })
const valuesOf = (rows: Awaited<ReturnType<typeof readCommitted>>): string[] => rows.map((r) => `${r.key}=${r.value}`.slice(0, 60)).sort()

describe('appends', () => {
  test('records and position are in Kafka together, as others read them; the cursor comes back after a restart', async () => {
    const name = freshName('w')
    const log = await start(name)
    expect(log.cursor(name)).toBeNull()
    const topic = `${name}.s.t`
    expect(await log.append([makeBatch(topic, 0, 50)], at(name, '0/50', { snapshotDone: [topic] }))).toBe(1)
    const cursor = at(name, '0/60', { commitUs: 9_007_199_254_740_993n, boundary: false })
    expect(await log.append([makeBatch(topic, 50, 10), makeBatch(`${name}.s.u`, 0, 3)], cursor)).toBe(2)
    expect(await log.append([], at(name, '0/61'))).toBe(3)
    expect(log.cursor(name)).toMatchObject({ at: '0/61' })
    await log.close()

    const rows = await readCommitted([topic])
    expect(rows.map((r) => String(r.key)).sort()).toEqual(Array.from({ length: 60 }, (_, i) => `${topic}-${i}`).sort())
    const offsets = await readCommitted([`${name}.offsets`])
    expect(offsets.map((o) => [String(o.key), String(o.value)])).toEqual(
      ['0/50', '0/60', '0/61'].map((p) => [`["${name}",{"server":"${name}"}]`, `{"at":"${p}"}`]),
    )
    // Next offsets per partition: what is below them, and nothing else, belongs to this append or an earlier one.
    const ends = JSON.parse(offsets[1]!.headers['tributary.ends']!) as Record<string, Record<string, number>>
    for (const [t, partitions] of Object.entries(ends)) {
      for (const [p, end] of Object.entries(partitions)) {
        const own = (await readCommitted([t])).filter((r) => r.partition === Number(p))
        expect(Number(own.at(-1)!.offset) + 1, `${t}/${p}`).toBe(end)
      }
    }

    const again = await start(name)
    expect(again.cursor(name)).toMatchObject(at(name, '0/61'))
    expect(await again.append([], cursor)).toBe(4)
    await again.close()
    expect((await start(name)).cursor(name)).toEqual(cursor)
  })

  test("Kafka's own partitioner would have put every key where it is", async () => {
    const name = freshName('p')
    const topic = `${name}.t`
    const log = await start(name, { topics: { partitions: 7, replication: 1, config: new Map() } })
    await log.append([makeBatch(topic, 0, 100)], at(name, '0/1'))
    const mine = new Map((await readCommitted([topic])).map((r) => [String(r.key), r.partition]))
    const producer = foreignClient().producer()
    await producer.connect()
    await producer.send({ topic, messages: [...mine.keys()].map((key) => ({ key, value: 'foreign' })) })
    await producer.disconnect()
    const foreign = (await readCommitted([topic])).filter((r) => String(r.value) === 'foreign')
    expect(foreign).toHaveLength(100)
    for (const r of foreign) expect([String(r.key), r.partition]).toEqual([String(r.key), mine.get(String(r.key))])
    expect(new Set(mine.values()).size).toBe(7)
  })

  test('every codec is read by the console consumer of Kafka', async () => {
    const name = freshName('z')
    for (const compression of COMPRESSIONS) {
      const log = await start(name, { compression, adopt: true })
      await log.append([makeBatch(`${name}.t`, 0, 40, 500)], at(name, `0/${compression}`))
    }
    const { bootstrap } = kafkaServer()
    const count = 40 * COMPRESSIONS.length
    const from = ['--bootstrap-server', bootstrap, '--topic', `${name}.t`, '--from-beginning', '--isolation-level', 'read_committed']
    const tool = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
    const out = kafkaTool(tool, ...from, '--max-messages', String(count), '--formatter-property', 'print.key=true')
    const lines = out.split('\n').filter((l) => l.startsWith(`${name}.t-`))
    expect(lines).toHaveLength(count)
    expect(lines.every((l) => /^\S+-(\d+)\t\1,/.test(l))).toBe(true)
  })

  test('many small appends, and one of many batches for each partition, keep the order of each key', async () => {
    const name = freshName('o')
    const topic = `${name}.t`
    const log = await start(name)
    const keyed = (n: number, from: number, size: number): TopicBatch => {
      const records = Array.from({ length: n }, (_, i) => record(Buffer.from(`k${i % 5}`), Buffer.alloc(size, `${from + i};`)))
      return { ...makeBatch(topic, 0, n), records: Buffer.concat(records) }
    }
    for (let i = 0; i < 30; i++) await log.append([keyed(5, i * 5, 8)], at(name, `0/${i}`))
    // 3 partitions, 6 MB: several batches for each.
    await log.append([keyed(600, 150, 10_000)], at(name, '0/F'))
    const seen = new Map<string, number[]>()
    for (const r of await readCommitted([topic])) {
      const key = String(r.key)
      seen.set(key, [...(seen.get(key) ?? []), Number.parseInt(String(r.value), 10)])
    }
    expect(seen.size).toBe(5)
    for (const [key, order] of seen) {
      expect(order, key).toHaveLength(150)
      expect(order).toEqual([...order].sort((a, b) => a - b))
    }
  })

  test('records without a key stay in order, in one partition', async () => {
    const name = freshName('n')
    const log = await start(name)
    const records = Array.from({ length: 20 }, (_, i) => record(null, Buffer.from(`v${i}`)))
    await log.append([{ ...makeBatch(`${name}.t`, 0, 20), records: Buffer.concat(records) }], at(name, '0/1'))
    const rows = await readCommitted([`${name}.t`])
    expect(rows.map((r) => [r.partition, String(r.value)])).toEqual(records.map((_, i) => [0, `v${i}`]))
  })

  test('back to back transactions do not wait out a second each', async () => {
    const name = freshName('b')
    const log = await start(name)
    await log.append([makeBatch(`${name}.t`, 0, 1)], at(name, '0/0'))
    const begin = performance.now()
    for (let i = 1; i <= 40; i++) await log.append([makeBatch(`${name}.t`, i, 10)], at(name, `0/${i}`))
    // A pause of 1 s after CONCURRENT_TRANSACTIONS, as clients make it, takes most of 40 s.
    expect(performance.now() - begin).toBeLessThan(30_000)
  })
})

describe('one writer per name', () => {
  test('a second process fences the first one, whose open work is invisible', async () => {
    const name = freshName('f')
    const topic = `${name}.t`
    const first = await start(name)
    await first.append([makeBatch(topic, 0, 5)], at(name, '0/5'))
    const second = await start(name)
    expect(second.cursor(name)).toMatchObject({ at: '0/5' })
    await expect(first.append([makeBatch(topic, 100, 5)], at(name, '0/A'))).rejects.toMatchObject({ code: 'TRB-KAFKA-005' })
    await second.append([makeBatch(topic, 5, 5)], at(name, '0/A'))
    // It stays refused: a zombie never takes the name back.
    await expect(first.append([makeBatch(topic, 200, 5)], at(name, '0/B'))).rejects.toMatchObject({ code: 'TRB-KAFKA-005' })
    await second.append([makeBatch(topic, 10, 5)], at(name, '0/F'))
    const keys = (await readCommitted([topic])).map((r) => Number(String(r.key).split('-').at(-1)))
    expect(keys.sort((a, b) => a - b)).toEqual(Array.from({ length: 15 }, (_, i) => i))
  })

  test('a process killed inside a transaction leaves nothing visible and holds nobody up: the next one goes on at once', async () => {
    const name = freshName('k')
    const topic = `${name}.t`
    const script = new URL('./append-child.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [script, name, String(kafkaServer().port)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    for await (const chunk of child.stdout) {
      text += chunk
      if (text.includes('open\n')) break
    }
    child.kill('SIGKILL')
    await once(child, 'exit')
    const begin = performance.now()
    const log = await start(name)
    expect(log.cursor(name)).toMatchObject({ at: '0/1' })
    await log.append([makeBatch(topic, 50, 5)], at(name, '0/2'))
    // Whoever waits for the broker to time the open transaction out waits a minute.
    expect(performance.now() - begin).toBeLessThan(45_000)
    const keys = (await readCommitted([topic])).map((r) => Number(String(r.key).split('-').at(-1)))
    expect(keys.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 50, 51, 52, 53, 54])
  })

  test('a transaction that the broker has timed out is done again, once', async () => {
    const name = freshName('t')
    const topic = `${name}.t`
    const log = await start(name, { transactionMs: 1000 })
    await log.append([makeBatch(topic, 0, 5)], at(name, '0/1'))
    const { producer } = log as unknown as { producer: { add(p: Map<string, Set<number>>): Promise<void> } }
    await producer.add(new Map([[topic, new Set([0])]]))
    // The coordinator of the test broker looks for such transactions every second.
    await new Promise((resolve) => setTimeout(resolve, 3000))
    await log.append([makeBatch(topic, 5, 5)], at(name, '0/2'))
    expect(await readCommitted([topic])).toHaveLength(10)
  })
})

describe('topics', () => {
  test('are created with the settings asked for; one that is there is used with a warning, or refused', async () => {
    const name = freshName('c')
    const config = new Map([
      ['cleanup.policy', 'compact'],
      ['retention.ms', '123456'],
    ])
    const log = await start(name, { topics: { partitions: 4, replication: 1, config } })
    await log.append([makeBatch(`${name}.t`, 0, 1)], at(name, '0/1'))
    const admin = foreignClient().admin()
    await admin.connect()
    const [topic] = (await admin.fetchTopicMetadata({ topics: [`${name}.t`] })).topics
    const described = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: `${name}.t` }] })
    await admin.disconnect()
    expect(topic!.partitions).toHaveLength(4)
    const entries = new Map(described.resources[0]!.configEntries.map((e) => [e.configName, e.configValue]))
    expect([entries.get('cleanup.policy'), entries.get('retention.ms')]).toEqual(['compact', '123456'])

    const warnings: string[] = []
    const other = { partitions: 2, replication: 1, config: new Map([['retention.ms', '99']]) }
    const lenient = await start(name, { topics: other, warn: (t) => warnings.push(t) })
    await lenient.append([makeBatch(`${name}.t`, 1, 1)], at(name, '0/2'))
    expect(warnings).toEqual([expect.stringContaining('4 partitions instead of 2, retention.ms=123456 instead of 99')])
    const strict = await start(name, { topics: other, refuseDifferent: true })
    await expect(strict.append([makeBatch(`${name}.t`, 2, 1)], at(name, '0/3'))).rejects.toMatchObject({ code: 'TRB-KAFKA-008' })
  })

  test('settings the broker does not take are named', async () => {
    const name = freshName('x')
    const log = await start(name, { topics: { partitions: 1, replication: 3, config: new Map() } })
    await expect(log.append([makeBatch(`${name}.t`, 0, 1)], at(name, '0/1'))).rejects.toMatchObject({
      code: 'TRB-KAFKA-007',
      message: expect.stringContaining('INVALID_REPLICATION_FACTOR'),
    })
  })

  test('batches shrink to what a topic takes; a record that is larger alone is refused with its size', async () => {
    const name = freshName('l')
    const config = new Map([['max.message.bytes', '20000']])
    const log = await start(name, { compression: 'none', topics: { partitions: 1, replication: 1, config } })
    await log.append([makeBatch(`${name}.t`, 0, 50, 3000)], at(name, '0/1'))
    expect(await readCommitted([`${name}.t`])).toHaveLength(50)
    await expect(log.append([makeBatch(`${name}.t`, 50, 1, 30_000)], at(name, '0/2'))).rejects.toMatchObject({
      code: 'TRB-KAFKA-006',
      details: { topic: `${name}.t`, needed: 65_536 },
    })
    expect(log.cursor(name)).toMatchObject({ at: '0/1' })
  })

  test('records whose time the broker does not take: clocks that differ', async () => {
    const name = freshName('s')
    const config = new Map([['message.timestamp.before.max.ms', '3600000']])
    const log = await start(name, { topics: { partitions: 1, replication: 1, config } })
    // The batches of this test carry the time 0.
    await expect(log.append([makeBatch(`${name}.t`, 0, 1)], at(name, '0/1'))).rejects.toMatchObject({
      code: 'TRB-KAFKA-011',
      details: { time: '1970-01-01T00:00:00.000Z' },
    })
  })
})

describe('the position', () => {
  test('is never read from a topic that loses records', async () => {
    const name = freshName('d')
    const admin = foreignClient().admin()
    await admin.connect()
    const configEntries = [{ name: 'cleanup.policy', value: 'compact,delete' }]
    await admin.createTopics({ topics: [{ topic: `${name}.offsets`, numPartitions: 1, configEntries }], waitForLeaders: true })
    await admin.disconnect()
    await expect(openLog(name)).rejects.toMatchObject({ code: 'TRB-KAFKA-009' })
  })

  test('that is missing while the topics hold records is no reason for a second snapshot', async () => {
    const name = freshName('m')
    const log = await start(name)
    await log.append([makeBatch(`${name}.t`, 0, 1)], at(name, '0/1'))
    await expect(openLog(name, { offsetsTopic: `${name}-other` })).rejects.toMatchObject({
      code: 'TRB-KAFKA-013',
      details: { example: expect.stringContaining(name) },
    })
    const adopted = await start(name, { offsetsTopic: `${name}-other`, adopt: true })
    expect(adopted.cursor(name)).toBeNull()
  })

  test('is not missed where only an aborted transaction has written: a first run killed in its first append starts anew', async () => {
    const name = freshName('a')
    const log = await start(name)
    const { producer, cluster } = log as unknown as { producer: TransactionalProducer; cluster: KafkaCluster }
    const topic = `${name}.t`
    await ensureTopic(cluster, topic, { partitions: 1, replication: -1, config: new Map() }, () => undefined)
    // A broker may lead a new partition before it knows that it does.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await producer.add(new Map([[topic, new Set([0])]]))
    const writer = new PartitionWriter(topic, codecOf('none'), { partitions: 1, maxBytes: 1000 })
    writer.add(makeBatch(topic, 0, 3))
    await producer.produce(writer.finish())
    const other = await start(name, { offsetsTopic: `${name}-other` })
    expect(other.cursor(name)).toBeNull()
  })

  test("is taken from a record of Kafka Connect, and from among others' in many partitions", async () => {
    const name = freshName('i')
    const admin = foreignClient().admin()
    await admin.connect()
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }]
    await admin.createTopics({ topics: [{ topic: `${name}-connect`, numPartitions: 25, configEntries }], waitForLeaders: true })
    await admin.disconnect()
    const producer = foreignClient().producer()
    await producer.connect()
    const messages = Array.from({ length: 700 }, (_, i) => ({ key: `["other${i}",{"server":"x"}]`, value: '{"at":"no"}' }))
    messages.splice(20, 0, { key: `["dbz",{"server":"${name}"}]`, value: '{"at":"old"}' })
    messages.splice(40, 0, { key: `["dbz",{"server":"${name}"}]`, value: '{"at":"0/77"}' })
    await producer.send({ topic: `${name}-connect`, messages })
    await producer.disconnect()
    const log = await start(name, { connector: 'dbz', offsetsTopic: `${name}-connect` })
    expect(log.cursor(name)).toMatchObject({ at: '0/77' })
    expect(await log.append([makeBatch(`${name}.t`, 0, 1)], at(name, '0/78'))).toBe(1)
    expect((await start(name, { connector: 'dbz', offsetsTopic: `${name}-connect` })).cursor(name)).toMatchObject({ at: '0/78' })
  })

  test('of a form nobody knows is refused, not guessed at', async () => {
    const name = freshName('u')
    const log = await start(name)
    await log.append([], at(name, '0/1'))
    const producer = foreignClient().producer()
    await producer.connect()
    const headers = { 'tributary.cursor': '{"v":2}' }
    await producer.send({ topic: `${name}.offsets`, messages: [{ key: `["${name}",{"server":"${name}"}]`, value: '{}', headers }] })
    await producer.disconnect()
    await expect(openLog(name)).rejects.toMatchObject({ code: 'TRB-KAFKA-010' })
  })
})

test('an answer that no other attempt would change is given on', async () => {
  // Longer than transaction.max.timeout.ms of the broker.
  await expect(openLog(freshName('y'), { transactionMs: 3_600_000 })).rejects.toMatchObject({
    code: 'TRB-KAFKA-012',
    message: expect.stringContaining('INVALID_TRANSACTION_TIMEOUT'),
  })
})

test('a broker that is not there is waited for, then named', async () => {
  const said: string[] = []
  const kafka = plainOptions({ outageMs: 1500, onRetry: (t) => said.push(t) }, 1)
  const begin = performance.now()
  await expect(openLog(freshName('q'), { kafka })).rejects.toMatchObject({
    code: 'TRB-KAFKA-001',
    details: { hosts: '127.0.0.1:1' },
  })
  expect(performance.now() - begin).toBeGreaterThan(1400)
  expect(said.join()).toContain('ECONNREFUSED')
})

test('values are what was given, whatever the size', async () => {
  const name = freshName('v')
  const log = await start(name)
  await log.append([makeBatch(`${name}.t`, 0, 3, 300_000)], at(name, '0/1'))
  const rows = await readCommitted([`${name}.t`])
  expect(valuesOf(rows)).toEqual(valuesOf(rows).toSorted())
  expect(rows.map((r) => r.value!.length)).toEqual([300_000, 300_000, 300_000])
})
