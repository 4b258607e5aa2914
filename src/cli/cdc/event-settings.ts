import { readFileSync } from 'node:fs'
import { COLUMN_SETTINGS, type ColumnRules, columnRules } from '../../capture/columns/column-rules.ts'
import { type EnvelopeSettings, envelopeSettingsOf } from '../../envelope/options.ts'
import { Failure } from '../../failure/failure.ts'
import { text } from '../flag.ts'
import { parseProperties } from '../properties.ts'
import { checkSettings, type SettingTable } from './connector-settings.ts'

/** Flag of the verbs that capture by flags. */
export const eventSettingsFlag = text({
  help: "file of Debezium's settings of what events look like (.properties): column lists, masks, message.key.columns, skip.messages.without.change, column.propagate.source.type",
  placeholder: 'FILE',
})

/** What the file may hold; connection, tables and snapshot have flags. */
const TABLE: SettingTable = { read: ['skip.messages.without.change', ...COLUMN_SETTINGS], only: {}, ignored: [] }

export interface EventSettings {
  readonly columns: ColumnRules
  readonly envelope: Pick<EnvelopeSettings, 'skipUnchanged'>
}

/**
 * Reads the file; null: nothing is set. `forLake`: a lake is made of the records. Fails with TRB-CLI-007, TRB-ENV-002, TRB-ENV-007.
 */
export function readEventSettings(file: string | null, forLake: boolean): EventSettings | null {
  if (file === null) return null
  const config = parseProperties(readText(file))
  checkSettings(config, file, [TABLE])
  const { skipUnchanged } = envelopeSettingsOf(config)
  return { columns: columnRules(config, forLake), envelope: { skipUnchanged } }
}

/** Text of a file that a flag names. Fails with TRB-CLI-007. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (e) {
    throw new Failure('TRB-CLI-007', { file, reason: String((e as NodeJS.ErrnoException).code) }, e)
  }
}
