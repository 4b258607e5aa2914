import avsc from 'avsc'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import { RowColumns, Unreadable } from '../../../src/format/avro/row-columns.ts'
import { readAvroContent } from '../../../src/format/hudi-log/avro-content.ts'
import { avroRowsContent } from '../../../src/format/hudi-log/avro-rows.ts'
import { avroSchemaText } from '../../../src/lake/metadata/avro-schema.ts'
import { propertyRuns } from '../../support/property-runs.ts'
import { anyType, anyValue, type Value, valuesOf, vectorOf } from '../parquet/values.ts'

const bigLong = avsc.types.LongType.__with({
  fromBuffer: (b: Buffer) => b.readBigInt64LE(),
  toBuffer: (n: bigint) => {
    const b = Buffer.alloc(8)
    b.writeBigInt64LE(n)
    return b
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (n: unknown) => typeof n === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

/** avsc's type of a schema text, with 64-bit integers as bigint. */
function typeOf(text: string): avsc.Type {
  const hook = (s: unknown): avsc.Type | undefined => (s === 'long' || (s as { type?: unknown }).type === 'long' ? bigLong : undefined)
  return avsc.Type.forSchema(JSON.parse(text), { wrapUnions: true, typeHook: hook } as never)
}

/** The value as avsc takes it: unions wrapped by the name of their branch. */
function wrapped(type: LakeType, v: Value, column: string): unknown {
  if (v === null) return null
  switch (type.kind) {
    case 'decimal': {
      const data = (vectorOf(type, [v]) as { data: Buffer }).data
      return { [`hoodie.t.t_record.${column}.fixed`]: data }
    }
    case 'list':
      return { array: (v as Value[]).map((x) => wrapped(type.element, x, column)) }
    case 'map':
      return { map: Object.fromEntries((v as [string, Value][]).map(([k, x]) => [k, wrapped(type.value, x, column)])) }
    case 'struct': {
      const fields = type.fields.map((f, i) => [f.name, wrapped(f.type, (v as Value[])[i], `${column}.${f.name}`)])
      return { [`hoodie.t.t_record.${column}`]: Object.fromEntries(fields) }
    }
    case 'date':
      return { int: v }
    case 'time-micros':
    case 'timestamp-micros':
      return { long: v }
    case 'string':
      return { string: v }
    default:
      return { [type.kind]: v }
  }
}

/** Avro names a fixed type once: a schema with a decimal inside a list and its key and value may name it only once as well. */
const table = fc.array(anyType, { minLength: 1, maxLength: 5 }).chain((types) => {
  const columns = types.map((type, i): LakeColumn => ({ name: `c${i}`, type }))
  return fc.record({ columns: fc.constant(columns), rows: fc.array(fc.tuple(...types.map(anyValue)), { maxLength: 12 }) })
})

function mapKeysDiffer(type: LakeType, v: Value): boolean {
  if (v === null) return true
  if (type.kind === 'list') return (v as Value[]).every((x) => mapKeysDiffer(type.element, x))
  if (type.kind === 'struct') return type.fields.every((f, i) => mapKeysDiffer(f.type, (v as Value[])[i]))
  if (type.kind === 'map' && !(v as [string, Value][]).every(([, x]) => mapKeysDiffer(type.value, x))) return false
  if (type.kind !== 'map') return true
  const keys = (v as [string, Value][]).map(([k]) => k)
  // an object of JavaScript puts keys that look like numbers first, and knows none twice
  return new Set(keys).size === keys.length && keys.every((k) => !/^\d+$/.test(k) && k !== '__proto__')
}

test('rows written as Avro have the bytes that avsc writes, and are read back as they were', () => {
  fc.assert(
    fc.property(table, ({ columns, rows }) => {
      fc.pre(rows.every((r) => columns.every((c, i) => mapKeysDiffer(c.type, r[i]))))
      const text = avroSchemaText('t', columns, false)
      const vectors = columns.map((c, i) =>
        vectorOf(
          c.type,
          rows.map((r) => r[i]),
        ),
      )
      const content = avroRowsContent(columns, vectors, rows.length)
      const datums = readAvroContent(content, 'f', 0)
      const reference = typeOf(text)
      const read = new RowColumns(text, columns)
      for (let i = 0; i < rows.length; i++) {
        const datum = content.subarray(datums.start[i], datums.end[i])
        const expected = reference.toBuffer(Object.fromEntries(columns.map((c, k) => [c.name, wrapped(c.type, rows[i][k], c.name)])))
        expect(datum.equals(expected)).toBe(true)
        read.add(content, datums.start[i], datums.end[i])
      }
      const back = read.take()
      for (const [k, c] of columns.entries())
        expect(valuesOf(c.type, back[k]!, rows.length)).toEqual(valuesOf(c.type, vectors[k], rows.length))
    }),
    { numRuns: propertyRuns(80) },
  )
})

describe('types that differ', () => {
  const read = (schema: unknown, value: unknown, type: LakeType): Value => {
    const text = JSON.stringify({
      type: 'record',
      name: 'r',
      fields: [
        { name: 'skipped', type: 'string' },
        { name: 'c', type: schema },
      ],
    })
    const bytes = avsc.Type.forSchema(JSON.parse(text)).toBuffer({ skipped: 'x', c: value })
    const rows = new RowColumns(text, [
      { name: 'other', type: { kind: 'int' } },
      { name: 'c', type },
    ])
    rows.add(bytes, 0, bytes.length)
    const [other, c] = rows.take()
    expect(other).toBe(null)
    return valuesOf(type, c!, 1)[0]
  }
  test.each([
    ['int', 7, { kind: 'long' }, 7n],
    ['int', 7, { kind: 'double' }, 7],
    ['int', -7, { kind: 'float' }, -7],
    ['long', 9, { kind: 'double' }, 9],
    ['float', 0.5, { kind: 'double' }, 0.5],
    ['bytes', Buffer.from('x'), { kind: 'string' }, 'x'],
    ['string', 'x', { kind: 'bytes' }, Buffer.from('x')],
    [{ type: 'enum', name: 'e', symbols: ['A', 'B'] }, 'B', { kind: 'string' }, 'B'],
    [{ type: 'long', logicalType: 'timestamp-millis' }, 1_700_000_000_123, { kind: 'timestamp-micros' }, 1_700_000_000_123_000n],
    [{ type: 'int', logicalType: 'time-millis' }, 61_001, { kind: 'time-micros' }, 61_001_000n],
    [
      { type: 'bytes', logicalType: 'decimal', precision: 5, scale: 2 },
      Buffer.from([0xff, 0x85]),
      { kind: 'decimal', precision: 12, scale: 4 },
      -12_300n,
    ],
    [['string', 'null'], null, { kind: 'string' }, null],
  ] as [unknown, unknown, LakeType, Value][])('%j %j is read as %j', (schema, value, type, expected) => {
    expect(read(schema, value, type)).toEqual(expected)
  })
  test('a type that the column cannot hold is named', () => {
    expect(() => read('string', 'x', { kind: 'long' })).toThrow(new Unreadable('c', 'string'))
    expect(() =>
      read({ type: 'bytes', logicalType: 'decimal', precision: 5, scale: 4 }, Buffer.of(1), { kind: 'decimal', precision: 5, scale: 2 }),
    ).toThrow(new Unreadable('c', 'decimal'))
    expect(() => read('double', 1, { kind: 'float' })).toThrow(new Unreadable('c', 'double'))
  })
  test('fields of any kind that no column wants are passed over, also records that hold themselves', () => {
    const text = JSON.stringify({
      type: 'record',
      name: 'r',
      fields: [
        {
          name: 'tree',
          type: {
            type: 'record',
            name: 'node',
            fields: [
              { name: 'v', type: 'double' },
              { name: 'next', type: ['null', 'node'] },
            ],
          },
        },
        { name: 'f', type: { type: 'fixed', name: 'three', size: 3 } },
        { name: 'm', type: { type: 'map', values: { type: 'array', items: 'boolean' } } },
        { name: 'c', type: 'int' },
      ],
    })
    const value = { tree: { v: 1, next: { v: 2, next: null } }, f: Buffer.from('abc'), m: { a: [true, false], b: [] }, c: 5 }
    const bytes = avsc.Type.forSchema(JSON.parse(text)).toBuffer(value)
    const rows = new RowColumns(text, [{ name: 'c', type: { kind: 'int' } }])
    rows.add(bytes, 0, bytes.length)
    expect(valuesOf({ kind: 'int' }, rows.take()[0]!, 1)).toEqual([5])
    for (let cut = 0; cut < bytes.length; cut++) expect(() => rows.add(bytes, 0, cut)).toThrow()
  })
})
