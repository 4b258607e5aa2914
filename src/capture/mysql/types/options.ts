import { Failure } from '../../../failure/failure.ts'
import { javaRegexList } from '../../java-regex.ts'
import type { BinaryMode } from '../../types/text.ts'

export type MysqlTimeMode = 'adaptive_time_microseconds' | 'microseconds' | 'nanoseconds' | 'connect' | 'isostring'

/** What of a Debezium configuration decides how values of MySQL and MariaDB look. */
export interface MysqlTypeOptions {
  readonly decimal: 'precise' | 'double' | 'string'
  /** BIGINT UNSIGNED as int64, values from 2^63 wrapping around (long), or as a Decimal of 20 digits. */
  readonly bigintUnsigned: 'long' | 'precise'
  readonly time: MysqlTimeMode
  readonly binary: BinaryMode
  /** Columns (`db.table.column`) whose TINYINT(1) is shown as BOOLEAN (TinyIntOneToBooleanConverter); null: none. */
  readonly tinyintBoolean: ((column: string) => boolean) | null
  /** Column comments become `doc`s. */
  readonly comments: boolean
  /** `unavailable.value.placeholder`: stands for values that are not in the row image. */
  readonly placeholder: Buffer
  /**
   * Also imitate where Debezium loses something: six digits of FLOAT and the shortest fraction of TIMESTAMP in snapshots, `\,` in enum
   * labels of the stream, YEAR 0000, JSON printed in two ways.
   */
  readonly quirks: boolean
}

export const DEFAULT_MYSQL_TYPES: MysqlTypeOptions = {
  decimal: 'precise',
  bigintUnsigned: 'long',
  time: 'adaptive_time_microseconds',
  binary: 'bytes',
  tinyintBoolean: null,
  comments: false,
  placeholder: Buffer.from('__debezium_unavailable_value'),
  quirks: false,
}

/** Nothing is lost on the way to a lake: BIGINT UNSIGNED keeps its values from 2^63. */
export const LAKE_MYSQL_TYPES: MysqlTypeOptions = { ...DEFAULT_MYSQL_TYPES, bigintUnsigned: 'precise' }

const BOOLEAN_CONVERTER = 'TinyIntOneToBooleanConverter'

/** Reads the type settings of a Debezium MySQL or MariaDB configuration; an unsupported value is refused by name (TRB-ENV-002). */
export function mysqlTypeOptions(config: ReadonlyMap<string, string>): MysqlTypeOptions {
  const choice = <T extends string>(option: string, supported: readonly T[]): T => {
    const value = (config.get(option) ?? supported[0]).toLowerCase()
    const found = supported.find((s) => s === value)
    if (found === undefined) throw new Failure('TRB-ENV-002', { option, value, supported: supported.join(', ') })
    return found
  }
  const times = ['adaptive_time_microseconds', 'microseconds', 'nanoseconds', 'connect', 'isostring'] as const
  return {
    decimal: choice('decimal.handling.mode', ['precise', 'double', 'string']),
    bigintUnsigned: choice('bigint.unsigned.handling.mode', ['long', 'precise']),
    time: choice('time.precision.mode', times),
    binary: choice('binary.handling.mode', ['bytes', 'base64', 'base64-url-safe', 'hex']),
    tinyintBoolean: booleanConverter(config),
    comments: config.get('include.schema.comments') === 'true',
    placeholder: placeholderBytes(config.get('unavailable.value.placeholder')),
    quirks: true,
  }
}

/** `converters=x`, `x.type=…TinyIntOneToBooleanConverter`, `x.selector=regex of db.table.column`. Any other converter is refused. */
function booleanConverter(config: ReadonlyMap<string, string>): MysqlTypeOptions['tinyintBoolean'] {
  const names = (config.get('converters') ?? '').split(',').map((s) => s.trim())
  let selected: MysqlTypeOptions['tinyintBoolean'] = null
  for (const name of names.filter((n) => n !== '')) {
    const option = `${name}.type`
    const type = config.get(option) ?? ''
    if (!type.endsWith(`.${BOOLEAN_CONVERTER}`)) throw new Failure('TRB-ENV-002', { option, value: type, supported: BOOLEAN_CONVERTER })
    const length = config.get(`${name}.length.checker`)
    if (length !== undefined && length !== 'true')
      throw new Failure('TRB-ENV-002', { option: `${name}.length.checker`, value: length, supported: 'true' })
    const selector = config.get(`${name}.selector`)
    selected = selector === undefined ? () => true : javaRegexList(`${name}.selector`, selector)
  }
  return selected
}

/** `hex:` starts raw bytes, everything else is text. */
function placeholderBytes(value: string | undefined): Buffer {
  if (value === undefined) return DEFAULT_MYSQL_TYPES.placeholder
  if (!value.startsWith('hex:')) return Buffer.from(value, 'utf8')
  const hex = value.slice(4)
  if (/^([0-9a-fA-F]{2})+$/.test(hex)) return Buffer.from(hex, 'hex')
  const supported = 'text, or hex: and an even number of hex digits'
  throw new Failure('TRB-ENV-002', { option: 'unavailable.value.placeholder', value, supported })
}
