import type { Dice } from '../interop/dice.ts'
import type { Flavor } from '../support/mysql.ts'

/** A column type as DDL writes it, and literals of it. */
export interface ColumnKind {
  readonly type: string
  readonly literal: (d: Dice) => string
  /** May stand in a key. */
  readonly key: boolean
  /** A literal that the server takes as a default of this type; null: it takes none. */
  readonly preset: ((d: Dice) => string) | null
  /** Debezium's shape of it depends on the text of the DDL, which no snapshot shows: only in tables from before. */
  readonly beforeOnly?: true
  /** Debezium stops at values of it in a column that is NOT NULL. */
  readonly nullOnly?: true
}

const pad = (n: number, width: number): string => String(n).padStart(width, '0')
const digits = (d: Dice, n: number): string => Array.from({ length: n }, () => String(d.below(10))).join('')
const hex = (d: Dice, bytes: number): string =>
  `X'${Array.from({ length: bytes }, () => d.below(256).toString(16).padStart(2, '0')).join('')}'`
const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`

const WORDS = [
  '',
  'a',
  'Hello',
  'x y',
  ' lead',
  'trail ',
  "it's",
  'q"q',
  'back\\slash',
  'comma,s',
  '0',
  'NULL',
  'a\tb',
  'line\nbreak',
  'percent%',
  '{"a": 1}',
]

/** Letters that each set of characters has. */
const LETTERS: Readonly<Record<string, string>> = {
  utf8mb4: 'éß漢字😀Ωя',
  utf8mb3: 'éß漢字Ωя',
  ucs2: 'éß漢字Ωя',
  utf16: 'éß漢😀Ωя',
  utf16le: 'éß漢😀Ωя',
  utf32: 'éß漢😀Ωя',
  latin1: 'éßÿ£ñ',
  latin2: 'łőžč',
  latin5: 'şğıé',
  latin7: 'ąžėš',
  cp1250: 'łőžč',
  cp1251: 'яжЩё',
  cp1256: 'سلام',
  cp1257: 'ąžėš',
  cp850: 'éßñü',
  cp852: 'łőžč',
  cp866: 'яжЩё',
  koi8r: 'яжЩё',
  koi8u: 'яжЩё',
  greek: 'Ωλπς',
  hebrew: 'שלום',
  gbk: '汉字测试',
  gb2312: '汉字测试',
  gb18030: '汉字😀测',
  big5: '漢字測試',
  sjis: '日本テスト',
  cp932: '日本テスト',
  ujis: '日本テスト',
  eucjpms: '日本テスト',
  euckr: '한국어',
  tis620: 'ภาษา',
  ascii: 'plain',
}

function word(d: Dice, set: string, most: number): string {
  const letters = [...LETTERS[set]!]
  const own = Array.from({ length: d.below(4) }, () => d.one(letters)).join('')
  return [...`${d.one(WORDS)}${own}`].slice(0, most).join('')
}

function text(name: string, set: string, most: number, key = false): ColumnKind {
  return {
    type: `${name} CHARACTER SET ${set}`,
    literal: (d) => quoted(word(d, set, most)),
    key,
    preset: /TEXT/.test(name) ? null : (d) => quoted(d.one(['', 'a', 'dflt', 'x y'])),
  }
}

function whole(type: string, bits: number, unsigned: boolean): ColumnKind {
  const literal = (d: Dice): string => {
    const span = 1n << BigInt(bits)
    const low = unsigned ? 0n : -span / 2n
    const high = low + span - 1n
    const any = low + (BigInt(`0x${digits(d, 16)}`) % span)
    return String(d.one([low, high, 0n, 1n, low + 1n, any, any, any]))
  }
  return { type: `${type}${unsigned ? ' UNSIGNED' : ''}`, literal, key: true, preset: (d) => String(d.below(100)) }
}

function decimal(precision: number, scale: number, extra = ''): ColumnKind {
  const number = (d: Dice): string => {
    const all = digits(d, 1 + d.below(precision)).padStart(scale + 1, '0')
    const at = Math.max(0, all.length - scale)
    const whole = all.slice(0, at).slice(-(precision - scale) || at + 1)
    const sign = extra === '' && d.flip() ? '-' : ''
    return `${sign}${precision === scale ? '0' : whole || '0'}${scale === 0 ? '' : `.${all.slice(at)}`}`
  }
  return { type: `DECIMAL(${precision},${scale})${extra}`, literal: number, key: extra === '', preset: () => '0' }
}

const date = (d: Dice, from = 1000, to = 9999): string =>
  `${pad(from + d.below(to - from + 1), 4)}-${pad(1 + d.below(12), 2)}-${pad(1 + d.below(28), 2)}`
const clock = (d: Dice, hours = 24): string => `${pad(d.below(hours), 2)}:${pad(d.below(60), 2)}:${pad(d.below(60), 2)}`
const fraction = (d: Dice, n: number): string => (n === 0 ? '' : `.${digits(d, n)}`)

function temporal(flavor: Flavor): ColumnKind[] {
  const kinds: ColumnKind[] = [{ type: 'DATE', literal: (d) => `'${date(d)}'`, key: true, preset: () => "'2020-01-02'" }]
  for (const n of [0, 1, 2, 3, 4, 5, 6]) {
    const size = n === 0 ? '' : `(${n})`
    kinds.push({
      type: `TIME${size}`,
      literal: (d) => `'${d.flip() ? '-' : ''}${clock(d, d.one([24, 24, 838]))}${fraction(d, n)}'`,
      key: false,
      preset: () => "'10:11:12'",
      nullOnly: true,
    })
    kinds.push({
      type: `DATETIME${size}`,
      // Beyond 2262 nanoseconds do not fit in 64 bits; Debezium's answers to that are listed.
      literal: (d) => `'${date(d, 1700, 2261)} ${clock(d)}${fraction(d, n)}'`,
      key: n === 3,
      preset: (d) => d.one(["'2020-01-02 03:04:05'", `CURRENT_TIMESTAMP${size}`]),
    })
    kinds.push({
      type: `TIMESTAMP${size} NULL`,
      literal: (d) => `'${date(d, 1971, 2037)} ${clock(d)}${fraction(d, n)}'`,
      key: false,
      preset: (d) => d.one(["'2020-01-02 03:04:05'", `CURRENT_TIMESTAMP${size}`]),
    })
  }
  // The year 0000 stops the MariaDB connector in a snapshot.
  const year = (d: Dice): string => String(1901 + d.below(255))
  kinds.push({
    type: 'YEAR',
    literal: flavor === 'mysql' ? (d) => (d.below(8) === 0 ? '0' : year(d)) : year,
    key: false,
    preset: () => '2020',
  })
  return kinds
}

function labels(): ColumnKind[] {
  const enumOf = (names: readonly string[], extra = ''): ColumnKind => ({
    type: `ENUM(${names.map(quoted).join(',')})${extra}`,
    literal: (d) => quoted(d.one(names)),
    key: false,
    preset: () => quoted(names[0]!),
  })
  const setOf = (names: readonly string[]): ColumnKind => ({
    type: `SET(${names.map(quoted).join(',')})`,
    literal: (d) => quoted(d.some(names, d.below(4)).join(',')),
    key: false,
    preset: () => quoted(names[0]!),
  })
  return [
    enumOf(['a', 'b', 'c']),
    enumOf(['x', 'yes', 'no', 'ü']),
    enumOf(Array.from({ length: 300 }, (_, i) => `v${i}`)),
    setOf(['x', 'y', 'z']),
    setOf(Array.from({ length: 64 }, (_, i) => `s${i}`)),
  ]
}

function binaries(): ColumnKind[] {
  const of = (type: string, most: number, key = false): ColumnKind => ({
    type,
    literal: (d) => hex(d, d.below(most + 1)),
    key,
    // A default of BINARY(n) is filled up with zeros, or not, by whether Debezium has it from a snapshot or from the DDL.
    preset: /BLOB|BINARY\(7\)/.test(type) ? null : () => "'x'",
  })
  return [
    of('BINARY(1)', 1),
    of('BINARY(7)', 7),
    of('VARBINARY(20)', 20, true),
    of('VARBINARY(300)', 280),
    of('TINYBLOB', 100),
    of('BLOB', 400),
    of('MEDIUMBLOB', 50),
    of('LONGBLOB', 50),
  ]
}

function json(d: Dice, depth = 0): string {
  const kinds = depth > 2 ? 6 : 8
  switch (d.below(kinds)) {
    case 0:
      return 'null'
    case 1:
      return d.one(['true', 'false'])
    case 2:
      return String(d.below(100_000) - 50_000)
    case 3:
      return d.one(['1.5', '-0.25', '1e3', '123456789012345678', '-2147483649', '4294967296', '18446744073709551615', '0.1', '3.0'])
    case 4:
    case 5:
      return JSON.stringify(d.one(['', 'a', 'é漢😀', 'q"uote', 'b\\s', 'tab\t', 'nl\n', '/', '\u0001', 'x'.repeat(200)]))
    case 6:
      return `[${Array.from({ length: d.below(4) }, () => json(d, depth + 1)).join(', ')}]`
    default:
      return `{${Array.from({ length: d.below(4) }, (_, i) => `"${d.one(['a', 'bb', 'ccc', 'é'])}${i}": ${json(d, depth + 1)}`).join(', ')}}`
  }
}

function geometry(): ColumnKind[] {
  const n = (d: Dice): string => `${d.below(200) - 100}${d.flip() ? '' : `.${d.below(1000)}`}`
  const p = (d: Dice): string => `${n(d)} ${n(d)}`
  const line = (d: Dice): string => `${p(d)},${p(d)},${p(d)}`
  const ring = (d: Dice): string => {
    const [x, y] = [d.below(50), d.below(50)]
    return `(${x} ${y},${x} ${y + 5},${x + 5} ${y + 5},${x} ${y})`
  }
  const shapes: readonly (readonly [string, (d: Dice) => string])[] = [
    ['POINT', (d) => `POINT(${p(d)})`],
    ['LINESTRING', (d) => `LINESTRING(${line(d)})`],
    ['POLYGON', (d) => `POLYGON(${ring(d)})`],
    ['MULTIPOINT', (d) => `MULTIPOINT(${p(d)},${p(d)})`],
    ['MULTILINESTRING', (d) => `MULTILINESTRING((${line(d)}),(${line(d)}))`],
    ['MULTIPOLYGON', (d) => `MULTIPOLYGON((${ring(d)}))`],
    ['GEOMETRYCOLLECTION', (d) => `GEOMETRYCOLLECTION(POINT(${p(d)}),LINESTRING(${line(d)}))`],
  ]
  const of = (type: string, text: (d: Dice) => string): ColumnKind => ({
    type,
    literal: (d) => `ST_GeomFromText('${text(d)}'${d.below(3) === 0 ? ', 3857' : ''})`,
    key: false,
    preset: null,
  })
  return [...shapes.map(([type, t]) => of(type, t)), of('GEOMETRY', (d) => d.one(shapes)[1](d))]
}

/** Sets of characters that only one of the two has. */
const ONLY_MYSQL = ['gb18030']

// A UUID that ends in a byte 00 is shown by the MariaDB connector (3.5) with the zeros in front: such values are not made.
/** Sets of which the MariaDB connector (3.5) shows letters as U+FFFD. */
const BROKEN = ['cp932']

/** Every type of the server, by the ways in which they differ. */
export function columnKinds(flavor: Flavor): readonly ColumnKind[] {
  const integers = (['TINYINT', 'SMALLINT', 'MEDIUMINT', 'INT', 'BIGINT'] as const).flatMap((t, i) => {
    const bits = [8, 16, 24, 32, 64][i]!
    return [whole(t, bits, false), whole(t, bits, true)]
  })
  const floats: ColumnKind[] = [
    {
      type: 'DOUBLE',
      literal: (d) => `${d.flip() ? '-' : ''}${digits(d, 3)}.${digits(d, 4)}e${d.below(60) - 30}`,
      key: false,
      preset: () => '2.25',
    },
    // Six digits are what a snapshot shows of a FLOAT.
    {
      type: 'FLOAT',
      literal: (d) => `${d.flip() ? '-' : ''}${d.below(1000)}.${d.one(['5', '25', '125', '0'])}`,
      key: false,
      preset: () => '1.5',
    },
    { type: 'FLOAT(7,3)', literal: (d) => `${d.below(1000)}.${d.one(['5', '25', '125', '0'])}`, key: false, preset: () => '1.5' },
    { type: 'DOUBLE(10,2)', literal: (d) => `${d.below(100_000)}.${digits(d, 2)}`, key: false, preset: () => '1.5' },
  ]
  const bit = (n: number): ColumnKind => ({
    type: `BIT(${n})`,
    literal: (d) => `b'${Array.from({ length: n }, () => d.below(2)).join('')}'`,
    key: false,
    preset: () => "b'1'",
  })
  const sets = Object.keys(LETTERS).filter((s) => flavor === 'mysql' || (!ONLY_MYSQL.includes(s) && !BROKEN.includes(s)))
  return [
    ...integers,
    { type: 'TINYINT(1)', literal: (d) => d.one(['0', '1', '1', '-5']), key: false, preset: () => '1' },
    { type: 'INT(5) UNSIGNED ZEROFILL', literal: (d) => String(d.below(99_999)), key: false, preset: () => '7' },
    ...floats,
    decimal(5, 2),
    decimal(10, 0),
    decimal(38, 10),
    decimal(65, 30),
    decimal(9, 9),
    decimal(18, 9, ' UNSIGNED'),
    bit(1),
    bit(5),
    bit(33),
    bit(64),
    ...temporal(flavor),
    ...labels(),
    ...binaries(),
    ...sets.flatMap((s) => [text('CHAR(12)', s, 12), text('VARCHAR(60)', s, 60)]),
    text('VARCHAR(40)', 'utf8mb4', 40, true),
    text('CHAR(8)', 'latin1', 8, true),
    text('TINYTEXT', 'utf8mb4', 50),
    text('TEXT', 'utf8mb4', 50),
    text('MEDIUMTEXT', 'latin1', 50),
    text('LONGTEXT', 'gbk', 50),
    { type: 'JSON', literal: (d) => quoted(json(d)), key: false, preset: null, ...(flavor === 'mariadb' ? { beforeOnly: true } : {}) },
    ...geometry(),
    ...(flavor === 'mariadb'
      ? [
          {
            type: 'UUID',
            literal: (d: Dice) => `'${digits(d, 8)}-${digits(d, 4)}-4${digits(d, 3)}-8${digits(d, 3)}-${digits(d, 11)}1'`,
            key: false,
            preset: null,
          },
        ]
      : [{ type: 'VECTOR(3)', literal: (d: Dice) => `STRING_TO_VECTOR('[${d.below(9)}.5,${d.below(9)},-1]')`, key: false, preset: null }]),
  ]
}
