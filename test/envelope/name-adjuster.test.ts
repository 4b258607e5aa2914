import { describe, expect, it } from 'vitest'
import { adjustFieldName, adjustSchemaName } from '../../src/envelope/name-adjuster.ts'

describe('names that Avro does not allow', () => {
  it.each([
    ['ünï', '_n_', '_u00fcn_u00ef'],
    ['1st', '_1st', '_u0031st'],
    ['a.b', 'a_b', 'a_u002eb'],
    ['snake_case', 'snake_case', 'snake_u005fcase'],
    ['ok', 'ok', 'ok'],
    ['a字', 'a_', 'a_u5b57'],
  ])('field %s is %s or %s', (name, avro, unicode) => {
    expect(adjustFieldName('none', name)).toBe(name)
    expect(adjustFieldName('avro', name)).toBe(avro)
    expect(adjustFieldName('avro_unicode', name)).toBe(unicode)
  })

  it('dots stay in schema names', () => {
    expect(adjustSchemaName('avro', 'pre-fix.my-schema.t')).toBe('pre_fix.my_schema.t')
  })
})
