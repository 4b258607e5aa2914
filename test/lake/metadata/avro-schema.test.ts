import avsc from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LakeColumn, LakeType } from '../../../src/contract/columns.ts'
import { avroSchemaText, columnsOfAvro, decimalBytes, sanitizeName } from '../../../src/lake/metadata/avro-schema.ts'
import { parseCommitMetadata } from '../../../src/lake/metadata/commit-metadata.ts'
import { COW_TABLES, goldenFiles } from '../../support/golden-table.ts'

test.each(COW_TABLES)('the schemas in the commits of %s are what this code derives from their columns', (table) => {
  let checked = 0
  for (const [path, body] of goldenFiles(table)) {
    if (!/^\.hoodie\/\d+\.(commit|replacecommit)$/.test(path)) continue
    const text = parseCommitMetadata(body, path).extra.get('schema')
    if (text === undefined || text === '') continue
    checked++
    const record = JSON.parse(text) as { name: string; namespace: string }
    const meta = text.includes('_hoodie_commit_time')
    expect(avroSchemaText(record.name.replace(/_record$/, ''), columnsOfAvro(text, table), meta)).toBe(text)
  }
  expect(checked).toBeGreaterThan(0)
})

const LEAF: fc.Arbitrary<LakeType> = fc.oneof(
  fc.constantFrom(
    ...(['boolean', 'int', 'long', 'float', 'double', 'string', 'bytes', 'date', 'time-micros', 'timestamp-micros'] as const).map(
      (kind) => ({ kind }),
    ),
  ),
  fc
    .integer({ min: 1, max: 38 })
    .chain((precision) => fc.integer({ min: 0, max: precision }).map((scale) => ({ kind: 'decimal' as const, precision, scale }))),
)
const TYPE = fc.letrec<{ type: LakeType }>((tie) => ({
  type: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    LEAF,
    tie('type').map((element) => ({ kind: 'list' as const, element })),
    tie('type').map((value) => ({ kind: 'map' as const, value })),
  ),
})).type

test('columns become a schema that Avro accepts, and come back', () => {
  const column = fc.record({
    name: fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/),
    type: TYPE,
    doc: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  })
  const columns = fc.uniqueArray(column, { selector: (c) => c.name, minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(columns, fc.string({ minLength: 1 }), fc.boolean(), (list, table, meta) => {
      const text = avroSchemaText(table, list as LakeColumn[], meta)
      // avsc refuses names that Avro doesn't allow, and names that are used twice.
      if (list.every((c) => fixedCount(c.type) <= 1)) avsc.Type.forSchema(JSON.parse(text))
      const clean = list.map((c) => (c.doc === undefined ? { name: c.name, type: c.type } : c))
      expect(columnsOfAvro(text, table)).toEqual(clean)
    }),
  )
})

function fixedCount(t: LakeType): number {
  if (t.kind === 'list') return fixedCount(t.element)
  return t.kind === 'map' ? fixedCount(t.value) : t.kind === 'decimal' ? 1 : 0
}

test('the size of a decimal is the smallest that holds it', () => {
  expect([1, 2, 3, 9, 10, 12, 18, 19, 38].map(decimalBytes)).toEqual([1, 1, 2, 4, 5, 6, 8, 9, 16])
})

test('table names are sanitised as Hudi does', () => {
  expect([sanitizeName('orders'), sanitizeName('1st-größe')]).toEqual(['orders', '__st__gr____e'])
})

test('a column name that Avro does not allow is refused', () => {
  const column: LakeColumn = { name: 'order id', type: { kind: 'int' } }
  expect(() => avroSchemaText('t', [column], false)).toThrow(expect.objectContaining({ code: 'TRB-LAKE-005' }))
})

test.each([
  ['"enum"', { type: 'enum', name: 'e', symbols: ['a'] }],
  ['a record', { type: 'record', name: 'r', fields: [] }],
  ['a union of two', ['null', 'int', 'string']],
  ['null only', 'null'],
  ['a local timestamp', { type: 'long', logicalType: 'local-timestamp-micros' }],
])('%s has no column type', (_name, type) => {
  const text = JSON.stringify({ type: 'record', name: 'x', fields: [{ name: 'c', type }] })
  expect(() => columnsOfAvro(text, 't')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-006' }))
})

test.each(['', '{}', '"string"', '{"type":"record","name":"x","fields":[{}]}'])('%j is no schema of a table', (text) => {
  expect(() => columnsOfAvro(text, 't')).toThrow(expect.objectContaining({ code: 'TRB-LAKE-007' }))
})
