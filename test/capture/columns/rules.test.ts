import { describe, expect, it } from 'vitest'
import { isLeftOut, messageKeyOf, ruledColumn } from '../../../src/capture/columns/apply-rules.ts'
import { columnRules } from '../../../src/capture/columns/column-rules.ts'
import { avroBytes, encodeText } from '../../../src/capture/types/text.ts'
import type { Column } from '../../../src/contract/change.ts'
import { isFailure } from '../../../src/failure/failure.ts'
import { GrowableSink } from '../../../src/format/bytes/growable-sink.ts'

const rules = (config: Record<string, string>, forLake = false) => columnRules(new Map(Object.entries(config)), forLake)

const text = (name: string, optional = true): Column => ({
  name,
  sourceType: 'text',
  connect: { type: 'string', optional },
  encode: encodeText,
  unavailable: avroBytes(Buffer.from('__debezium_unavailable_value')),
  fallback: optional ? null : Buffer.from([0]),
})

function shown(column: Column, value: string): string {
  const out = new GrowableSink(16)
  const bytes = Buffer.from(value)
  expect(column.encode(bytes, 0, bytes.length, out)).toBe(true)
  return plain(out.copy())
}

function plain(avro: Uint8Array | null | undefined): string {
  const text = Buffer.from(avro!)
  return text.toString('utf8', text[0] > 127 ? 2 : 1)
}

function code(run: () => unknown): string | null {
  try {
    run()
    return null
  } catch (e) {
    return isFailure(e) ? e.code : String(e)
  }
}

const at = (path: string, characters: number | null | undefined = null, isKey = false) => ({ path, characters, isKey })

describe('masks', () => {
  // The digests were printed by Java: MessageDigest over the salt and the (serialised) text.
  it('hash as Java does: the text, or its serialised form, behind the salt', () => {
    const v1 = ruledColumn(text('h1'), at('s.t.h1'), rules({ 'column.mask.hash.SHA-256.with.salt.s4lt': 's\\.t\\.h1' }))
    expect(shown(v1, 'hash me')).toBe('f5a808143749142a693dc387e4910b9e274fa5e287022078cc06174f47b85daa')
    expect(shown(v1, 'héllo')).toBe('bbedba7c213bdd06bda893e30d9b404524d3b94b9e2005733640c0ddfb81905c')
    const v2 = ruledColumn(text('h2'), at('s.t.h2'), rules({ 'column.mask.hash.v2.SHA-256.with.salt.s4lt': 's\\.t\\.h2' }))
    expect(shown(v2, 'hash me')).toBe('9407b395ebc15c775b92b395ef30486364186632fe5d868cf616db2a07c865b1')
    const short = ruledColumn(text('h3'), at('s.t.h3', 10), rules({ 'column.mask.hash.v2.MD5.with.salt.CzQMA0cB5K': 's.t.h3' }))
    expect(shown(short, 'hash me')).toBe('ef10bddf9a')
  })

  it('digests zero and characters beyond the basic plane in the form that Java serialises', () => {
    const config = { 'column.mask.hash.MD5.with.salt.s': '.*' }
    const column = ruledColumn(text('h'), at('s.t.h'), rules(config))
    expect(shown(column, 'a\0b')).not.toBe(shown(column, 'ab'))
    expect(shown(column, 'x'.repeat(65_536))).toMatch(/^[0-9a-f]{32}$/)
  })

  it('write asterisks in the place of every value, of null and of what is not in the log too', () => {
    const stars = ruledColumn(text('ssn'), at('s.t.ssn'), rules({ 'column.mask.with.5.chars': 's.t.ssn' }))
    expect(shown(stars, '123-45-6789')).toBe('*****')
    expect([plain(stars.instead), plain(stars.unavailable)]).toEqual(['*****', '*****'])
    expect(stars.connect.parameters).toEqual([['masked', 'true']])
    expect(stars.asKey!.connect.parameters).toBeUndefined()
  })

  it('cut by characters as Java counts them', () => {
    const cut = ruledColumn(text('addr', false), at('s.t.addr'), rules({ 'column.truncate.to.4.chars': 's.t.addr' }))
    expect(['12 Long Street', 'kurz', 'äöü', '😀😀😀', 'abc😀'].map((v) => shown(cut, v))).toEqual(['12 L', 'kurz', 'äöü', '😀😀', 'abc?'])
    expect(cut.connect.parameters).toEqual([['truncateLength', '4']])
    expect(plain(cut.unavailable)).toBe('__de')
  })

  it('are applied to text only: others keep their value and are marked, as in Debezium; where a lake is made it is refused', () => {
    const config = { 'column.mask.with.5.chars': 's.t.n' }
    const column = { ...text('n'), sourceType: 'integer' }
    expect(shown(ruledColumn(column, { ...at('s.t.n'), characters: undefined }, rules(config)), '12')).toBe('12')
    expect(ruledColumn(column, { ...at('s.t.n'), characters: undefined }, rules(config)).connect.parameters).toEqual([['masked', 'true']])
    expect(code(() => ruledColumn(column, { ...at('s.t.n'), characters: undefined }, rules(config, true)))).toBe('TRB-ENV-011')
  })
})

describe('column lists', () => {
  it('leave columns out; a key column keeps its value for the record key', () => {
    const config = rules({ 'column.exclude.list': 'S\\.t\\.(a|id)' })
    expect(isLeftOut('s.t.a', false, config)).toBe(true)
    expect(isLeftOut('s.t.id', true, config)).toBe(false)
    expect(ruledColumn(text('id'), at('s.t.id', null, true), config)).toMatchObject({ omitted: true, name: 'id' })
    expect(isLeftOut('s.t.b', false, rules({ 'column.include.list': 's.t.a' }))).toBe(true)
  })

  it('a lake is refused whose rows would lose their key', () => {
    const masked = rules({ 'column.mask.with.5.chars': 's.t.id' }, true)
    const excluded = rules({ 'column.exclude.list': 's.t.id' }, true)
    for (const r of [masked, excluded]) expect(code(() => ruledColumn(text('id'), at('s.t.id', null, true), r))).toBe('TRB-ENV-010')
  })
})

describe('message.key.columns', () => {
  const config = rules({ 'message.key.columns': 'public.mk:b,a;(.*).mknopk:y' })

  it.each([
    ['public.mk', ['id', 'a', 'b'], ['b', 'a']],
    ['crm.mknopk', ['x', 'y'], ['y']],
    ['public.other', ['id'], ['id']],
    ['public.mk', ['id', 'a'], ['a']],
    ['public.mk', ['id'], ['id']],
  ])('%s with the columns %j has the key %j', (table, columns, key) => {
    expect(
      messageKeyOf(
        table,
        columns,
        ['id'].filter((k) => columns.includes(k)),
        config,
      ),
    ).toEqual(key)
  })
})
