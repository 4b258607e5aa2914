import { Failure } from '../failure/failure.ts'
import { daysOf } from '../format/bytes/civil-date.ts'

/** Result for `infinity` and `-infinity`. */
export const NO_TIMESTAMP = null

/**
 * Microseconds since epoch of Debezium's ZonedTimestamp text: `[+-]YYYY-MM-DDTHH:MM:SS[.fraction]Z`, proleptic Gregorian, year 0 = 1 BC.
 * A bigint where a JS number is not exact; null for infinities. Digits beyond six are cut. Fails with TRB-ENV-004.
 */
export function isoMicros(buf: Buffer, start: number, length: number): number | bigint | null {
  const end = start + length
  const first = buf[start]
  let i = first === 43 || first === 45 ? start + 1 : start
  if (buf[i] === 105) return NO_TIMESTAMP
  const dash = buf.indexOf(45, i)
  const year = digits(buf, i, dash)
  i = dash
  if (year < 0 || i + 16 > end || buf[end - 1] !== 90) throw bad(buf, start, length)
  const days = daysOf(first === 45 ? -year : year, digits(buf, i + 1, i + 3), digits(buf, i + 4, i + 6))
  const time = digits(buf, i + 7, i + 9) * 3600 + digits(buf, i + 10, i + 12) * 60 + digits(buf, i + 13, i + 15)
  let micros = 0
  if (buf[i + 15] === 46) {
    let unit = 100000
    for (let k = i + 16; k < end - 1 && unit >= 1; k++, unit /= 10) micros += (buf[k] - 48) * unit
  }
  const seconds = days * 86400 + time
  if (!(time >= 0) || Number.isNaN(micros)) throw bad(buf, start, length)
  if (seconds > -9007199254 && seconds < 9007199254) return seconds * 1000000 + micros
  return BigInt(seconds) * 1000000n + BigInt(micros)
}

function digits(buf: Buffer, from: number, to: number): number {
  if (to <= from) return -1
  let n = 0
  for (let i = from; i < to; i++) {
    const d = buf[i] - 48
    if (!(d >= 0 && d <= 9)) return Number.NEGATIVE_INFINITY
    n = n * 10 + d
  }
  return n
}

function bad(buf: Buffer, start: number, length: number): Failure {
  return new Failure('TRB-ENV-004', {
    topic: '(value)',
    reason: `not a timestamp: ${buf.toString('latin1', start, start + Math.min(40, length))}`,
  })
}
