import { afterEach, expect, test, vi } from 'vitest'
import type { KafkaLog } from '../../../src/log/kafka/kafka-writer.ts'
import { readOffset, writeOffset } from '../../../src/log/kafka/offset-store.ts'
import { TransactionalProducer, TransactionLost } from '../../../src/log/kafka/transaction.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'
import { foreignClient, freshName, plainOptions, readCommitted } from '../../support/kafka.ts'
import { openLog } from './open-log.ts'

const open = new Set<KafkaLog>()
afterEach(async () => {
  vi.restoreAllMocks()
  for (const log of open) await log.close()
  open.clear()
})

async function start(name: string): Promise<KafkaLog> {
  const log = await openLog(name)
  open.add(log)
  return log
}

const at = (source: string, place: string) => makeCursor(place, { source })
const placeOf = (name: string) => ({ kafka: plainOptions(), topic: `${name}.offsets`, name, connector: name, prefix: name })

/** The log's transactional id is one that the brokers do not know: as if they had dropped it after transactional.id.expiration.ms. */
function forget(log: KafkaLog): void {
  const { producer } = log as unknown as { producer: { id: string } }
  producer.id = `${producer.id}-forgotten`
}

test('a writer whose id the brokers have forgotten goes on where the position is', async () => {
  const name = freshName('i')
  const log = await start(name)
  await log.append([makeBatch(`${name}.t`, 0, 5)], at(name, '0/1'))
  forget(log)
  expect(await log.append([makeBatch(`${name}.t`, 5, 5)], at(name, '0/2'))).toBe(2)
  expect(await readCommitted([`${name}.t`])).toHaveLength(10)
})

test('a writer whose id was forgotten while another one went on writes nothing (TRB-KAFKA-005)', async () => {
  const name = freshName('j')
  const idle = await start(name)
  await idle.append([makeBatch(`${name}.t`, 0, 5)], at(name, '0/1'))
  await (await start(name)).append([makeBatch(`${name}.t`, 5, 5)], at(name, '0/3'))
  forget(idle)
  await expect(idle.append([makeBatch(`${name}.t`, 90, 5)], at(name, '0/2'))).rejects.toMatchObject({ code: 'TRB-KAFKA-005' })
  expect(await readCommitted([`${name}.t`])).toHaveLength(10)
})

test('an offset that is written while its transaction is lost is written again; by who was fenced it is not (TRB-KAFKA-005)', async () => {
  const name = freshName('o')
  const place = placeOf(name)
  const offset = (place_: string) => ({ value: `{"at":"${place_}"}`, cursor: { append: 1, cursor: at(name, place_) } })
  vi.spyOn(TransactionalProducer.prototype, 'commit').mockImplementationOnce(async () => {
    throw new TransactionLost('timed out')
  })
  await writeOffset(place, offset('0/1'))
  expect((await readOffset(place))?.value).toBe('{"at":"0/1"}')

  vi.spyOn(TransactionalProducer.prototype, 'produce').mockImplementationOnce(async () => {
    await start(name)
    throw new TransactionLost('PRODUCER_FENCED')
  })
  await expect(writeOffset(place, offset('0/2'))).rejects.toMatchObject({ code: 'TRB-KAFKA-005' })
  expect((await readOffset(place))?.value).toBe('{"at":"0/1"}')
})

test('a transaction that ends after its records were written, before it is committed, is done again: the records are there once', async () => {
  const name = freshName('r')
  const log = await start(name)
  await log.append([makeBatch(`${name}.t`, 0, 5)], at(name, '0/1'))
  for (const step of ['produce', 'commit'] as const) {
    const { produce } = TransactionalProducer.prototype
    vi.spyOn(TransactionalProducer.prototype, step).mockImplementationOnce(async function (this: TransactionalProducer, batches?: unknown) {
      if (step === 'produce') await produce.call(this, batches as Parameters<typeof produce>[0])
      throw new TransactionLost('a leader that is none')
    })
  }
  expect(await log.append([makeBatch(`${name}.t`, 5, 5)], at(name, '0/2'))).toBe(2)
  const keys = (await readCommitted([`${name}.t`])).map((r) => String(r.key)).sort()
  expect(keys).toEqual(Array.from({ length: 10 }, (_, i) => `${name}.t-${i}`))
})

test('where another writer put records between ours, the offsets told beside the position are the true ones', async () => {
  const name = freshName('f')
  const topic = `${name}.t`
  const log = await openLog(name, { topics: { partitions: 1, replication: 1, config: new Map() } })
  open.add(log)
  const producer = foreignClient().producer()
  await producer.connect()
  for (let i = 0; i < 4; i++) {
    await log.append([makeBatch(topic, i * 5, 5)], at(name, `0/${i}`))
    if (i % 2 === 0) await producer.send({ topic, messages: [{ key: 'foreign', value: 'x' }] })
  }
  await producer.disconnect()
  const ends = new Map<string, number>()
  for (const r of await readCommitted([`${name}.offsets`])) {
    const told = JSON.parse(r.headers['tributary.ends']!) as Record<string, Record<string, number>>
    ends.set(String(r.value), told[topic]!['0']!)
  }
  const own = (await readCommitted([topic])).filter((r) => String(r.key) !== 'foreign')
  expect(own).toHaveLength(20)
  for (let i = 0; i < 4; i++) expect(ends.get(`{"at":"0/${i}"}`)).toBe(Number(own[i * 5 + 4]!.offset) + 1)
})
