import { lockingFlag, nameFlag, serverIdFlag, sourceFlag, stateFlag, urlFlag } from '../defaults.ts'
import { bool, list, text } from '../flag.ts'
import { defineVerb } from '../verb.ts'

export const verb = defineVerb({
  description:
    'Checks what cdc run needs of the source. Postgres: connection, wal_level, the right to replicate, free slots and WAL senders, the slot and the\nWAL it retains, publication, tables, replica identities. MySQL, MariaDB: binlog, GTIDs, rights, server id, retention, the position of the run (--state), tables. It only looks; each ✗ comes with the SQL that puts it right.',
  flags: {
    source: sourceFlag,
    url: urlFlag,
    tables: list({ help: 'tables to capture, as for cdc run', default: ['*'] }),
    name: nameFlag,
    state: stateFlag,
    'slot-name': text({ help: 'replication slot', placeholder: 'SLOT', defaultText: 'after --name' }),
    'ignore-unsupported-types': bool({ help: 'as for cdc run: a warning instead of a failure' }),
    publication: text({ help: 'publication', placeholder: 'NAME', defaultText: 'after --name' }),
    'server-id': serverIdFlag,
    'snapshot-locking': lockingFlag,
  },
  examples: [{ why: 'before the first cdc run', command: "cdc doctor --url postgres://app@db/shop --tables 'shop.*'" }],
  async run(context) {
    const { examine } = await import('./examine.ts')
    return await examine(context)
  },
})
