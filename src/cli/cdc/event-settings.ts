import { readFileSync } from 'node:fs'
import { COLUMN_SETTINGS, type ColumnRules, columnRules } from '../../capture/columns/column-rules.ts'
import { type EnvelopeSettings, envelopeSettingsOf } from '../../envelope/options.ts'
import type { HeaderFormat, Transform } from '../../envelope/transform/record.ts'
import { TRANSFORM_SETTINGS, transformsOf } from '../../envelope/transform/settings.ts'
import { Failure } from '../../failure/failure.ts'
import { text } from '../flag.ts'
import { parseProperties } from '../properties.ts'
import { checkSettings, type SettingTable } from './connector-settings.ts'

/** Flag of the verbs that capture by flags. */
export const eventSettingsFlag = text({
  help: "file of Debezium's settings of what events look like (.properties): column lists, masks, message.key.columns, skip.messages.without.change, column.propagate.source.type, transforms",
  placeholder: 'FILE',
})

/** What the file may hold; connection, tables and snapshot have flags. */
const TABLE: SettingTable = { read: ['skip.messages.without.change', ...COLUMN_SETTINGS, ...TRANSFORM_SETTINGS], only: {}, ignored: [] }

export interface EventSettings {
  readonly columns: ColumnRules
  readonly envelope: Pick<EnvelopeSettings, 'skipUnchanged'>
  readonly transforms: readonly Transform[]
}

export interface EventUse {
  /** A lake is made of the records. */
  readonly forLake: boolean
  readonly headerFormat: HeaderFormat
}

/**
 * Reads the file; null: nothing is set. Fails with TRB-CLI-007, TRB-ENV-002, TRB-ENV-007.
 */
export function readEventSettings(file: string | null, use: EventUse): EventSettings | null {
  if (file === null) return null
  const config = parseProperties(readText(file))
  checkSettings(config, file, [TABLE])
  const { skipUnchanged } = envelopeSettingsOf(config)
  return {
    columns: columnRules(config, use.forLake),
    envelope: { skipUnchanged },
    transforms: transformsOf(config, file, use.headerFormat),
  }
}

/** Text of a file that a flag names. Fails with TRB-CLI-007. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (e) {
    throw new Failure('TRB-CLI-007', { file, reason: String((e as NodeJS.ErrnoException).code) }, e)
  }
}
