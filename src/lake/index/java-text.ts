import type { FixedVector, LakeType } from '../../contract/columns.ts'
import type { GrowableSink } from '../../format/bytes/growable-sink.ts'

/**
 * Values as Java prints them into record keys and partition paths (Hudi's Avro key generators, logical timestamps off):
 * boolean `true`; int, long, time and timestamp (µs) as integers; date as LocalDate; decimal as BigDecimal.toString; float and
 * double as Float/Double.toString (shortest digits, JDK 19 and later).
 */
export type TextWriter = (v: FixedVector, row: number, out: GrowableSink) => void

export function textWriter(type: LakeType): TextWriter {
  switch (type.kind) {
    case 'boolean':
      return (v, row, out) => ascii(v.data[row] !== 0 ? 'true' : 'false', out)
    case 'int':
      return (v, row, out) => integer(v.data.readInt32LE(row * 4), out)
    case 'date':
      return (v, row, out) => ascii(localDate(v.data.readInt32LE(row * 4)), out)
    case 'long':
    case 'time-micros':
    case 'timestamp-micros':
      return (v, row, out) => long(v.data, row * 8, out)
    case 'float':
      return (v, row, out) => ascii(javaDouble(v.data.readFloatLE(row * 4), true), out)
    case 'double':
      return (v, row, out) => ascii(javaDouble(v.data.readDoubleLE(row * 8), false), out)
    case 'decimal': {
      const { scale } = type
      return (v, row, out) => ascii(bigDecimal(unscaled(v.data, row * v.width, v.width), scale), out)
    }
    default:
      throw new TypeError(`${type.kind} is not a fixed-width type`)
  }
}

export function ascii(text: string, out: GrowableSink): void {
  out.reserve(text.length)
  for (let i = 0; i < text.length; i++) out.buf[out.pos++] = text.charCodeAt(i)
}

const MAX_EXACT_HIGH = 0x1fffff

function long(data: Buffer, at: number, out: GrowableSink): void {
  const hi = data.readInt32LE(at + 4)
  const lo = data.readUInt32LE(at)
  if (hi >= -MAX_EXACT_HIGH && hi <= MAX_EXACT_HIGH) integer(hi * 4294967296 + lo, out)
  else ascii(data.readBigInt64LE(at).toString(), out)
}

/** |n| < 2^53, an integer. */
export function integer(n: number, out: GrowableSink): void {
  out.reserve(20)
  let x = n
  if (x < 0) {
    out.buf[out.pos++] = 0x2d
    x = -x
  }
  let digits = 1
  for (let limit = 10; x >= limit; limit *= 10) digits++
  let p = out.pos + digits
  out.pos = p
  while (x >= 0x7fffffff) {
    const q = Math.floor(x / 10)
    out.buf[--p] = 0x30 + (x - q * 10)
    x = q
  }
  do {
    const q = (x / 10) | 0
    out.buf[--p] = 0x30 + (x - q * 10)
    x = q
  } while (x > 0)
}

export function unscaled(data: Buffer, at: number, width: number): bigint {
  let x = BigInt(data.readInt8(at))
  for (let i = 1; i < width; i++) x = (x << 8n) | BigInt(data[at + i])
  return x
}

/** BigDecimal.toString: plain unless the adjusted exponent is below −6. */
export function bigDecimal(value: bigint, scale: number): string {
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString()
  if (scale === 0) return sign + digits
  const adjusted = digits.length - 1 - scale
  if (adjusted >= -6) {
    const padded = digits.padStart(scale + 1, '0')
    return `${sign}${padded.slice(0, padded.length - scale)}.${padded.slice(padded.length - scale)}`
  }
  const mantissa = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits
  return `${sign}${mantissa}E${adjusted}`
}

/** Double.toString: decimal point always, exponent form below 10^-3 and from 10^7 on. */
export function javaDouble(x: number, single: boolean): string {
  if (Number.isNaN(x)) return 'NaN'
  if (!Number.isFinite(x)) return x > 0 ? 'Infinity' : '-Infinity'
  const sign = x < 0 || Object.is(x, -0) ? '-' : ''
  const a = Math.abs(x)
  if (a === 0) return `${sign}0.0`
  const [mantissa, exponent] = (single ? shortestFloat(a) : a.toExponential()).split('e')
  const digits = mantissa.replace('.', '')
  const e = Number(exponent)
  if (e < -3 || e >= 7) return `${sign}${digits[0]}.${digits.slice(1) || '0'}E${e}`
  if (e < 0) return `${sign}0.${'0'.repeat(-e - 1)}${digits}`
  return `${sign}${digits.slice(0, e + 1).padEnd(e + 1, '0')}.${digits.slice(e + 1) || '0'}`
}

/** Fewest digits that read back as the same float. */
function shortestFloat(a: number): string {
  for (let digits = 0; digits < 9; digits++) {
    const text = a.toExponential(digits)
    if (Math.fround(Number(text)) === a) return text
  }
  return a.toExponential(8)
}

/** LocalDate.toString of days since 1970-01-01 (proleptic Gregorian calendar). */
export function localDate(days: number): string {
  const z = days + 719468
  const era = Math.floor(z / 146097)
  const doe = z - era * 146097
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365)
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100))
  const mp = Math.floor((5 * doy + 2) / 153)
  const day = doy - Math.floor((153 * mp + 2) / 5) + 1
  const month = mp < 10 ? mp + 3 : mp - 9
  const year = yoe + era * 400 + (month <= 2 ? 1 : 0)
  const pad = (n: number): string => String(n).padStart(2, '0')
  return `${javaYear(year)}-${pad(month)}-${pad(day)}`
}

function javaYear(year: number): string {
  const abs = String(Math.abs(year)).padStart(4, '0')
  if (year < 0) return `-${abs}`
  return year > 9999 ? `+${abs}` : abs
}
