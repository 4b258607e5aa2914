/**
 * Text of single lake values. 64-bit integers and decimals never pass through a JS number.
 */

const DAY_US = 86_400_000_000n

/** Largest integer that JSON readers keep exactly as a number; beyond it the text is a string. */
const EXACT = 9_007_199_254_740_991n

/** `YYYY-MM-DD` of days since 1970-01-01, proleptic Gregorian; years outside 0000–9999 with a sign and six digits (ISO 8601). */
export function dateText(days: number): string {
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const doe = z - era * 146_097
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36_524) - Math.floor(doe / 146_096)) / 365)
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100))
  const mp = Math.floor((5 * doy + 2) / 153)
  const day = doy - Math.floor((153 * mp + 2) / 5) + 1
  const month = mp < 10 ? mp + 3 : mp - 9
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0)
  return `${yearText(year)}-${two(month)}-${two(day)}`
}

/** `HH:MM:SS.ffffff` of microseconds since midnight; a value outside a day keeps its hours. */
export function timeText(micros: bigint): string {
  const sign = micros < 0n ? '-' : ''
  const us = micros < 0n ? -micros : micros
  const seconds = Number(us / 1_000_000n)
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}.${String(us % 1_000_000n).padStart(6, '0')}`
  return `${sign}${two(Math.floor(seconds / 3600))}:${rest}`
}

/** `YYYY-MM-DDTHH:MM:SS.ffffffZ` of microseconds since the epoch. */
export function timestampText(micros: bigint): string {
  let days = micros / DAY_US
  let rest = micros % DAY_US
  if (rest < 0n) {
    days -= 1n
    rest += DAY_US
  }
  return `${dateText(Number(days))}T${timeText(rest)}Z`
}

/** Plain decimal text of a big-endian two's complement number: no exponent, `scale` digits behind the point. */
export function decimalText(data: Buffer, at: number, width: number, scale: number): string {
  const unscaled = signedBigEndian(data, at, width)
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  const sign = unscaled < 0n ? '-' : ''
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Value of `width` bytes, big-endian two's complement; 0 for none. */
export function signedBigEndian(data: Uint8Array, at: number, width: number): bigint {
  let x = width === 0 ? 0n : BigInt((data[at] << 24) >> 24)
  for (let i = 1; i < width; i++) x = (x << 8n) | BigInt(data[at + i])
  return x
}

/** JSON of a 64-bit integer: a number up to 2^53 - 1, a string beyond. */
export function longJson(value: bigint): string {
  return value <= EXACT && value >= -EXACT ? value.toString() : `"${value}"`
}

/** JSON of a double: the shortest text that reads back as the same; NaN and infinities as strings, as JSON has no numbers for them. */
export function doubleJson(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`
  return Object.is(value, -0) ? '-0.0' : String(value)
}

/** The same of a 32-bit float: 0.1, not 0.10000000149011612. */
export function floatJson(value: number): string {
  if (!Number.isFinite(value) || Object.is(value, -0)) return doubleJson(value)
  for (let digits = 6; digits <= 9; digits++) {
    const text = Number(value.toPrecision(digits))
    if (Math.fround(text) === value) return String(text)
  }
  return String(value)
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0')
  return `${year < 0 ? '-' : '+'}${String(Math.abs(year)).padStart(6, '0')}`
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n)
}
