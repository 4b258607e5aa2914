import { concurrencyFlags } from '../concurrency-flags.ts'
import { bool, duration, integer, size } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Merges the log files of a merge-on-read table into new base files: rows keep their commit times and places, and every earlier state stays',
    'readable until a clean takes it away. Compactions that are pending, of this or another engine, are carried out first.',
  ].join('\n'),
  args: [TABLE_URI],
  flags: {
    'min-logs': integer({ help: 'only file groups with at least so many log files', default: 1, min: 1 }),
    'min-log-bytes': size({ help: 'only file groups whose log files are at least this large', default: 0, defaultText: '0B' }),
    'min-age': duration({ help: 'only file groups whose oldest log (version 6: base file) is at least this old', default: 0 }),
    'log-files': bool({ help: 'puts log files together into one log file each instead; base files stay as they are' }),
    pending: bool({ help: 'carries out what is pending, and plans nothing new' }),
    schedule: bool({ help: 'only plans: the compaction stays pending, for another process or engine to carry out' }),
    memory: size({ help: 'log rows held in memory at most', default: 128 << 20, defaultText: '128MiB' }),
    plan: bool({ help: 'shows the file groups and changes nothing' }),
    ...concurrencyFlags,
    ...s3Flags,
  },
  examples: [
    { why: 'what would be merged', command: 'lake compact ./lake/shop/public/orders --min-logs 10 --plan' },
    { why: 'everything', command: 'lake compact ./lake/shop/public/orders' },
  ],
  async run(context) {
    const { runCompact } = await import('./run-compact.ts')
    return await runCompact(context)
  },
})
