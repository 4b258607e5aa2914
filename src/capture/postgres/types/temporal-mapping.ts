import type { ConnectSchema } from '../../../contract/connect-schema.ts'
import {
  encodeDate,
  encodeSnapshotDate,
  encodeTimeMicros,
  encodeTimeMillis,
  encodeTimeNanos,
  encodeTimestampMicros,
  encodeTimestampMillis,
  encodeTimestampNanos,
  encodeZonedTime,
  encodeZonedTimestamp,
} from '../../types/temporal.ts'
import { avroBytes } from '../../types/text.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import type { TypeOptions } from './options.ts'
import { encodeIsoDate, encodeIsoTime, encodeIsoTimestamp } from './temporal-iso.ts'

const ZERO = Buffer.from([0])
const CONNECT = 'org.apache.kafka.connect.data'
const DEBEZIUM = 'io.debezium.time'

/** date, time, timetz, timestamp and timestamptz in the time.precision.modes; null for other types. */
export function temporalMapping(name: string, typmod: number, options: TypeOptions): TypeMapping | null {
  const precision = typmod < 0 ? 6 : typmod
  switch (name) {
    case 'date': {
      if (options.time === 'isostring') {
        const iso = text('IsoDate', encodeIsoDate(false), '1970-01-01Z')
        return options.quirks ? { ...iso, encodeSnapshot: encodeIsoDate(true) } : iso
      }
      const of = options.time === 'connect' ? CONNECT : DEBEZIUM
      const date = plain('int32', `${of}.Date`, encodeDate)
      return options.quirks ? { ...date, encodeSnapshot: encodeSnapshotDate } : date
    }
    case 'time':
      return timeMapping(precision, options)
    case 'timestamp':
      return timestampMapping(precision, options)
    case 'timetz':
      return { ...plain('string', `${DEBEZIUM}.ZonedTime`, encodeZonedTime), fallback: avroBytes(Buffer.from('00:00:00Z')) }
    case 'timestamptz':
      return {
        ...plain('string', `${DEBEZIUM}.ZonedTimestamp`, encodeZonedTimestamp(precision)),
        fallback: avroBytes(Buffer.from('1970-01-01T00:00:00Z')),
      }
    default:
      return null
  }
}

function timeMapping(precision: number, options: TypeOptions): TypeMapping {
  if (options.time === 'isostring') return text('IsoTime', encodeIsoTime, '00:00:00Z')
  if (options.time === 'connect') return plain('int32', `${CONNECT}.Time`, encodeTimeMillis)
  if (options.time === 'nanoseconds') return plain('int64', `${DEBEZIUM}.NanoTime`, encodeTimeNanos)
  if (options.time === 'adaptive' && precision <= 3) return plain('int32', `${DEBEZIUM}.Time`, encodeTimeMillis)
  return plain('int64', `${DEBEZIUM}.MicroTime`, encodeTimeMicros)
}

function timestampMapping(precision: number, options: TypeOptions): TypeMapping {
  if (options.time === 'isostring') return text('IsoTimestamp', encodeIsoTimestamp, '1970-01-01T00:00:00Z')
  if (options.time === 'connect') return plain('int64', `${CONNECT}.Timestamp`, encodeTimestampMillis)
  if (options.time === 'nanoseconds') return plain('int64', `${DEBEZIUM}.NanoTimestamp`, encodeTimestampNanos)
  if (options.time !== 'microseconds' && precision <= 3) return plain('int64', `${DEBEZIUM}.Timestamp`, encodeTimestampMillis)
  return plain('int64', `${DEBEZIUM}.MicroTimestamp`, encodeTimestampMicros)
}

function plain(type: ConnectSchema['type'], name: string, encode: TypeMapping['encode']): TypeMapping {
  return { schema: { type, name, version: 1 }, encode, fallback: ZERO, unavailable: null }
}

function text(name: string, encode: TypeMapping['encode'], fallback: string): TypeMapping {
  return { ...plain('string', `${DEBEZIUM}.${name}`, encode), fallback: avroBytes(Buffer.from(fallback)) }
}
