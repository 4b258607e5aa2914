import fc from 'fast-check'
import type { LakeType, Vector } from '../../../src/contract/columns.ts'
import { decimalWidth } from '../../../src/format/columns/decimal-width.ts'

/**
 * JavaScript values for lake types, for tests only: boolean; number for int, float, double and date (days); bigint for long,
 * time, timestamp (µs) and decimal (unscaled); string; Buffer; array for list; array of [key, value] for map;
 * array of the fields' values for struct; null.
 */
export type Value = null | boolean | number | bigint | string | Buffer | Value[] | [string, Value][]

const WIDTH: Record<string, number> = { boolean: 1, int: 4, date: 4, float: 4, long: 8, double: 8, 'time-micros': 8, 'timestamp-micros': 8 }

export function vectorOf(type: LakeType, values: readonly Value[]): Vector {
  const n = values.length
  const some = values.some((v) => v === null)
  const valid = some ? Uint8Array.from(values, (v) => (v === null ? 0 : 1)) : null
  if (type.kind === 'list') {
    const offsets = offsetsOf(values.map((v) => (v === null ? 0 : (v as Value[]).length)))
    return {
      kind: 'list',
      offsets,
      valid,
      element: vectorOf(
        type.element,
        values.flatMap((v) => (v as Value[] | null) ?? []),
      ),
    }
  }
  if (type.kind === 'map') {
    const entries = values.flatMap((v) => (v as [string, Value][] | null) ?? [])
    const offsets = offsetsOf(values.map((v) => (v === null ? 0 : (v as Value[]).length)))
    const key = vectorOf(
      { kind: 'string' },
      entries.map((e) => e[0]),
    )
    if (key.kind !== 'bytes') throw new Error('keys are strings')
    return {
      kind: 'map',
      offsets,
      valid,
      key,
      value: vectorOf(
        type.value,
        entries.map((e) => e[1]),
      ),
    }
  }
  if (type.kind === 'struct') {
    const of = (f: number): Value[] => values.map((v) => (v === null ? null : (v as Value[])[f]))
    return { kind: 'struct', count: n, valid, fields: type.fields.map((f, i) => vectorOf(f.type, of(i))) }
  }
  if (type.kind === 'string' || type.kind === 'bytes') {
    const parts = values.map((v) => (v === null ? Buffer.alloc(0) : Buffer.from(v as string | Buffer)))
    return { kind: 'bytes', data: Buffer.concat(parts), offsets: offsetsOf(parts.map((p) => p.length)), valid }
  }
  const width = type.kind === 'decimal' ? decimalWidth(type.precision) : WIDTH[type.kind]
  const data = Buffer.alloc(n * width)
  values.forEach((v, i) => {
    if (v !== null) put(type, v, data, i * width, width)
  })
  return { kind: 'fixed', width, data, valid }
}

function put(type: LakeType, v: Value, data: Buffer, at: number, width: number): void {
  if (type.kind === 'boolean') data[at] = v ? 1 : 0
  else if (type.kind === 'float') data.writeFloatLE(v as number, at)
  else if (type.kind === 'double') data.writeDoubleLE(v as number, at)
  else if (width === 4 && type.kind !== 'decimal') data.writeInt32LE(v as number, at)
  else if (type.kind !== 'decimal') data.writeBigInt64LE(v as bigint, at)
  else for (let i = width - 1, x = v as bigint; i >= 0; i--, x >>= 8n) data[at + i] = Number(x & 255n)
}

function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1)
  lengths.forEach((l, i) => {
    offsets[i + 1] = offsets[i] + l
  })
  return offsets
}

export function valuesOf(type: LakeType, v: Vector, to: number, from = 0): Value[] {
  const out: Value[] = []
  for (let i = from; i < to; i++) out.push(v.valid !== null && v.valid[i] === 0 ? null : valueAt(type, v, i))
  return out
}

function valueAt(type: LakeType, v: Vector, i: number): Value {
  if (v.kind === 'list' && type.kind === 'list') {
    return valuesOf(type.element, v.element, v.offsets[i + 1], v.offsets[i])
  }
  if (v.kind === 'map' && type.kind === 'map') {
    const keys = valuesOf({ kind: 'string' }, v.key, v.offsets[i + 1], v.offsets[i]) as string[]
    const values = valuesOf(type.value, v.value, v.offsets[i + 1], v.offsets[i])
    return keys.map((k, j) => [k, values[j]] as [string, Value])
  }
  if (v.kind === 'struct' && type.kind === 'struct') return type.fields.map((f, k) => valuesOf(f.type, v.fields[k], i + 1, i)[0])
  if (v.kind === 'bytes') {
    const b = Buffer.from(v.data.subarray(v.offsets[i], v.offsets[i + 1]))
    return type.kind === 'string' ? b.toString('utf8') : b
  }
  if (v.kind !== 'fixed') throw new Error(`a ${v.kind} vector for ${type.kind}`)
  const at = i * v.width
  if (type.kind === 'boolean') return v.data[at] === 1
  if (type.kind === 'float') return v.data.readFloatLE(at)
  if (type.kind === 'double') return v.data.readDoubleLE(at)
  if (type.kind === 'int' || type.kind === 'date') return v.data.readInt32LE(at)
  if (type.kind !== 'decimal') return v.data.readBigInt64LE(at)
  let x = BigInt(v.data.readInt8(at))
  for (let k = 1; k < v.width; k++) x = (x << 8n) | BigInt(v.data[at + k])
  return x
}

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('', 'new', 'paid', 'void', 'Zürich') },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.string({ minLength: 200, maxLength: 400 }) },
)

const scalar: fc.Arbitrary<LakeType> = fc.oneof(
  fc.constantFrom<LakeType>(
    { kind: 'boolean' },
    { kind: 'int' },
    { kind: 'long' },
    { kind: 'float' },
    { kind: 'double' },
    { kind: 'string' },
    { kind: 'bytes' },
    { kind: 'date' },
    { kind: 'time-micros' },
    { kind: 'timestamp-micros' },
  ),
  fc
    .integer({ min: 1, max: 38 })
    .chain((precision) => fc.integer({ min: 0, max: precision }).map((scale) => ({ kind: 'decimal' as const, precision, scale }))),
)

export const anyType: fc.Arbitrary<LakeType> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 1, arbitrary: scalar.map((element) => ({ kind: 'list' as const, element })) },
  { weight: 1, arbitrary: scalar.map((value) => ({ kind: 'map' as const, value })) },
  { weight: 1, arbitrary: scalar.map((element) => ({ kind: 'list' as const, element: { kind: 'list' as const, element } })) },
  { weight: 1, arbitrary: fc.tuple(scalar, scalar).map(([a, b]) => structOf(a, { kind: 'list', element: b })) },
  { weight: 1, arbitrary: fc.tuple(scalar, scalar).map(([a, b]) => ({ kind: 'list' as const, element: structOf(structOf(a), b) })) },
  { weight: 1, arbitrary: scalar.map((a) => ({ kind: 'map' as const, value: structOf({ kind: 'map', value: a }, a) })) },
)

function structOf(...types: LakeType[]): LakeType {
  return { kind: 'struct', fields: types.map((type, i) => ({ name: `f${i}`, type })) }
}

/** Values of a type, null included. */
export function anyValue(type: LakeType): fc.Arbitrary<Value> {
  return fc.option(present(type), { freq: 4, nil: null })
}

function present(type: LakeType): fc.Arbitrary<Value> {
  switch (type.kind) {
    case 'boolean':
      return fc.boolean()
    case 'int':
      return fc.integer()
    case 'date':
      return fc.integer({ min: -700_000, max: 2_900_000 })
    case 'long':
      return fc.oneof(fc.bigInt(-(1n << 63n), (1n << 63n) - 1n), fc.constantFrom(2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, -1n, 0n))
    case 'time-micros':
      return fc.bigInt(0n, 86_399_999_999n)
    case 'timestamp-micros':
      return fc.bigInt(-62_135_596_800_000_000n, 253_402_300_799_999_999n)
    case 'float':
      return fc.float()
    case 'double':
      return fc.double()
    case 'decimal':
      return fc.bigInt(-(10n ** BigInt(type.precision)) + 1n, 10n ** BigInt(type.precision) - 1n)
    case 'string':
      return text
    case 'bytes':
      return fc.uint8Array({ maxLength: 20 }).map((b) => Buffer.from(b))
    case 'list':
      return fc.array(anyValue(type.element), { maxLength: 4 })
    case 'struct':
      return fc.tuple(...type.fields.map((f) => anyValue(f.type)))
    case 'map':
      return fc.uniqueArray(fc.tuple(fc.string({ maxLength: 3 }), anyValue(type.value)), {
        maxLength: 4,
        selector: (e) => e[0],
      }) as fc.Arbitrary<Value>
  }
}

/** For comparisons: NaN equals NaN, −0 is not +0, buffers by content. */
export function show(v: Value): string {
  if (v === null) return 'null'
  if (Buffer.isBuffer(v)) return `x'${v.toString('hex')}'`
  if (Array.isArray(v)) return `[${v.map((x) => show(x as Value)).join(',')}]`
  if (typeof v === 'number') return Object.is(v, -0) ? '-0' : String(v)
  return typeof v === 'string' ? JSON.stringify(v) : String(v)
}
