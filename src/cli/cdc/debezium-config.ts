import type { PostgresOptions, PublicationMode, SnapshotMode } from '../../capture/postgres/options.ts'
import { typeOptionsOf } from '../../capture/postgres/types/options.ts'
import { type EnvelopeSettings, envelopeSettingsOf } from '../../envelope/options.ts'
import { Failure } from '../../failure/failure.ts'

/** What a Debezium configuration says, in our terms. */
export interface DebeziumConnector {
  readonly prefix: string
  readonly source: PostgresOptions
  readonly envelope: EnvelopeSettings
}

/** Settings that are read. */
const READ = [
  'connector.class',
  'plugin.name',
  'topic.prefix',
  'database.hostname',
  'database.port',
  'database.user',
  'database.password',
  'database.dbname',
  'database.sslmode',
  'slot.name',
  'publication.name',
  'publication.autocreate.mode',
  'snapshot.mode',
  'table.include.list',
  'table.exclude.list',
  'schema.include.list',
  'schema.exclude.list',
  'tombstones.on.delete',
  'skipped.operations',
  'provide.transaction.metadata',
  'topic.transaction',
  'extended.headers.enabled',
  'schema.name.adjustment.mode',
  'field.name.adjustment.mode',
  'decimal.handling.mode',
  'time.precision.mode',
  'interval.handling.mode',
  'binary.handling.mode',
  'hstore.handling.mode',
  'money.fraction.digits',
  'unavailable.value.placeholder',
  'include.unknown.datatypes',
]

/** Settings that are right only with this value (Debezium's default); any other is refused. */
const ONLY: Readonly<Record<string, string>> = {
  'heartbeat.interval.ms': '0',
  'publish.via.partition.root': 'false',
  'include.schema.comments': 'false',
  'skip.messages.without.change': 'false',
  'slot.drop.on.stop': 'false',
  'xmin.fetch.interval.ms': '0',
  'snapshot.isolation.mode': 'serializable',
  'snapshot.locking.mode': 'none',
  'topic.delimiter': '.',
}

/** Settings that change neither the events nor what is captured: tuning, storage and conversion of the Connect worker. */
const IGNORED = [
  /^(name|tasks\.max|poll\.interval\.ms|database\.tcpKeepAlive|event\.processing\.failure\.handling\.mode)$/,
  /^max\.(batch|queue)\.size(\.in\.bytes)?$/,
  /^(status\.update\.interval|retriable\.restart\.connector\.wait)\.ms$/,
  /^slot\.(max\.retries|retry\.delay\.ms)$/,
  /^snapshot\.(fetch\.size|delay\.ms|lock\.timeout\.ms|max\.threads)$/,
  /^(offset|errors|lsn\.flush|harness)\..*$/,
  /^(key|value)\.converter(\..*)?$/,
]

/**
 * Reads a Debezium Postgres connector configuration. Every setting is read, known not to matter, or refused by name
 * (TRB-ENV-007, TRB-ENV-002); nothing is left out silently.
 */
export function debeziumConnector(config: ReadonlyMap<string, string>, file: string): DebeziumConnector {
  for (const [option, value] of config) {
    if (READ.includes(option) || IGNORED.some((r) => r.test(option)) || ONLY[option] === value) continue
    if (ONLY[option] !== undefined) throw new Failure('TRB-ENV-002', { option, value, supported: ONLY[option] })
    throw new Failure('TRB-ENV-007', { option, file })
  }
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
    unsupported: 'omit',
    debeziumQuirks: true,
  }
  return { prefix: config.get('topic.prefix') ?? slot, source, envelope: envelopeSettingsOf(config) }
}

function publicationMode(config: ReadonlyMap<string, string>): PublicationMode {
  const mode = oneOf(config, 'publication.autocreate.mode', 'all_tables', ['all_tables', 'filtered', 'disabled'])
  return mode === 'disabled' ? 'existing' : (mode as PublicationMode)
}

function snapshotMode(config: ReadonlyMap<string, string>): SnapshotMode {
  const mode = oneOf(config, 'snapshot.mode', 'initial', ['initial', 'initial_only', 'no_data', 'never'])
  return mode === 'no_data' ? 'never' : (mode as SnapshotMode)
}

function oneOf(config: ReadonlyMap<string, string>, option: string, otherwise: string, supported: readonly string[]): string {
  const value = config.get(option) ?? otherwise
  if (!supported.includes(value)) throw new Failure('TRB-ENV-002', { option, value, supported: supported.join(', ') })
  return value
}
