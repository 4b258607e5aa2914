import type { FixedVector, LakeType } from '../../contract/columns.ts'
import { Failure } from '../../failure/failure.ts'
import { decimalWidth } from '../columns/decimal-width.ts'
import type { DenseFixed } from './chunk-reader.ts'
import { type DictionaryVector, int32View, type PlainVector, plainOfDictionary } from './column.ts'
import { CONVERTED, PHYSICAL, type SchemaElement } from './metadata.ts'
import type { LeafNode } from './schema.ts'

/**
 * Values of a file in the form the table's type has now: the same bytes where the file was written with that type, widened
 * where the table has grown (int → long, float → double, decimal → wider decimal), converted where other writers store the
 * type differently (INT32/INT64 decimals, INT96, millisecond and nanosecond timestamps).
 */
export function conformFixed(dense: DenseFixed, n: number, node: LeafNode, type: LakeType, file: string): FixedVector {
  const { element } = node
  const data = dense.data.subarray(0, n * dense.width)
  const as = (width: number, bytes: Buffer): FixedVector => ({ kind: 'fixed', width, data: bytes, valid: null })
  switch (type.kind) {
    case 'boolean':
      if (element.type === PHYSICAL.boolean) return as(1, data)
      break
    case 'int':
    case 'date':
      if (element.type === PHYSICAL.int32) return as(4, data)
      break
    case 'long':
      if (element.type === PHYSICAL.int64) return as(8, data)
      if (element.type === PHYSICAL.int32) return as(8, longsOfInts(data, n))
      break
    case 'float':
      if (element.type === PHYSICAL.float) return as(4, data)
      break
    case 'double':
      if (element.type === PHYSICAL.double) return as(8, data)
      if (element.type === PHYSICAL.float) return as(8, doublesOf(new Float32Array(bytesCopy(data)), n))
      if (element.type === PHYSICAL.int32) return as(8, doublesOf(int32View(data, n), n))
      break
    case 'time-micros':
      if (element.type === PHYSICAL.int64) return as(8, scaledLongs(data, n, unitOf(element)))
      if (element.type === PHYSICAL.int32) return as(8, scaledLongs(longsOfInts(data, n), n, 'ms'))
      break
    case 'timestamp-micros':
      if (element.type === PHYSICAL.int64) return as(8, scaledLongs(data, n, unitOf(element)))
      if (element.type === PHYSICAL.int96) return as(8, microsOfInt96(data, n))
      break
    case 'decimal':
      return decimal(data, dense.width, n, element, type.precision, type.scale, file)
  }
  throw mismatch(node, type, file)
}

/** Byte strings: `string` and `bytes` are the same bytes; decimals of variable length become fixed. */
export function conformBytes(
  dense: PlainVector | DictionaryVector,
  node: LeafNode,
  type: LakeType,
  file: string,
): PlainVector | DictionaryVector | FixedVector {
  if (type.kind === 'string' || type.kind === 'bytes') return dense
  if (type.kind === 'decimal' && node.element.type === PHYSICAL.bytes) {
    const plain = dense.kind === 'dictionary' ? plainOfDictionary(dense) : dense
    return variableDecimal(plain, node, type, file)
  }
  throw mismatch(node, type, file)
}

function mismatch(node: LeafNode, type: LakeType, file: string): Failure {
  return new Failure('TRB-LAKE-402', {
    file,
    feature: `column ${node.path.join('.')} as ${type.kind} (physical type ${node.element.type})`,
  })
}

function bytesCopy(data: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(data.length)
  copy.set(data)
  return copy.buffer
}

function longsOfInts(data: Buffer, n: number): Buffer {
  const ints = int32View(data, n)
  const out = new Int32Array(n * 2)
  for (let i = 0; i < n; i++) {
    out[i * 2] = ints[i]
    out[i * 2 + 1] = ints[i] >> 31
  }
  return Buffer.from(out.buffer)
}

function doublesOf(values: Float32Array | Int32Array, n: number): Buffer {
  const out = new Float64Array(n)
  for (let i = 0; i < n; i++) out[i] = values[i]
  return Buffer.from(out.buffer)
}

function unitOf(element: SchemaElement): 'ms' | 'us' | 'ns' {
  const l = element.logical
  if (l?.kind === 'timestamp' || l?.kind === 'time') return l.unit
  return element.converted === CONVERTED.timestampMillis ? 'ms' : 'us'
}

function scaledLongs(data: Buffer, n: number, unit: 'ms' | 'us' | 'ns'): Buffer {
  if (unit === 'us') return data
  const values = new BigInt64Array(bytesCopy(data.subarray(0, n * 8)))
  for (let i = 0; i < n; i++) {
    // nanoseconds are rounded down, also before 1970
    const x = values[i]
    values[i] = unit === 'ms' ? x * 1000n : (x - (((x % 1000n) + 1000n) % 1000n)) / 1000n
  }
  return Buffer.from(values.buffer)
}

/** INT96: nanoseconds of the day as i64le, Julian day as i32le. */
function microsOfInt96(data: Buffer, n: number): Buffer {
  const out = Buffer.allocUnsafe(n * 8)
  for (let i = 0; i < n; i++) {
    const nanos = data.readBigInt64LE(i * 12)
    const day = data.readInt32LE(i * 12 + 8) - 2440588
    out.writeBigInt64LE(BigInt(day) * 86_400_000_000n + nanos / 1000n, i * 8)
  }
  return out
}

function decimal(data: Buffer, width: number, n: number, e: SchemaElement, precision: number, scale: number, file: string): FixedVector {
  const to = decimalWidth(precision)
  const storedScale = e.logical?.kind === 'decimal' ? e.logical.scale : e.scale
  const isDecimal = e.logical?.kind === 'decimal' || e.converted === CONVERTED.decimal
  if (!isDecimal && e.type === PHYSICAL.fixed) throw new Failure('TRB-LAKE-402', { file, feature: `column ${e.name} as decimal` })
  if (e.type === PHYSICAL.fixed && width === to && storedScale === scale) return { kind: 'fixed', width, data, valid: null }
  const read: (i: number) => bigint =
    e.type === PHYSICAL.int32
      ? (i) => BigInt(data.readInt32LE(i * 4))
      : e.type === PHYSICAL.int64
        ? (i) => data.readBigInt64LE(i * 8)
        : (i) => signedBigEndian(data, i * width, (i + 1) * width)
  const factor = isDecimal ? scale - storedScale : scale
  if (factor < 0) throw new Failure('TRB-LAKE-402', { file, feature: `column ${e.name} with more decimal places than the table's` })
  const up = 10n ** BigInt(factor)
  const out = Buffer.allocUnsafeSlow(n * to)
  for (let i = 0; i < n; i++) putBigEndian(read(i) * up, out, i * to, to)
  return { kind: 'fixed', width: to, data: out, valid: null }
}

function variableDecimal(v: PlainVector, node: LeafNode, type: { precision: number; scale: number }, file: string): FixedVector {
  const l = node.element.logical
  const stored = l?.kind === 'decimal' ? l.scale : node.element.converted === CONVERTED.decimal ? node.element.scale : null
  if (stored !== type.scale) throw new Failure('TRB-LAKE-402', { file, feature: `column ${node.path.join('.')} as decimal` })
  const to = decimalWidth(type.precision)
  const n = v.starts.length - 1
  const out = Buffer.allocUnsafeSlow(n * to)
  for (let i = 0; i < n; i++) putBigEndian(signedBigEndian(v.data, v.starts[i] + 4, v.starts[i + 1]), out, i * to, to)
  return { kind: 'fixed', width: to, data: out, valid: null }
}

function signedBigEndian(data: Buffer, from: number, to: number): bigint {
  if (from === to) return 0n
  let x = BigInt((data[from] << 24) >> 24)
  for (let i = from + 1; i < to; i++) x = (x << 8n) | BigInt(data[i])
  return x
}

function putBigEndian(value: bigint, out: Buffer, at: number, width: number): void {
  let x = value
  for (let i = width - 1; i >= 0; i--) {
    out[at + i] = Number(x & 255n)
    x >>= 8n
  }
}
