// Appends once, then opens a transaction, writes into it and says so: node append-child.ts NAME PORT. To be killed there.

import { systemClock } from '../../../src/cli/clock.ts'
import { KafkaCluster } from '../../../src/log/kafka/cluster.ts'
import { codecOf } from '../../../src/log/kafka/compression.ts'
import { openKafkaLog } from '../../../src/log/kafka/kafka-writer.ts'
import { PartitionWriter } from '../../../src/log/kafka/record-batch.ts'
import { TransactionalProducer, transactionalId } from '../../../src/log/kafka/transaction.ts'
import { makeBatch, makeCursor } from '../../conformance/log-data.ts'

const [name, port] = process.argv.slice(2) as [string, string]
const kafka = {
  bootstrap: [{ host: '127.0.0.1', port: Number(port) }],
  clientId: 'child',
  tls: null,
  sasl: null,
  outageMs: 15_000,
  clock: systemClock,
}
const log = await openKafkaLog({
  ...{ kafka, name, connector: name, prefix: name, offsetsTopic: `${name}.offsets`, compression: 'none' },
  topics: { partitions: 1, replication: -1, config: new Map() },
  ...{ refuseDifferent: false, adopt: false, transactionMs: 60_000, describe: () => '{}', warn: () => undefined },
  understand: () => {
    throw new Error('not asked for')
  },
})
const topic = `${name}.t`
await log.append([makeBatch(topic, 0, 5)], makeCursor('0/1', { source: name }))
await log.close()
const producer = new TransactionalProducer(new KafkaCluster(kafka), transactionalId(name), name, 60_000)
await producer.start()
await producer.add(new Map([[topic, new Set([0])]]))
const writer = new PartitionWriter(topic, codecOf('none'), { partitions: 1, maxBytes: 1000 })
writer.add(makeBatch(topic, 5, 10))
await producer.produce(writer.finish())
process.stdout.write('open\n')
setInterval(() => undefined, 1000)
