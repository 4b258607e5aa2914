import { defineVerb } from '../verb.ts'
import { tailFlags } from './tail-flags.ts'

/** `cdc tail`: change events of a database on stdout, as Debezium would give them. */
export const verb = defineVerb({
  description:
    'Prints a snapshot of the tables and then every change, as Debezium 3.6 would send it. With --config a Debezium connector configuration (.properties) is taken as it is. Says `streaming` on stderr when the snapshot is done and the stream is open.',
  flags: tailFlags,
  takesProperties: true,
  examples: [
    { why: 'watch one table', command: "cdc tail --url postgres://app@db/shop --tables 'public.orders' --snapshot-mode never" },
    { why: 'what Debezium would have sent', command: 'cdc tail --config connector.properties --format debezium-json --until idle:3s' },
  ],
  async run(context) {
    const { runTail } = await import('./tail-flow.ts')
    return await runTail(context)
  },
})
