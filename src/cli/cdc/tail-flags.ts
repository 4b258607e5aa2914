import { lockingFlag, serverIdFlag, sourceFlag, urlFlag } from '../defaults.ts'
import { choice, list, text } from '../flag.ts'
import { eventSettingsFlag } from './event-settings.ts'

/** Flags of `cdc tail`. */
export const tailFlags = {
  source: sourceFlag,
  url: urlFlag,
  tables: list({ help: 'tables to print, as schema.table with * for any text; a leading ! excludes', default: ['*'] }),
  name: text({ help: 'topic prefix and name of the slot', placeholder: 'NAME', default: 'tail' }),
  format: choice({
    help: 'debezium-json: records as JsonConverter prints them; avro-hex: schema and Avro bytes; json: payload only, for people',
    choices: ['debezium-json', 'json', 'avro-hex'],
    default: 'json',
  }),
  until: text({
    help: 'when to stop: now, idle:3s, lsn:16/B374D848, binlog:mysql-bin.000003:1234 or count:100',
    placeholder: 'WHEN',
    defaultText: 'never',
  }),
  'snapshot-mode': choice({
    help: 'initial: print a snapshot first; initial_only: then stop; never: changes only',
    choices: ['initial', 'initial_only', 'never'],
    defaultText: 'initial, or as in the configuration',
  }),
  state: text({
    help: 'directory that keeps the position, so that the next start goes on; without it slot and publication are removed at the end',
    placeholder: 'DIR',
  }),
  'slot-name': text({ help: 'replication slot; created when absent', placeholder: 'SLOT', defaultText: 'after --name' }),
  publication: text({ help: 'publication; created when absent', placeholder: 'NAME', defaultText: 'after --name' }),
  'server-id': serverIdFlag,
  'snapshot-locking': lockingFlag,
  'event-settings': eventSettingsFlag,
}

export type TailFlags = typeof tailFlags
