import type { LakeType } from '../../contract/columns.ts'
import { daysOf } from '../bytes/civil-date.ts'
import type { BytesBuilder, ColumnBuilder, FixedBuilder } from '../columns/builders.ts'
import { decimalWidth } from '../columns/decimal-width.ts'

/**
 * Appends the value that a text stands for to a builder of the type; false: it is none of the type, nothing was appended. No 64-bit
 * integer and no decimal passes through a JS number, and nothing is rounded: a text with more digits than the type holds is refused.
 *
 *   boolean    true | false | t | f | 1 | 0
 *   int, long  decimal digits with a sign
 *   decimal    digits, point, digits, an exponent; as many places as the type has
 *   double     as JavaScript reads numbers; NaN, Infinity, -Infinity
 *   date       YYYY-MM-DD (with a sign and more digits for other years)
 *   timestamp  YYYY-MM-DD('T' | ' ')hh:mm[:ss[.f{1,6}]][Z | ±hh:mm | ±hh]; without a zone it is UTC
 *   time       hh:mm[:ss[.f{1,6}]]
 *   bytes      base64
 */
export type ScalarParser = (builder: ColumnBuilder, text: string) => boolean

export function scalarParser(type: LakeType): ScalarParser | null {
  switch (type.kind) {
    case 'list':
    case 'map':
    case 'struct':
      return null
    case 'string':
      return (b, text) => appendBytes(b as BytesBuilder, Buffer.from(text, 'utf8'))
    case 'bytes':
      return (b, text) => (BASE64.test(text) ? appendBytes(b as BytesBuilder, Buffer.from(text, 'base64')) : false)
    case 'boolean':
      return parseBoolean
    case 'int':
      return (b, text) => appendInt(b as FixedBuilder, text)
    case 'long':
      return (b, text) => appendBig(b as FixedBuilder, integer(text))
    case 'float':
    case 'double':
      return floating(type.kind)
    case 'decimal': {
      const width = decimalWidth(type.precision)
      const limit = 10n ** BigInt(type.precision)
      return (b, text) => appendDecimal(b as FixedBuilder, text, type.scale, width, limit)
    }
    case 'date':
      return (b, text) => appendDays(b as FixedBuilder, text)
    case 'time-micros':
      return (b, text) => appendBig(b as FixedBuilder, timeMicros(text))
    case 'timestamp-micros':
      return (b, text) => appendBig(b as FixedBuilder, timestampMicros(text))
  }
}

const INTEGER = /^[+-]?\d+$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n

function appendBytes(b: BytesBuilder, bytes: Buffer): true {
  b.append(bytes, 0, bytes.length)
  return true
}

function parseBoolean(b: ColumnBuilder, text: string): boolean {
  const value = /^(true|t|1)$/i.test(text) ? 1 : /^(false|f|0)$/i.test(text) ? 0 : -1
  if (value < 0) return false
  ;(b as FixedBuilder).appendByte(value)
  return true
}

function appendInt(b: FixedBuilder, text: string): boolean {
  // Eleven characters hold every 32-bit integer with its sign, and are exact in a double.
  const n = INTEGER.test(text) && text.length <= 11 ? Number(text) : Number.NaN
  if (!(n >= -2147483648 && n <= 2147483647)) return false
  b.appendI32(n)
  return true
}

/** The 64-bit integer of a text; null when it is none. */
function integer(text: string): bigint | null {
  return INTEGER.test(text) && text.length <= 40 ? BigInt(text[0] === '+' ? text.slice(1) : text) : null
}

function appendBig(b: FixedBuilder, value: bigint | null): boolean {
  if (value === null || value < LONG_MIN || value > LONG_MAX) return false
  const u = BigInt.asUintN(64, value)
  b.appendI64(Number(u >> 32n), Number(u & 0xffffffffn))
  return true
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

function floating(kind: 'float' | 'double'): ScalarParser {
  const cell = Buffer.alloc(8)
  return (b, text) => {
    if (!NUMBER.test(text) && !/^(NaN|[+-]?Infinity)$/.test(text)) return false
    const value = Number(text)
    // A finite number beyond the type's range would be stored as an infinity.
    if (NUMBER.test(text) && !Number.isFinite(kind === 'float' ? Math.fround(value) : value)) return false
    if (kind === 'float') cell.writeFloatLE(value)
    else cell.writeDoubleLE(value)
    ;(b as FixedBuilder).appendRaw(cell, 0)
    return true
  }
}

const DECIMAL = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d{1,4}))?$/i

function appendDecimal(b: FixedBuilder, text: string, scale: number, width: number, limit: bigint): boolean {
  const m = DECIMAL.exec(text)
  if (m === null || m[2].length + m[3].length === 0 || m[2].length + m[3].length > 1000) return false
  const digits = m[2] + m[3]
  // The number is digits × 10^(exponent − places); it has to become a whole number of 10^−scale.
  const shift = Number(m[4] ?? '0') - m[3].length + scale
  let unscaled = BigInt(digits)
  if (unscaled !== 0n) {
    if (shift > 80 || shift < -1000) return false
    if (shift >= 0) unscaled *= 10n ** BigInt(shift)
    else {
      const down = 10n ** BigInt(-shift)
      if (unscaled % down !== 0n) return false
      unscaled /= down
    }
  }
  if (unscaled >= limit) return false
  let x = BigInt.asUintN(width * 8, m[1] === '-' ? -unscaled : unscaled)
  const raw = Buffer.allocUnsafe(width)
  for (let i = width - 1; i >= 0; i--, x >>= 8n) raw[i] = Number(x & 255n)
  b.appendRaw(raw, 0)
  return true
}

const DATE = /^([+-]?\d{4,7})-(\d\d)-(\d\d)/
const CLOCK = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d(?::?\d\d)?)?$/i

/** Days since the epoch of a date at the beginning of a text; null when there is none, or no such day. */
function days(text: string): number | null {
  const m = DATE.exec(text)
  if (m === null) return null
  const [year, month, day] = [Number(m[1]), Number(m[2]), Number(m[3])]
  if (month < 1 || month > 12 || day < 1) return null
  const next = month === 12 ? daysOf(year + 1, 1, 1) : daysOf(year, month + 1, 1)
  const at = daysOf(year, month, day)
  return at < next ? at : null
}

function appendDays(b: FixedBuilder, text: string): boolean {
  const m = DATE.exec(text)
  const at = m !== null && m[0].length === text.length ? days(text) : null
  if (at === null || at < -2147483648 || at > 2147483647) return false
  b.appendI32(at)
  return true
}

function timeMicros(text: string): bigint | null {
  const m = CLOCK.exec(text)
  return m === null || m[5] !== undefined ? null : clockMicros(m)
}

function clockMicros(m: RegExpExecArray): bigint | null {
  const [hours, minutes, seconds] = [Number(m[1]), Number(m[2]), Number(m[3] ?? '0')]
  if (hours > 23 || minutes > 59 || seconds > 59) return null
  return BigInt(hours * 3600 + minutes * 60 + seconds) * 1_000_000n + BigInt((m[4] ?? '').padEnd(6, '0'))
}

function timestampMicros(text: string): bigint | null {
  const at = days(text)
  const date = DATE.exec(text)
  if (at === null || date === null) return null
  const rest = text.slice(date[0].length)
  if (rest === '') return BigInt(at) * 86_400_000_000n
  const m = /^[T ]/i.test(rest) ? CLOCK.exec(rest.slice(1)) : null
  const clock = m === null ? null : clockMicros(m)
  if (m === null || clock === null) return null
  const offset = zoneMinutes(m[5] ?? 'Z')
  return offset === null ? null : BigInt(at) * 86_400_000_000n + clock - BigInt(offset) * 60_000_000n
}

function zoneMinutes(zone: string): number | null {
  if (/^z$/i.test(zone)) return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(':', '') || '0')
  if (hours > 18 || minutes > 59) return null
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes)
}
