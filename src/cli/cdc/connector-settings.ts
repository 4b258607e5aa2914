import { COLUMN_SETTINGS } from '../../capture/columns/column-rules.ts'
import { TRANSFORM_SETTINGS } from '../../envelope/transform/settings.ts'
import { Failure } from '../../failure/failure.ts'
import { HEARTBEAT_SETTINGS } from './heartbeat-flags.ts'
import { SIGNAL_SETTINGS } from './signal-flags.ts'

/** How the settings of a connector's configuration are taken; what is in none of the lists is refused by name. */
export interface SettingTable {
  /** Settings that are read. */
  readonly read: readonly (string | RegExp)[]
  /** Settings that are right only with this value (mostly Debezium's default). */
  readonly only: Readonly<Record<string, string>>
  /** Settings that change neither the events nor what is captured: tuning, storage and conversion of the Connect worker. */
  readonly ignored: readonly RegExp[]
}

/** What Debezium's connectors have in common. */
export const COMMON: SettingTable = {
  read: [
    'connector.class',
    'topic.prefix',
    'database.hostname',
    'database.port',
    'database.user',
    'database.password',
    'snapshot.mode',
    'table.include.list',
    'table.exclude.list',
    'tombstones.on.delete',
    'skipped.operations',
    'skip.messages.without.change',
    'provide.transaction.metadata',
    'topic.transaction',
    'extended.headers.enabled',
    'schema.name.adjustment.mode',
    'field.name.adjustment.mode',
    'decimal.handling.mode',
    'time.precision.mode',
    'binary.handling.mode',
    'unavailable.value.placeholder',
    'include.schema.comments',
    ...COLUMN_SETTINGS,
    ...TRANSFORM_SETTINGS,
    ...HEARTBEAT_SETTINGS,
    ...SIGNAL_SETTINGS,
  ],
  only: { 'topic.delimiter': '.' },
  ignored: [
    /^(name|tasks\.max|poll\.interval\.ms|event\.processing\.failure\.handling\.mode)$/,
    /^max\.(batch|queue)\.size(\.in\.bytes)?$/,
    /^retriable\.restart\.connector\.wait\.ms$/,
    /^snapshot\.(fetch\.size|delay\.ms|lock\.timeout\.ms|max\.threads)$/,
    /^(offset|errors|harness)\..*$/,
    /^(key|value)\.converter(\..*)?$/,
  ],
}

/** Refuses, by name, settings that are in neither table: TRB-ENV-007, or TRB-ENV-002 when only the value is not supported. */
export function checkSettings(config: ReadonlyMap<string, string>, file: string, tables: readonly SettingTable[]): void {
  const known = (option: string): boolean =>
    tables.some((t) => t.read.some((r) => (typeof r === 'string' ? r === option : r.test(option))) || t.ignored.some((r) => r.test(option)))
  for (const [option, value] of config) {
    const only = tables.map((t) => t.only[option]).find((v) => v !== undefined)
    if (known(option) || only === value) continue
    if (only !== undefined) throw new Failure('TRB-ENV-002', { option, value, supported: only })
    throw new Failure('TRB-ENV-007', { option, file })
  }
}

/** The value of a setting, or `otherwise`; one that is not in `supported` is refused (TRB-ENV-002). */
export function oneOf(config: ReadonlyMap<string, string>, option: string, otherwise: string, supported: readonly string[]): string {
  const value = config.get(option) ?? otherwise
  if (!supported.includes(value)) throw new Failure('TRB-ENV-002', { option, value, supported: supported.join(', ') })
  return value
}
