import { Failure } from '../../failure/failure.ts'
import type { SourceAdapter } from './source-kind.ts'

/** Values of --source. */
export const SOURCE_KINDS = ['pg', 'mysql', 'mariadb'] as const

type SourceKindName = (typeof SOURCE_KINDS)[number]

/** Loaded when asked for, so that a run pays only for its own kind. */
const ADAPTERS: Readonly<Record<SourceKindName, () => Promise<SourceAdapter>>> = {
  pg: async () => (await import('./source-postgres.ts')).postgresAdapter,
  mysql: async () => (await import('./source-mysql.ts')).mysqlAdapter,
  mariadb: async () => (await import('./source-mysql.ts')).mysqlAdapter,
}

/** Ending of Debezium's connector class → kind. */
const CONNECTORS: Readonly<Record<string, SourceKindName>> = {
  PostgresConnector: 'pg',
  MySqlConnector: 'mysql',
  MariaDbConnector: 'mariadb',
}

export async function sourceAdapter(kind: string): Promise<SourceAdapter> {
  return await ADAPTERS[kind as SourceKindName]()
}

/** The adapter for a Debezium configuration, by its connector.class; none is Postgres. Fails with TRB-ENV-002. */
export async function adapterOfConnector(config: ReadonlyMap<string, string>): Promise<SourceAdapter> {
  const value = config.get('connector.class') ?? 'io.debezium.connector.postgresql.PostgresConnector'
  const kind = CONNECTORS[value.slice(value.lastIndexOf('.') + 1)]
  if (kind === undefined) {
    const supported = 'io.debezium.connector.postgresql.PostgresConnector, …mysql.MySqlConnector, …mariadb.MariaDbConnector'
    throw new Failure('TRB-ENV-002', { option: 'connector.class', value, supported })
  }
  return await ADAPTERS[kind]()
}
