import { lakeFlag } from '../defaults.ts'
import { text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: 'Lists the tables of the lake with rows, files and size, in its newest state of the source or in the one of --as-of.',
  flags: { lake: lakeFlag, 'as-of': text({ help: 'state to list, as in lake query', placeholder: 'X' }), ...s3Flags },
  examples: [
    { why: 'the lake in ./lake', command: 'lake tables' },
    { why: 'an hour ago, for a program', command: 'lake tables --lake /data/lake --as-of -1h --json' },
  ],
  async run(context) {
    const { listTables } = await import('./list-tables.ts')
    return await listTables(context)
  },
})
