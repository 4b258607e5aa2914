import { concurrencyFlags } from '../concurrency-flags.ts'
import { bool, integer, list, size } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Rewrites file groups: small ones are put together, and with --sort rows that are close in these columns come to lie together, so that readers',
    'skip the rest. Rows keep their commit times, earlier states stay readable until a clean takes them away. While it is at work other writers',
    'of the table are refused. Clusterings that are pending, of this or another engine, are carried out first.',
  ].join('\n'),
  args: [TABLE_URI],
  flags: {
    sort: list({ help: 'columns to sort by, within what fits into --memory' }),
    'target-size': size({ help: 'size of the new base files', default: 128 << 20, defaultText: '128MiB' }),
    'small-size': size({ help: 'without --sort: base files smaller than this are put together', default: 64 << 20, defaultText: '64MiB' }),
    buckets: integer({
      help: 'spreads all rows over so many buckets: for a table with a bucket index whose base files have become too large, or are too small',
      default: 0,
      defaultText: 'as they are',
      min: 0,
    }),
    partitions: list({ help: 'only these partitions, by their directories' }),
    pending: bool({ help: 'carries out what is pending, and plans nothing new' }),
    memory: size({ help: 'rows held in memory at most', default: 256 << 20, defaultText: '256MiB' }),
    plan: bool({ help: 'shows the file groups and changes nothing' }),
    ...concurrencyFlags,
    ...s3Flags,
  },
  examples: [
    { why: 'put small files together', command: 'lake cluster s3://lake/other/events' },
    { why: 'smaller base files for a table that has grown', command: 'lake cluster ./lake/shop/public/orders --buckets 8' },
    { why: 'sorted by two columns', command: 'lake cluster ./lake/shop/public/orders --sort customer_id,created_at' },
  ],
  async run(context) {
    const { runCluster } = await import('./run-cluster.ts')
    return await runCluster(context)
  },
})
