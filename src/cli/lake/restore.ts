import { bool, text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Takes a table back to a savepoint: every later write is taken away, newest first. A restore that an earlier process began is carried',
    'through instead. No other writer may be at work on the table.',
  ].join('\n'),
  args: [TABLE_URI],
  flags: {
    to: text({ help: 'the savepoint; without it only a restore that was begun is carried through', placeholder: 'I' }),
    plan: bool({ help: 'shows the writes that would go and changes nothing' }),
    ...s3Flags,
  },
  examples: [
    { why: 'what would go', command: 'lake restore ./lake/shop/public/orders --to 20261121100000000 --plan' },
    { why: 'carry on after a crash', command: 'lake restore ./lake/shop/public/orders' },
  ],
  async run(context) {
    const { runRestore } = await import('./run-restore.ts')
    return await runRestore(context)
  },
})
