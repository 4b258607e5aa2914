import { badValue } from '../../types/bad-value.ts'

/** The date and time read last: a scratch record, so that no value allocates. */
export const moment = {
  year: 0,
  month: 0,
  day: 0,
  /** Seconds of the day; of a TIME all of it, always positive. */
  seconds: 0,
  micros: 0,
  /** A TIME below zero. */
  negative: false,
}

/** Reads one value into `moment`. */
export type MomentReader = (src: Buffer, start: number, length: number) => void

/**
 * Binary forms of a binlog row. Since MySQL 5.6 they are big-endian, the fraction behind in 0 to 3 bytes:
 *   DATE       => day:5 month:4 year:15 bits, 3 bytes little-endian
 *   TIME2      => (hour:10 minute:6 second:6 bits + fraction) as one number + 0x800000 in front, 3 bytes + fraction
 *   DATETIME2  => (year * 13 + month):17 day:5 hour:5 minute:6 second:6 bits + 0x8000000000, 5 bytes + fraction
 *   TIMESTAMP2 => seconds:u32 + fraction
 * and before it little-endian decimal numbers: TIME hhmmss, DATETIME yyyymmddhhmmss, TIMESTAMP seconds:u32.
 */
export function readDate(src: Buffer, start: number): void {
  const v = src[start] | (src[start + 1] << 8) | (src[start + 2] << 16)
  moment.day = v & 31
  moment.month = (v >> 5) & 15
  moment.year = v >> 9
  moment.seconds = 0
  moment.micros = 0
}

export function readTime2(fraction: number): MomentReader {
  const bytes = (fraction + 1) >> 1
  const unit = 256 ** bytes
  const scale = MICROS[bytes]
  return (src, start) => {
    let v = 0
    for (let i = 0; i < 3 + bytes; i++) v = v * 256 + src[start + i]
    v -= 0x800000 * unit
    moment.negative = v < 0
    if (v < 0) v = -v
    const hms = Math.floor(v / unit)
    moment.seconds = ((hms >> 12) & 0x3ff) * 3600 + ((hms >> 6) & 63) * 60 + (hms & 63)
    moment.micros = (v - hms * unit) * scale
  }
}

/** µs per unit of the fraction, by its bytes. */
const MICROS = [0, 10000, 100, 1]

export function readDatetime2(fraction: number): MomentReader {
  const bytes = (fraction + 1) >> 1
  return (src, start) => {
    // the top bit of the 40 is the sign, always set
    const high = ((src[start] & 0x7f) << 15) | (src[start + 1] << 7) | (src[start + 2] >> 1)
    const low = ((src[start + 2] & 1) << 16) | (src[start + 3] << 8) | src[start + 4]
    const ym = high >> 5
    moment.year = Math.floor(ym / 13)
    moment.month = ym % 13
    moment.day = high & 31
    moment.seconds = (low >> 12) * 3600 + ((low >> 6) & 63) * 60 + (low & 63)
    moment.micros = readFraction(src, start + 5, bytes)
  }
}

/** Seconds since epoch in `seconds`; `year` 0 stands for the zero timestamp. */
export function readTimestamp2(fraction: number): MomentReader {
  const bytes = (fraction + 1) >> 1
  return (src, start) => {
    moment.seconds = src.readUInt32BE(start)
    moment.micros = readFraction(src, start + 4, bytes)
    moment.year = moment.seconds === 0 && moment.micros === 0 ? 0 : 1970
  }
}

function readFraction(src: Buffer, at: number, bytes: number): number {
  let v = 0
  for (let i = 0; i < bytes; i++) v = v * 256 + src[at + i]
  return v * MICROS[bytes]
}

export function readOldTimestamp(src: Buffer, start: number): void {
  moment.seconds = src.readUInt32LE(start)
  moment.micros = 0
  moment.year = moment.seconds === 0 ? 0 : 1970
}

export function readOldTime(src: Buffer, start: number): void {
  const v = src.readIntLE(start, 3)
  moment.negative = v < 0
  const t = Math.abs(v)
  moment.seconds = Math.floor(t / 10000) * 3600 + (Math.floor(t / 100) % 100) * 60 + (t % 100)
  moment.micros = 0
}

export function readOldDatetime(src: Buffer, start: number): void {
  const v = src.readUInt32LE(start + 4) * 4294967296 + src.readUInt32LE(start)
  const date = Math.floor(v / 1000000)
  const time = v - date * 1000000
  moment.year = Math.floor(date / 10000)
  moment.month = Math.floor(date / 100) % 100
  moment.day = date % 100
  moment.seconds = Math.floor(time / 10000) * 3600 + (Math.floor(time / 100) % 100) * 60 + (time % 100)
  moment.micros = 0
}

/** `YYYY-MM-DD`, of the text protocol. */
export function scanDate(src: Buffer, start: number, length: number): void {
  if (length < 10) throw badValue('date', src, start, length)
  moment.year = digits(src, start, 4, length)
  moment.month = digits(src, start + 5, 2, length)
  moment.day = digits(src, start + 8, 2, length)
  moment.seconds = 0
  moment.micros = 0
}

/** `YYYY-MM-DD hh:mm:ss[.f{1,6}]`; a bare date is midnight. */
export function scanDatetime(src: Buffer, start: number, length: number): void {
  scanDate(src, start, length)
  if (length === 10) return
  if (length < 19) throw badValue('datetime', src, start, length)
  const h = digits(src, start + 11, 2, length)
  moment.seconds = h * 3600 + digits(src, start + 14, 2, length) * 60 + digits(src, start + 17, 2, length)
  moment.micros = scanFraction(src, start + 19, start + length)
}

/** `[-]h{2,3}:mm:ss[.f{1,6}]`. */
export function scanTime(src: Buffer, start: number, length: number): void {
  const end = start + length
  let i = start
  moment.negative = src[i] === 45
  if (moment.negative) i++
  let h = 0
  for (; i < end && src[i] !== 58; i++) h = h * 10 + digits(src, i, 1, length)
  if (end - i < 6) throw badValue('time', src, start, length)
  moment.seconds = h * 3600 + digits(src, i + 1, 2, length) * 60 + digits(src, i + 4, 2, length)
  moment.micros = scanFraction(src, i + 6, end)
}

function scanFraction(src: Buffer, at: number, end: number): number {
  let v = 0
  let unit = 100000
  for (let i = at + 1; i < end; i++) {
    v += digits(src, i, 1, 1) * unit
    unit /= 10
  }
  return v
}

function digits(src: Buffer, at: number, count: number, length: number): number {
  let v = 0
  for (let i = at; i < at + count; i++) {
    const d = src[i] - 48
    if (d < 0 || d > 9) throw badValue('date or time', src, at, Math.min(length, 40))
    v = v * 10 + d
  }
  return v
}
