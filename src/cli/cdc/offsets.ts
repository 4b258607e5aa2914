import { defineVerb } from '../verb.ts'
import { OFFSETS_FLAGS } from './offsets-flags.ts'

export const verb = defineVerb({
  description:
    'The position in the source that a run goes on from: in Kafka (--kafka), else in the log of --state. show prints it; export prints it as the REST interface of Kafka Connect takes it (PATCH /connectors/NAME/offsets), so that Debezium goes on from there; import takes that form, or the offset alone, and a run goes on from there; reset takes the position away, so that the next run begins with a snapshot. Stop the run of this name first.',
  args: [{ name: 'ACTION', help: 'show, export, import or reset', required: true }],
  flags: OFFSETS_FLAGS,
  examples: [
    { why: 'where the run is', command: 'cdc offsets show --name shop --kafka broker:9092' },
    { why: 'hand over to Debezium', command: 'cdc offsets export --name shop --kafka broker:9092 > offsets.json' },
    {
      why: "take over from Debezium, whose topic.prefix is shop: its offset in the Connect cluster's topic",
      command:
        'cdc offsets export --name shop --kafka broker:9092 --kafka-offsets-topic connect-offsets --kafka-connector inventory | cdc offsets import --name shop --kafka broker:9092',
    },
  ],
  async run(context) {
    const { runOffsets } = await import('./run-offsets.ts')
    return await runOffsets(context)
  },
})
