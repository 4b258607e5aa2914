import { bool, text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Keeps the state of a table at a commit: no clean takes its files, no archival goes past it, and lake restore can go back to it.',
    'create without --at keeps the newest commit; delete gives the state free again; list shows them.',
  ].join('\n'),
  args: [{ name: 'ACTION', help: 'create, delete or list', required: true }, TABLE_URI],
  flags: {
    at: text({ help: 'the commit; delete needs it', placeholder: 'I' }),
    comment: text({ help: 'why it is kept', default: '', defaultText: '' }),
    plan: bool({ help: 'checks and shows what would be done, and changes nothing' }),
    ...s3Flags,
  },
  examples: [
    { why: 'before a risky load', command: 'lake savepoint create ./lake/shop/public/orders --comment "before the price import"' },
    { why: 'give it free', command: 'lake savepoint delete ./lake/shop/public/orders --at 20261121100000000' },
  ],
  async run(context) {
    const { runSavepoint } = await import('./run-savepoint.ts')
    return await runSavepoint(context)
  },
})
