import { addPartitionsToTxnV3, initProducerIdV4, ResponseError } from '@platformatic/kafka'
import { expect, test } from 'vitest'
import { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { TransactionalProducer, TransactionLost } from '../../../src/log/kafka/transaction.ts'
import { manualClock } from '../../support/manual-clock.ts'

const FORGOTTEN = 49
const FENCED = 90

const answerOf = (path: string, code: number): Error =>
  new ResponseError(addPartitionsToTxnV3.api.key!, 3, { [path]: [code, null] }, { resultsByTransaction: [] })

/** Brokers that have forgotten every producer id below `known`; `asked`: what the producer called itself when it asked for an id. */
function brokers(known: bigint, refusal: number): { readonly producer: TransactionalProducer; readonly asked: bigint[] } {
  const bootstrap = [{ host: '127.0.0.1', port: 9 }]
  const cluster = new KafkaCluster({ bootstrap, clientId: 't', tls: null, sasl: null, clock: manualClock(), outageMs: 1000 })
  const asked: bigint[] = []
  let next = 1n
  cluster.send = async <R>(_node: number | null, api: unknown, ...args: readonly unknown[]): Promise<R> => {
    if (api === initProducerIdV4.api) {
      const id = args[2] as bigint
      asked.push(id)
      if (id >= 0n && id < known && asked.length > 1) throw answerOf('/', refusal)
      return { producerId: next++, producerEpoch: 0 } as R
    }
    if (api === addPartitionsToTxnV3.api) throw answerOf('/results_by_transaction/0/topic_results/0/results_by_partition/0', refusal)
    return { coordinators: [{ nodeId: 1, host: '127.0.0.1', port: 9 }] } as R
  }
  return { producer: new TransactionalProducer(cluster, 'tributary-n', 'n', 1000), asked }
}

test('a producer id that the brokers have forgotten ends the transaction, and the producer goes on with a new one', async () => {
  const { producer, asked } = brokers(2n, FORGOTTEN)
  await producer.start()
  await expect(producer.add(new Map([['t', new Set([0])]]))).rejects.toBeInstanceOf(TransactionLost)
  await producer.renew()
  expect(asked).toEqual([-1n, 1n, -1n])
})

test('a producer that was fenced does not ask for another id', async () => {
  const { producer, asked } = brokers(2n, FENCED)
  await producer.start()
  await expect(producer.renew()).rejects.toMatchObject({ code: 'TRB-KAFKA-005' })
  expect(asked).toEqual([-1n, 1n])
})
