import { describe, expect, it } from 'vitest'
import type { ConnectSchema, ConnectValue } from '../../src/contract/connect-schema.ts'
import { avroSchemaText } from '../../src/envelope/avro-schema.ts'
import { connectJson, connectText, schemaJson } from '../../src/envelope/connect-json.ts'
import { goldenAvro, goldenEvents, goldenSchemas, SCENARIOS } from './golden.ts'

interface JsonSchema {
  readonly type: string
  readonly optional: boolean
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  readonly parameters?: Readonly<Record<string, string>>
  readonly default?: unknown
  readonly items?: JsonSchema
  readonly keys?: JsonSchema
  readonly values?: JsonSchema
  readonly fields?: readonly (JsonSchema & { readonly field: string })[]
}

const TYPES: Readonly<Record<string, string>> = { float: 'float32', double: 'float64' }

/** The schema part of a recorded JSON record as our model. */
function fromJson(s: JsonSchema): ConnectSchema {
  const type = (TYPES[s.type] ?? s.type) as ConnectSchema['type']
  return {
    type,
    optional: s.optional,
    ...(s.name === undefined ? {} : { name: s.name }),
    ...(s.version === undefined ? {} : { version: s.version }),
    ...(s.doc === undefined ? {} : { doc: s.doc }),
    ...(s.parameters === undefined ? {} : { parameters: Object.entries(s.parameters) }),
    ...(s.default === undefined ? {} : { default: defaultOf(type, s.default) }),
    ...(s.items === undefined ? {} : { items: fromJson(s.items) }),
    ...(s.keys === undefined ? {} : { keys: fromJson(s.keys), items: fromJson(s.values!) }),
    ...(s.fields === undefined ? {} : { fields: s.fields.map((f) => ({ name: f.field, schema: fromJson(f) })) }),
  }
}

function defaultOf(type: string, v: unknown): ConnectValue {
  if (type === 'bytes') return Buffer.from(String(v), 'base64')
  if (type === 'int64') return BigInt(v as number)
  return v as ConnectValue
}

describe('records of the real Debezium', () => {
  for (const scenario of SCENARIOS) {
    it(`${scenario}: the schema texts follow from the Connect schemas, the JSON texts from the Avro bytes`, () => {
      const events = goldenEvents(scenario)
      const schemas = goldenSchemas(scenario)
      for (const [i, r] of goldenAvro(scenario).entries()) {
        for (const part of ['key', 'value'] as const) {
          const avro = r[part]
          const text = events[i][part]
          if (avro === null || text === null) {
            expect([avro, text]).toEqual([null, null])
            continue
          }
          const schema = fromJson((JSON.parse(text) as { schema: JsonSchema }).schema)
          expect(avroSchemaText(schema)).toBe(schemas.get(avro.schema))
          expect(connectJson(schema, Buffer.from(avro.hex, 'hex'))).toBe(text)
        }
      }
    })
  }
})

describe('connect JSON', () => {
  const struct = (fields: ConnectSchema['fields']): ConnectSchema => ({ type: 'struct', optional: false, name: 's', fields })

  it('quotes NaN and infinities, as JSON has none', () => {
    const schema = struct([{ name: 'd', schema: { type: 'float64', optional: false } }])
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleLE(Number.NEGATIVE_INFINITY)
    expect(connectJson(schema, bytes)).toContain('"payload":{"d":"-Infinity"}')
    expect(connectText(schema, bytes)).toBe('{"d":-Infinity}')
  })

  it('prints maps with text keys as objects and escapes control characters as Jackson does', () => {
    const schema = struct([
      {
        name: 'm',
        schema: { type: 'map', optional: false, keys: { type: 'string', optional: false }, items: { type: 'string', optional: true } },
      },
    ])
    const bytes = Buffer.from([4, 2, 0x61, 0, 2, 0x1f, 2, 4, 0xc3, 0xa9, 0])
    expect(connectJson(schema, bytes)).toContain('"payload":{"m":{"a":null,"\\u001F":"é"}}')
    expect(schemaJson(schema)).toContain('"keys":{"type":"string","optional":false},"values":{"type":"string","optional":true}')
  })

  it('refuses bytes that are longer than their schema', () => {
    expect(() => connectJson(struct([]), Buffer.from([1]))).toThrow(/TRB-INT-001/)
  })
})
