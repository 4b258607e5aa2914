import { assert, Failure } from '../failure/failure.ts'
import { type AvroNode, nonNull } from '../format/avro/avro-node.ts'
import { compileSkip } from '../format/avro/skip.ts'
import type { ByteCursor } from '../format/bytes/cursor.ts'
import { BytesBuilder, type ColumnBuilder, FixedBuilder, ListBuilder, MapBuilder } from '../format/columns/builders.ts'
import { isoMicros, NO_TIMESTAMP } from './iso-timestamp.ts'

/** Moves one value from the cursor to the column's builder. */
export type ColumnDecoder = (c: ByteCursor) => void

/** Values that the lake cannot hold and shows as null: infinite dates and timestamps, timestamps beyond int64 of µs. */
export interface DecodeCounters {
  infinite: number
}

/** The decoder of one field into `builder` (made by columnBuilder for the field's lake type). */
export function compileColumn(field: AvroNode, builder: ColumnBuilder, counters: DecodeCounters): ColumnDecoder {
  const { node, nullBranch } = nonNull(field)
  const value = compileValue(node, builder, counters)
  if (nullBranch < 0) return value
  const nullByte = nullBranch * 2
  return (c) => {
    if (c.buf[c.pos++] === nullByte) builder.appendNull()
    else value(c)
  }
}

function compileValue(node: AvroNode, b: ColumnBuilder, counters: DecodeCounters): ColumnDecoder {
  const special = compileSemantic(node, b, counters)
  if (special !== null) return special
  if (b instanceof FixedBuilder) return compileFixed(node, b)
  if (b instanceof ListBuilder && node.kind === 'array') {
    const item = compileColumn(node.items, b.element, counters)
    return blocks(b, item)
  }
  if (b instanceof MapBuilder && node.kind === 'map') {
    const value = compileColumn(node.items, b.value, counters)
    return blocks(b, (c) => {
      appendBytes(c, b.key)
      value(c)
    })
  }
  assert(b instanceof BytesBuilder && (node.kind === 'string' || node.kind === 'bytes'), 'a builder fits its schema')
  return (c) => appendBytes(c, b)
}

function compileFixed(node: AvroNode, b: FixedBuilder): ColumnDecoder {
  switch (node.kind) {
    case 'boolean':
      return (c) => b.appendByte(c.buf[c.pos++])
    case 'int':
      return (c) => b.appendI32(c.zigzag32())
    case 'long':
      return (c) => {
        c.zigzag64()
        b.appendI64(c.hi, c.lo)
      }
    case 'float':
    case 'double': {
      const size = node.kind === 'float' ? 4 : 8
      return (c) => {
        c.skip(size)
        b.appendRaw(c.buf, c.pos - size)
      }
    }
    default:
      throw new Failure('TRB-ENV-003', { field: '', schema: node.name ?? '', type: node.kind })
  }
}

function compileSemantic(node: AvroNode, b: ColumnBuilder, counters: DecodeCounters): ColumnDecoder | null {
  switch (node.name) {
    case 'io.debezium.time.Date':
    case 'org.apache.kafka.connect.data.Date':
      return dateDecoder(b as FixedBuilder, counters)
    case 'io.debezium.time.Time':
    case 'org.apache.kafka.connect.data.Time':
      return (c) => appendNumber(b as FixedBuilder, c.zigzag32() * 1000)
    case 'io.debezium.time.NanoTime':
      return (c) => appendNumber(b as FixedBuilder, Math.floor(c.zigzagNumber() / 1000))
    case 'io.debezium.time.Timestamp':
    case 'org.apache.kafka.connect.data.Timestamp':
      return millisDecoder(b as FixedBuilder, counters)
    case 'io.debezium.time.MicroTimestamp':
      return microsDecoder(b as FixedBuilder, counters)
    case 'io.debezium.time.NanoTimestamp':
      return nanosDecoder(b as FixedBuilder, counters)
    case 'io.debezium.time.ZonedTimestamp':
      return zonedDecoder(b as FixedBuilder, counters)
    case 'org.apache.kafka.connect.data.Decimal':
      return b instanceof FixedBuilder ? decimalDecoder(b) : decimalTextDecoder(b as BytesBuilder, Number(node.parameters['scale'] ?? '0'))
    case 'io.debezium.data.VariableScaleDecimal':
      return variableDecimalDecoder(b as BytesBuilder)
    case 'io.debezium.data.geometry.Point':
    case 'io.debezium.data.geometry.Geometry':
    case 'io.debezium.data.geometry.Geography':
      return wkbDecoder(node, b as BytesBuilder)
    default:
      return null
  }
}

function appendBytes(c: ByteCursor, b: BytesBuilder): void {
  const n = c.length()
  b.append(c.buf, c.pos, n)
  c.pos += n
}

function blocks(b: ListBuilder | MapBuilder, item: ColumnDecoder): ColumnDecoder {
  return (c) => {
    for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
      if (n < 0) {
        c.zigzag64()
        n = -n
      }
      for (let i = 0; i < n; i++) item(c)
    }
    b.end()
  }
}

/** A safe integer as int64. */
function appendNumber(b: FixedBuilder, v: number): void {
  b.appendI64(Math.floor(v / 4294967296), v >>> 0)
}

/** Beyond int64 (PG's timestamps end in 294276, an int64 of µs in 294247) there is no value. */
function appendBig(b: FixedBuilder, v: bigint, counters: DecodeCounters): void {
  if (BigInt.asIntN(64, v) !== v) {
    counters.infinite++
    b.appendNull()
  } else b.appendI64(Number((v >> 32n) & 0xffffffffn), Number(v & 0xffffffffn))
}

/** The four numbers that stand for ±infinity: of the stream and of a Java snapshot. */
function dateDecoder(b: FixedBuilder, counters: DecodeCounters): ColumnDecoder {
  return (c) => {
    const days = c.zigzag32()
    if (days < -622191233 && (days === -2147472692 || days === -2147472691 || days === -622191234 || days === -625821272)) {
      counters.infinite++
      b.appendNull()
    } else b.appendI32(days)
  }
}

function millisDecoder(b: FixedBuilder, counters: DecodeCounters): ColumnDecoder {
  return (c) => {
    const ms = c.zigzagNumber()
    if (ms > -9007199254740 && ms < 9007199254740) appendNumber(b, ms * 1000)
    else if (ms === 9223372036825200 || ms === -9223372036832400) {
      counters.infinite++
      b.appendNull()
    } else appendBig(b, BigInt(ms) * 1000n, counters)
  }
}

const POSITIVE = 9223372036825200000n
const NEGATIVE = -9223372036832400000n
const POSITIVE_HI = Number(POSITIVE >> 32n)
const NEGATIVE_HI = Number(BigInt.asUintN(32, NEGATIVE >> 32n))

function microsDecoder(b: FixedBuilder, counters: DecodeCounters): ColumnDecoder {
  return (c) => {
    c.zigzag64()
    if (c.hi === POSITIVE_HI || c.hi === NEGATIVE_HI) {
      const v = (BigInt(c.hi | 0) << 32n) | BigInt(c.lo)
      if (v === POSITIVE || v === NEGATIVE) {
        counters.infinite++
        b.appendNull()
        return
      }
    }
    b.appendI64(c.hi, c.lo)
  }
}

function nanosDecoder(b: FixedBuilder, counters: DecodeCounters): ColumnDecoder {
  return (c) => {
    c.zigzag64()
    const ns = (BigInt(c.hi | 0) << 32n) | BigInt(c.lo)
    if (ns === 9223372036854775807n || ns === -9223372036854775808n) {
      counters.infinite++
      b.appendNull()
    } else appendBig(b, ns >= 0n ? ns / 1000n : -((-ns + 999n) / 1000n), counters)
  }
}

function zonedDecoder(b: FixedBuilder, counters: DecodeCounters): ColumnDecoder {
  return (c) => {
    const n = c.length()
    const micros = isoMicros(c.buf, c.pos, n)
    c.pos += n
    if (micros === NO_TIMESTAMP) {
      counters.infinite++
      b.appendNull()
    } else if (typeof micros === 'number') appendNumber(b, micros)
    else appendBig(b, micros, counters)
  }
}

function decimalDecoder(b: FixedBuilder): ColumnDecoder {
  return (c) => {
    const n = c.length()
    assert(n <= b.width, 'a decimal stays within its precision')
    b.appendSigned(c.buf, c.pos, n)
    c.pos += n
  }
}

function decimalTextDecoder(b: BytesBuilder, scale: number): ColumnDecoder {
  return (c) => {
    const n = c.length()
    appendDecimalText(b, c.buf, c.pos, n, scale)
    c.pos += n
  }
}

function variableDecimalDecoder(b: BytesBuilder): ColumnDecoder {
  return (c) => {
    const scale = c.zigzag32()
    const n = c.length()
    appendDecimalText(b, c.buf, c.pos, n, scale)
    c.pos += n
  }
}

/** Plain decimal text of a two's complement unscaled value. */
function appendDecimalText(b: BytesBuilder, buf: Buffer, start: number, length: number, scale: number): void {
  let digits: string
  let negative: boolean
  if (length <= 6) {
    const v = length === 0 ? 0 : buf.readIntBE(start, length)
    negative = v < 0
    digits = String(Math.abs(v))
  } else {
    const v = BigInt.asIntN(length * 8, BigInt(`0x${buf.toString('hex', start, start + length)}`))
    negative = v < 0n
    digits = String(negative ? -v : v)
  }
  if (scale > 0) {
    digits = digits.padStart(scale + 1, '0')
    digits = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
  }
  const text = Buffer.from(negative ? `-${digits}` : digits, 'latin1')
  b.append(text, 0, text.length)
}

/** Only the well-known bytes of a geometry struct. */
function wkbDecoder(node: AvroNode, b: BytesBuilder): ColumnDecoder {
  assert(node.kind === 'record', 'a geometry is a record')
  const steps = node.fields.map((f) => {
    if (f.name !== 'wkb') return compileSkip(f.node)
    const { nullBranch } = nonNull(f.node)
    return (c: ByteCursor): void => {
      if (nullBranch >= 0 && c.buf[c.pos++] === nullBranch * 2) b.appendNull()
      else appendBytes(c, b)
    }
  })
  return (c) => {
    for (const step of steps) step(c)
  }
}
