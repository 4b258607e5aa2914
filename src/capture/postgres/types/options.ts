import { Failure } from '../../../failure/failure.ts'
import type { BinaryMode } from '../../types/text.ts'

export type TimeMode = 'adaptive' | 'adaptive_time_microseconds' | 'microseconds' | 'nanoseconds' | 'connect' | 'isostring'

/** What of a Debezium configuration decides how values look. */
export interface TypeOptions {
  readonly decimal: 'precise' | 'double' | 'string'
  readonly time: TimeMode
  readonly interval: 'numeric' | 'string'
  readonly binary: BinaryMode
  readonly hstore: 'json' | 'map'
  /** Digits after the point of money. */
  readonly moneyScale: number
  /** `unavailable.value.placeholder`: stands for values that are not in the log. */
  readonly placeholder: Buffer
  /** `include.unknown.datatypes`: types without a mapping are shown as the bytes of their text. */
  readonly unknown: boolean
  /** Also imitate what Debezium loses: `name` columns null in the stream, dates BC and infinite dates of the snapshot. */
  readonly quirks: boolean
}

export const DEFAULT_TYPE_OPTIONS: TypeOptions = {
  decimal: 'precise',
  time: 'adaptive',
  interval: 'numeric',
  binary: 'bytes',
  hstore: 'json',
  moneyScale: 2,
  placeholder: Buffer.from('__debezium_unavailable_value'),
  unknown: false,
  quirks: false,
}

/**
 * Reads the type settings of a Debezium configuration; a value that is not supported is refused by name (TRB-ENV-002).
 * `quirks`: see TypeOptions.
 */
export function typeOptionsOf(config: ReadonlyMap<string, string>, quirks = false): TypeOptions {
  const choice = <T extends string>(option: string, supported: readonly T[]): T => {
    const value = (config.get(option) ?? supported[0]).toLowerCase()
    const found = supported.find((s) => s === value)
    if (found === undefined) throw new Failure('TRB-ENV-002', { option, value, supported: supported.join(', ') })
    return found
  }
  const money = config.get('money.fraction.digits') ?? '2'
  if (!/^\d{1,2}$/.test(money)) throw new Failure('TRB-ENV-002', { option: 'money.fraction.digits', value: money, supported: '0 … 99' })
  return {
    decimal: choice('decimal.handling.mode', ['precise', 'double', 'string']),
    time: choice('time.precision.mode', ['adaptive', 'adaptive_time_microseconds', 'microseconds', 'nanoseconds', 'connect', 'isostring']),
    interval: choice('interval.handling.mode', ['numeric', 'string']),
    binary: choice('binary.handling.mode', ['bytes', 'base64', 'base64-url-safe', 'hex']),
    hstore: choice('hstore.handling.mode', ['json', 'map']),
    moneyScale: Number(money),
    placeholder: placeholderBytes(config.get('unavailable.value.placeholder')),
    unknown: choice('include.unknown.datatypes', ['false', 'true']) === 'true',
    quirks,
  }
}

/** `hex:` starts raw bytes, everything else is text. */
function placeholderBytes(value: string | undefined): Buffer {
  if (value === undefined) return DEFAULT_TYPE_OPTIONS.placeholder
  if (!value.startsWith('hex:')) return Buffer.from(value, 'utf8')
  const hex = value.slice(4)
  if (!/^([0-9a-fA-F]{2})+$/.test(hex)) {
    throw new Failure('TRB-ENV-002', {
      option: 'unavailable.value.placeholder',
      value,
      supported: 'text, or hex: and an even number of hex digits',
    })
  }
  return Buffer.from(hex, 'hex')
}
