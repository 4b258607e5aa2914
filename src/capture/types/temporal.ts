import type { ByteSink, ValueEncoder } from '../../contract/change.ts'
import { writeZigzag32, writeZigzagBigInt, writeZigzagNumber } from '../../format/bytes/varint.ts'
import { scan, scanDate, scannedDays, scanTime, scanTimestamp, setDate } from './temporal-scan.ts'

/**
 * Dates and times: PG's ISO text → Avro int or long of Debezium's temporal types (spec debezium §2.2, corrections A.2, B.2, B.7, B.8).
 * Infinite values have the numbers that a Java process shows, which differ between the two phases for dates.
 */

/** date → days; the stream reads infinity as java.time does. */
export function encodeDate(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanDate('date', src, start, length)
  writeZigzag32(out, scan.infinite === 0 ? scannedDays() : scan.infinite > 0 ? -2147472692 : -2147472691)
  return true
}

/** date in a snapshot: infinity as java.sql.Date has it, and the era of BC dates is lost. */
export function encodeSnapshotDate(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanDate('date', src, start, length)
  scan.bc = false
  writeZigzag32(out, scan.infinite === 0 ? scannedDays() : scan.infinite > 0 ? -622191234 : -625821272)
  return true
}

/** time(0–3) → ms in an int. */
export function encodeTimeMillis(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTime('time', src, start, length)
  writeZigzag32(out, scan.seconds * 1000 + Math.floor(scan.micros / 1000))
  return true
}

/** time → µs in a long. */
export function encodeTimeMicros(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTime('time', src, start, length)
  writeZigzagNumber(out, scan.seconds * 1000000 + scan.micros)
  return true
}

/** time → ns in a long. */
export function encodeTimeNanos(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTime('time', src, start, length)
  writeZigzagNumber(out, (scan.seconds * 1000000 + scan.micros) * 1000)
  return true
}

/** timestamp(0–3) → ms since epoch, wall clock as if UTC. */
export function encodeTimestampMillis(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTimestamp('timestamp', src, start, length)
  if (scan.infinite !== 0) writeZigzagBigInt(out, scan.infinite > 0 ? 9223372036825200n : -9223372036832400n)
  else writeZigzagNumber(out, (scannedDays() * 86400 + scan.seconds) * 1000 + Math.floor(scan.micros / 1000))
  return true
}

/** timestamp → µs since epoch, wall clock as if UTC. The last 29 years of PG's range do not fit in a long: null. */
export function encodeTimestampMicros(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTimestamp('timestamp', src, start, length)
  if (scan.infinite !== 0) writeZigzagBigInt(out, scan.infinite > 0 ? 9223372036825200000n : -9223372036832400000n)
  else {
    const seconds = scannedDays() * 86400 + scan.seconds
    if (seconds > -9007199254 && seconds < 9007199254) writeZigzagNumber(out, seconds * 1000000 + scan.micros)
    else {
      const us = BigInt(seconds) * 1000000n + BigInt(scan.micros)
      if (us > LONG_MAX) return false
      writeZigzagBigInt(out, us)
    }
  }
  return true
}

const LONG_MAX = 9223372036854775807n

/** timestamp → ns since epoch; values that a long cannot hold become null. */
export function encodeTimestampNanos(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTimestamp('timestamp', src, start, length)
  if (scan.infinite !== 0) {
    writeZigzagBigInt(out, scan.infinite > 0 ? LONG_MAX : -LONG_MAX - 1n)
    return true
  }
  const ns = (BigInt(scannedDays() * 86400 + scan.seconds) * 1000000n + BigInt(scan.micros)) * 1000n
  if (ns > LONG_MAX || ns < -LONG_MAX - 1n) return false
  writeZigzagBigInt(out, ns)
  return true
}

/** timestamptz(p) → ISO text in UTC with exactly p fraction digits (Debezium ZonedTimestamp). */
export function encodeZonedTimestamp(precision: number): ValueEncoder {
  return (src, start, length, out) => {
    if (fastZoned(src, start, length, precision, out)) return true
    scanTimestamp('timestamptz', src, start, length)
    out.reserve(48)
    const mark = out.pos++
    if (scan.infinite !== 0) out.pos += out.buf.write(scan.infinite > 0 ? 'infinity' : '-infinity', out.pos, 'latin1')
    else {
      const seconds = scannedDays() * 86400 + scan.seconds - scan.offset
      const days = Math.floor(seconds / 86400)
      const micros = scan.micros
      setDate(days)
      putYear(out, scan.year)
      putDateTail(out)
      put(out, 84)
      putClock(out, seconds - days * 86400)
      putFraction(out, micros, precision)
      put(out, 90)
    }
    out.buf[mark] = (out.pos - mark - 1) * 2
    return true
  }
}

/** `YYYY-MM-DD HH:MM:SS[.f]+00` needs no arithmetic: only the separators and the number of digits change. */
function fastZoned(src: Buffer, start: number, length: number, precision: number, out: ByteSink): boolean {
  const end = start + length
  if (length < 22 || src[start + 4] !== 45 || src[start + 10] !== 32 || src[start + 16] !== 58) return false
  if (src[end - 3] !== 43 || src[end - 2] !== 48 || src[end - 1] !== 48) return false
  const digits = length - 23
  if (digits >= 0 ? src[start + 19] !== 46 || digits > precision : src[start + 19] !== 43) return false
  out.reserve(32)
  const buf = out.buf
  let pos = out.pos
  buf[pos++] = (20 + (precision > 0 ? precision + 1 : 0)) * 2
  for (let i = 0; i < 19; i++) buf[pos++] = src[start + i]
  buf[pos - 9] = 84
  if (precision > 0) {
    buf[pos++] = 46
    for (let i = 0; i < precision; i++) buf[pos++] = i < digits ? src[start + 20 + i] : 48
  }
  buf[pos++] = 90
  out.pos = pos
  return true
}

/** timetz → ISO text in UTC with the shortest fraction (Debezium ZonedTime); 24:00:00 is 00:00:00. */
export function encodeZonedTime(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTime('timetz', src, start, length)
  const seconds = (((scan.seconds - scan.offset) % 86400) + 86400) % 86400
  out.reserve(20)
  const mark = out.pos++
  putClock(out, seconds)
  putFraction(out, scan.micros, shortest(scan.micros))
  put(out, 90)
  out.buf[mark] = (out.pos - mark - 1) * 2
  return true
}

/** Digits that a fraction of µs needs. */
export function shortest(micros: number): number {
  if (micros === 0) return 0
  let n = 6
  for (let m = micros; m % 10 === 0; m /= 10) n--
  return n
}

/** Years as java.time prints them: four digits, `+` beyond 9999, `-` before year 0. */
export function putYear(out: ByteSink, year: number): void {
  if (year < 0) put(out, 45)
  else if (year > 9999) put(out, 43)
  const text = String(Math.abs(year)).padStart(4, '0')
  out.pos += out.buf.write(text, out.pos, 'latin1')
}

/** `-MM-DD` of `scan`. */
export function putDateTail(out: ByteSink): void {
  put(out, 45)
  put2(out, scan.month)
  put(out, 45)
  put2(out, scan.day)
}

/** `HH:MM:SS`. */
export function putClock(out: ByteSink, seconds: number): void {
  const h = Math.floor(seconds / 3600)
  const m = Math.floor((seconds - h * 3600) / 60)
  put2(out, h)
  put(out, 58)
  put2(out, m)
  put(out, 58)
  put2(out, seconds - h * 3600 - m * 60)
}

/** `.` and the first `digits` digits of the µs; nothing for 0 digits. */
export function putFraction(out: ByteSink, micros: number, digits: number): void {
  if (digits === 0) return
  put(out, 46)
  let unit = 100000
  for (let i = 0; i < digits; i++) {
    put(out, 48 + (Math.floor(micros / unit) % 10))
    unit /= 10
  }
}

export function put(out: ByteSink, byte: number): void {
  out.buf[out.pos++] = byte
}

function put2(out: ByteSink, n: number): void {
  put(out, 48 + Math.floor(n / 10))
  put(out, 48 + (n % 10))
}
