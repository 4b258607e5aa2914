import { columnRules } from '../../capture/columns/column-rules.ts'
import type { Flavor, MysqlOptions, SnapshotMode } from '../../capture/mysql/options.ts'
import { mysqlTypeOptions } from '../../capture/mysql/types/options.ts'
import { type EnvelopeSettings, envelopeSettingsOf } from '../../envelope/options.ts'
import type { Transform } from '../../envelope/transform/record.ts'
import { transformsOf } from '../../envelope/transform/settings.ts'
import { Failure } from '../../failure/failure.ts'
import { mysqlTls } from '../mysql-options.ts'
import { COMMON, checkSettings, oneOf, type SettingTable } from './connector-settings.ts'
import { heartbeatOfConfig } from './heartbeat-flags.ts'
import { only, signalsOfConfig } from './signal-flags.ts'

export interface MysqlConnector {
  readonly prefix: string
  readonly source: MysqlOptions
  readonly envelope: EnvelopeSettings
  readonly transforms: readonly Transform[]
}

const OF_CONVERTER = /^(\w+)\.(type|selector|length\.checker)$/

/** What MySQL and MariaDB have beside the common settings. */
const OWN: SettingTable = {
  read: [
    'database.server.id',
    'database.ssl.mode',
    'snapshot.locking.mode',
    'database.include.list',
    'database.exclude.list',
    'include.query',
    'bigint.unsigned.handling.mode',
    'converters',
  ],
  only: {
    'include.schema.changes': 'false',
    'enable.time.adjuster': 'true',
    'inconsistent.schema.handling.mode': 'fail',
    'event.deserialization.failure.handling.mode': 'fail',
  },
  ignored: [
    /^connect\.(keep\.alive(\.interval\.ms)?|timeout\.ms)$/,
    /^database\.(connectTimeout|query\.timeout)(\.ms)?$/,
    /^min\.row\.count\.to\.stream\.results$/,
    /^(schema\.history|database\.history)\..*$/,
    OF_CONVERTER,
  ],
}

/**
 * Reads a Debezium MySQL or MariaDB connector configuration. Every setting is read, known not to matter, or refused by name (TRB-ENV-007,
 * TRB-ENV-002); nothing is left out silently.
 */
export function mysqlConnector(config: ReadonlyMap<string, string>, file: string): MysqlConnector {
  const names = (config.get('converters') ?? '').split(',').map((s) => s.trim())
  for (const option of config.keys()) {
    const ofConverter = OF_CONVERTER.exec(option)
    if (ofConverter !== null && !names.includes(ofConverter[1])) throw new Failure('TRB-ENV-007', { option, file })
  }
  checkSettings(config, file, [COMMON, OWN])
  if (config.get('include.schema.changes') === undefined)
    throw new Failure('TRB-ENV-002', { option: 'include.schema.changes', value: 'true', supported: 'false' })
  const flavor: Flavor = (config.get('connector.class') ?? '').endsWith('MariaDbConnector') ? 'mariadb' : 'mysql'
  const source: MysqlOptions = {
    host: config.get('database.hostname') ?? 'localhost',
    port: Number(config.get('database.port') ?? '3306'),
    user: config.get('database.user') ?? 'root',
    password: config.get('database.password') ?? null,
    ssl: mysqlTls(config.get('database.ssl.mode') ?? 'disabled', {}),
    flavor,
    serverId: Number(config.get('database.server.id') ?? '5400'),
    tables: {
      kind: 'regex',
      tableInclude: config.get('table.include.list') ?? null,
      tableExclude: config.get('table.exclude.list') ?? null,
      schemaInclude: config.get('database.include.list') ?? null,
      schemaExclude: config.get('database.exclude.list') ?? null,
    },
    snapshot: snapshotMode(config),
    locking: lockingMode(config),
    types: mysqlTypeOptions(config),
    unsupported: 'omit',
    columns: columnRules(config),
    includeQuery: config.get('include.query') === 'true',
    ...only({ heartbeat: heartbeatOfConfig(config), signals: signalsOfConfig(config) }),
  }
  return {
    prefix: config.get('topic.prefix') ?? flavor,
    source,
    envelope: envelopeSettingsOf(config),
    transforms: transformsOf(config, file, 'json'),
  }
}

function snapshotMode(config: ReadonlyMap<string, string>): SnapshotMode {
  const supported = ['initial', 'initial_only', 'no_data', 'schema_only', 'when_needed', 'always', 'never']
  const mode = oneOf(config, 'snapshot.mode', 'initial', supported)
  return mode === 'no_data' || mode === 'schema_only' || mode === 'never' ? 'never' : (mode as SnapshotMode)
}

function lockingMode(config: ReadonlyMap<string, string>): MysqlOptions['locking'] {
  const mode = oneOf(config, 'snapshot.locking.mode', 'minimal', ['minimal', 'none'])
  return mode === 'none' ? 'tables' : 'minimal'
}
