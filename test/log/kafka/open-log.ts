import type { KafkaLog, KafkaLogOptions } from '../../../src/log/kafka/kafka-writer.ts'
import { openKafkaLog } from '../../../src/log/kafka/kafka-writer.ts'
import { plainOptions } from '../../support/kafka.ts'

/** Options of a log in the test's broker; the offset of a cursor is `{"at":…}`, and a foreign offset is read the same way. */
export function logOptions(name: string, more: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  return {
    kafka: plainOptions(),
    name,
    connector: name,
    prefix: name,
    offsetsTopic: `${name}.offsets`,
    topics: { partitions: 3, replication: -1, config: new Map() },
    compression: 'zstd',
    refuseDifferent: false,
    adopt: false,
    transactionMs: 60_000,
    describe: (cursor) => JSON.stringify({ at: cursor.at }),
    understand: (offset) => {
      const { at } = JSON.parse(offset) as { at: string }
      return { source: name, at, boundary: true, commit: at, commitUs: 0n, snapshotDone: [], consistent: true }
    },
    warn: () => undefined,
    ...more,
  }
}

export async function openLog(name: string, more: Partial<KafkaLogOptions> = {}): Promise<KafkaLog> {
  return await openKafkaLog(logOptions(name, more))
}
