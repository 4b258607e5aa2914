import { lakeFlag } from '../defaults.ts'
import { bool, integer } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description:
    'Shows the instants of a table, newest first: what each did, how long it took, rows inserted (+), updated (~) and deleted (-), files\nwritten, and the position of the source. Without TABLE, those of all tables.',
  args: [{ name: 'TABLE', help: 'schema.table, a bare name that is unique, or the path below the lake', required: false }],
  flags: {
    lake: lakeFlag,
    last: integer({ help: 'how many instants to show, newest first; 0 shows all', default: 20 }),
    archived: bool({ help: 'go on with the instants that have been archived' }),
    ...s3Flags,
  },
  examples: [
    { why: 'the last commits of a table', command: 'lake timeline shop.orders --last 6' },
    { why: 'the whole history', command: 'lake timeline shop.orders --archived --last 0' },
    { why: 'all tables, for a program', command: 'lake timeline --json' },
  ],
  async run(context) {
    const { showTimeline } = await import('./show-timeline.ts')
    return await showTimeline(context)
  },
})
