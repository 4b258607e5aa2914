import type { ValueEncoder } from '../../../contract/change.ts'
import { badValue } from '../../types/bad-value.ts'
import { encodeText } from '../../types/text.ts'
import { decimalText } from './binlog-decimal.ts'

/**
 * MySQL's binary JSON. All numbers little-endian; offsets count from the start of their object or array:
 *   document => type:u8 value
 *   object   => count size key-entry{count} value-entry{count} key-bytes value-bytes   (u16 in small, u32 in large ones)
 *   array    => count size value-entry{count} value-bytes
 *   key-entry => offset length:u16        value-entry => type:u8 (offset | value itself, when it fits)
 *   string   => length:varlen bytes       opaque => field-type:u8 length:varlen bytes
 */
const SMALL_OBJECT = 0
const LARGE_OBJECT = 1
const SMALL_ARRAY = 2
const LARGE_ARRAY = 3
const LITERAL = 4
const INT16 = 5
const UINT16 = 6
const INT32 = 7
const UINT32 = 8
const INT64 = 9
const UINT64 = 10
const DOUBLE = 11
const STRING = 12
const OPAQUE = 15

const MOST_DEPTH = 101

/** How the text looks: as the server prints it, or as Debezium's stream does. */
export interface JsonStyle {
  readonly compact: boolean
}

/** Binary JSON → text as an Avro string. */
export function binlogJson(style: JsonStyle): ValueEncoder {
  return (src, start, length, out) => {
    // Debezium has its default for a NOT NULL column in place of a document that was never written.
    const shown = length === 0 && style.compact ? '{}' : jsonText(src.subarray(start, start + length), style)
    const text = Buffer.from(shown, 'utf8')
    return encodeText(text, 0, text.length, out)
  }
}

/** Text of a JSON document; an empty one (of a row that was never filled) is null. */
export function jsonText(doc: Buffer, style: JsonStyle): string {
  if (doc.length === 0) return 'null'
  try {
    return value(doc, doc[0], 1, 0, style)
  } catch (e) {
    if (e instanceof RangeError) throw badValue('json', doc, 0, doc.length)
    throw e
  }
}

function value(b: Buffer, type: number, at: number, depth: number, style: JsonStyle): string {
  if (depth > MOST_DEPTH) throw badValue('json', b, 0, b.length)
  switch (type) {
    case SMALL_OBJECT:
    case LARGE_OBJECT:
    case SMALL_ARRAY:
    case LARGE_ARRAY:
      return container(b, type, at, depth, style)
    case LITERAL:
      return literal(b, b[at])
    case INT16:
      return String(b.readInt16LE(at))
    case UINT16:
      return String(b.readUInt16LE(at))
    case INT32:
      return String(b.readInt32LE(at))
    case UINT32:
      return String(b.readUInt32LE(at))
    case INT64:
      return String(b.readBigInt64LE(at))
    case UINT64:
      return String(b.readBigUInt64LE(at))
    case DOUBLE:
      return doubleText(b.readDoubleLE(at), style)
    case STRING: {
      const [length, from] = varlen(b, at)
      return quoted(b.toString('utf8', from, from + length), style)
    }
    case OPAQUE:
      return opaque(b, at, style)
    default:
      throw badValue('json', b, 0, b.length)
  }
}

function literal(b: Buffer, code: number): string {
  if (code === 0) return 'null'
  if (code === 1) return 'true'
  if (code === 2) return 'false'
  throw badValue('json', b, 0, b.length)
}

function container(whole: Buffer, type: number, at: number, depth: number, style: JsonStyle): string {
  const large = type === LARGE_OBJECT || type === LARGE_ARRAY
  const isObject = type === SMALL_OBJECT || type === LARGE_OBJECT
  const width = large ? 4 : 2
  const number = (p: number): number => (large ? whole.readUInt32LE(p) : whole.readUInt16LE(p))
  const count = number(at)
  const b = whole.subarray(at, at + number(at + width))
  const inner = (p: number): number => (large ? b.readUInt32LE(p) : b.readUInt16LE(p))
  const keyAt = 2 * width
  const valueAt = keyAt + (isObject ? count * (width + 2) : 0)
  const colon = style.compact ? ':' : ': '
  const parts: string[] = []
  for (let i = 0; i < count; i++) {
    const entry = valueAt + i * (width + 1)
    const t = b.readUInt8(entry)
    const inlined = t === LITERAL || t === INT16 || t === UINT16 || (large && (t === INT32 || t === UINT32))
    const text = value(b, t, inlined ? entry + 1 : inner(entry + 1), depth + 1, style)
    if (!isObject) parts.push(text)
    else {
      const k = keyAt + i * (width + 2)
      const from = inner(k)
      parts.push(`${quoted(b.toString('utf8', from, from + b.readUInt16LE(k + width)), style)}${colon}${text}`)
    }
  }
  const joined = parts.join(style.compact ? ',' : ', ')
  return isObject ? `{${joined}}` : `[${joined}]`
}

/** Seven bits a byte, least first. */
function varlen(b: Buffer, at: number): [length: number, from: number] {
  let n = 0
  for (let i = 0; i < 5; i++) {
    const byte = b.readUInt8(at + i)
    n += (byte & 0x7f) * 128 ** i
    if (byte < 128) return [n, at + i + 1]
  }
  throw badValue('json', b, 0, b.length)
}

/** Escapes as the server writes them: two-character forms where there are any, else \u00xx with lower-case digits. */
function quoted(s: string, style: JsonStyle): string {
  let out = '"'
  let from = 0
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i)
    if (c >= 32 && c !== 34 && c !== 92) continue
    out += s.slice(from, i) + escaped(c, style)
    from = i + 1
  }
  return `${out}${s.slice(from)}"`
}

const SHORT: Readonly<Record<number, string>> = { 8: '\\b', 9: '\\t', 10: '\\n', 12: '\\f', 13: '\\r', 34: '\\"', 92: '\\\\' }

function escaped(c: number, style: JsonStyle): string {
  const hex = c.toString(16).padStart(4, '0')
  return SHORT[c] ?? `\\u${style.compact ? hex.toUpperCase() : hex}`
}

/**
 * The server prints the shortest text. So does Debezium, as long as Java prints it without an exponent (from 0.001 to 10^7); beyond, it prints
 * the exact value of the bits (java.math.BigDecimal).
 */
function doubleText(v: number, style: JsonStyle): string {
  if (style.compact) {
    const size = Math.abs(v)
    if (v !== 0 && (size < 1e-3 || size >= 1e7)) return exactDecimal(v)
    if (!Number.isInteger(v)) return String(v)
    return Object.is(v, -0) ? '-0.0' : `${v}.0`
  }
  if (Number.isInteger(v) && Math.abs(v) < 1e15) return Object.is(v, -0) ? '-0.0' : `${v}.0`
  const text = v.toString()
  const m = /^(-?)(\d)(?:\.(\d+))?e([+-])(\d+)$/.exec(text)
  if (m === null) return shortestServer(text)
  const [, sign, first, rest = '', exponentSign, exponent] = m
  return serverNumber(sign, first + rest, (exponentSign === '-' ? -1 : 1) * Number(exponent))
}

function shortestServer(text: string): string {
  const m = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (m === null) return text
  const [, sign, whole, fraction = ''] = m
  const digits = (whole + fraction).replace(/^0+/, '')
  const zeros = (whole + fraction).length - digits.length
  return serverNumber(sign, digits.replace(/0+$/, ''), whole.length - 1 - zeros)
}

/** my_gcvt with 17 significant digits' room: plain unless the exponent makes it longer than 22 characters or so. */
function serverNumber(sign: string, digits: string, exponent: number): string {
  const d = digits === '' ? '0' : digits
  if (exponent >= -10 && exponent < 15) {
    if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${d}`
    if (d.length <= exponent + 1) return `${sign}${d}${'0'.repeat(exponent + 1 - d.length)}.0`
    return `${sign}${d.slice(0, exponent + 1)}.${d.slice(exponent + 1)}`
  }
  return `${sign}${d[0]}${d.length > 1 ? `.${d.slice(1)}` : ''}e${exponent}`
}

/** The exact decimal expansion of a double, without an exponent. */
export function exactDecimal(v: number): string {
  if (v === 0) return '0'
  const buf = Buffer.alloc(8)
  buf.writeDoubleBE(v)
  const bits = buf.readBigUInt64BE()
  const raw = Number((bits >> 52n) & 0x7ffn)
  const mantissa = (bits & 0xfffffffffffffn) | (raw === 0 ? 0n : 0x10000000000000n)
  const exponent = (raw === 0 ? 1 : raw) - 1075
  const sign = v < 0 ? '-' : ''
  if (exponent >= 0) return `${sign}${mantissa << BigInt(exponent)}`
  let m = mantissa
  let e = -exponent
  while (e > 0 && (m & 1n) === 0n) {
    m >>= 1n
    e--
  }
  if (e === 0) return `${sign}${m}`
  const digits = (m * 5n ** BigInt(e)).toString().padStart(e + 1, '0')
  return `${sign}${digits.slice(0, -e)}.${digits.slice(-e)}`
}

/** Values of SQL types inside JSON: DECIMAL, dates and times in packed form, everything else as base64. */
function opaque(b: Buffer, at: number, style: JsonStyle): string {
  const type = b.readUInt8(at)
  const [length, from] = varlen(b, at + 1)
  const bytes = b.subarray(from, from + length)
  if (bytes.length < length) throw badValue('json', b, 0, b.length)
  switch (type) {
    case 246: {
      const into = Buffer.alloc(bytes[0] + 4)
      return into.toString('latin1', 0, decimalText(bytes, 2, bytes[0], bytes[1], into))
    }
    case 10:
    case 7:
    case 12:
      return `"${packedDatetime(bytes.readBigInt64LE(0), type === 10, style)}"`
    case 11:
      return `"${packedTime(bytes.readBigInt64LE(0), style)}"`
    default: {
      const base64 = bytes.toString('base64')
      return style.compact ? `"${base64}"` : `"base64:type${type}:${base64}"`
    }
  }
}

const two = (n: number): string => String(n).padStart(2, '0')

function fractionText(micros: number, style: JsonStyle): string {
  const six = String(micros).padStart(6, '0')
  if (!style.compact) return `.${six}`
  const short = six.replace(/0+$/, '')
  return short === '' ? '' : `.${short}`
}

/** packed => ((year * 13 + month) << 5 | day) << 17 | hour << 12 | minute << 6 | second, then 24 bits of µs. */
function packedDatetime(packed: bigint, dateOnly: boolean, style: JsonStyle): string {
  const micros = Number(packed & 0xffffffn)
  const v = packed >> 24n
  const hms = Number(v & 0x1ffffn)
  const ymd = Number(v >> 17n)
  const ym = ymd >> 5
  const date = `${String(Math.floor(ym / 13)).padStart(4, '0')}-${two(ym % 13)}-${two(ymd & 31)}`
  if (dateOnly) return date
  return `${date} ${two(hms >> 12)}:${two((hms >> 6) & 63)}:${two(hms & 63)}${fractionText(micros, style)}`
}

function packedTime(packed: bigint, style: JsonStyle): string {
  const v = packed < 0n ? -packed : packed
  const micros = Number(v & 0xffffffn)
  const hms = Number(v >> 24n)
  const text = `${two((hms >> 12) & 0x3ff)}:${two((hms >> 6) & 63)}:${two(hms & 63)}${fractionText(micros, style)}`
  return packed < 0n ? `-${text}` : text
}
