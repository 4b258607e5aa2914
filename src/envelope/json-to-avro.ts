import type { ByteSink } from '../contract/change.ts'
import type { ConnectSchema } from '../contract/connect-schema.ts'
import { writeAll } from '../format/bytes/growable-sink.ts'
import { writeZigzag32, writeZigzagBigInt } from '../format/bytes/varint.ts'
import { isJsonObject, type JsonValue, NumberText } from './exact-json.ts'

/** Why a value has no place in its schema. */
export class NotOfSchema extends Error {}

/**
 * Writes a payload of JsonConverter as the Avro binary of its Connect schema (whose defaults were left out: an optional field is a union
 * that begins with null). Decimals may be base64 of their unscaled value or numbers (decimal.format). Throws NotOfSchema.
 */
export function writeJsonAsAvro(schema: ConnectSchema, value: JsonValue | undefined, out: ByteSink): void {
  const absent = value === null || value === undefined
  if (schema.optional) writeZigzag32(out, absent ? 0 : 1)
  if (!absent) writeValue(schema, value, out)
  else if (!schema.optional) throw new NotOfSchema('null in a field that is not optional')
}

function writeValue(schema: ConnectSchema, value: Exclude<JsonValue, null>, out: ByteSink): void {
  switch (schema.type) {
    case 'struct':
      if (!isJsonObject(value)) throw mismatch(schema, value)
      for (const f of schema.fields ?? []) writeJsonAsAvro(f.schema, value[f.name], out)
      return
    case 'array':
      if (!Array.isArray(value)) throw mismatch(schema, value)
      writeBlocks(value, out, (item) => writeJsonAsAvro(schema.items!, item, out))
      return
    case 'map':
      writeMap(schema, value, out)
      return
    default:
      writeScalar(schema, value, out)
      return
  }
}

/** Maps with text keys are objects, others arrays of pairs. */
function writeMap(schema: ConnectSchema, value: Exclude<JsonValue, null>, out: ByteSink): void {
  const pairs = isJsonObject(value) ? Object.entries(value) : value
  if (!Array.isArray(pairs) || schema.keys?.type !== 'string') throw mismatch(schema, value)
  writeBlocks(pairs as readonly (readonly [string, JsonValue])[], out, ([key, item]) => {
    writeBytes(Buffer.from(key, 'utf8'), out)
    writeJsonAsAvro(schema.items!, item, out)
  })
}

function writeBlocks<T>(items: readonly T[], out: ByteSink, write: (item: T) => void): void {
  if (items.length > 0) {
    writeZigzag32(out, items.length)
    for (const item of items) write(item)
  }
  writeZigzag32(out, 0)
}

function writeScalar(schema: ConnectSchema, value: Exclude<JsonValue, null>, out: ByteSink): void {
  switch (schema.type) {
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      if (typeof value !== 'bigint' || BigInt.asIntN(BITS[schema.type], value) !== value) throw mismatch(schema, value)
      writeZigzagBigInt(out, value)
      return
    case 'float32':
    case 'float64':
      writeFloat(schema, numberOf(schema, value), out)
      return
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(schema, value)
      out.reserve(1)
      out.buf[out.pos++] = value ? 1 : 0
      return
    case 'string':
      if (typeof value !== 'string') throw mismatch(schema, value)
      writeBytes(Buffer.from(value, 'utf8'), out)
      return
    case 'bytes':
      writeBytes(bytesOf(schema, value), out)
      return
    default:
      throw mismatch(schema, value)
  }
}

const BITS = { int8: 8, int16: 16, int32: 32, int64: 64 } as const

function numberOf(schema: ConnectSchema, value: Exclude<JsonValue, null>): number {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof NumberText) return Number(value.text)
  // What JSON has no number for is written as text.
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value)
  throw mismatch(schema, value)
}

function writeFloat(schema: ConnectSchema, value: number, out: ByteSink): void {
  out.reserve(8)
  out.pos = schema.type === 'float32' ? out.buf.writeFloatLE(value, out.pos) : out.buf.writeDoubleLE(value, out.pos)
}

function bytesOf(schema: ConnectSchema, value: Exclude<JsonValue, null>): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'base64')
  if (schema.name !== 'org.apache.kafka.connect.data.Decimal') throw mismatch(schema, value)
  const scale = Number(schema.parameters?.find(([k]) => k === 'scale')?.[1] ?? '0')
  if (typeof value === 'bigint') return unscaledBytes(value * 10n ** BigInt(scale))
  if (value instanceof NumberText) return unscaledBytes(unscaled(value.text, scale))
  throw mismatch(schema, value)
}

/** The integer that a decimal text is at this scale. */
function unscaled(text: string, scale: number): bigint {
  const m = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text)
  const fraction = m?.[3] ?? ''
  const shift = scale - fraction.length + Number(m?.[4] ?? '0')
  if (m === null) throw new NotOfSchema(`${text} is no decimal`)
  const digits = BigInt(`${m[1]}${m[2]}${fraction}`)
  if (shift >= 0) return digits * 10n ** BigInt(shift)
  const divisor = 10n ** BigInt(-shift)
  if (digits % divisor !== 0n) throw new NotOfSchema(`${text} has more than ${scale} places`)
  return digits / divisor
}

/** Two's complement, big-endian, as short as it can be. */
function unscaledBytes(value: bigint): Buffer {
  let length = 1
  while (BigInt.asIntN(length * 8, value) !== value) length++
  return Buffer.from(
    BigInt.asUintN(length * 8, value)
      .toString(16)
      .padStart(length * 2, '0'),
    'hex',
  )
}

function writeBytes(bytes: Buffer, out: ByteSink): void {
  writeZigzag32(out, bytes.length)
  writeAll(out, bytes)
}

function mismatch(schema: ConnectSchema, value: JsonValue): NotOfSchema {
  const shown = value instanceof NumberText ? value.text : typeof value === 'object' ? 'a structure' : String(value).slice(0, 40)
  return new NotOfSchema(`${shown} is no ${schema.name ?? schema.type}`)
}
