import { isCharacter, isNumeric, metaBytes, T } from './column-type.ts'
import { PackedReader, u16, u48 } from './little-endian.ts'

/** A column of the primary key; `prefix` in characters, 0: the whole value. */
export interface KeyPart {
  readonly column: number
  readonly prefix: number
}

/**
 * A TABLE_MAP event: how the rows that follow are laid out. Everything from `signed` on is optional metadata: null where the server did
 * not write it (binlog_row_metadata=MINIMAL leaves out all but signedness, charsets and geometry types).
 */
export interface TableMap {
  /** Number under which the following rows events name the table; another one after each change of its shape or restart. */
  readonly tableId: number
  readonly schema: string
  readonly table: string
  readonly count: number
  /** Real types (column-type.ts): a STRING that holds an enum or a set is ENUM or SET here. */
  readonly types: Uint8Array
  /**
   * By type: STRING, VARCHAR: most bytes of a value. ENUM, SET: bytes of a value. BLOB, JSON, GEOMETRY, VECTOR: bytes of the length.
   * NEWDECIMAL: precision << 8 | scale. BIT: number of bits. TIME2, DATETIME2, TIMESTAMP2: digits of the fraction. FLOAT, DOUBLE: bytes.
   */
  readonly meta: Uint16Array
  /** 1: may be null. */
  readonly nullable: Uint8Array
  /** 1: unsigned; for columns that are not numeric 0. */
  readonly unsigned: Uint8Array | null
  /** Collation id by column (63 binary); 0 for columns without one. Enums and sets are among them. */
  readonly collations: Uint16Array | null
  /** Column names, in utf8. */
  readonly names: readonly string[] | null
  /** By column, null for others: the labels of enums and sets as bytes of the column's character set. */
  readonly labels: readonly (readonly Buffer[] | null)[] | null
  /** By column: 0 geometry, 1 point, 2 linestring, 3 polygon, 4 multipoint, 5 multilinestring, 6 multipolygon, 7 collection; −1 others. */
  readonly geometry: Int16Array | null
  /** In key order; null: there is none, or it is not written. */
  readonly primaryKey: readonly KeyPart[] | null
  /** 1: visible. Null: all are, or not written. */
  readonly visible: Uint8Array | null
  /** Dimensions of VECTOR columns, −1 for others. */
  readonly dimensions: Int32Array | null
}

type Draft = { -readonly [K in keyof TableMap]: TableMap[K] }

/** Table number at the start of the bodies of TABLE_MAP and rows events. */
export function tableIdOf(buf: Uint8Array, p: number): number {
  return u48(buf, p)
}

/**
 * Reads the body of a TABLE_MAP event; null when it is malformed or holds a type that is not known.
 *
 *   body     => tableId:u48 flags:u16 schemaLength:u8 schema NUL tableLength:u8 table NUL count:lenenc types:u8[count]
 *               metaLength:lenenc meta nullable:bit[count] (kind:u8 length:lenenc field)*
 *   nullable => least significant bit of the first byte first; the bits of `field` start with the most significant one
 *   field    => 1 signedness: bit per numeric column                 2 default collation:lenenc (character column:lenenc collation:lenenc)*
 *               3 collation:lenenc per character column               4 (length:lenenc name) per column
 *               5 sets, 6 enums: per column n:lenenc (length:lenenc label)[n]      7 geometry type:lenenc per geometry column
 *               8 primary key: column:lenenc*                         9 (column:lenenc prefix:lenenc)*
 *               10, 11: like 2 and 3 for enums and sets               12 visibility: bit per column     13 dimension:lenenc per vector
 *
 * @param mariadb MariaDB counts geometry among the character columns, MySQL vectors
 */
export function parseTableMap(buf: Buffer, start: number, end: number, mariadb: boolean): TableMap | null {
  const r = new PackedReader(buf, start, end)
  const tableId = u48(buf, r.take(8))
  const schema = shortName(r)
  const table = shortName(r)
  const count = r.number()
  if (!r.ok || count > 4096) return null
  const typesAt = r.take(count)
  if (!r.ok) return null
  const types = Uint8Array.from(buf.subarray(typesAt, typesAt + count))
  const metaLength = r.number()
  const metaAt = r.take(metaLength)
  const meta = r.ok ? readMeta(buf, metaAt, metaAt + metaLength, types) : null
  const nullableAt = r.take((count + 7) >> 3)
  if (meta === null || !r.ok) return null
  const nullable = new Uint8Array(count)
  for (let i = 0; i < count; i++) nullable[i] = (buf[nullableAt + (i >> 3)] >> (i & 7)) & 1
  const map: Draft = {
    tableId,
    schema,
    table,
    count,
    types,
    meta,
    nullable,
    unsigned: null,
    collations: null,
    names: null,
    labels: null,
    geometry: null,
    primaryKey: null,
    visible: null,
    dimensions: null,
  }
  while (r.more) {
    const kind = r.byte()
    const length = r.number()
    const at = r.take(length)
    if (!r.ok || !readField(map, kind, new PackedReader(buf, at, at + length), mariadb ? mariadbHasCharset : mysqlHasCharset)) return null
  }
  return r.ok ? map : null
}

function shortName(r: PackedReader): string {
  const length = r.byte()
  const at = r.take(length + 1)
  return r.ok ? r.buf.toString('utf8', at, at + length) : ''
}

/** Brings the metadata of all columns into the form of `TableMap.meta`, and STRINGs that are enums or sets to their real type. */
function readMeta(buf: Buffer, start: number, end: number, types: Uint8Array): Uint16Array | null {
  const meta = new Uint16Array(types.length)
  let p = start
  for (let i = 0; i < types.length; i++) {
    const bytes = metaBytes(types[i])
    if (bytes < 0 || p + bytes > end) return null
    if (bytes === 1) meta[i] = buf[p]
    else if (bytes === 2) meta[i] = twoByteMeta(buf[p], buf[p + 1], types, i)
    p += bytes
  }
  return p === end ? meta : null
}

function twoByteMeta(a: number, b: number, types: Uint8Array, i: number): number {
  switch (types[i]) {
    case T.NEWDECIMAL:
      return (a << 8) | b
    case T.BIT:
      return b * 8 + a
    case T.STRING:
      // Lengths above 255 hide two bits in the type, inverted.
      if ((a & 0x30) !== 0x30) return b | (((a & 0x30) ^ 0x30) << 4)
      types[i] = a
      return b
    case T.ENUM:
    case T.SET:
      return b
    default:
      return a | (b << 8)
  }
}

/** False: malformed. Kinds that are not known are left out: each has its length. */
function readField(map: Draft, kind: number, r: PackedReader, hasCharset: (type: number) => boolean): boolean {
  switch (kind) {
    case 1:
      map.unsigned = spread(map, isNumeric, readBits(r))
      break
    case 2:
    case 10:
      defaultCollations(map, kind === 2 ? hasCharset : isLabelled, r)
      break
    case 3:
    case 11:
      columnCollations(map, kind === 3 ? hasCharset : isLabelled, r)
      break
    case 4:
      map.names = Array.from({ length: map.count }, () => r.bytes().toString('utf8'))
      break
    case 5:
      readLabels(map, T.SET, r)
      break
    case 6:
      readLabels(map, T.ENUM, r)
      break
    case 7:
      map.geometry = new Int16Array(map.count).fill(-1)
      for (let i = 0; i < map.count; i++) if (map.types[i] === T.GEOMETRY) map.geometry[i] = r.number()
      break
    case 8:
    case 9:
      map.primaryKey = readKey(r, kind === 9)
      return r.ok && map.primaryKey.every((k) => k.column < map.count)
    case 12:
      map.visible = spread(map, () => true, readBits(r))
      break
    case 13:
      map.dimensions = new Int32Array(map.count).fill(-1)
      for (let i = 0; i < map.count; i++) if (map.types[i] === T.VECTOR) map.dimensions[i] = r.number()
      break
  }
  return r.ok
}

function mariadbHasCharset(type: number): boolean {
  return type === T.GEOMETRY || isCharacter(type)
}

function mysqlHasCharset(type: number): boolean {
  return type === T.VECTOR || isCharacter(type)
}

function isLabelled(type: number): boolean {
  return type === T.ENUM || type === T.SET
}

type Bits = (i: number) => number

function readBits(r: PackedReader): Bits {
  const { buf, pos, end } = r
  return (i) => (pos + (i >> 3) < end ? (buf[pos + (i >> 3)] >> (7 - (i & 7))) & 1 : 0)
}

/** The n-th bit belongs to the n-th column that `applies`. */
function spread(map: Draft, applies: (type: number) => boolean, bits: Bits): Uint8Array {
  const out = new Uint8Array(map.count)
  let n = 0
  for (let i = 0; i < map.count; i++) if (applies(map.types[i])) out[i] = bits(n++)
  return out
}

/** Text columns and enums have an entry each: both write into one array. */
function collationsOf(map: Draft): Uint16Array {
  const out = (map.collations as Uint16Array | null) ?? new Uint16Array(map.count)
  map.collations = out
  return out
}

function defaultCollations(map: Draft, applies: (type: number) => boolean, r: PackedReader): void {
  const usual = r.number()
  const others = new Map<number, number>()
  while (r.more) {
    const column = r.number()
    others.set(column, r.number())
  }
  const out = collationsOf(map)
  let n = 0
  for (let i = 0; i < map.count; i++) if (applies(map.types[i])) out[i] = others.get(n++) ?? usual
}

function columnCollations(map: Draft, applies: (type: number) => boolean, r: PackedReader): void {
  const out = collationsOf(map)
  for (let i = 0; i < map.count; i++) if (applies(map.types[i])) out[i] = r.number()
}

function readLabels(map: Draft, type: number, r: PackedReader): void {
  const labels = map.labels?.slice() ?? new Array<readonly Buffer[] | null>(map.count).fill(null)
  for (let i = 0; i < map.count && r.ok; i++) {
    if (map.types[i] !== type) continue
    const n = r.number()
    const values: Buffer[] = []
    for (let k = 0; k < n && r.ok; k++) values.push(Buffer.from(r.bytes()))
    labels[i] = values
  }
  map.labels = labels
}

function readKey(r: PackedReader, prefixes: boolean): KeyPart[] {
  const parts: KeyPart[] = []
  while (r.more) {
    const column = r.number()
    parts.push({ column, prefix: prefixes ? r.number() : 0 })
  }
  return parts
}

/** Flags of a rows event, behind its table number. Bit 0: it ends its statement. */
export function rowsFlags(buf: Uint8Array, p: number): number {
  return u16(buf, p + 6)
}
