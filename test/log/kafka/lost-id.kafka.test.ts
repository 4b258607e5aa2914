import { afterEach, expect, test, vi } from 'vitest'
import type { KafkaLog } from '../../../src/log/kafka/kafka-writer.ts'
import { readOffset, writeOffset } from '../../../src/log/kafka/offset-store.ts'
import { TransactionalProducer, TransactionLost } from '../../../src/log/kafka/transaction.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'
import { freshName, plainOptions, readCommitted } from '../../support/kafka.ts'
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

/** The brokers answer the log's next request as they do after transactional.id.expiration.ms: they know no such producer id. */
function forget(log: KafkaLog): void {
  const { producer } = log as unknown as { producer: { producerId: bigint; epoch: number } }
  producer.producerId = -1n
  producer.epoch = -1
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
