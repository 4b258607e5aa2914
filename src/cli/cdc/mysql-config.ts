import type { Flavor, MysqlOptions, SnapshotMode } from '../../capture/mysql/options.ts'
import { mysqlTypeOptions } from '../../capture/mysql/types/options.ts'
import { type EnvelopeSettings, envelopeSettingsOf } from '../../envelope/options.ts'
import { Failure } from '../../failure/failure.ts'
import { mysqlTls } from '../mysql-options.ts'

export interface MysqlConnector {
  readonly prefix: string
  readonly source: MysqlOptions
  readonly envelope: EnvelopeSettings
}

/** Settings that are read. */
const READ = [
  'connector.class',
  'topic.prefix',
  'database.hostname',
  'database.port',
  'database.user',
  'database.password',
  'database.server.id',
  'database.ssl.mode',
  'snapshot.mode',
  'snapshot.locking.mode',
  'database.include.list',
  'database.exclude.list',
  'table.include.list',
  'table.exclude.list',
  'include.query',
  'include.schema.comments',
  'message.key.columns',
  'tombstones.on.delete',
  'skipped.operations',
  'provide.transaction.metadata',
  'topic.transaction',
  'extended.headers.enabled',
  'schema.name.adjustment.mode',
  'field.name.adjustment.mode',
  'decimal.handling.mode',
  'bigint.unsigned.handling.mode',
  'time.precision.mode',
  'binary.handling.mode',
  'unavailable.value.placeholder',
  'column.propagate.source.type',
  'datatype.propagate.source.type',
  'converters',
]

/** Settings that are right only with this value; where it is not Debezium's default it has to be given. */
const ONLY: Readonly<Record<string, string>> = {
  'include.schema.changes': 'false',
  'heartbeat.interval.ms': '0',
  'skip.messages.without.change': 'false',
  'read.only': 'false',
  'topic.delimiter': '.',
  'enable.time.adjuster': 'true',
  'inconsistent.schema.handling.mode': 'fail',
  'event.deserialization.failure.handling.mode': 'fail',
}

/** Settings that change neither the events nor what is captured: tuning, storage and conversion of the Connect worker, the schema history. */
const IGNORED = [
  /^(name|tasks\.max|poll\.interval\.ms|event\.processing\.failure\.handling\.mode|connect\.keep\.alive(\.interval\.ms)?)$/,
  /^max\.(batch|queue)\.size(\.in\.bytes)?$/,
  /^(retriable\.restart\.connector\.wait|connect\.timeout|database\.(connectTimeout|query\.timeout))\.?(ms)?$/,
  /^snapshot\.(fetch\.size|delay\.ms|lock\.timeout\.ms|max\.threads)$/,
  /^min\.row\.count\.to\.stream\.results$/,
  /^(offset|errors|harness|schema\.history|database\.history)\..*$/,
  /^(key|value)\.converter(\..*)?$/,
  /^\w+\.(type|selector|length\.checker)$/,
]

/**
 * Reads a Debezium MySQL or MariaDB connector configuration. Every setting is read, known not to matter, or refused by name (TRB-ENV-007,
 * TRB-ENV-002); nothing is left out silently.
 */
export function mysqlConnector(config: ReadonlyMap<string, string>, file: string): MysqlConnector {
  const names = (config.get('converters') ?? '').split(',').map((s) => s.trim())
  for (const [option, value] of config) {
    const ofConverter = /^(\w+)\.(type|selector|length\.checker)$/.exec(option)
    if (ofConverter !== null && !names.includes(ofConverter[1])) throw new Failure('TRB-ENV-007', { option, file })
    if (READ.includes(option) || IGNORED.some((r) => r.test(option)) || ONLY[option] === value) continue
    if (ONLY[option] !== undefined) throw new Failure('TRB-ENV-002', { option, value, supported: ONLY[option] })
    throw new Failure('TRB-ENV-007', { option, file })
  }
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
    messageKey: messageKeys(config.get('message.key.columns')),
    includeQuery: config.get('include.query') === 'true',
  }
  return { prefix: config.get('topic.prefix') ?? flavor, source, envelope: envelopeSettingsOf(config) }
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

/** `regex of db.table:column,column;…`: the first expression that matches the whole name counts. */
function messageKeys(text: string | undefined): MysqlOptions['messageKey'] {
  if (text === undefined || text.trim() === '') return null
  const rules = text.split(';').map((rule) => {
    const colon = rule.lastIndexOf(':')
    const columns = rule
      .slice(colon + 1)
      .split(',')
      .map((c) => c.trim())
    try {
      if (colon < 0 || columns.includes('')) throw new Error('no columns')
      return { table: new RegExp(`^(?:${rule.slice(0, colon).trim()})$`, 'i'), columns }
    } catch (e) {
      throw new Failure('TRB-ENV-002', { option: 'message.key.columns', value: text, supported: 'db.table:column,column;…' }, e)
    }
  })
  return (table) => rules.find((r) => r.table.test(table))?.columns ?? null
}

function oneOf(config: ReadonlyMap<string, string>, option: string, otherwise: string, supported: readonly string[]): string {
  const value = config.get(option) ?? otherwise
  if (!supported.includes(value)) throw new Failure('TRB-ENV-002', { option, value, supported: supported.join(', ') })
  return value
}
