import type { ValueEncoder } from '../../../contract/change.ts'
import type { ConnectSchema } from '../../../contract/connect-schema.ts'
import { GrowableSink } from '../../../format/bytes/growable-sink.ts'
import { encodeDecimal, encodeDecimalText, encodeMoney, encodeVariableDecimal } from '../../types/decimal.ts'
import { encodeDouble, encodeFloat } from '../../types/float.ts'
import { encodePoint, pointSchema, writePoint } from '../../types/geometry.ts'
import { encodeBoolean, encodeInt, encodeLong } from '../../types/integer.ts'
import { avroBytes, encodeBit, encodeBits, encodeBytea, encodeNothing, encodeText } from '../../types/text.ts'
import type { TypeMapping } from '../../types/type-mapping.ts'
import type { CatalogType } from '../catalog-column.ts'
import { encodeArray } from './array.ts'
import { encodeHstoreJson, encodeHstoreMap } from './hstore.ts'
import { encodeIntervalText, encodeMicroDuration } from './interval.ts'
import { encodeMoneyAs } from './money.ts'
import type { TypeOptions } from './options.ts'
import { arrayPlaceholder, textPlaceholder } from './placeholder.ts'
import { temporalMapping } from './temporal-mapping.ts'
import { unknownType } from './unknown.ts'

const EMPTY = Buffer.from([0])
const ZERO = Buffer.from([0])

/** The mapping of a type, or null where Debezium leaves the column out (spec debezium §2.2). Domains are their root type. */
export function mapType(type: CatalogType, typmod: number, options: TypeOptions): TypeMapping | null {
  return knownType(type, typmod, options) ?? (options.unknown ? unknownType(type, options) : null)
}

function knownType(type: CatalogType, typmod: number, options: TypeOptions): TypeMapping | null {
  if (type.base !== null) return knownType(type.base.type, typmod >= 0 ? typmod : type.base.typmod, options)
  if (type.element !== null && type.name.startsWith('_')) return mapArray(type.element, typmod, options)
  if (type.labels !== null) return mapEnum(type.labels, options)
  return (
    temporalMapping(type.name, typmod, options) ??
    mapNumber(type.name, typmod, options) ??
    mapText(type.name, options) ??
    mapBinary(type.name, typmod, options)
  )
}

function mapNumber(name: string, typmod: number, options: TypeOptions): TypeMapping | null {
  const scalar = (type: ConnectSchema['type'], encode: ValueEncoder, fallback: Uint8Array): TypeMapping => ({
    schema: { type },
    encode,
    fallback,
    unavailable: null,
  })
  switch (name) {
    case 'bool':
      return scalar('boolean', encodeBoolean, ZERO)
    case 'int2':
      return scalar('int16', encodeInt, ZERO)
    case 'int4':
      return scalar('int32', encodeInt, ZERO)
    case 'int8':
    case 'oid':
      return scalar('int64', encodeLong, ZERO)
    case 'float4':
      return scalar('float32', encodeFloat, Buffer.alloc(4))
    case 'float8':
      return scalar('float64', encodeDouble, Buffer.alloc(8))
    case 'money':
      return mapMoney(options)
    case 'numeric':
      return mapNumeric(typmod, options)
    default:
      return null
  }
}

function mapNumeric(typmod: number, options: TypeOptions): TypeMapping {
  if (options.decimal === 'double')
    return { schema: { type: 'float64' }, encode: encodeDouble, fallback: Buffer.alloc(8), unavailable: null }
  if (options.decimal === 'string') {
    return {
      schema: { type: 'string' },
      encode: encodeDecimalText(typmod < 4 ? null : (typmod - 4) & 0x7ff),
      fallback: avroBytes(Buffer.from('0')),
      unavailable: textPlaceholder(options),
    }
  }
  if (typmod < 4) {
    const schema: TypeMapping['schema'] = {
      type: 'struct',
      name: 'io.debezium.data.VariableScaleDecimal',
      version: 1,
      doc: 'Variable scaled decimal',
      fields: [
        { name: 'scale', schema: { type: 'int32', optional: false } },
        { name: 'value', schema: { type: 'bytes', optional: false } },
      ],
    }
    return { schema, encode: encodeVariableDecimal, fallback: Buffer.from([0, 2, 0]), unavailable: null }
  }
  const precision = ((typmod - 4) >> 16) & 0xffff
  // Eleven bits, and Debezium does not sign-extend them: scale −2 is 2046 (spec debezium B.10).
  const scale = (typmod - 4) & 0x7ff
  return {
    schema: decimalSchema([
      ['scale', String(scale)],
      ['connect.decimal.precision', String(precision)],
    ]),
    encode: encodeDecimal(scale),
    fallback: Buffer.from([2, 0]),
    unavailable: null,
  }
}

function mapMoney(options: TypeOptions): TypeMapping {
  if (options.decimal === 'precise') {
    return {
      schema: decimalSchema([['scale', String(options.moneyScale)]]),
      encode: encodeMoney(options.moneyScale),
      fallback: Buffer.from([2, 0]),
      unavailable: null,
    }
  }
  if (options.decimal === 'double') {
    return { schema: { type: 'float64' }, encode: encodeMoneyAs(encodeDouble), fallback: Buffer.alloc(8), unavailable: null }
  }
  return { schema: { type: 'string' }, encode: encodeMoneyAs(encodeText), fallback: avroBytes(Buffer.from('0')), unavailable: null }
}

function decimalSchema(parameters: readonly (readonly [string, string])[]): TypeMapping['schema'] {
  return { type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', version: 1, parameters }
}

/** Types shown as the server's text, and their semantic names. */
const TEXT_TYPES: Readonly<Record<string, string | null>> = {
  bpchar: null,
  varchar: null,
  text: null,
  name: null,
  char: null,
  citext: null,
  isbn: null,
  inet: null,
  cidr: null,
  macaddr: null,
  macaddr8: null,
  int4range: null,
  int8range: null,
  numrange: null,
  tsrange: null,
  tstzrange: null,
  daterange: null,
  xml: 'io.debezium.data.Xml',
  json: 'io.debezium.data.Json',
  jsonb: 'io.debezium.data.Json',
  uuid: 'io.debezium.data.Uuid',
  ltree: 'io.debezium.data.Ltree',
  tsvector: 'io.debezium.data.Tsvector',
}

function mapText(name: string, options: TypeOptions): TypeMapping | null {
  const semantic = TEXT_TYPES[name]
  if (semantic === undefined) return null
  const schema: TypeMapping['schema'] = semantic === null ? { type: 'string' } : { type: 'string', name: semantic, version: 1 }
  const common = { schema, fallback: EMPTY, unavailable: textPlaceholder(options) }
  return name === 'name' && options.quirks && !options.unknown
    ? { ...common, encode: encodeNothing, encodeSnapshot: encodeText }
    : { ...common, encode: encodeText }
}

function mapBinary(name: string, typmod: number, options: TypeOptions): TypeMapping | null {
  switch (name) {
    case 'bytea': {
      const type = options.binary === 'bytes' ? 'bytes' : 'string'
      return { schema: { type }, encode: encodeBytea(options.binary), fallback: EMPTY, unavailable: arrayPlaceholder('bytea', options) }
    }
    case 'bit':
    case 'varbit': {
      if (typmod === 1) return { schema: { type: 'boolean' }, encode: encodeBit, fallback: ZERO, unavailable: null }
      const length = typmod > 0 ? typmod : 2147483647
      const schema: TypeMapping['schema'] = {
        type: 'bytes',
        name: 'io.debezium.data.Bits',
        version: 1,
        parameters: [['length', String(length)]],
      }
      return { schema, encode: encodeBits, fallback: EMPTY, unavailable: null }
    }
    case 'hstore':
      return mapHstore(options)
    case 'interval':
      return options.interval === 'numeric'
        ? {
            schema: { type: 'int64', name: 'io.debezium.time.MicroDuration', version: 1 },
            encode: encodeMicroDuration,
            fallback: ZERO,
            unavailable: null,
          }
        : {
            schema: { type: 'string', name: 'io.debezium.time.Interval', version: 1 },
            encode: encodeIntervalText,
            fallback: avroBytes(Buffer.from('P0Y0M0DT0H0M0S')),
            unavailable: null,
          }
    case 'point': {
      const { optional: _, ...schema } = pointSchema(false)
      const zero = new GrowableSink(64)
      writePoint(zero, 0, 0)
      return { schema, encode: encodePoint, fallback: zero.copy(), unavailable: null }
    }
    default:
      return null
  }
}

function mapHstore(options: TypeOptions): TypeMapping {
  const unavailable = arrayPlaceholder('hstore', options)
  if (options.hstore === 'json') {
    const schema: TypeMapping['schema'] = { type: 'string', name: 'io.debezium.data.Json', version: 1 }
    return { schema, encode: encodeHstoreJson, fallback: avroBytes(Buffer.from('{}')), unavailable }
  }
  const keys: ConnectSchema = { type: 'string', optional: false }
  const items: ConnectSchema = { type: 'string', optional: true }
  return { schema: { type: 'map', keys, items }, encode: encodeHstoreMap, fallback: EMPTY, unavailable }
}

function mapEnum(labels: readonly string[], options: TypeOptions): TypeMapping {
  const schema: TypeMapping['schema'] = {
    type: 'string',
    name: 'io.debezium.data.Enum',
    version: 1,
    parameters: [['allowed', labels.join(',')]],
  }
  return { schema, encode: encodeText, fallback: EMPTY, unavailable: textPlaceholder(options) }
}

/** Element types whose arrays Debezium leaves out although it knows the type itself. */
const NO_ARRAY = new Set(['money', 'name', 'interval', 'bit', 'varbit', 'xml', 'point', 'tsvector', 'isbn'])

function mapArray(element: CatalogType, typmod: number, options: TypeOptions): TypeMapping | null {
  if (NO_ARRAY.has(element.name) || element.base !== null || (element.element !== null && element.name.startsWith('_'))) return null
  const of = knownType(element, typmod, options)
  if (of === null) return null
  // Elements of an enum array are not optional, all others are (spec debezium B.11).
  const optional = element.labels === null
  return {
    schema: { type: 'array', items: { ...of.schema, optional } },
    encode: encodeArray(of.encode, optional),
    ...(of.encodeSnapshot === undefined ? {} : { encodeSnapshot: encodeArray(of.encodeSnapshot, optional) }),
    fallback: EMPTY,
    unavailable: arrayPlaceholder(`_${element.name}`, options),
  }
}
