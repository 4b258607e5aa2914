import { apiVersionsV3, createAPI, describeTransactionsV0, type Reader, ResponseError, Writer } from '@platformatic/kafka'
import type { KafkaCluster } from './cluster.ts'
import { troubleOf } from './trouble.ts'

/**
 * 1: partitions are added by a request of their own before records go to them, and an epoch lives as long as its producer.
 * 2 (KIP-890; a cluster whose finalized `transaction.version` is 2): Produce v12 adds the partitions, and EndTxn v5 answers with the epoch
 * of the next transaction, so that a record that is late can never slip into it.
 */
export type TransactionProtocol = 1 | 2

const FEATURE = 'transaction.version'
const END_TXN_KEY = 26
const MARKERS_PAUSE_MS = 1
const MARKERS_LOOKS = 100

/** The protocol that the cluster has agreed on. One attempt: to be called inside `retrying`. */
export async function agreedProtocol(cluster: KafkaCluster, node: number): Promise<TransactionProtocol> {
  const { finalizedFeatures } = await cluster.send(node, apiVersionsV3.api, 'tributary', '1')
  const level = finalizedFeatures?.find((f) => f.name === FEATURE)?.maxVersionLevel ?? 0
  return level >= 2 ? 2 : 1
}

export interface EndTxnAnswer {
  readonly throttleTimeMs: number
  readonly errorCode: number
  /** Id and epoch of the next transaction; −1: those of this one. */
  readonly producerId: bigint
  readonly producerEpoch: number
}

/**
 * EndTxn v5 => transactionalId producerId:i64 producerEpoch:i16 committed:bool tags
 *   answer => throttleMs:i32 error:i16 producerId:i64 producerEpoch:i16 tags
 */
export const endTxnV5 = createAPI<[id: string, producerId: bigint, epoch: number, committed: boolean], EndTxnAnswer>(
  END_TXN_KEY,
  5,
  (id, producerId, epoch, committed) =>
    Writer.create().appendString(id, true).appendInt64(producerId).appendInt16(epoch).appendBoolean(committed).appendTaggedFields(),
  (_correlation: number, key: number, version: number, reader: Reader): EndTxnAnswer => {
    const answer = {
      throttleTimeMs: reader.readInt32(),
      errorCode: reader.readInt16(),
      producerId: reader.readInt64(),
      producerEpoch: reader.readInt16(),
    }
    reader.readTaggedFields()
    if (answer.errorCode !== 0) throw new ResponseError(key, version, { '/': [answer.errorCode, null] }, answer)
    return answer
  },
)

/**
 * Waits until the markers of an ended transaction are written, as far as the coordinator tells: a matter of a millisecond or two. With
 * protocol 2 a Produce that comes before is held back by the broker, for 20 ms at a time; nothing but this time is lost where nobody may look.
 */
export async function markersWritten(cluster: KafkaCluster, transactionalId: string): Promise<void> {
  for (let looks = 0; looks < MARKERS_LOOKS; looks++) {
    try {
      const node = await cluster.coordinator(transactionalId)
      const { transactionStates } = await cluster.send(node, describeTransactionsV0.api, [transactionalId])
      if (!/^Prepare(Commit|Abort)$/.test(transactionStates[0]?.transactionState ?? '')) return
    } catch (e) {
      // Whatever it is, the next transaction meets it, too, and has the means; only what is no answer of Kafka's is thrown on.
      troubleOf(e)
      return
    }
    await cluster.options.clock.sleep(MARKERS_PAUSE_MS)
  }
}
