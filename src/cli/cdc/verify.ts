import { lakeFlag, lockingFlag, nameFlag, sourceFlag, stateFlag, urlFlag } from '../defaults.ts'
import { duration, integer, list, size, text } from '../flag.ts'
import { cacheFlags, s3Flags } from '../s3-flags.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description: [
    'Compares every lake table with the database, row by row and value by value, at one position. The database is read in the snapshot',
    'that a temporary replication slot exports at a known LSN (MySQL, MariaDB: in a transaction that begins at a known place of the binlog), so others may go on writing; the lake is read as of that position, with the',
    'records that the embedded log (--state) has beyond the newest commit. Both are only read. Exit 4 when something differs.',
  ].join('\n'),
  flags: {
    source: sourceFlag,
    url: urlFlag,
    lake: lakeFlag,
    state: stateFlag,
    tables: list({ help: 'tables to compare, as for cdc run', default: ['*'], defaultText: 'all tables of the lake' }),
    name: nameFlag,
    'slot-name': text({
      help: 'replication slot of cdc run, which tells how far it has come',
      placeholder: 'SLOT',
      defaultText: 'after --name',
    }),
    'snapshot-locking': lockingFlag,
    wait: duration({ help: 'how long to wait for the lake to reach the position of the snapshot', default: 60_000 }),
    memory: size({ help: 'memory for the comparison; beyond it, it spills to a temporary directory', default: 1024 ** 3 }),
    threads: integer({ help: 'threads of the comparison', default: 2, min: 1, max: 256 }),
    ...s3Flags,
    ...cacheFlags,
  },
  examples: [
    { why: 'the whole lake', command: 'cdc verify --url postgres://app@db/shop --lake ./lake' },
    { why: 'some tables, for a program', command: "cdc verify --tables 'shop.orders,shop.customers' --json" },
  ],
  async run(context) {
    const { verify } = await import('./verify-lake.ts')
    return await verify(context)
  },
})
