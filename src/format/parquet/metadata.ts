import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js'
import { ByteWriter } from 'hyparquet-writer/src/bytewriter.js'
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js'
import { Failure, isFailure } from '../../failure/failure.ts'

/**
 * Parquet's file metadata and page headers, with the numbers of parquet.thrift. Statistics stay bytes: a row group
 * that is carried over unchanged keeps exactly the minimum and maximum it had.
 */
export const PHYSICAL = { boolean: 0, int32: 1, int64: 2, int96: 3, float: 4, double: 5, bytes: 6, fixed: 7 } as const
export const REPETITION = { required: 0, optional: 1, repeated: 2 } as const
export const ENCODING = {
  plain: 0,
  plainDictionary: 2,
  rle: 3,
  deltaBinaryPacked: 5,
  deltaLengthByteArray: 6,
  deltaByteArray: 7,
  rleDictionary: 8,
  byteStreamSplit: 9,
} as const
export const CONVERTED = {
  utf8: 0,
  map: 1,
  mapKeyValue: 2,
  list: 3,
  decimal: 5,
  date: 6,
  timeMicros: 8,
  timestampMillis: 9,
  timestampMicros: 10,
} as const
export const PAGE = { data: 0, index: 1, dictionary: 2, dataV2: 3 } as const

/** A logical type as the thrift union: exactly one field set. Numbers of parquet.thrift's LogicalType. */
export type Logical =
  | { readonly kind: 'string' | 'map' | 'list' | 'date' | 'other' }
  | { readonly kind: 'decimal'; readonly scale: number; readonly precision: number }
  | { readonly kind: 'time' | 'timestamp'; readonly utc: boolean; readonly unit: 'ms' | 'us' | 'ns' }

export interface SchemaElement {
  readonly name: string
  /** Null: a group. */
  readonly type: number | null
  readonly typeLength: number
  readonly repetition: number
  readonly children: number
  readonly converted: number | null
  readonly scale: number
  readonly precision: number
  readonly logical: Logical | null
}

export interface Statistics {
  /** −1: not recorded. */
  readonly nullCount: number
  /** PLAIN bytes of one value, without length prefix. */
  readonly min: Uint8Array | null
  readonly max: Uint8Array | null
}

export interface ChunkMeta {
  readonly type: number
  readonly encodings: readonly number[]
  readonly path: readonly string[]
  readonly codec: number
  /** Values including nulls; for nested leaves the number of levels. */
  readonly values: number
  readonly rawBytes: number
  readonly storedBytes: number
  readonly dataPage: number
  readonly dictionaryPage: number | null
  readonly statistics: Statistics | null
}

export interface RowGroupMeta {
  readonly columns: readonly ChunkMeta[]
  readonly rows: number
  readonly rawBytes: number
}

export interface FileMeta {
  readonly schema: readonly SchemaElement[]
  readonly rows: number
  readonly rowGroups: readonly RowGroupMeta[]
  readonly keyValues: ReadonlyMap<string, string>
  readonly createdBy: string
}

export interface PageHeader {
  readonly type: number
  readonly rawSize: number
  readonly storedSize: number
  /** Values in the page (data pages: nulls included); dictionary: entries. */
  readonly values: number
  readonly encoding: number
  /** CRC-32 of the stored bytes, as a signed number; null: not recorded. */
  readonly crc: number | null
  /** V2 only. */
  readonly definitionBytes: number
  readonly repetitionBytes: number
  readonly compressed: boolean
}

// biome-ignore lint/suspicious/noExplicitAny: a thrift struct as hyparquet gives and takes it; shapes are checked where they are read
type Struct = { [key: `field_${number}`]: any }

/** First byte of a chunk in the file: its dictionary page when it has one. */
export function chunkStart(chunk: ChunkMeta): number {
  const d = chunk.dictionaryPage
  return d !== null && d > 0 && d < chunk.dataPage ? d : chunk.dataPage
}

/** Serialises the footer: thrift, its length as u32le, `PAR1`. */
export function encodeFooter(meta: FileMeta): Buffer {
  const writer = new ByteWriter(65536)
  serializeTCompactProtocol(writer, {
    field_1: 1,
    field_2: meta.schema.map(elementStruct),
    field_3: BigInt(meta.rows),
    field_4: meta.rowGroups.map(rowGroupStruct),
    field_5: [...meta.keyValues].map(([key, value]) => ({ field_1: key, field_2: value })),
    field_6: meta.createdBy,
    field_7: meta.schema.filter((e) => e.type !== null).map(() => ({ field_1: {} })),
  })
  const thrift = writer.getBytes()
  const out = Buffer.allocUnsafe(thrift.length + 8)
  out.set(thrift)
  out.writeUInt32LE(thrift.length, thrift.length)
  out.write('PAR1', thrift.length + 4, 'latin1')
  return out
}

/** Parses the thrift of a footer (without length and magic). Throws TRB-LAKE-401 when it is not one. */
export function decodeFooter(thrift: Buffer, file: string): FileMeta {
  try {
    return fileMeta(deserializeTCompactProtocol({ view: new DataView(thrift.buffer, thrift.byteOffset, thrift.length), offset: 0 }), file)
  } catch (e) {
    if (isFailure(e)) throw e
    throw new Failure('TRB-LAKE-401', { file, problem: 'its footer cannot be parsed' }, e)
  }
}

function fileMeta(s: Struct, file: string): FileMeta {
  const keyValues = new Map<string, string>()
  for (const kv of (s.field_5 ?? []) as Struct[]) keyValues.set(text(kv.field_1), text(kv.field_2))
  return {
    schema: (s.field_2 as Struct[]).map(readElement),
    rows: Number(s.field_3),
    rowGroups: ((s.field_4 ?? []) as Struct[]).map((g) => ({
      columns: (g.field_1 as Struct[]).map((c) => readChunk(c.field_3, file)),
      rows: Number(g.field_3),
      rawBytes: Number(g.field_2),
    })),
    keyValues,
    createdBy: text(s.field_6),
  }
}

/**
 * Headers of pages in thrift's compact protocol, put down by hand because there are thousands of them:
 *   header => 0x15 type 0x15 rawSize 0x15 storedSize page 0x00      0x15: the next field, an i32 as zigzag varint
 *   page   => 0x2c fields 0x00                                      data page (field 5); 0x4c: dictionary page (field 7)
 */
export function encodeDataPageHeader(rawSize: number, storedSize: number, values: number, encoding: number): Uint8Array {
  return pageHeader(PAGE.data, rawSize, storedSize, 0x2c, [values, encoding, ENCODING.rle, ENCODING.rle])
}

export function encodeDictionaryPageHeader(rawSize: number, storedSize: number, entries: number): Uint8Array {
  return pageHeader(PAGE.dictionary, rawSize, storedSize, 0x4c, [entries, ENCODING.plain])
}

function pageHeader(type: number, rawSize: number, storedSize: number, page: number, fields: readonly number[]): Uint8Array {
  const out: number[] = []
  const put = (value: number): void => {
    out.push(0x15)
    let v = value * 2
    for (; v > 127; v = Math.floor(v / 128)) out.push((v % 128) + 128)
    out.push(v)
  }
  put(type)
  put(rawSize)
  put(storedSize)
  out.push(page)
  for (const f of fields) put(f)
  out.push(0, 0)
  return Uint8Array.from(out)
}

/** Reads a page header at `reader.offset` and moves past it. */
export function decodePageHeader(reader: { view: DataView<ArrayBuffer>; offset: number }): PageHeader {
  const s: Struct = deserializeTCompactProtocol(reader)
  const v1: Struct | undefined = s.field_5
  const v2: Struct | undefined = s.field_8
  const dictionary: Struct | undefined = s.field_7
  return {
    type: s.field_1,
    rawSize: s.field_2,
    storedSize: s.field_3,
    values: v1?.field_1 ?? v2?.field_1 ?? dictionary?.field_1 ?? 0,
    encoding: v1?.field_2 ?? v2?.field_4 ?? dictionary?.field_2 ?? 0,
    crc: s.field_4 ?? null,
    definitionBytes: v2?.field_5 ?? 0,
    repetitionBytes: v2?.field_6 ?? 0,
    compressed: v2?.field_7 ?? true,
  }
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}

function elementStruct(e: SchemaElement): Struct {
  return {
    field_1: e.type ?? undefined,
    field_2: e.type === PHYSICAL.fixed ? e.typeLength : undefined,
    field_3: e.repetition < 0 ? undefined : e.repetition,
    field_4: e.name,
    field_5: e.type === null ? e.children : undefined,
    field_6: e.converted ?? undefined,
    field_7: e.logical?.kind === 'decimal' ? e.scale : undefined,
    field_8: e.logical?.kind === 'decimal' ? e.precision : undefined,
    field_10: e.logical === null ? undefined : logicalStruct(e.logical),
  }
}

function logicalStruct(l: Logical): Struct | undefined {
  const unit = (u: string): Struct => (u === 'ms' ? { field_1: {} } : u === 'us' ? { field_2: {} } : { field_3: {} })
  switch (l.kind) {
    case 'string':
      return { field_1: {} }
    case 'map':
      return { field_2: {} }
    case 'list':
      return { field_3: {} }
    case 'decimal':
      return { field_5: { field_1: l.scale, field_2: l.precision } }
    case 'date':
      return { field_6: {} }
    case 'time':
      return { field_7: { field_1: l.utc, field_2: unit(l.unit) } }
    case 'timestamp':
      return { field_8: { field_1: l.utc, field_2: unit(l.unit) } }
    default:
      return undefined
  }
}

function readElement(s: Struct): SchemaElement {
  return {
    name: text(s.field_4),
    type: s.field_1 ?? null,
    typeLength: s.field_2 ?? 0,
    repetition: s.field_3 ?? -1,
    children: s.field_5 ?? 0,
    converted: s.field_6 ?? null,
    scale: s.field_7 ?? 0,
    precision: s.field_8 ?? 0,
    logical: s.field_10 === undefined ? null : readLogical(s.field_10),
  }
}

function readLogical(s: Struct): Logical {
  const unit = (u: Struct): 'ms' | 'us' | 'ns' => (u.field_1 !== undefined ? 'ms' : u.field_2 !== undefined ? 'us' : 'ns')
  if (s.field_1) return { kind: 'string' }
  if (s.field_2) return { kind: 'map' }
  if (s.field_3) return { kind: 'list' }
  if (s.field_5) return { kind: 'decimal', scale: s.field_5.field_1, precision: s.field_5.field_2 }
  if (s.field_6) return { kind: 'date' }
  if (s.field_7) return { kind: 'time', utc: s.field_7.field_1, unit: unit(s.field_7.field_2) }
  if (s.field_8) return { kind: 'timestamp', utc: s.field_8.field_1, unit: unit(s.field_8.field_2) }
  return { kind: 'other' }
}

function rowGroupStruct(g: RowGroupMeta): Struct {
  const stored = g.columns.reduce((sum, c) => sum + c.storedBytes, 0)
  const first = g.columns[0]
  return {
    field_1: g.columns.map((c) => ({ field_2: BigInt(chunkStart(c)), field_3: chunkStruct(c) })),
    field_2: BigInt(g.rawBytes),
    field_3: BigInt(g.rows),
    field_5: first === undefined ? undefined : BigInt(chunkStart(first)),
    field_6: BigInt(stored),
  }
}

function chunkStruct(c: ChunkMeta): Struct {
  const s = c.statistics
  return {
    field_1: c.type,
    field_2: [...c.encodings],
    field_3: [...c.path],
    field_4: c.codec,
    field_5: BigInt(c.values),
    field_6: BigInt(c.rawBytes),
    field_7: BigInt(c.storedBytes),
    field_9: BigInt(c.dataPage),
    field_11: c.dictionaryPage === null ? undefined : BigInt(c.dictionaryPage),
    field_12: s === null ? undefined : statisticsStruct(s),
  }
}

function statisticsStruct(s: Statistics): Struct {
  return {
    field_3: s.nullCount < 0 ? undefined : BigInt(s.nullCount),
    field_5: s.max ?? undefined,
    field_6: s.min ?? undefined,
  }
}

function readChunk(s: Struct | undefined, file: string): ChunkMeta {
  if (s === undefined) throw new Failure('TRB-LAKE-401', { file, problem: 'a column chunk has no metadata' })
  const st: Struct | undefined = s.field_12
  return {
    type: s.field_1,
    encodings: s.field_2,
    path: (s.field_3 as Uint8Array[]).map(text),
    codec: s.field_4,
    values: Number(s.field_5),
    rawBytes: Number(s.field_6),
    storedBytes: Number(s.field_7),
    dataPage: Number(s.field_9),
    dictionaryPage: s.field_11 === undefined ? null : Number(s.field_11),
    statistics:
      st === undefined
        ? null
        : { nullCount: st.field_3 === undefined ? -1 : Number(st.field_3), min: st.field_6 ?? null, max: st.field_5 ?? null },
  }
}
