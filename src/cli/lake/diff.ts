import { text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: [
    'Compares two states of a Hudi table by key and values, and prints each row that differs as a JSON object: {op: i | u | d, before, after}.',
    'A row that was written anew with the same values is no difference. Exit status 4 when something differs, 0 when nothing does.',
  ].join('\n'),
  args: [{ name: 'TABLE_URI', help: 'directory of the table (the one that holds .hoodie), or s3://BUCKET/PREFIX', required: true }],
  flags: {
    from: text({ help: 'earlier state: an instant, or a time of the lake’s clock', placeholder: 'I', required: true }),
    to: text({ help: 'later state; default: now', placeholder: 'I' }),
    ...s3Flags,
  },
  examples: [
    { why: 'what a bad deploy did', command: 'lake diff ./lake/shop/public/orders --from 20261121100000000 --to 20261121101500000' },
  ],
  async run(context) {
    const { runDiff } = await import('./run-diff.ts')
    return await runDiff(context)
  },
})
