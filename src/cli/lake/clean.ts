import { bool, duration, integer } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Takes away the versions of data files that no state within the policy is made of, nor a savepoint, nor the plan of a pending instant.',
    'A clean that an earlier process began is carried through first. One of the three policies; without any: --keep 24h.',
  ].join('\n'),
  args: [TABLE_URI],
  flags: {
    keep: duration({ help: 'every state of this last while stays readable (whole hours)', defaultText: '24h' }),
    'keep-commits': integer({ help: 'every state from the N-th newest commit on stays readable', min: 1 }),
    'keep-versions': integer({ help: 'the N newest versions of each file group stay, whatever they are of', min: 1 }),
    plan: bool({ help: 'shows the files and changes nothing' }),
    ...s3Flags,
  },
  examples: [
    { why: 'what would go', command: 'lake clean ./lake/shop/public/orders --keep 24h --plan' },
    { why: 'keep ten commits', command: 'lake clean ./lake/shop/public/orders --keep-commits 10' },
  ],
  async run(context) {
    const { runClean } = await import('./run-clean.ts')
    return await runClean(context)
  },
})
