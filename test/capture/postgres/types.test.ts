import { describe, expect, it } from 'vitest'
import { connectColumn, DEFAULT_TYPE_OPTIONS, omittedColumn, typeOptionsOf } from '../../../src/capture/postgres/types.ts'
import type { Column } from '../../../src/contract/change.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { GrowableSink } from '../../../src/format/bytes/growable-sink.ts'
import { catalogColumn, catalogType, column, numericTypmod } from '../../envelope/catalog.ts'

function bytes(c: Column, text: string, snapshot = false): Buffer | null {
  const src = Buffer.from(text)
  const out = new GrowableSink(8)
  return ((snapshot ? c.encodeSnapshot : undefined) ?? c.encode)(src, 0, src.length, out) ? out.copy() : null
}

const hex = (b: Uint8Array | null): string | null => (b === null ? null : Buffer.from(b).toString('hex'))

function failureOf(run: () => unknown): string | null {
  try {
    run()
    return null
  } catch (e) {
    return isFailure(e) ? e.code : String(e)
  }
}

describe('type mapping', () => {
  it('is optional exactly when the column is nullable', () => {
    expect(column('a', 'int4').connect).toEqual({ type: 'int32', optional: true })
    expect(column('a', 'int4', { notNull: true }).connect).toEqual({ type: 'int32', optional: false })
  })

  it('takes a domain as its root type with the modifier that was given last', () => {
    const money82 = catalogType('money82', { typtype: 'd', base: { type: catalogType('numeric'), typmod: numericTypmod(8, 2) } })
    const nested = catalogType('nested', { typtype: 'd', base: { type: money82, typmod: -1 } })
    for (const t of [money82, nested]) {
      expect(column('d', t).connect.parameters).toEqual([
        ['scale', '2'],
        ['connect.decimal.precision', '8'],
      ])
    }
  })

  it('lists enum labels in their sort order, and does not make elements of enum arrays optional', () => {
    const mood = catalogType('mood', { typtype: 'e', labels: ['sad', 'ok'] })
    expect(column('e', mood).connect.parameters).toEqual([['allowed', 'sad,ok']])
    const array = column('e', catalogType('_mood', { element: mood }))
    expect(array.connect.items?.optional).toBe(false)
    expect(failureOf(() => bytes(array, '{sad,NULL}'))).toBe('TRB-ENV-001')
  })

  it('keeps a negative scale as eleven bits, as Debezium does', () => {
    expect(column('n', 'numeric', { typmod: numericTypmod(5, -2) }).connect.parameters?.[0]).toEqual(['scale', '2046'])
  })

  it.each([
    'box',
    'lseg',
    'path',
    'polygon',
    'circle',
    'line',
    'tsquery',
    'pg_lsn',
    'int4multirange',
    '_money',
    '_name',
    '_interval',
    '_varbit',
    '_xml',
    '_point',
  ])('has no mapping for %s; an omitted column keeps its place', (type) => {
    const c = catalogColumn('x', type)
    expect(connectColumn(c, DEFAULT_TYPE_OPTIONS)).toBe(null)
    expect(omittedColumn(c)).toMatchObject({ name: 'x', omitted: true })
  })

  it('shows numeric NaN and infinities as null in precise mode, by name in string mode, as floats in double mode', () => {
    for (const text of ['NaN', 'Infinity', '-Infinity']) {
      expect(bytes(column('n', 'numeric'), text)).toBe(null)
      expect(bytes(column('n', 'numeric', { typmod: numericTypmod(5, 2) }), text)).toBe(null)
      expect(bytes(column('n', 'numeric', {}, { decimal: 'double' }), text)!.readDoubleLE()).toBe(Number(text))
    }
    const names = ['NaN', 'Infinity', '-Infinity'].map((t) =>
      String(bytes(column('n', 'numeric', {}, { decimal: 'string' }), t)!.subarray(1)),
    )
    expect(names).toEqual(['NAN', 'POSITIVE_INFINITY', 'NEGATIVE_INFINITY'])
  })

  it('imitates what Debezium loses only when asked to', () => {
    expect(String(bytes(column('n', 'name'), 'x')!.subarray(1))).toBe('x')
    const quirky = column('n', 'name', {}, { quirks: true })
    expect(bytes(quirky, 'x')).toBe(null)
    expect(String(bytes(quirky, 'x', true)!.subarray(1))).toBe('x')
    expect(hex(bytes(column('n', 'name', { notNull: true }, { quirks: true }), 'x'))).toBe('00')
    expect(column('d', 'date').encodeSnapshot).toBeUndefined()
    expect(hex(bytes(column('d', 'date', {}, { quirks: true }), '4713-01-01 BC', true))).toBe(hex(bytes(column('d', 'date'), '4713-01-01')))
  })

  it('a timestamp that no int64 of microseconds holds is null', () => {
    expect(bytes(column('t', 'timestamp'), '294276-12-31 23:59:59')).toBe(null)
    expect(bytes(column('t', 'timestamp'), '294247-01-09 04:00:54')).not.toBe(null)
  })
})

describe('a value that is not of its type is refused', () => {
  it.each([
    ['int4', '1x'],
    ['int8', '12345678901234567890'],
    ['int8', ''],
    ['bool', 'true'],
    ['float8', 'abc'],
    ['numeric', '1.2.3'],
    ['money', '1.234,50 €'],
    ['date', '04/11/2016'],
    ['time', '25:00:00'],
    ['timestamp', '2016-11-04T13:51:30'],
    ['timestamptz', 'Fri Nov 04 13:51:30 2016 UTC'],
    ['interval', 'P1Y'],
    ['bit', '2'],
    ['point', '1,2'],
    ['_int4', '1,2'],
    ['_text', '{"a}'],
    ['hstore', 'a=>b'],
    ['bytea', '\\x1g'],
  ])('%s: %s', (type, text) => {
    expect(failureOf(() => bytes(column('c', type), text))).toBe('TRB-ENV-001')
  })

  it('more digits than the scale of a decimal', () => {
    const c = column('n', 'numeric', { typmod: numericTypmod(5, 2) })
    expect(failureOf(() => bytes(c, '1.234'))).toBe('TRB-ENV-001')
    expect(hex(bytes(c, '1.2300'))).toBe('027b')
  })
})

describe('defaults', () => {
  const dflt = (type: string, defaultExpr: string, typmod = -1): unknown => column('c', type, { defaultExpr, typmod }).connect.default

  it.each<[string, string, unknown]>([
    ['int4', "nextval('t_id_seq'::regclass)", 0],
    ['int4', '5', 5],
    ['int2', "'-3'::integer", -3],
    ['int8', "'9000000000'::bigint", 9000000000n],
    ['int4', '(2 + 3)', undefined],
    ['float8', '2.25', 2.25],
    ['bool', 'true', true],
    ['text', "'it''s'::text", 'it'],
    ['text', "upper('abc'::text)", ''],
    ['varchar', 'NULL::character varying', undefined],
    ['uuid', 'gen_random_uuid()', '00000000-0000-0000-0000-000000000000'],
    ['date', 'CURRENT_DATE', 0],
    ['date', "'2020-01-02'::date", 18263],
    ['timestamp', 'now()', 0n],
    ['timestamptz', "'2020-01-02 01:04:05+00'::timestamp with time zone", '2020-01-02T01:04:05.000000Z'],
    ['json', "'{}'::json", '{}'],
    ['bytea', "'\\xdead'::bytea", undefined],
    ['inet', "'127.0.0.1'::inet", undefined],
    ['_int4', "'{1,2}'::integer[]", undefined],
    ['numeric', '12.300', undefined],
    ['interval', "'1 day'::interval", 86400000000n],
  ])('%s default %s is %s', (type, expr, value) => {
    expect(dflt(type, expr)).toEqual(value)
  })

  it('of decimals are brought to the scale', () => {
    expect(dflt('numeric', '12.3', numericTypmod(6, 2))).toEqual(Buffer.from([0x04, 0xce]))
    expect(column('n', 'numeric', { defaultExpr: '0', typmod: numericTypmod(8, 4) }, { decimal: 'string' }).connect.default).toBe('0.0000')
  })

  it('stand for null in the record; without one a NOT NULL column has the fallback of its type', () => {
    expect(hex(column('c', 'int4', { notNull: true, defaultExpr: '5' }).fallback)).toBe('0a')
    expect(hex(column('c', 'int4', { defaultExpr: '5' }).fallback)).toBe('0a')
    expect(hex(column('c', 'int4', { notNull: true }).fallback)).toBe('00')
    expect(column('c', 'int4').fallback).toBe(null)
    expect(String(Buffer.from(column('c', 'timestamptz', { notNull: true }).fallback!).subarray(1))).toBe('1970-01-01T00:00:00Z')
  })
})

describe('placeholders for values that are not in the log', () => {
  it('have the shape of the type', () => {
    const of = (type: string): string | null => hex(column('c', type).unavailable)
    const text = hex(Buffer.from('__debezium_unavailable_value'))
    expect(of('text')).toBe(`38${text}`)
    expect(of('bytea')).toBe(`38${text}`)
    expect(of('_text')).toBe(`020238${text}00`)
    expect(of('numeric')).toBe(null)
    expect(of('_int4')).toMatch(/^3802be01/)
    expect(Buffer.from(of('_uuid')!, 'hex').toString()).toContain('b68a35a7-17ad-35b3-af2a-ae46edb4545a')
  })
})

describe('type settings of a Debezium configuration', () => {
  it('are read', () => {
    const config = new Map([
      ['decimal.handling.mode', 'string'],
      ['time.precision.mode', 'connect'],
      ['unavailable.value.placeholder', 'hex:ff00aa'],
    ])
    expect(typeOptionsOf(config, true)).toEqual({
      ...DEFAULT_TYPE_OPTIONS,
      decimal: 'string',
      time: 'connect',
      placeholder: Buffer.from([0xff, 0, 0xaa]),
      quirks: true,
    })
    expect(typeOptionsOf(new Map())).toEqual(DEFAULT_TYPE_OPTIONS)
  })

  it.each([
    ['decimal.handling.mode', 'exact'],
    ['time.precision.mode', 'structured'],
    ['include.unknown.datatypes', 'maybe'],
    ['money.fraction.digits', 'two'],
    ['unavailable.value.placeholder', 'hex:xyz'],
  ])('%s=%s is refused by name', (option, value) => {
    expect(failureOf(() => typeOptionsOf(new Map([[option, value]])))).toBe('TRB-ENV-002')
  })
})
