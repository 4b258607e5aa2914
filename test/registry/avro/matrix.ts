import type { SchemaPair } from './oracle.ts'

const field = (name: string, type: unknown, more: object = {}): object => ({ name, type, ...more })
const row = (...fields: object[]): object => ({ type: 'record', name: 'Row', fields })
const enumOf = (symbols: string[], more: object = {}): object => ({ type: 'enum', name: 'E', symbols, ...more })
const fixed = (size: number, name = 'F'): object => ({ type: 'fixed', name, size })

const PRIMITIVES = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']
const COMPLEX = [
  row(field('a', 'int')),
  enumOf(['P']),
  fixed(2),
  { type: 'array', items: 'int' },
  { type: 'map', values: 'int' },
  ['null', 'int'],
]

/** Rules one by one; [reader, writer]. */
const RULES: readonly (readonly [unknown, unknown])[] = [
  [row(field('a', 'int'), field('b', 'int')), row(field('a', 'int'))],
  [row(field('a', 'int'), field('b', 'int', { default: 0 })), row(field('a', 'int'))],
  [row(field('a', 'int'), field('b', ['null', 'int'], { default: null })), row(field('a', 'int'))],
  [row(field('a', 'int'), field('b', ['null', 'int'])), row(field('a', 'int'))],
  [row(field('a', 'int')), row(field('a', 'int'), field('b', 'int'))],
  [row(field('b', 'int', { aliases: ['a'] })), row(field('a', 'int'))],
  [row(field('b', 'int')), row(field('a', 'int', { aliases: ['b'] }))],
  [row(field('b', 'int', { aliases: ['a'] })), row(field('a', 'int'), field('b', 'int'))],
  [row(field('a', 'long')), row(field('a', 'int'))],
  [row(field('a', 'int')), row(field('a', 'long'))],
  [row(field('a', ['null', 'long'])), row(field('a', ['null', 'int']))],
  [row(field('a', ['null', 'int'])), row(field('a', ['null', 'long']))],
  [row(field('a', ['null', 'int'])), row(field('a', 'int'))],
  [row(field('a', 'int')), row(field('a', ['null', 'int']))],
  [row(field('a', 'int')), row(field('a', ['int']))],
  [row(field('a', { type: 'array', items: 'string' })), row(field('a', { type: 'array', items: 'bytes' }))],
  [row(field('a', { type: 'array', items: 'int' })), row(field('a', { type: 'array', items: 'string' }))],
  [row(field('a', { type: 'map', values: 'double' })), row(field('a', { type: 'map', values: 'float' }))],
  [enumOf(['P', 'Q']), enumOf(['P'])],
  [enumOf(['P']), enumOf(['P', 'Q'])],
  [enumOf(['P'], { default: 'P' }), enumOf(['P', 'Q'])],
  [row(field('e', enumOf(['P'], { default: 'P' }))), row(field('a', 'int'))],
  [fixed(2), fixed(4)],
  [fixed(2, 'G'), fixed(2)],
  [{ ...fixed(2, 'G'), aliases: ['F'] }, fixed(2)],
  [fixed(2, 'x.F'), fixed(2, 'y.F')],
  [{ ...row(field('a', 'int')), name: 'Other' }, row(field('a', 'int'))],
  [{ ...row(field('a', 'int')), name: 'x.Row' }, row(field('a', 'int'))],
  [
    row(field('a', { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 })),
    row(field('a', { type: 'bytes', logicalType: 'decimal', precision: 4, scale: 1 })),
  ],
  [row(field('next', ['null', 'Row']), field('x', 'int')), row(field('next', ['null', 'Row']))],
  [row(field('next', ['null', 'Row'])), row(field('next', ['null', 'Row']), field('x', 'int'))],
  // What is no schema.
  [row(field('a', 'int'), field('a', 'int')), 'int'],
  [row(field('a', 'int', { default: 'x' })), 'int'],
  [row(field('a', 'int', { default: 2 ** 31 })), 'int'],
  [row(field('a', 'double', { default: 'NaN' })), 'int'],
  [row(field('1a', 'int')), 'int'],
  [row(field('größe', 'int')), 'int'],
  [{ ...row(field('a', 'int')), name: 'a-b' }, 'int'],
  [{ type: 'record', name: 'Row' }, 'int'],
  [{ type: 'record', fields: [] }, 'int'],
  [enumOf(['P', 'P']), 'int'],
  [enumOf(['P'], { default: 'Q' }), 'int'],
  [['int', 'int'], 'int'],
  [['int', ['null']], 'int'],
  ['Row', 'int'],
  [{ type: 'fixed', name: 'F', size: -1 }, 'int'],
  [{ type: 'fixed', name: 'F' }, 'int'],
  [{ type: 'array' }, 'int'],
  [{}, 'int'],
  [1, 'int'],
]

/** Every type against every other, then the rules. */
export const MATRIX: readonly SchemaPair[] = [
  ...[...PRIMITIVES, ...COMPLEX].flatMap((r) => [...PRIMITIVES, ...COMPLEX].map((w) => [r, w] as const)),
  ...RULES,
].map(([reader, writer]) => ({ reader: JSON.stringify(reader), writer: JSON.stringify(writer) }))
