import type { ByteSink, ValueEncoder } from '../../../contract/change.ts'
import type { ConnectSchema } from '../../../contract/connect-schema.ts'
import { daysOf } from '../../../format/bytes/civil-date.ts'
import { writeVarint, writeZigzag32, writeZigzagBigInt, writeZigzagNumber } from '../../../format/bytes/varint.ts'
import { put, putClock, putDateTail, putFraction, putYear, shortest } from '../../types/temporal.ts'
import { scan, setDate } from '../../types/temporal-scan.ts'
import { avroBytes } from '../../types/text.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import type { BinlogField, MysqlColumn } from './column.ts'
import {
  type MomentReader,
  moment,
  readDate,
  readDatetime2,
  readOldDatetime,
  readOldTime,
  readOldTimestamp,
  readTime2,
  readTimestamp2,
  scanDate,
  scanDatetime,
  scanTime,
} from './moment.ts'
import type { MysqlTypeOptions } from './options.ts'

/** What a temporal value is written as, from `moment`. False: Debezium shows null. */
type Emitter = (out: ByteSink) => boolean

const CONNECT = 'org.apache.kafka.connect.data'
const DEBEZIUM = 'io.debezium.time'
const DAY = 86400

/** How values read in one phase are changed before they are written. */
interface Phase {
  readonly read: MomentReader
  /** Where Debezium loses something: which year stands for 0000 (−1: the value counts as zero); null: none. */
  readonly yearZero: number | null
}

/**
 * DATE, TIME, DATETIME and TIMESTAMP in the time.precision.modes (spec debezium §2.4, B.25, B.26). Zero dates (a month or day 0) are null, in
 * NOT NULL columns the epoch.
 */
export function temporalMapping(
  column: MysqlColumn,
  field: BinlogField | null,
  options: MysqlTypeOptions,
  mariadb: boolean,
): TypeMapping | null {
  const stream = (read: MomentReader): Phase => ({ read, yearZero: options.quirks ? -1 : null })
  const snapshot = (read: MomentReader): Phase => ({ read, yearZero: options.quirks ? 2001 : null })
  switch (column.dataType) {
    case 'date':
      return dated(column, dateShape(options), stream(readDate), snapshot(scanDate))
    case 'datetime':
      return dated(column, datetimeShape(column, options, mariadb), stream(datetimeReader(field)), snapshot(scanDatetime))
    case 'time':
      return timed(timeShape(options), field)
    case 'timestamp':
      return zoned(column, field, options, mariadb)
    default:
      return null
  }
}

interface Shape {
  readonly schema: TypeMapping['schema']
  readonly emit: Emitter
  readonly fallback: Uint8Array
}

function dated(column: MysqlColumn, shape: Shape, stream: Phase, snapshot: Phase): TypeMapping {
  const encoder = ({ read, yearZero }: Phase): ValueEncoder => {
    return (src, start, length, out) => {
      read(src, start, length)
      const zero = moment.month === 0 || moment.day === 0 || (moment.year === 0 && yearZero === -1)
      if (moment.year === 0 && yearZero !== null && yearZero > 0) moment.year = yearZero
      if (!zero) return shape.emit(out)
      if (!column.notNull) return false
      out.reserve(shape.fallback.length)
      for (const b of shape.fallback) out.buf[out.pos++] = b
      return true
    }
  }
  return { schema: shape.schema, encode: encoder(stream), encodeSnapshot: encoder(snapshot), fallback: shape.fallback, unavailable: null }
}

function timed(shape: Shape, field: BinlogField | null): TypeMapping {
  const encoder = (read: MomentReader): ValueEncoder => {
    return (src, start, length, out) => {
      read(src, start, length)
      return shape.emit(out)
    }
  }
  const read = field?.type === 11 ? readOldTime : readTime2(field?.meta ?? 0)
  return { schema: shape.schema, encode: encoder(read), encodeSnapshot: encoder(scanTime), fallback: shape.fallback, unavailable: null }
}

function datetimeReader(field: BinlogField | null): MomentReader {
  return field?.type === 12 ? readOldDatetime : readDatetime2(field?.meta ?? 0)
}

const ZERO = Buffer.from([0])

function plain(type: ConnectSchema['type'], name: string, emit: Emitter): Shape {
  return { schema: { type, name, version: 1 }, emit, fallback: ZERO }
}

function text(name: string, emit: Emitter, fallback: string): Shape {
  return { ...plain('string', `${DEBEZIUM}.${name}`, emit), fallback: avroBytes(Buffer.from(fallback)) }
}

function dateShape(options: MysqlTypeOptions): Shape {
  if (options.time === 'isostring') return text('IsoDate', isoDate, '1970-01-01Z')
  return plain('int32', `${options.time === 'connect' ? CONNECT : DEBEZIUM}.Date`, (out) => {
    writeZigzag32(out, days())
    return true
  })
}

function timeShape(options: MysqlTypeOptions): Shape {
  switch (options.time) {
    case 'isostring':
      return text('IsoTime', isoTime, '00:00:00Z')
    case 'connect':
      return plain('int32', `${CONNECT}.Time`, (out) => {
        if (moment.negative || moment.seconds > DAY) return false
        writeZigzag32(out, moment.seconds * 1000 + Math.floor(moment.micros / 1000))
        return true
      })
    case 'nanoseconds':
      return plain('int64', `${DEBEZIUM}.NanoTime`, (out) => {
        writeZigzagNumber(out, timeMicros() * 1000)
        return true
      })
    default:
      return plain('int64', `${DEBEZIUM}.MicroTime`, (out) => {
        writeZigzagNumber(out, timeMicros())
        return true
      })
  }
}

function datetimeShape(column: MysqlColumn, options: MysqlTypeOptions, mariadb: boolean): Shape {
  if (options.time === 'isostring') return text('IsoTimestamp', isoTimestamp, '1970-01-01T00:00:00Z')
  if (options.time === 'connect') return plain('int64', `${CONNECT}.Timestamp`, emitMillis)
  if (options.time === 'nanoseconds')
    return plain('int64', `${DEBEZIUM}.NanoTimestamp`, mariadb && options.quirks ? emitWrappedNanos : emitNanos)
  if (options.time === 'adaptive_time_microseconds' && column.fraction <= 3) return plain('int64', `${DEBEZIUM}.Timestamp`, emitMillis)
  return plain('int64', `${DEBEZIUM}.MicroTimestamp`, emitMicros)
}

/**
 * TIMESTAMP: text in UTC with as many digits as the column has; in a snapshot Debezium prints the shortest. MariaDB's stream shows a zero
 * timestamp as the epoch even where it could be null.
 */
function zoned(column: MysqlColumn, field: BinlogField | null, options: MysqlTypeOptions, mariadb: boolean): TypeMapping {
  const fallback = avroBytes(Buffer.from('1970-01-01T00:00:00Z'))
  const zero = (shown: boolean, out: ByteSink): boolean => {
    if (!shown) return false
    out.reserve(fallback.length)
    for (const b of fallback) out.buf[out.pos++] = b
    return true
  }
  const read = field?.type === 7 ? readOldTimestamp : readTimestamp2(field?.meta ?? 0)
  const encode: ValueEncoder = (src, start, length, out) => {
    read(src, start, length)
    if (moment.year === 0) return zero(column.notNull || (mariadb && options.quirks), out)
    const d = Math.floor(moment.seconds / DAY)
    setDate(d)
    putZoned(out, moment.seconds - d * DAY, moment.micros, column.fraction)
    return true
  }
  const encodeSnapshot: ValueEncoder = (src, start, length, out) => {
    scanDatetime(src, start, length)
    if (moment.month === 0 || moment.day === 0) return zero(column.notNull, out)
    setScan()
    putZoned(out, moment.seconds, moment.micros, options.quirks ? shortest(moment.micros) : column.fraction)
    return true
  }
  const schema: TypeMapping['schema'] = { type: 'string', name: `${DEBEZIUM}.ZonedTimestamp`, version: 1 }
  return { schema, encode, encodeSnapshot, fallback, unavailable: null }
}

function putZoned(out: ByteSink, seconds: number, micros: number, digits: number): void {
  out.reserve(40)
  const mark = out.pos++
  putYear(out, scan.year)
  putDateTail(out)
  put(out, 84)
  putClock(out, seconds)
  putFraction(out, micros, digits)
  put(out, 90)
  out.buf[mark] = (out.pos - mark - 1) * 2
}

/** The shared printers take the date from `scan`. */
function setScan(): void {
  scan.year = moment.year
  scan.month = moment.month
  scan.day = moment.day
}

function days(): number {
  return daysOf(moment.year, moment.month, moment.day)
}

function timeMicros(): number {
  const us = moment.seconds * 1000000 + moment.micros
  return moment.negative ? -us : us
}

function emitMillis(out: ByteSink): boolean {
  writeZigzagNumber(out, (days() * DAY + moment.seconds) * 1000 + Math.floor(moment.micros / 1000))
  return true
}

function emitMicros(out: ByteSink): boolean {
  const seconds = days() * DAY + moment.seconds
  if (seconds > -9007199254 && seconds < 9007199254) writeZigzagNumber(out, seconds * 1000000 + moment.micros)
  else writeZigzagBigInt(out, BigInt(seconds) * 1000000n + BigInt(moment.micros))
  return true
}

const LONG_MAX = 9223372036854775807n

function emitNanos(out: ByteSink): boolean {
  const ns = (BigInt(days() * DAY + moment.seconds) * 1000000n + BigInt(moment.micros)) * 1000n
  if (ns > LONG_MAX || ns < -LONG_MAX - 1n) return false
  writeZigzagBigInt(out, ns)
  return true
}

/** The MariaDB connector (3.5) lets nanoseconds overflow. */
function emitWrappedNanos(out: ByteSink): boolean {
  const ns = (BigInt(days() * DAY + moment.seconds) * 1000000n + BigInt(moment.micros)) * 1000n
  writeZigzagBigInt(out, BigInt.asIntN(64, ns))
  return true
}

function isoDate(out: ByteSink): boolean {
  setScan()
  out.reserve(24)
  const mark = out.pos++
  putYear(out, scan.year)
  putDateTail(out)
  put(out, 90)
  out.buf[mark] = (out.pos - mark - 1) * 2
  return true
}

/** A time of day; others (negative, beyond 24 hours) have no such form. */
function isoTime(out: ByteSink): boolean {
  if (moment.negative || moment.seconds > DAY || (moment.seconds === DAY && moment.micros > 0)) return false
  out.reserve(24)
  const mark = out.pos++
  putClock(out, moment.seconds % DAY)
  putFraction(out, moment.micros, shortest(moment.micros))
  put(out, 90)
  out.buf[mark] = (out.pos - mark - 1) * 2
  return true
}

function isoTimestamp(out: ByteSink): boolean {
  setScan()
  putZoned(out, moment.seconds, moment.micros, shortest(moment.micros))
  return true
}

/** Avro text of an already printed value; used for defaults. */
export function avroText(s: string, out: ByteSink): void {
  const bytes = Buffer.from(s, 'utf8')
  writeVarint(out, bytes.length * 2)
  out.reserve(bytes.length)
  bytes.copy(out.buf, out.pos)
  out.pos += bytes.length
}
