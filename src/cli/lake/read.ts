import { bool, choice, text } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: [
    'Prints the rows of one Hudi table, whoever wrote it: one JSON object per line with the columns of Hudi first and the table’s own in',
    'the order of its schema. Integers beyond 2^53 and decimals are strings, points in time ISO with six digits and Z, bytes base64.',
    '--format csv prints the same values under a header: null is an empty field, the empty text is "", lists and maps are JSON.',
    'incremental shows the rows that commits after --from (exclusive) up to --to (inclusive) wrote, in their state as of --to;',
    'cdc shows what each of those commits changed: {op: i | u | d, ts_ms: the commit, before, after}. On a table of version 8 or 9 commits',
    'are in the range by the time at which they completed (lake timeline shows both times).',
  ].join('\n'),
  args: [{ name: 'TABLE_URI', help: 'directory of the table (the one that holds .hoodie), or s3://BUCKET/PREFIX', required: true }],
  flags: {
    type: choice({
      help: 'snapshot: base and log files merged; read-optimized: base files alone; incremental: rows of a range of commits; cdc: their changes',
      choices: ['snapshot', 'read-optimized', 'incremental', 'cdc'],
      default: 'snapshot',
    }),
    'as-of': text({ help: 'state after this instant (snapshot, read-optimized); default: now', placeholder: 'I' }),
    from: text({ help: 'incremental, cdc: after this instant; 0 is before all', placeholder: 'I' }),
    to: text({ help: 'incremental, cdc: up to this instant; default: now', placeholder: 'I' }),
    'late-rows': bool({ help: 'incremental: also rows that lost against an older commit’s greater ordering value, as Spark shows them' }),
    format: choice({ help: 'form of the answer', choices: ['jsonl', 'csv', 'parquet'], default: 'jsonl' }),
    output: text({ help: 'parquet: file that is written, or replaced', placeholder: 'FILE' }),
    ...s3Flags,
  },
  examples: [
    { why: 'all rows, now', command: 'lake read ./lake/shop/public/orders' },
    { why: 'as the table was after an instant', command: 'lake read ./lake/shop/public/orders --as-of 20261121100000000' },
    { why: 'into a Parquet file', command: 'lake read ./lake/shop/public/orders --format parquet --output orders.parquet' },
    {
      why: 'what changed since',
      command: 'lake read ./lake/shop/public/orders --type incremental --from 20261121100000000',
    },
  ],
  async run(context) {
    const { runRead } = await import('./run-read.ts')
    return await runRead(context)
  },
})
