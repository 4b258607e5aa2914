import { bool, integer } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Moves the oldest instants from the active timeline into the archive, where readers still find them. Never past a pending instant, a',
    'savepoint, or a replacecommit whose replaced files are still there. What failed writes left behind is taken away first.',
  ].join('\n'),
  args: [TABLE_URI],
  flags: {
    'keep-min': integer({ help: 'commits that stay on the active timeline', default: 20, min: 1 }),
    'keep-max': integer({ help: 'nothing is done until there are more than so many', default: 30, min: 1 }),
    plan: bool({ help: 'shows the instants and changes nothing' }),
    ...s3Flags,
  },
  examples: [
    { why: 'what would go', command: 'lake archive ./lake/shop/public/orders --plan' },
    { why: 'a short timeline', command: 'lake archive ./lake/shop/public/orders --keep-min 5 --keep-max 5' },
  ],
  async run(context) {
    const { runArchive } = await import('./run-archive.ts')
    return await runArchive(context)
  },
})
