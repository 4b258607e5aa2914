import { afterAll, expect, inject, test } from 'vitest'
import { KafkaConsumer } from '../../../src/log/kafka/consumer.ts'
import { ConsumerFailures } from '../../../src/log/kafka/consumer-errors.ts'
import { freshName, plainOptions } from '../../support/kafka.ts'
import { TopicProducer } from '../../support/topic-producer.ts'

const producer = new TopicProducer(inject('kafka').bootstrap)
const group = freshName('g')
const consumer = new KafkaConsumer({ ...plainOptions(), group, sessionMs: 6000, fetchBytes: 1 << 20 }, new ConsumerFailures('b', group))
afterAll(async () => {
  await consumer.close()
  await producer.close()
})

const never = new AbortController().signal

async function offsets(topic: string, from: number, to: number): Promise<number[]> {
  const out: number[] = []
  for await (const b of consumer.read(topic, 0, from, to, never)) for (let i = 0; i < b.count; i++) out.push(b.baseOffset + i)
  return out
}

async function create(topic: string, records: number): Promise<void> {
  await producer.createAgain([topic])
  await producer.send(Array.from({ length: records }, (_, i) => ({ topic, key: Buffer.from(`${i}`), value: Buffer.from('{"id":1}') })))
}

test('a topic that took the name of the one that was listed is not read in its place (TRB-INGEST-005), until it is listed itself', async () => {
  const topic = freshName('t')
  await create(topic, 2)
  const [listed] = await consumer.topics((t) => t === topic)
  expect(await offsets(topic, 0, 2)).toEqual([0, 1])
  await producer.delete([topic])
  await create(topic, 5)
  // It is longer than the one before: nothing about its offsets looks wrong.
  await expect(offsets(topic, 2, 5)).rejects.toMatchObject({ code: 'TRB-INGEST-005', details: { topic, partition: 0, offset: 2 } })
  const [again] = await consumer.topics((t) => t === topic)
  expect(again?.id).not.toBe(listed?.id)
  expect(await offsets(topic, 2, 5)).toEqual([2, 3, 4])
})
