import { defineVerb } from '../verb.ts'
import { INGEST_FLAGS } from './ingest-flags.ts'

/** `lake ingest`: Kafka → lake, until stopped. */
export const verb = defineVerb({
  description: [
    'Brings topics of change events into Hudi tables, one table per topic: those of cdc run --kafka or of Debezium, in Avro with a schema',
    'registry or in JSON, whole envelopes or flattened. Several processes with one --group share the partitions. What a table has consumed is',
    'in its own commits, so that kills and rebalances repeat and lose nothing; started again, it goes on where the lake is.',
  ].join('\n'),
  flags: INGEST_FLAGS,
  examples: [
    {
      why: 'the tables of one Debezium server',
      command: "lake ingest --kafka broker:9092 --topics 'shop.*' --registry http://127.0.0.1:8081 --lake ./lake",
    },
    {
      why: 'bring the lake up to date and stop',
      command: "lake ingest --kafka broker:9092 --topics 'shop.*' --registry http://127.0.0.1:8081 --lake s3://lake/shop --once",
    },
  ],
  async run(context) {
    const { runIngest } = await import('./run-ingest.ts')
    return await runIngest(context)
  },
})
