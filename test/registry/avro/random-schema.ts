import fc from 'fast-check'

/**
 * Schema texts that collide often: few names, few fields, so that a random pair is compatible about as often as not. Some texts are no valid
 * schemas (names used before they are declared, defaults of another type, duplicates): the rules for those count too.
 */
type Any = unknown

const primitive = fc.constantFrom('null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string')
const typeName = fc.constantFrom('A', 'B', 'C', 'D', 'E', 'F', 'x.A', 'x.B', 'x.C', 'x.y.A')
const space = fc.constantFrom(undefined, undefined, 'x', 'x.y', '')
const doc = fc.constantFrom(undefined, undefined, undefined, 'what "it" is')
const props = fc.constantFrom<readonly (readonly [string, unknown])[]>(
  [],
  [],
  [],
  [['connect.version', 1]],
  [
    ['logicalType', 'decimal'],
    ['precision', 4],
    ['10', { b: [1.5, 1e10, -0.001], a: 'é\n' }],
  ],
)

function record(fields: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(fields.filter(([, v]) => v !== undefined))
}

const { schema, field } = fc.letrec<{ schema: Any; named: Any; field: Any }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: primitive },
    { weight: 1, arbitrary: fc.tuple(primitive, props).map(([type, p]) => record([['type', type], ...p])) },
    { weight: 3, arbitrary: tie('named') },
    { weight: 1, arbitrary: fc.tuple(tie('schema'), props).map(([items, p]) => record([['type', 'array'], ['items', items], ...p])) },
    { weight: 1, arbitrary: fc.tuple(tie('schema'), props).map(([values, p]) => record([...p, ['values', values], ['type', 'map']])) },
    { weight: 2, arbitrary: fc.uniqueArray(tie('schema'), { minLength: 1, maxLength: 3, selector: (s) => JSON.stringify(s) }) },
  ),
  named: fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(typeName, space, fc.array(tie('field'), { maxLength: 3 }), doc, props, aliases())
        .map(([name, namespace, fields, d, p, a]) =>
          record([['type', 'record'], ['name', name], ['namespace', namespace], ['doc', d], ['aliases', a], ['fields', fields], ...p]),
        ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(typeName, space, fc.uniqueArray(fc.constantFrom('P', 'Q', 'R'), { minLength: 1 }), fc.constantFrom(undefined, 'P'), doc)
        .map(([name, namespace, symbols, fallback, d]) =>
          record([
            ['type', 'enum'],
            ['name', name],
            ['namespace', namespace],
            ['symbols', symbols],
            ['default', fallback],
            ['doc', d],
          ]),
        ),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(typeName, space, fc.constantFrom(2, 4), props, aliases())
        .map(([name, namespace, size, p, a]) =>
          record([['name', name], ['namespace', namespace], ['size', size], ['type', 'fixed'], ['aliases', a], ...p]),
        ),
    },
  ),
  field: fc
    .tuple(
      fc.constantFrom('f', 'g', 'h'),
      tie('schema'),
      fc.constantFrom<unknown>(...Array<undefined>(40).fill(undefined), null, 0, 1.5, 'P', true, [], {}, 2 ** 53),
      fc.constantFrom(undefined, undefined, undefined, ['g'], ['h', 'f']),
      fc.constantFrom(undefined, undefined, undefined, 'descending', 'ascending'),
      doc,
      props,
    )
    .map(([name, type, fallback, names, order, d, p]) =>
      // Java takes a field that is its own alias for two.
      record([
        ['default', fallback],
        ['name', name],
        ['type', type],
        ['order', order],
        ['doc', d],
        ['aliases', names?.filter((n) => n !== name)],
        ...p,
      ]),
    ),
}))

function aliases(): fc.Arbitrary<readonly string[] | undefined> {
  return fc.constantFrom(undefined, undefined, undefined, ['A'], ['x.B', 'B'], [])
}

/** Like a table's: a record of some fields. */
const recursive = fc.constantFrom(
  { name: 'f', type: ['null', 'Row'] },
  { name: 'g', type: { type: 'array', items: 'Row' }, default: [] },
  { name: 'h', type: 'Row' },
)
const outer = fc
  .uniqueArray(fc.oneof({ weight: 8, arbitrary: field }, { weight: 1, arbitrary: recursive }), {
    minLength: 1,
    maxLength: 3,
    selector: (f) => (f as { name: string }).name,
  })
  .map((fields) => ({ type: 'record', name: 'Row', fields }))

/** A reader and a writer that have much in common, or nothing. */
export const schemaPair: fc.Arbitrary<{ readonly reader: string; readonly writer: string }> = fc
  .oneof(
    { weight: 1, arbitrary: fc.tuple(schema, schema) },
    { weight: 4, arbitrary: outer.chain((s) => fc.tuple(fc.constant(s), changed(s))) },
    { weight: 4, arbitrary: outer.chain((s) => fc.tuple(changed(s), fc.constant(s))) },
  )
  .map(([reader, writer]) => ({ reader: text(reader), writer: text(writer) }))

/** The same schema with one place replaced, or with a field more, less or of another name. */
function changed(s: unknown): fc.Arbitrary<unknown> {
  const places: (readonly (string | number)[])[] = []
  walk(s, [], places)
  const fields = (s as { fields: Record<string, unknown>[] }).fields
  const withFields = (f: readonly unknown[]): unknown => ({ ...(s as object), fields: f })
  return fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...places.slice(1)), schema).map(([place, other]) => replace(s, place, other)) },
    { weight: 1, arbitrary: field.map((f) => withFields([...fields, { ...(f as object), name: 'k' }])) },
    { weight: 1, arbitrary: fc.constant(withFields(fields.slice(1))) },
    { weight: 1, arbitrary: fc.constant(withFields(fields.map((f, i) => (i === 0 ? { ...f, name: 'm', aliases: [f['name']] } : f)))) },
  )
}

function walk(s: unknown, path: readonly (string | number)[], into: (readonly (string | number)[])[]): void {
  into.push(path)
  if (Array.isArray(s)) for (const [i, b] of s.entries()) walk(b, [...path, i], into)
  else if (typeof s === 'object' && s !== null) {
    const o = s as { fields?: { type: unknown }[]; items?: unknown; values?: unknown }
    if (o.items !== undefined) walk(o.items, [...path, 'items'], into)
    if (o.values !== undefined) walk(o.values, [...path, 'values'], into)
    for (const [i, f] of (o.fields ?? []).entries()) walk(f.type, [...path, 'fields', i, 'type'], into)
  }
}

function replace(s: unknown, [head, ...rest]: readonly (string | number)[], other: unknown): unknown {
  if (head === undefined) return other
  if (Array.isArray(s)) return s.map((b, i) => (i === head ? replace(b, rest, other) : b))
  const o = s as Record<string, unknown>
  return { ...o, [head]: replace(o[head], rest, other) }
}

/** 2^53 + 1 is one that a double can't hold. */
function text(s: unknown): string {
  return JSON.stringify(s).replaceAll('9007199254740992', '9007199254740993')
}
