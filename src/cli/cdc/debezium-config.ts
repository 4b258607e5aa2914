import { columnRules } from '../../capture/columns/column-rules.ts'
import { javaRegexList } from '../../capture/java-regex.ts'
import type { PostgresOptions, PublicationMode, SnapshotMode } from '../../capture/postgres/options.ts'
import { typeOptionsOf } from '../../capture/postgres/types/options.ts'
import { type EnvelopeSettings, envelopeSettingsOf } from '../../envelope/options.ts'
import type { Transform } from '../../envelope/transform/record.ts'
import { transformsOf } from '../../envelope/transform/settings.ts'
import { Failure } from '../../failure/failure.ts'
import { COMMON, checkSettings, oneOf, type SettingTable } from './connector-settings.ts'
import { heartbeatOfConfig } from './heartbeat-flags.ts'
import { only, signalsOfConfig } from './signal-flags.ts'

/** What a Debezium configuration says, in our terms. */
export interface DebeziumConnector {
  readonly prefix: string
  readonly source: PostgresOptions
  readonly envelope: EnvelopeSettings
  readonly transforms: readonly Transform[]
}

/** What Postgres has beside the common settings. */
const OWN: SettingTable = {
  read: [
    'plugin.name',
    'database.dbname',
    'database.sslmode',
    'slot.name',
    'publication.name',
    'publication.autocreate.mode',
    'schema.include.list',
    'schema.exclude.list',
    'interval.handling.mode',
    'hstore.handling.mode',
    'money.fraction.digits',
    'include.unknown.datatypes',
    'message.prefix.include.list',
    'message.prefix.exclude.list',
    'publish.via.partition.root',
  ],
  only: {
    'slot.drop.on.stop': 'false',
    'xmin.fetch.interval.ms': '0',
    'snapshot.isolation.mode': 'serializable',
    'snapshot.locking.mode': 'none',
  },
  ignored: [/^(database\.tcpKeepAlive|status\.update\.interval\.ms)$/, /^slot\.(max\.retries|retry\.delay\.ms)$/, /^lsn\.flush\..*$/],
}

/**
 * Reads a Debezium Postgres connector configuration. Every setting is read, known not to matter, or refused by name
 * (TRB-ENV-007, TRB-ENV-002); nothing is left out silently.
 */
export function debeziumConnector(config: ReadonlyMap<string, string>, file: string): DebeziumConnector {
  checkSettings(config, file, [COMMON, OWN])
  if (!(config.get('connector.class') ?? 'PostgresConnector').endsWith('PostgresConnector')) {
    const supported = 'io.debezium.connector.postgresql.PostgresConnector'
    throw new Failure('TRB-ENV-002', { option: 'connector.class', value: config.get('connector.class')!, supported })
  }
  oneOf(config, 'plugin.name', 'pgoutput', ['pgoutput'])
  const ssl = oneOf(config, 'database.sslmode', 'disable', ['disable', 'allow', 'prefer', 'require', 'verify-full'])
  const slot = config.get('slot.name') ?? 'debezium'
  const source: PostgresOptions = {
    host: config.get('database.hostname') ?? 'localhost',
    port: Number(config.get('database.port') ?? '5432'),
    user: config.get('database.user') ?? 'postgres',
    password: config.get('database.password') ?? null,
    database: config.get('database.dbname') ?? 'postgres',
    ssl: ssl === 'require' || ssl === 'verify-full' ? { rejectUnauthorized: ssl === 'verify-full' } : false,
    slot,
    publication: config.get('publication.name') ?? 'dbz_publication',
    publicationMode: publicationMode(config),
    createSlot: true,
    tables: {
      kind: 'regex',
      tableInclude: config.get('table.include.list') ?? null,
      tableExclude: config.get('table.exclude.list') ?? null,
      schemaInclude: config.get('schema.include.list') ?? null,
      schemaExclude: config.get('schema.exclude.list') ?? null,
    },
    snapshot: snapshotMode(config),
    types: typeOptionsOf(config, true),
    columns: columnRules(config),
    unsupported: 'omit',
    debeziumQuirks: true,
    ...viaRoot(config),
    messages: messages(config),
    ...only({ heartbeat: heartbeatOfConfig(config), signals: signalsOfConfig(config) }),
  }
  return {
    prefix: config.get('topic.prefix') ?? slot,
    source,
    envelope: { ...envelopeSettingsOf(config), messages: source.types.binary },
    transforms: transformsOf(config, file, 'json'),
  }
}

/** Which logical messages are records. */
function messages(config: ReadonlyMap<string, string>): PostgresOptions['messages'] {
  const include = config.get('message.prefix.include.list')
  const exclude = config.get('message.prefix.exclude.list')
  if (include !== undefined && exclude !== undefined) {
    throw new Failure('TRB-ENV-002', {
      option: 'message.prefix.exclude.list',
      value: exclude,
      supported: 'none beside message.prefix.include.list',
    })
  }
  if (include !== undefined) return javaRegexList('message.prefix.include.list', include)
  if (exclude === undefined) return true
  const left = javaRegexList('message.prefix.exclude.list', exclude)
  return (prefix) => !left(prefix)
}

/** Without a word on it the publication decides. */
function viaRoot(config: ReadonlyMap<string, string>): { viaRoot?: boolean } {
  const option = 'publish.via.partition.root'
  return config.has(option) ? { viaRoot: oneOf(config, option, 'false', ['true', 'false']) === 'true' } : {}
}

function publicationMode(config: ReadonlyMap<string, string>): PublicationMode {
  const mode = oneOf(config, 'publication.autocreate.mode', 'all_tables', ['all_tables', 'filtered', 'disabled'])
  return mode === 'disabled' ? 'existing' : (mode as PublicationMode)
}

function snapshotMode(config: ReadonlyMap<string, string>): SnapshotMode {
  const mode = oneOf(config, 'snapshot.mode', 'initial', ['initial', 'initial_only', 'no_data', 'never'])
  return mode === 'no_data' ? 'never' : (mode as SnapshotMode)
}
