import type { ByteSink, ValueEncoder } from '../../../contract/change.ts'
import { put, putClock, putDateTail, putFraction, putYear, shortest } from '../../types/temporal.ts'
import { scan, scanDate, scannedDays, scanTime, scanTimestamp, setDate } from '../../types/temporal-scan.ts'

/** time.precision.mode=isostring: dates and times as ISO text that ends in Z, with the shortest fraction (spec debezium A.2, B.2, B.7). */

/** date → `2016-11-04Z`. In a snapshot the era is lost, and infinities are those of java.sql.Date. */
export function encodeIsoDate(snapshot: boolean): ValueEncoder {
  const infinite = snapshot ? ['+292278994-08-16Z', '+292269055-12-02Z'] : ['-5877611-06-21Z', '-5877611-06-22Z']
  return (src, start, length, out) => {
    scanDate('date', src, start, length)
    if (scan.infinite !== 0) return writeText(out, infinite[scan.infinite > 0 ? 0 : 1])
    if (snapshot) scan.bc = false
    setDate(scannedDays())
    return written(out, () => putDate(out))
  }
}

/** time → `13:51:30.123Z`; 24:00:00 is 00:00:00. */
export function encodeIsoTime(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTime('time', src, start, length)
  return written(out, () => putTime(out))
}

/** timestamp → `2016-11-04T13:51:30.123Z`, wall clock as if UTC. */
export function encodeIsoTimestamp(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  scanTimestamp('timestamp', src, start, length)
  if (scan.infinite !== 0) return writeText(out, scan.infinite > 0 ? '+294247-01-10T04:00:25.2Z' : '-290308-12-21T19:59:27.6Z')
  setDate(scannedDays())
  return written(out, () => {
    putYear(out, scan.year)
    putDateTail(out)
    put(out, 84)
    putTime(out)
  })
}

function putDate(out: ByteSink): void {
  putYear(out, scan.year)
  putDateTail(out)
  put(out, 90)
}

function putTime(out: ByteSink): void {
  putClock(out, scan.seconds % 86400)
  putFraction(out, scan.micros, shortest(scan.micros))
  put(out, 90)
}

/** An Avro string of less than 64 bytes. */
function written(out: ByteSink, body: () => void): boolean {
  out.reserve(64)
  const mark = out.pos++
  body()
  out.buf[mark] = (out.pos - mark - 1) * 2
  return true
}

function writeText(out: ByteSink, text: string): boolean {
  return written(out, () => {
    out.pos += out.buf.write(text, out.pos, 'latin1')
  })
}
