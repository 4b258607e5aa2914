import { LEVELS } from '../../registry/avro/levels.ts'
import { choice, integer, text } from '../flag.ts'
import { kafkaFlags } from '../kafka-flags.ts'
import { defineVerb } from '../verb.ts'

/** `cdc registry`: the built-in schema registry as a service of its own. */
export const verb = defineVerb({
  description:
    'Serves schemas over HTTP with the API of Confluent Schema Registry: subjects, versions, ids, compatibility, modes, references. Serialisers and\nconsumers of Kafka use it as they use that. One process serves a place; Ctrl-C stops it.',
  flags: {
    listen: text({ help: 'address; without a host only this machine is served', placeholder: 'HOST:PORT', default: '127.0.0.1:8081' }),
    state: text({ help: 'directory that holds the schemas', placeholder: 'DIR', default: './.tributary-registry' }),
    topic: text({
      help: "with --kafka: topic that holds the schemas instead, in the form of Confluent's registry; created when absent",
      placeholder: 'TOPIC',
      default: '_schemas',
    }),
    replication: integer({ help: 'with --kafka: replicas of a new topic', defaultText: "the broker's", min: 1, max: 100 }),
    compatibility: choice({ help: 'level of subjects without one of their own', choices: LEVELS, default: 'BACKWARD' }),
    user: text({ help: 'user that clients have to give', placeholder: 'USER' }),
    password: text({ help: 'its password', placeholder: 'PASSWORD', secret: true }),
    'tls-cert': text({ help: 'PEM file of the certificate, to serve https', placeholder: 'FILE' }),
    'tls-key': text({ help: 'PEM file of its key', placeholder: 'FILE' }),
    'tls-client-ca': text({ help: 'PEM file of an authority: clients need a certificate of it', placeholder: 'FILE' }),
    ...kafkaFlags,
  },
  examples: [
    { why: 'for this machine', command: 'cdc registry --state /var/lib/registry' },
    {
      why: "on the topic of Confluent's registry, in its place",
      command: 'cdc registry --listen 0.0.0.0:8081 --kafka broker1:9092,broker2:9092',
    },
    { why: 'for others, with a password', command: 'cdc registry --listen 0.0.0.0:8081 --user app --password secret' },
  ],
  async run(context) {
    const { runRegistry } = await import('./run-registry.ts')
    return await runRegistry(context)
  },
})
