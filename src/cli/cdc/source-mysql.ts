import { openMysqlSource } from '../../capture/mysql/adapter.ts'
import type { Flavor, MysqlOptions } from '../../capture/mysql/options.ts'
import { mysqlSourceBlock } from '../../capture/mysql/origin.ts'
import { DEFAULT_MYSQL_TYPES, LAKE_MYSQL_TYPES } from '../../capture/mysql/types/options.ts'
import { writeMysqlSignal } from '../../capture/mysql/write-signal.ts'
import { type TableSelection, tableMatcher } from '../../capture/select-tables.ts'
import type { TableId } from '../../contract/change.ts'
import { describeMysql, resolveMysql } from '../mysql-options.ts'
import { heartbeatOfFlags } from './heartbeat-flags.ts'
import { mysqlConnector } from './mysql-config.ts'
import { mysqlOffset } from './mysql-kafka-offset.ts'
import { MysqlOffsets } from './mysql-offsets.ts'
import { only, signalsOfFlags } from './signal-flags.ts'
import type { Source, SourceAdapter } from './source-kind.ts'

export const mysqlAdapter: SourceAdapter = {
  fromFlags(kind, flags, env, purpose) {
    const flavor: Flavor = kind === 'mariadb' ? 'mariadb' : 'mysql'
    const { database, ...connection } = resolveMysql(flags.url, env)
    const run = purpose.kind === 'run'
    const tables: TableSelection = { kind: 'patterns', patterns: flags.tables.map((t) => qualified(t, database)).join(',') }
    const options: MysqlOptions = {
      ...connection,
      flavor,
      serverId: flags['server-id'] ?? serverIdOf(flags.name),
      tables,
      snapshot: purpose.snapshot ?? 'initial',
      locking: flags['snapshot-locking'] as MysqlOptions['locking'],
      types: run ? LAKE_MYSQL_TYPES : DEFAULT_MYSQL_TYPES,
      unsupported: run && !flags['ignore-unsupported-types'] ? 'refuse' : 'omit',
      includeQuery: false,
      ...(run ? { budgetBytes: 4 << 20 } : {}),
      ...only({ heartbeat: heartbeatOfFlags(flags), signals: signalsOfFlags(flags, database, tables) }),
      ...(purpose.columns && { columns: purpose.columns }),
    }
    return mysqlSource(options, flags.name, database)
  },
  fromDebezium(config, file, snapshot) {
    const { prefix, source, envelope, transforms } = mysqlConnector(config, file)
    const options = snapshot === null ? source : { ...source, snapshot }
    return { prefix, source: mysqlSource(options, prefix), envelope, transforms }
  },
}

function mysqlSource(options: MysqlOptions, name: string, schema: string | null = null): Source {
  const { flavor } = options
  const address = describeMysql(options)
  return {
    connector: flavor,
    label: `${flavor} ${address}`,
    address,
    // Databases of the server are what schemas are elsewhere; above them is only the flow.
    database: name,
    password: options.password,
    stateKey: `${flavor}:${name}`,
    open: (deps) => openMysqlSource(options, deps),
    block: (prefix) => mysqlSourceBlock({ name: prefix, flavor }),
    offsets: (_lastPlace, _commitEnd, transactions) => new MysqlOffsets(transactions),
    offsetOf: mysqlOffset,
    removeCreated: async () => undefined,
    schema,
    signal: (row) => writeMysqlSignal(options, options.signals!.table!, row),
    async verification() {
      const { noProbe, openMysqlSnapshot } = await import('./mysql-verify.ts')
      const matcher = tableMatcher(options.tables)
      const wanted = (id: TableId): boolean => matcher.matches(id.schema, id.table)
      return { matcher, probe: noProbe(), openSnapshot: (limits) => openMysqlSnapshot(options, limits, wanted) }
    },
  }
}

/** `orders` → `shop.orders`, with the database of the URL; a leading ! stays in front. */
function qualified(pattern: string, database: string | null): string {
  const not = pattern.startsWith('!') ? '!' : ''
  const name = pattern.slice(not.length)
  if (name === '*') return `${not}${database ?? '*'}.*`
  return name.includes('.') ? pattern : `${not}${database ?? '*'}.${name}`
}

/** The same number for the same name at every start, so that a reader that lost its connection takes the place of itself. */
function serverIdOf(name: string): number {
  let hash = 2166136261
  for (const byte of Buffer.from(name, 'utf8')) hash = Math.imul(hash ^ byte, 16777619)
  return 0x40000000 + ((hash >>> 0) % 0x3fffffff)
}
