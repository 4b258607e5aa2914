import { LEVELS } from '../../registry/avro/levels.ts'
import { choice, text } from '../flag.ts'
import { defineVerb } from '../verb.ts'

/** `cdc registry`: the built-in schema registry as a service of its own. */
export const verb = defineVerb({
  description:
    'Serves schemas over HTTP with the API of Confluent Schema Registry: subjects, versions, ids, compatibility, modes, references. Serialisers and\nconsumers of Kafka use it as they use Confluent’s. One process serves a place; Ctrl-C stops it.',
  flags: {
    listen: text({ help: 'address; without a host only this machine is served', placeholder: 'HOST:PORT', default: '127.0.0.1:8081' }),
    state: text({ help: 'directory that holds the schemas', placeholder: 'DIR', default: './.tributary-registry' }),
    compatibility: choice({ help: 'level of subjects without one of their own', choices: LEVELS, default: 'BACKWARD' }),
    user: text({ help: 'user that clients have to give', placeholder: 'USER' }),
    password: text({ help: 'its password', placeholder: 'PASSWORD', secret: true }),
    'tls-cert': text({ help: 'PEM file of the certificate, to serve https', placeholder: 'FILE' }),
    'tls-key': text({ help: 'PEM file of its key', placeholder: 'FILE' }),
    'tls-client-ca': text({ help: 'PEM file of an authority: clients need a certificate of it', placeholder: 'FILE' }),
  },
  examples: [
    { why: 'for this machine', command: 'cdc registry --state /var/lib/registry' },
    { why: 'for others, with a password', command: 'cdc registry --listen 0.0.0.0:8081 --user app --password secret' },
  ],
  async run(context) {
    const { runRegistry } = await import('./run-registry.ts')
    return await runRegistry(context)
  },
})
