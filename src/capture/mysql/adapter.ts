import type { ChangeSource } from '../../contract/change.ts'
import { HeartbeatSource } from '../heartbeat.ts'
import { SignalSource } from '../signal/signal-source.ts'
import { MysqlChunks } from './chunks.ts'
import type { MysqlDeps, MysqlOptions } from './options.ts'
import { parsePosition } from './position.ts'
import { MysqlSource, matcherOf } from './source.ts'
import { SqlLink } from './sql-link.ts'

/** A source over one MySQL or MariaDB server. Nothing is connected before `open` or `check`. Fails with TRB-PG-025 on a malformed table selection. */
export function openMysqlSource(options: MysqlOptions, deps: MysqlDeps): ChangeSource {
  const matcher = matcherOf(options)
  const source = new SignalSource(new MysqlSource(options, deps), options.signals ?? null, {
    ...deps,
    database: () => new MysqlChunks(options, matcher, deps),
  })
  if (options.heartbeat === undefined) return source
  const link = new SqlLink(options)
  return new HeartbeatSource(source, options.heartbeat, {
    clock: deps.clock,
    observe: deps.observe,
    run: (query) => link.use((sql) => sql.query(query, 'the heartbeat')),
    atBoundary: (position) => {
      const p = parsePosition(position)
      return p.kind === 'stream' && p.inside === null
    },
    close: () => link.close(),
  })
}
