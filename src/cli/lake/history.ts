import { text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: [
    'Prints every version of one row of a Hudi table, oldest first, as far back as its files have been kept: one JSON object per version with',
    'the commit, what happened (insert, update, delete) and the row. Commits that did not touch the row are not shown.',
  ].join('\n'),
  args: [{ name: 'TABLE_URI', help: 'directory of the table (the one that holds .hoodie), or s3://BUCKET/PREFIX', required: true }],
  flags: {
    key: text({
      help: 'record key as in _hoodie_record_key: the value, or a:1,b:2 for several key columns',
      placeholder: 'KEY',
      required: true,
    }),
    ...s3Flags,
  },
  examples: [{ why: 'what has happened to an order', command: 'lake history ./lake/shop/public/orders --key 4711' }],
  async run(context) {
    const { showHistory } = await import('./show-history.ts')
    return await showHistory(context)
  },
})
