import { lakeFlag } from '../defaults.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { OFFSETS_FLAGS } from './offsets-flags.ts'

const { input: _input, source: _source, ...place } = OFFSETS_FLAGS

export const verb = defineVerb({
  description:
    'What a flow has stored, whether it runs or not: the position in the source and when its last transaction was committed there, who holds the state directory, the topics with how far they go, and how far behind them the lake is. Reads only, and disturbs no run.',
  flags: { ...place, lake: { ...lakeFlag, help: 'where the lake is: a directory, or s3://BUCKET/PREFIX; none: only the log' }, ...s3Flags },
  examples: [
    { why: 'the flow with its log in ./.tributary and its lake in ./lake', command: 'cdc status' },
    { why: 'one that captures into Kafka, for a program', command: 'cdc status --name shop --kafka broker:9092 --lake none --json' },
  ],
  async run(context) {
    const { runStatus } = await import('./run-status.ts')
    return await runStatus(context)
  },
})
