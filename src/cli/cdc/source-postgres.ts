import { openPostgresSource } from '../../capture/postgres/adapter.ts'
import { debeziumOffset } from '../../capture/postgres/offset.ts'
import type { PostgresOptions } from '../../capture/postgres/options.ts'
import { postgresSourceBlock } from '../../capture/postgres/origin.ts'
import { writePostgresSignal } from '../../capture/postgres/write-signal.ts'
import { tableMatcher } from '../../capture/select-tables.ts'
import { type PostgresOptions as Connection, describePostgres, resolvePostgres } from '../postgres-options.ts'
import { debeziumConnector } from './debezium-config.ts'
import { heartbeatOfFlags } from './heartbeat-flags.ts'
import { sourceOptions } from './run-source.ts'
import { only, signalsOfFlags } from './signal-flags.ts'
import type { Source, SourceAdapter } from './source-kind.ts'
import { removeCreated } from './tail-cleanup.ts'
import { TailOffsets } from './tail-offsets.ts'

export const postgresAdapter: SourceAdapter = {
  fromFlags(_kind, flags, env, purpose) {
    const connection = resolvePostgres(flags.url, env)
    const chosen = sourceOptions(connection, {
      name: flags.name,
      slot: flags['slot-name'],
      publication: flags.publication,
      tables: flags.tables,
      ignoreUnsupported: flags['ignore-unsupported-types'],
    })
    const heartbeat = heartbeatOfFlags(flags)
    const options = purpose.columns === undefined ? chosen : { ...chosen, columns: purpose.columns }
    const signals = signalsOfFlags(flags, 'public', options.tables)
    if (purpose.kind === 'run') return postgresSource({ ...options, ...only({ heartbeat, signals }) }, connection)
    const { budgetBytes: _, ...usual } = options
    const tail: PostgresOptions = { ...usual, unsupported: 'omit', snapshot: purpose.snapshot ?? 'initial' }
    return postgresSource({ ...tail, publication: flags.publication ?? tail.slot }, connection)
  },
  fromDebezium(config, file, snapshot) {
    const { prefix, source, envelope, transforms } = debeziumConnector(config, file)
    const options = snapshot === null ? source : { ...source, snapshot }
    const { ssl, password, ...where } = options
    return { prefix, source: postgresSource(options, { ...where, password: password ?? undefined, ssl }), envelope, transforms }
  },
}

function postgresSource(options: PostgresOptions, connection: Connection): Source {
  const address = describePostgres(connection)
  return {
    connector: 'postgresql',
    label: `postgres ${address}`,
    address,
    database: options.database,
    password: options.password,
    stateKey: options.slot,
    open: (deps) => openPostgresSource(options, deps),
    block: (name, resumeAfter) =>
      postgresSourceBlock({ name, database: options.database, resumeAfter, exact: options.signals?.exact === true }),
    offsets: (lastPlace, commitEnd, transactions) => new TailOffsets(lastPlace, commitEnd, transactions),
    offsetOf: debeziumOffset,
    removeCreated: (created, clock) => removeCreated(options, created, clock),
    schema: 'public',
    signal: (row) => writePostgresSignal(options, options.signals!.table!, row),
    async verification() {
      const { openSlotProbe } = await import('./slot-probe.ts')
      const { openSourceSnapshot } = await import('./source-snapshot.ts')
      const probe = await openSlotProbe(connection, options.slot, options.publication)
      return { matcher: tableMatcher(options.tables), probe, openSnapshot: (limits) => openSourceSnapshot(connection, limits) }
    },
  }
}
