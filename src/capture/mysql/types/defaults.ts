import { isFailure } from '../../../failure/failure.ts'
import { GrowableSink } from '../../../format/bytes/growable-sink.ts'
import { connectDefault, type SchemaDefault } from '../../types/connect-default.ts'
import { avroBytes } from '../../types/text.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import type { MysqlColumn } from './column.ts'
import type { MysqlTypeOptions } from './options.ts'
import { temporalMapping } from './temporal.ts'

const TIMES = ['timestamp', 'datetime', 'date', 'time']

/**
 * The default of a column for its schema, or null (spec debezium §2.4, B.12): literals as values; CURRENT_TIMESTAMP is the epoch in NOT NULL
 * columns (Debezium: in all of DATETIME); expressions and generated columns have none; a zero date is the epoch or none.
 */
export function mysqlDefault(column: MysqlColumn, mapping: TypeMapping, options: MysqlTypeOptions): SchemaDefault | null {
  const { defaultText, dataType } = column
  if (defaultText === null || column.generated || mapping.schema.type === 'struct' || mapping.schema.type === 'array') return null
  if (column.defaultExpression) {
    const now = /^(current_timestamp|now|localtime)/i.test(defaultText)
    const shown = column.notNull || (options.quirks && dataType === 'datetime')
    if (!now || !shown || !TIMES.includes(dataType)) return null
    return { value: connectDefault(mapping.fallback, mapping.schema.type), bytes: mapping.fallback }
  }
  const bytes = encodeLiteral(column, defaultText, mapping, options)
  return bytes === null ? null : { value: connectDefault(bytes, mapping.schema.type), bytes }
}

function encodeLiteral(column: MysqlColumn, text: string, mapping: TypeMapping, options: MysqlTypeOptions): Uint8Array | null {
  const bit = /^b'([01]+)'$/.exec(text)
  if (bit !== null) return encoded(bitBytes(bit[1], column.precision ?? 1), mapping)
  const hex = /^0x((?:[0-9a-f]{2})*)$/i.exec(text)
  if (/binary|blob/.test(column.dataType))
    return binaryDefault(column, hex === null ? Buffer.from(text) : Buffer.from(hex[1], 'hex'), mapping, options)
  // Debezium takes the text as SHOW CREATE TABLE prints it.
  const shown = options.quirks && mapping.schema.type === 'string' ? text.replaceAll("'", "''") : text
  // A default has the digits of its column also where a snapshot's values have the shortest.
  const digits = column.dataType === 'timestamp' && options.quirks
  const shape = digits ? temporalMapping(column, null, { ...options, quirks: false }, false) : null
  return encoded(Buffer.from(shown, 'utf8'), shape ?? mapping)
}

/** BINARY(n) is filled up with zeros, which Debezium shows as the two characters that SHOW CREATE TABLE prints for each. */
function binaryDefault(column: MysqlColumn, bytes: Buffer, mapping: TypeMapping, options: MysqlTypeOptions): Uint8Array | null {
  const missing = column.dataType === 'binary' ? Math.max(0, (column.length ?? 1) - bytes.length) : 0
  const whole = Buffer.concat([bytes, Buffer.alloc(missing)])
  if (options.quirks && mapping.schema.type === 'bytes') {
    return avroBytes(Buffer.from(whole.toString('latin1').replaceAll('\0', '\\0'), 'latin1'))
  }
  return encoded(whole, mapping)
}

/** The digits of b'101' as the bytes of BIT(n), big-endian. */
function bitBytes(digits: string, width: number): Buffer {
  const size = (width + 7) >> 3
  const hex = BigInt(`0b${digits}`)
    .toString(16)
    .padStart(size * 2, '0')
  return Buffer.from(hex, 'hex')
}

/** Null when the text is no value of the type. */
function encoded(src: Buffer, mapping: TypeMapping): Uint8Array | null {
  const out = new GrowableSink(src.length + 64)
  try {
    const encode = mapping.encodeSnapshot ?? mapping.encode
    return encode(src, 0, src.length, out) ? out.copy() : null
  } catch (e) {
    if (isFailure(e, 'TRB-ENV-001')) return null
    throw e
  }
}
