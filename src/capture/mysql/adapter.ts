import type { ChangeSource } from '../../contract/change.ts'
import type { MysqlDeps, MysqlOptions } from './options.ts'
import { MysqlSource } from './source.ts'

/** A source over one MySQL or MariaDB server. Nothing is connected before `open` or `check`. Fails with TRB-PG-025 on a malformed table selection. */
export function openMysqlSource(options: MysqlOptions, deps: MysqlDeps): ChangeSource {
  return new MysqlSource(options, deps)
}
