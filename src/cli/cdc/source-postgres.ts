import { openPostgresSource } from '../../capture/postgres/adapter.ts'
import { debeziumOffset } from '../../capture/postgres/offset.ts'
import type { PostgresOptions } from '../../capture/postgres/options.ts'
import { postgresSourceBlock } from '../../capture/postgres/origin.ts'
import { describePostgres, resolvePostgres } from '../postgres-options.ts'
import { debeziumConnector } from './debezium-config.ts'
import { sourceOptions } from './run-source.ts'
import type { Source, SourceAdapter } from './source-kind.ts'
import { removeCreated } from './tail-cleanup.ts'
import { TailOffsets } from './tail-offsets.ts'

export const postgresAdapter: SourceAdapter = {
  fromFlags(_kind, flags, env, purpose) {
    const connection = resolvePostgres(flags.url, env)
    const options = sourceOptions(connection, {
      name: flags.name,
      slot: flags['slot-name'],
      publication: flags.publication,
      tables: flags.tables,
      ignoreUnsupported: flags['ignore-unsupported-types'],
    })
    if (purpose.kind === 'run') return postgresSource(options, describePostgres(connection))
    const { budgetBytes: _, ...usual } = options
    const tail: PostgresOptions = { ...usual, unsupported: 'omit', snapshot: purpose.snapshot ?? 'initial' }
    return postgresSource({ ...tail, publication: flags.publication ?? tail.slot }, describePostgres(connection))
  },
  fromDebezium(config, file, snapshot) {
    const { prefix, source, envelope } = debeziumConnector(config, file)
    const options = snapshot === null ? source : { ...source, snapshot }
    const address = `${options.user}@${options.host}:${options.port}/${options.database}`
    return { prefix, source: postgresSource(options, address), envelope }
  },
}

function postgresSource(options: PostgresOptions, address: string): Source {
  return {
    connector: 'postgresql',
    label: `postgres ${address}`,
    address,
    database: options.database,
    password: options.password,
    stateKey: options.slot,
    open: (deps) => openPostgresSource(options, deps),
    block: (name, resumeAfter) => postgresSourceBlock({ name, database: options.database, resumeAfter }),
    offsets: (lastPlace, commitEnd, transactions) => new TailOffsets(lastPlace, commitEnd, transactions),
    offsetOf: debeziumOffset,
    removeCreated: (created, clock) => removeCreated(options, created, clock),
  }
}
