import { daysOf } from '../../format/bytes/civil-date.ts'
import { badValue } from './bad-value.ts'

/**
 * Scans PG's ISO text of dates and times without making objects: the fields of the last scan are left in `scan`.
 *   date      => year '-' mm '-' dd [' BC']
 *   time      => hh ':' mm ':' ss ['.' 1–6 digits]
 *   offset    => ('+'|'-') hh [':' mm [':' ss]]
 *   timestamp => date ' ' time [offset] [' BC'] | 'infinity' | '-infinity'
 * Years have four digits or more; the calendar is proleptic Gregorian; year 1 BC is year 0 here.
 */
export const scan = {
  year: 0,
  month: 0,
  day: 0,
  bc: false,
  /** Seconds since midnight, 0–86400. */
  seconds: 0,
  micros: 0,
  /** Digits of the fraction as sent. */
  digits: 0,
  /** Seconds east of UTC. */
  offset: 0,
  /** 1 infinity, −1 -infinity, 0 finite. */
  infinite: 0,
}

/** A date; also the date part before a time. */
export function scanDate(type: string, src: Buffer, start: number, length: number): void {
  if (scanInfinity(src, start, length)) return
  const end = scanEra(src, start, length)
  if (dateAt(src, start, end) !== end) throw badValue(type, src, start, length)
}

/** `time` without zone, or with one (`timetz`). */
export function scanTime(type: string, src: Buffer, start: number, length: number): void {
  const end = start + length
  if (offsetAt(src, timeAt(src, start, end), end) !== end) throw badValue(type, src, start, length)
}

/** `timestamp` or `timestamptz`. A date alone is midnight (in defaults). */
export function scanTimestamp(type: string, src: Buffer, start: number, length: number): void {
  if (scanInfinity(src, start, length)) return
  const end = scanEra(src, start, length)
  let pos = dateAt(src, start, end)
  scan.seconds = 0
  scan.micros = 0
  scan.digits = 0
  scan.offset = 0
  if (pos > 0 && pos < end && src[pos] === 32) pos = timeAt(src, pos + 1, end)
  if (offsetAt(src, pos, end) !== end) throw badValue(type, src, start, length)
}

/** Days since 1970-01-01 of the scanned date, `bc` honoured. */
export function scannedDays(): number {
  return daysOf(scan.bc ? 1 - scan.year : scan.year, scan.month, scan.day)
}

/** The reverse of daysOf: leaves year (astronomical), month, day in `scan`. */
export function setDate(days: number): void {
  const z = days + 719468
  const era = Math.floor(z / 146097)
  const doe = z - era * 146097
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365)
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100))
  const mp = Math.floor((5 * doy + 2) / 153)
  scan.day = doy - Math.floor((153 * mp + 2) / 5) + 1
  scan.month = mp + (mp < 10 ? 3 : -9)
  scan.year = yoe + era * 400 + (scan.month <= 2 ? 1 : 0)
}

function scanInfinity(src: Buffer, start: number, length: number): boolean {
  const c = src[start]
  scan.infinite = c === 105 && length === 8 ? 1 : c === 45 && length === 9 && src[start + 1] === 105 ? -1 : 0
  return scan.infinite !== 0
}

/** Sets `bc` and returns the end without the era. */
function scanEra(src: Buffer, start: number, length: number): number {
  const end = start + length
  scan.bc = length > 3 && src[end - 1] === 67 && src[end - 2] === 66
  return scan.bc ? end - 3 : end
}

/** Position after the date, −1 when it is none. */
function dateAt(src: Buffer, start: number, end: number): number {
  let i = start
  let year = 0
  for (; i < end && src[i] !== 45; i++) {
    const d = src[i] - 48
    if (d < 0 || d > 9) return -1
    year = year * 10 + d
  }
  if (i - start < 4 || i + 6 > end || src[i + 3] !== 45) return -1
  scan.year = year
  scan.month = two(src, i + 1)
  scan.day = two(src, i + 4)
  return scan.month >= 1 && scan.month <= 12 && scan.day >= 1 && scan.day <= 31 ? i + 6 : -1
}

/** Position after the time, −1 when it is none. */
function timeAt(src: Buffer, start: number, end: number): number {
  if (start < 0 || start + 5 > end || src[start + 2] !== 58) return -1
  const h = two(src, start)
  const m = two(src, start + 3)
  let s = 0
  let i = start + 5
  if (i < end && src[i] === 58) {
    if (i + 3 > end) return -1
    s = two(src, i + 1)
    i += 3
  }
  if (h < 0 || m < 0 || s < 0 || h > 24 || m > 59 || s > 60) return -1
  scan.seconds = h * 3600 + m * 60 + s
  scan.micros = 0
  scan.digits = 0
  if (i < end && src[i] === 46) {
    i++
    let f = 0
    let n = 0
    for (; i < end && src[i] >= 48 && src[i] <= 57; i++, n++) f = f * 10 + (src[i] - 48)
    if (n === 0 || n > 6) return -1
    scan.digits = n
    for (; n < 6; n++) f *= 10
    scan.micros = f
  }
  return i
}

/** Position after an optional offset. */
function offsetAt(src: Buffer, start: number, end: number): number {
  scan.offset = 0
  if (start < 0 || start === end) return start
  const sign = src[start] === 43 ? 1 : src[start] === 45 ? -1 : 0
  if (sign === 0 || start + 3 > end) return -1
  let s = two(src, start + 1) * 3600
  let i = start + 3
  for (let unit = 60; i < end && src[i] === 58 && i + 3 <= end; unit = 1, i += 3) s += two(src, i + 1) * unit
  scan.offset = sign * s
  return i
}

function two(src: Buffer, at: number): number {
  const a = src[at] - 48
  const b = src[at + 1] - 48
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : -1
}
