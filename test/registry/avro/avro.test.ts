import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { jsonText, parseJson, SchemaError } from '../../../src/registry/avro/json.ts'
import { adviseOn, type CompatibilityLevel, conflictOf, describeIssue, LEVELS, rootCauses } from '../../../src/registry/avro/levels.ts'
import { namedTypes, parseSchema } from '../../../src/registry/avro/parse-schema.ts'
import { normalizedText, schemaText } from '../../../src/registry/avro/schema-text.ts'
import { root } from '../../tidy/tree.ts'
import { MATRIX } from './matrix.ts'
import { ourVerdict } from './oracle.ts'
import { recordedVerdicts } from './verdicts.ts'

describe('schemas', () => {
  test('are judged as by Java: every type against every other, each rule, and random pairs', () => {
    const recorded = recordedVerdicts()
    expect(recorded.slice(0, MATRIX.length).map(({ reader, writer }) => ({ reader, writer }))).toEqual(MATRIX)
    for (const { verdict, ...pair } of recorded) expect(ourVerdict(pair), JSON.stringify(pair)).toEqual(verdict)
  })
  test('of the real Debezium are in canonical form as they come', () => {
    const folder = join(root, 'test/golden/debezium/postgres')
    const texts = new Set<string>()
    for (const scenario of readdirSync(folder)) {
      const file = join(folder, scenario, 'avro-schemas.jsonl')
      if (!existsSync(file)) continue
      for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) texts.add((JSON.parse(line) as { schema: string }).schema)
    }
    expect(texts.size).toBeGreaterThan(50)
    for (const text of texts) expect(schemaText(parseSchema(text))).toBe(text)
  })
  test('differ in nothing when only white space, the order of members or needless namespaces do', () => {
    const a =
      '{"type":"record","name":"A","namespace":"x","fields":[{"name":"b","type":{"type":"enum","name":"E","symbols":["P"]}},{"name":"c","type":"E"}]}'
    const b = `{ "fields" : [ {"type":{"symbols":["P"], "name":"x.E", "type":"enum"}, "name":"b"}, {"name":"c","type":"x.E"} ],
      "name":"x.A", "type":"record" /* as Avro's own parser takes it */ }`
    expect(schemaText(parseSchema(b))).toBe(a)
    expect(schemaText(parseSchema(a))).toBe(a)
    expect(normalizedText(parseSchema(b))).toBe(normalizedText(parseSchema(a)))
  })
  test('keep every digit of a number, and the order of properties', () => {
    const text = '{"type":"record","name":"A","fields":[{"name":"n","type":"long","default":9007199254740993}],"2":1,"1":1.50,"x":1e10}'
    expect(schemaText(parseSchema(text))).toBe(text.replace('1.50', '1.5').replace('1e10', '1.0E10'))
  })
  test('use types of other schemas that they refer to', () => {
    const money = parseSchema('{"type":"record","name":"shop.Money","fields":[{"name":"cents","type":"long"}]}')
    const order = '{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"total","type":"Money"}]}'
    expect(() => parseSchema(order)).toThrow(SchemaError)
    const known = namedTypes(money)
    expect(schemaText(parseSchema(order, known), known.keys())).toBe(order)
  })
  test.each(['', '{', '{"a":1,}', '[1', '"\\x"', '{"a" 1}', 'nul', '01', '{} {}', '"a\nb"', '-'])('text %j is no JSON', (text) => {
    expect(() => parseJson(text)).toThrow(SchemaError)
  })
  test('nesting without end is refused', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow(SchemaError)
  })
  test('JSON is written as it was read', () => {
    const text = '{"10":[1,-2.5,true,null,"é\\n\\u0001\\"\\\\"],"2":{},"a":[]}'
    expect(jsonText(parseJson(` ${text} `))).toBe(text)
  })
})

describe('levels', () => {
  const version = (fields: string): ReturnType<typeof parseSchema> => parseSchema(`{"type":"record","name":"V","fields":[${fields}]}`)
  const a = '{"name":"a","type":"int"}'
  const b = '{"name":"b","type":"int"}'
  const bDefault = '{"name":"b","type":"int","default":0}'
  const allowed = (next: string, earlier: readonly string[]): readonly CompatibilityLevel[] => {
    const versions = earlier.map((e, i) => ({ version: i + 1, schema: version(e) }))
    return LEVELS.filter((level) => conflictOf(level, version(next), versions) === null)
  }
  test('a first version goes with every level', () => expect(allowed(a, [])).toEqual(LEVELS))
  test('a field without default may come, for FORWARD', () => {
    expect(allowed(`${a},${b}`, [a])).toEqual(['NONE', 'FORWARD', 'FORWARD_TRANSITIVE'])
  })
  test('a field without default may go, for BACKWARD', () => {
    expect(allowed(a, [`${a},${b}`])).toEqual(['NONE', 'BACKWARD', 'BACKWARD_TRANSITIVE'])
  })
  test('a field with a default may come and go', () => {
    expect(allowed(`${a},${bDefault}`, [a])).toEqual(LEVELS)
    expect(allowed(a, [`${a},${bDefault}`])).toEqual(LEVELS)
  })
  test('only the transitive levels look beyond the last version', () => {
    expect(allowed(`${a},${b}`, [a, `${a},${bDefault}`])).toEqual(LEVELS.filter((l) => !/^(BACKWARD|FULL)_/.test(l)))
    const conflict = conflictOf('FULL_TRANSITIVE', version(`${a},${b}`), [
      { version: 1, schema: version(a) },
      { version: 2, schema: version(`${a},${bDefault}`) },
    ])
    expect(conflict).toMatchObject({ version: 1, direction: 'backward', issues: [{ path: '/fields/1', field: 'b' }] })
  })
  test('a conflict names the column of an envelope, what changed and what to do', () => {
    const envelope = (fields: string): string =>
      `{"name":"before","type":["null",{"type":"record","name":"Value","fields":[${fields}]}],"default":null},{"name":"after","type":["null","Value"],"default":null}`
    const conflict = conflictOf('BACKWARD', version(envelope(`${a},${b}`)), [{ version: 3, schema: version(envelope(a)) }])!
    expect(conflict.issues.map((i) => [i.kind, i.path])).toEqual([
      ['MISSING_UNION_BRANCH', '/fields/0/type/1'],
      ['MISSING_UNION_BRANCH', '/fields/1/type/1'],
    ])
    const [issue, ...more] = rootCauses(conflict.issues)
    expect(more).toEqual([])
    expect(describeIssue(issue!, 'backward')).toBe('field b is new and has no default')
    expect(adviseOn(issue!, 'backward')).toContain('Let column b be null or have a default')
  })
})
