import type { ByteSink } from '../../../contract/change.ts'
import { writeZigzagBigInt, writeZigzagNumber } from '../../../format/bytes/varint.ts'
import { badValue } from '../../types/bad-value.ts'

/** Fields of a PG interval, in the form java's PGInterval keeps them. */
interface Interval {
  years: number
  months: number
  days: number
  hours: number
  minutes: number
  seconds: number
}

const DAYS_PER_MONTH = 365.25 / 12
const LONG_MAX = 9223372036854775807n

/**
 * interval (IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.78`) → MicroDuration, with Debezium's own floating-point
 * arithmetic: a month is 30.4375 days, the product is cut to a long.
 */
export function encodeMicroDuration(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const v = parseInterval(src, start, length)
  const days = (v.years * 12 + v.months) * DAYS_PER_MONTH + v.days
  const seconds = ((days * 24 + v.hours) * 60 + v.minutes) * 60 + v.seconds
  const micros = Math.trunc(seconds * 1e6)
  if (Number.isSafeInteger(micros)) writeZigzagNumber(out, micros)
  else {
    const big = BigInt(micros)
    writeZigzagBigInt(out, big > LONG_MAX ? LONG_MAX : big < -LONG_MAX - 1n ? -LONG_MAX - 1n : big)
  }
  return true
}

/** interval → `P1Y2M3DT4H5M6.78S`, all parts always present. */
export function encodeIntervalText(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const v = parseInterval(src, start, length)
  const seconds = Number.isInteger(v.seconds) ? `${v.seconds}` : trimZeros(v.seconds.toFixed(6))
  const text = `P${v.years}Y${v.months}M${v.days}DT${v.hours}H${v.minutes}M${seconds}S`
  out.reserve(text.length + 2)
  const n = text.length * 2
  if (n > 127) out.buf[out.pos++] = (n & 127) | 128
  out.buf[out.pos++] = n > 127 ? n >> 7 : n
  out.pos += out.buf.write(text, out.pos, 'latin1')
  return true
}

function trimZeros(s: string): string {
  return s.replace(/0+$/, '')
}

const FIELD = /([+-]?\d+) (year|mon|day)s?|([+-]?)(\d+):(\d\d):(\d\d(?:\.\d+)?)/g

function parseInterval(src: Buffer, start: number, length: number): Interval {
  const text = src.toString('latin1', start, start + length)
  const v: Interval = { years: 0, months: 0, days: 0, hours: 0, minutes: 0, seconds: 0 }
  let rest = text
  for (const m of text.matchAll(FIELD)) {
    rest = rest.replace(m[0], '')
    if (m[2] === 'year') v.years = Number(m[1])
    else if (m[2] === 'mon') v.months = Number(m[1])
    else if (m[2] === 'day') v.days = Number(m[1])
    else {
      const sign = m[3] === '-' ? -1 : 1
      v.hours = Number(m[4]) * sign || 0
      v.minutes = Number(m[5]) * sign || 0
      const s = Number(m[6]) * sign
      const whole = Math.trunc(s)
      v.seconds = whole + Math.round((s - whole) * 1e6) / 1e6 || 0
    }
  }
  if (rest.trim() !== '' || text === '') throw badValue('interval', src, start, length)
  return v
}
