import { nameFlag, sourceFlag, stateFlag } from '../defaults.ts'
import { text } from '../flag.ts'
import { kafkaFlags } from '../kafka-flags.ts'

/** Flags of `cdc offsets`. */
export const OFFSETS_FLAGS = {
  source: sourceFlag,
  name: nameFlag,
  state: stateFlag,
  ...kafkaFlags,
  'kafka-offsets-topic': text({
    help: 'Kafka: topic of the position; of Kafka Connect: its offset.storage.topic',
    placeholder: 'TOPIC',
    defaultText: '<name>.offsets',
  }),
  'kafka-connector': text({ help: 'Kafka: name of the connector in that topic', placeholder: 'NAME', defaultText: 'as --name' }),
  input: text({ help: 'import: file to read; -: standard input', placeholder: 'FILE', default: '-' }),
}
