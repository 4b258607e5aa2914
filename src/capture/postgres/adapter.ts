import type { ChangeSource } from '../../contract/change.ts'
import { HeartbeatSource } from '../heartbeat.ts'
import { SignalSource } from '../signal/signal-source.ts'
import { PostgresChunks } from './chunks.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import { parsePosition } from './position.ts'
import { capturedTables, PostgresSource } from './source.ts'
import { SqlLink } from './sql-link.ts'

export const kind = 'postgres'

/** A source over one database. Nothing is connected before `open` or `check`. Fails with TRB-PG-025 on a malformed table selection. */
export function openPostgresSource(options: PostgresOptions, deps: PostgresDeps): ChangeSource {
  const matcher = capturedTables(options)
  const source = new SignalSource(new PostgresSource(options, deps), options.signals ?? null, {
    ...deps,
    database: () => new PostgresChunks(options, matcher, deps),
  })
  if (options.heartbeat === undefined) return source
  const link = new SqlLink(options)
  return new HeartbeatSource(source, options.heartbeat, {
    clock: deps.clock,
    observe: deps.observe,
    run: (query) => link.use((sql) => sql.query(query, 'the heartbeat')),
    atBoundary: (position) => {
      const p = parsePosition(position)
      return p.kind === 'stream' && p.done < 0
    },
    close: () => link.close(),
  })
}
