import { bool, text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Takes an instant back, so that the table is as if it had never been: a write that failed, or the newest completed one. Without --instant,',
    'all writes that failed. No other writer may be at work on the table.',
  ].join('\n'),
  args: [TABLE_URI],
  flags: {
    instant: text({ help: 'the instant to take back', placeholder: 'I' }),
    plan: bool({ help: 'shows what would go and changes nothing' }),
    ...s3Flags,
  },
  examples: [
    { why: 'what a dead writer left', command: 'lake rollback ./lake/shop/public/orders' },
    { why: 'the newest commit', command: 'lake rollback ./lake/shop/public/orders --instant 20261121100000000 --plan' },
  ],
  async run(context) {
    const { runRollback } = await import('./run-rollback.ts')
    return await runRollback(context)
  },
})
