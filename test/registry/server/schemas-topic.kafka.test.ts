import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { systemClock } from '../../../src/cli/clock.ts'
import { CompactedLog } from '../../../src/log/kafka/compacted-log.ts'
import { createTopicJournal } from '../../../src/registry/server/topic-journal.ts'
import { ask, registryConformance } from '../../conformance/registry.ts'
import { type OpenedRegistry, openRegistry } from './open-registry.ts'

const { bootstrap } = inject('kafka')
const run = Math.floor(Math.random() * 2 ** 31).toString(36)
const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
const opened: OpenedRegistry[] = []

/** Our registry on a topic, as `cdc registry --kafka` opens it. */
async function onTopic(topic: string): Promise<OpenedRegistry> {
  const [host, port] = bootstrap.split(':') as [string, string]
  const kafka = {
    ...{ bootstrap: [{ host, port: Number(port) }], clientId: 'test', tls: null, sasl: null, outageMs: 20_000, clock: systemClock },
  }
  const log = await CompactedLog.open({ kafka, topic, writer: 'tributary-registry', replication: -1 })
  const registry = await openRegistry({ journal: createTopicJournal(log, topic) })
  opened.push(registry)
  return registry
}

let shared: OpenedRegistry
beforeAll(async () => {
  await admin.connect()
  shared = await onTopic(`schemas-${run}`)
})
afterAll(async () => {
  for (const r of opened) await r.close()
  await admin.disconnect()
})

registryConformance('ours, in a topic', { url: () => shared.url, differs: {} })

test('the next process reads what the one before wrote, and that one may write no more', async () => {
  const topic = `schemas-${run}-handover`
  const first = await onTopic(topic)
  expect((await ask(first.url, 'POST', '/subjects/t/versions', { schema: '"int"' })).body).toEqual({ id: 1 })
  await ask(first.url, 'POST', '/subjects/t/versions', { schema: '"long"' })
  await ask(first.url, 'DELETE', '/subjects/t/versions/1')
  const second = await onTopic(topic)
  expect((await ask(second.url, 'GET', '/subjects/t/versions')).body).toEqual([2])
  expect(await ask(first.url, 'POST', '/subjects/u/versions', { schema: '"bytes"' })).toMatchObject({ status: 500 })
  expect(first.errors).toEqual([expect.objectContaining({ code: 'TRB-REG-016' })])
  expect((await ask(first.url, 'GET', '/subjects')).body).toEqual(['t'])
  expect((await ask(second.url, 'POST', '/subjects/u/versions', { schema: '"string"' })).body).toEqual({ id: 3 })
})

test('a topic that would lose schemas, or their order, is refused', async () => {
  const [many, deleting] = [`schemas-${run}-many`, `schemas-${run}-deleting`]
  const config = (value: string) => [{ name: 'cleanup.policy', value }]
  await admin.createTopics({
    topics: [
      { topic: many, numPartitions: 2, configEntries: config('compact') },
      { topic: deleting, numPartitions: 1, configEntries: config('delete') },
    ],
  })
  await expect(onTopic(many)).rejects.toMatchObject({ code: 'TRB-REG-015', details: { detail: expect.stringContaining('2 partitions') } })
  await expect(onTopic(deleting)).rejects.toMatchObject({
    code: 'TRB-REG-015',
    details: { detail: expect.stringContaining('cleanup.policy=delete') },
  })
})
