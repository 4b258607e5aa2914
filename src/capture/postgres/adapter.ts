import type { ChangeSource } from '../../contract/change.ts'
import type { PostgresDeps, PostgresOptions } from './options.ts'
import { PostgresSource } from './source.ts'

export const kind = 'postgres'

/** A source over one database. Nothing is connected before `open` or `check`. Fails with TRB-PG-025 on a malformed table selection. */
export function openPostgresSource(options: PostgresOptions, deps: PostgresDeps): ChangeSource {
  return new PostgresSource(options, deps)
}
