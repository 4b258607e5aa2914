import type { ValueEncoder } from '../../../contract/change.ts'
import type { ConnectSchema } from '../../../contract/connect-schema.ts'
import type { ColumnRules } from '../../columns/column-rules.ts'
import { encodeDecimal, encodeDecimalText } from '../../types/decimal.ts'
import { encodeDouble } from '../../types/float.ts'
import { avroBytes, encodeText } from '../../types/text.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import { binaryEncoder, binlogInet4, binlogInet6, binlogUuid } from './binary.ts'
import { binlogDecimal } from './binlog-decimal.ts'
import {
  binlogBoolean,
  binlogDouble,
  binlogFloat,
  binlogFloatAsDouble,
  binlogInt,
  binlogLong,
  binlogUnsigned32,
  binlogUnsigned64Decimal,
  binlogYear,
  bitBoolean,
  bits,
} from './binlog-integer.ts'
import { type CharsetTable, charsetEncoder } from './charset.ts'
import type { BinlogField, MysqlColumn } from './column.ts'
import { binlogJson } from './json.ts'
import { allowed, binlogEnum, binlogSet } from './labels.ts'
import type { MysqlTypeOptions } from './options.ts'
import { geometryMapping, pointMapping, vectorMapping } from './spatial.ts'
import { temporalMapping } from './temporal.ts'
import { textBoolean, textFloat, textFloatAsDouble, textInt, textLong, textUnsigned64Decimal, textYear } from './text-integer.ts'

/** What decides about the mapping beside the column. */
export interface MappingContext {
  readonly options: MysqlTypeOptions
  readonly mariadb: boolean
  readonly charsets: ReadonlyMap<string, CharsetTable>
  /** `db.table.column`, for settings that select columns. */
  readonly path: string
  /** column.propagate.source.type. */
  readonly propagate: ColumnRules['propagate']
}

const EMPTY = Buffer.from([0])
const ZERO = Buffer.from([0])

/**
 * The mapping of a column (spec debezium §2.4), or null for a type that is not known.
 * @param field how it lies in the binlog; null: the shape is only for a snapshot
 */
export function mapColumn(column: MysqlColumn, field: BinlogField | null, context: MappingContext): TypeMapping | null {
  const { options, mariadb } = context
  return (
    temporalMapping(column, field, options, mariadb) ??
    integerMapping(column, context) ??
    numberMapping(column, options) ??
    labelMapping(column, options) ??
    textMapping(column, context) ??
    otherMapping(column, field, context)
  )
}

function both(schema: TypeMapping['schema'], encode: ValueEncoder, encodeSnapshot: ValueEncoder, fallback: Uint8Array): TypeMapping {
  return { schema, encode, encodeSnapshot, fallback, unavailable: null }
}

function integerMapping(column: MysqlColumn, context: MappingContext): TypeMapping | null {
  const { unsigned } = column
  const int = (type: ConnectSchema['type'], bytes: 1 | 2 | 3 | 4): TypeMapping => both({ type }, binlogInt(bytes, unsigned), textInt, ZERO)
  switch (column.dataType) {
    case 'tinyint':
      return isBoolean(column, context) ? both({ type: 'boolean' }, binlogBoolean, textBoolean, ZERO) : int('int16', 1)
    case 'smallint':
      return int(unsigned ? 'int32' : 'int16', 2)
    case 'mediumint':
      return int('int32', 3)
    case 'int':
      return unsigned ? both({ type: 'int64' }, binlogUnsigned32, textLong, ZERO) : int('int32', 4)
    case 'bigint':
      return unsigned && context.options.bigintUnsigned === 'precise'
        ? both(decimalSchema(20, 0), binlogUnsigned64Decimal, textUnsigned64Decimal, Buffer.from([2, 0]))
        : both({ type: 'int64' }, binlogLong, textLong, ZERO)
    case 'year':
      return both(
        { type: 'int32', name: 'io.debezium.time.Year', version: 1 },
        binlogYear(context.options.quirks),
        textYear(context.options.quirks),
        ZERO,
      )
    default:
      return null
  }
}

/** TINYINT(1), which BOOLEAN stands for, where the configuration shows it as BOOLEAN. */
function isBoolean(column: MysqlColumn, context: MappingContext): boolean {
  // The MariaDB connector (3.5) takes unsigned ones too.
  const type = context.mariadb && context.options.quirks ? /^tinyint\(1\)( unsigned)?$/ : /^tinyint\(1\)$/
  return type.test(column.columnType) && context.options.tinyintBoolean?.(context.path) === true
}

function numberMapping(column: MysqlColumn, options: MysqlTypeOptions): TypeMapping | null {
  switch (column.dataType) {
    case 'float':
      return column.scale === null
        ? both({ type: 'float32' }, binlogFloat, textFloat, Buffer.alloc(4))
        : both({ type: 'float64' }, binlogFloatAsDouble, textFloatAsDouble, Buffer.alloc(8))
    case 'double':
      return both({ type: 'float64' }, binlogDouble, encodeDouble, Buffer.alloc(8))
    case 'decimal':
      return decimalMapping(column.precision ?? 10, column.scale ?? 0, options)
    case 'bit':
      if (column.precision === 1) return { schema: { type: 'boolean' }, encode: bitBoolean, fallback: ZERO, unavailable: null }
      return {
        schema: { type: 'bytes', name: 'io.debezium.data.Bits', version: 1, parameters: [['length', String(column.precision)]] },
        encode: bits,
        fallback: EMPTY,
        unavailable: null,
      }
    default:
      return null
  }
}

function decimalMapping(precision: number, scale: number, options: MysqlTypeOptions): TypeMapping {
  const stream = binlogDecimal(precision, scale, options.decimal)
  switch (options.decimal) {
    case 'precise':
      return both(decimalSchema(precision, scale), stream, encodeDecimal(scale), Buffer.from([2, 0]))
    case 'double':
      return both({ type: 'float64' }, stream, encodeDouble, Buffer.alloc(8))
    default:
      return both({ type: 'string' }, stream, encodeDecimalText(scale), avroBytes(Buffer.from('0')))
  }
}

function decimalSchema(precision: number, scale: number): TypeMapping['schema'] {
  const parameters: [string, string][] = [
    ['scale', String(scale)],
    ['connect.decimal.precision', String(precision)],
  ]
  return { type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', version: 1, parameters }
}

function labelMapping(column: MysqlColumn, options: MysqlTypeOptions): TypeMapping | null {
  if (column.values === null) return null
  const name = column.dataType === 'enum' ? 'Enum' : 'EnumSet'
  const schema: TypeMapping['schema'] = {
    type: 'string',
    name: `io.debezium.data.${name}`,
    version: 1,
    parameters: [['allowed', allowed(column.values)]],
  }
  const stream = column.dataType === 'enum' ? binlogEnum(column.values, options.quirks) : binlogSet(column.values)
  return { ...both(schema, stream, encodeText, EMPTY), unavailable: textPlaceholder(options) }
}

const TEXTS = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext']
const BLOBS = ['varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob']

function textMapping(column: MysqlColumn, context: MappingContext): TypeMapping | null {
  const { options, charsets } = context
  if (TEXTS.includes(column.dataType)) {
    const stream = charsetEncoder(column.charset ?? 'utf8mb4', charsets)
    return { ...both({ type: 'string' }, stream, encodeText, EMPTY), unavailable: textPlaceholder(options) }
  }
  if (!BLOBS.includes(column.dataType) && column.dataType !== 'binary') return null
  const encode = binaryEncoder(options.binary, column.dataType === 'binary' ? (column.length ?? 1) : 0)
  const schema: TypeMapping['schema'] = { type: options.binary === 'bytes' ? 'bytes' : 'string' }
  return { schema, encode, fallback: EMPTY, unavailable: avroBytes(options.placeholder) }
}

const GEOMETRIES = [
  'geometry',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
]

function otherMapping(column: MysqlColumn, field: BinlogField | null, context: MappingContext): TypeMapping | null {
  const text = (name: string | null, stream: ValueEncoder, fallback: string): TypeMapping => {
    const schema: TypeMapping['schema'] =
      name === null ? { type: 'string' } : { type: 'string', name: `io.debezium.data.${name}`, version: 1 }
    return both(schema, stream, encodeText, avroBytes(Buffer.from(fallback)))
  }
  // MariaDB sends a JSON column as text: there it is only another name of LONGTEXT.
  const binaryJson = field === null || field.type === 245
  switch (column.dataType) {
    case 'json':
      return text('Json', binaryJson ? binlogJson({ compact: context.options.quirks }) : encodeText, '{}')
    case 'uuid':
      return text('Uuid', binlogUuid, '00000000-0000-0000-0000-000000000000')
    case 'inet4':
      return text(null, binlogInet4, '0.0.0.0')
    case 'inet6':
      return text(null, binlogInet6, '::')
    case 'point':
      return pointMapping(!column.notNull)
    case 'vector':
      return vectorMapping()
    default:
      return GEOMETRIES.includes(column.dataType) ? geometryMapping(!column.notNull || context.options.quirks) : null
  }
}

function textPlaceholder(options: MysqlTypeOptions): Uint8Array {
  return avroBytes(Buffer.from(options.placeholder.toString('utf8'), 'utf8'))
}
