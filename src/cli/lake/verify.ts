import { bool } from '../flag.ts'
import { s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'
import { TABLE_URI } from './open-table-uri.ts'

export const verb = defineVerb({
  description: [
    'Walks over a whole table, or over every table of a lake, and checks what must hold: every instant and archive file can be read, every file that a',
    'commit names is there with its size, nothing of failed writes counts or is left, savepoints, plans and earlier states have their files, row counts,',
    'smallest and largest keys and Bloom filters are right, each key is there once, compactions and clusterings changed no row, every change has a commit',
    'time that incremental readers find it by, watermarks only increase and each table is there at them. Names each violation and what to do. Changes',
    'nothing; exit status 4 when something is found.',
  ].join('\n'),
  args: [{ ...TABLE_URI, help: `${TABLE_URI.help}; or of a lake` }],
  flags: { rows: bool({ help: 'open data files too (--no-rows: timeline and listing only)', default: true }), ...s3Flags },
  examples: [
    { why: 'everything', command: 'lake verify ./lake/shop/public/orders' },
    { why: 'all tables of a lake, and its watermarks', command: 'lake verify ./lake' },
    { why: 'without reading data files', command: 'lake verify ./lake/shop/public/orders --no-rows' },
  ],
  async run(context) {
    const { runVerify } = await import('./run-verify.ts')
    return await runVerify(context)
  },
})
