import { crc32 } from 'node:zlib'
import { deltaBinaryUnpack, deltaByteArray, deltaLengthByteArray } from 'hyparquet/src/delta.js'
import { Failure } from '../../failure/failure.ts'
import { decompress } from './codec.ts'
import { copyBytes, type DictionaryVector, emptyPlain, type PlainVector } from './column.ts'
import { type ChunkMeta, decodePageHeader, ENCODING, PAGE, type PageHeader, PHYSICAL } from './metadata.ts'
import { bitWidth, decodeRuns } from './rle.ts'
import type { LeafNode } from './schema.ts'
import { type Allocate, int32s, ownMemory } from './scratch.ts'

/** Values without gaps, in the physical type of the file. */
export interface DenseFixed {
  readonly kind: 'dense-fixed'
  readonly width: number
  readonly data: Buffer
}

export type Dense = DenseFixed | PlainVector | DictionaryVector

/** One leaf of one row group: levels (null: all zero / all present) and the values that are present. */
export interface LeafValues {
  readonly count: number
  readonly repetition: Uint8Array | null
  readonly definition: Uint8Array | null
  readonly dense: Dense
  readonly denseCount: number
}

const WIDTH: Readonly<Record<number, number>> = { 0: 1, 1: 4, 2: 8, 3: 12, 4: 4, 5: 8 }

/** Bytes of a value in a DenseFixed; 0 for byte strings. Booleans are one byte each. */
export function widthOf(leaf: LeafNode): number {
  if (leaf.element.type === PHYSICAL.bytes) return 0
  return leaf.element.type === PHYSICAL.fixed ? leaf.element.typeLength : WIDTH[leaf.element.type!]
}

/**
 * Decodes a column chunk: V1 and V2 pages; PLAIN, dictionary, RLE booleans, DELTA_* and BYTE_STREAM_SPLIT.
 * A chunk whose pages are all dictionary-encoded byte strings stays a dictionary.
 */
export function readChunk(bytes: Buffer, meta: ChunkMeta, leaf: LeafNode, file: string, allocate = ownMemory): LeafValues {
  const state = new ChunkState(meta, leaf, file, allocate)
  const reader = { view: new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length), offset: 0 }
  while (state.count < meta.values) {
    if (reader.offset >= bytes.length) throw new Failure('TRB-LAKE-401', { file, problem: `column ${leaf.path.join('.')} ends too early` })
    const header = decodePageHeader(reader)
    checkPage(header, bytes.length - reader.offset, meta.values - state.count, leaf, file)
    const stored = bytes.subarray(reader.offset, reader.offset + header.storedSize)
    reader.offset += header.storedSize
    if (header.crc !== null && crc32(stored) !== header.crc >>> 0) {
      throw new Failure('TRB-LAKE-401', { file, problem: `column ${leaf.path.join('.')}: the CRC of a page is not that of its bytes` })
    }
    if (header.type === PAGE.dictionary) state.dictionary(header, decompress(meta.codec, stored, header.rawSize, file, ownMemory))
    else if (header.type === PAGE.data) state.pageV1(header, decompress(meta.codec, stored, header.rawSize, file, state.room))
    else if (header.type === PAGE.dataV2) state.pageV2(header, stored)
  }
  return state.finish()
}

/** A page lies in its chunk, and has no more values than the chunk has left. */
function checkPage(header: PageHeader, room: number, left: number, leaf: LeafNode, file: string): void {
  const { type, storedSize, rawSize, values, definitionBytes, repetitionBytes } = header
  // damage may have made another thrift type of a number
  const counts = [storedSize, rawSize, values, definitionBytes, repetitionBytes].every((x) => Number.isInteger(x) && x >= 0)
  if (counts && storedSize <= room && (type === PAGE.dictionary || values <= left)) return
  throw new Failure('TRB-LAKE-401', { file, problem: `column ${leaf.path.join('.')}: a page does not fit its chunk` })
}

/** Decoder of one chunk; pages are given in order. */
class ChunkState {
  count = 0
  readonly #meta: ChunkMeta
  readonly #leaf: LeafNode
  readonly #file: string
  readonly #allocate: Allocate
  readonly #width: number
  readonly #repetition: Uint8Array | null
  /** Null until a page has an entry that is not present. */
  #definition: Uint8Array | null = null
  #fixed: Buffer
  #plain: { data: Buffer; length: number; starts: Int32Array<ArrayBuffer> } | null = null
  #indexes: Int32Array<ArrayBuffer> | null = null
  #dictionary: PlainVector | Buffer | null = null
  #dense = 0

  #page: Buffer = Buffer.alloc(0)

  /** Memory for one data page; its values are copied out before the next. */
  readonly room = (bytes: number): Buffer => {
    if (this.#page.length < bytes) this.#page = this.#allocate(bytes + (bytes >> 2))
    return this.#page.subarray(0, bytes)
  }

  constructor(meta: ChunkMeta, leaf: LeafNode, file: string, allocate: Allocate) {
    this.#allocate = allocate
    this.#meta = meta
    this.#leaf = leaf
    this.#file = file
    this.#width = widthOf(leaf)
    this.#repetition = leaf.repetition > 0 ? new Uint8Array(meta.values) : null
    this.#fixed = this.#width > 0 ? allocate(meta.values * this.#width) : NOTHING
  }

  dictionary(header: PageHeader, raw: Buffer): void {
    if (this.#width > 0) this.#dictionary = raw
    else this.#dictionary = { kind: 'plain', data: raw, starts: plainStarts(raw, 0, header.values, this.#bad) }
  }

  pageV1(header: PageHeader, raw: Buffer): void {
    let p = 0
    if (this.#repetition !== null) p = this.#levelsV1(raw, p, header.values, this.#repetition, this.#leaf.repetition)
    let present = header.values
    if (this.#leaf.definition > 0) {
      const end = p + 4 + raw.readUInt32LE(p)
      present = this.#definitionLevels(raw, p + 4, end, header.values)
      p = end
    }
    this.#values(header, raw, p, present)
  }

  pageV2(header: PageHeader, stored: Buffer): void {
    const { repetitionBytes: r, definitionBytes: d } = header
    const n = header.values
    if (this.#repetition !== null) {
      decodeRuns(stored, 0, r, bitWidth(this.#leaf.repetition), n, this.#repetition, this.count, this.#file)
    }
    const present = this.#leaf.definition > 0 ? this.#definitionLevels(stored, r, r + d, n) : n
    const body = stored.subarray(r + d)
    const raw = header.compressed ? decompress(this.#meta.codec, body, header.rawSize - r - d, this.#file, this.room) : body
    this.#values(header, raw, 0, present)
  }

  finish(): LeafValues {
    const rest = {
      count: this.count,
      repetition: this.#repetition,
      definition: this.#definition,
      denseCount: this.#dense,
    }
    if (this.#width > 0) return { ...rest, dense: { kind: 'dense-fixed', width: this.#width, data: this.#fixed } }
    if (this.#indexes !== null && this.#dictionary !== null) {
      const indexes = this.#indexes.subarray(0, this.#dense)
      return { ...rest, dense: { kind: 'dictionary', values: this.#dictionary as PlainVector, indexes } }
    }
    if (this.#plain === null) return { ...rest, dense: emptyPlain() }
    const { data, length, starts } = this.#plain
    return { ...rest, dense: { kind: 'plain', data: data.subarray(0, length), starts: starts.subarray(0, this.#dense + 1) } }
  }

  #bad = (problem: string): never => {
    throw new Failure('TRB-LAKE-401', { file: this.#file, problem: `column ${this.#leaf.path.join('.')}: ${problem}` })
  }

  #levelsV1(raw: Buffer, at: number, n: number, out: Uint8Array, max: number): number {
    const length = raw.readUInt32LE(at)
    decodeRuns(raw, at + 4, at + 4 + length, bitWidth(max), n, out, this.count, this.#file)
    return at + 4 + length
  }

  /** Reads the definition levels of n entries. Returns how many of them are present. */
  #definitionLevels(src: Buffer, at: number, end: number, n: number): number {
    const max = this.#leaf.definition
    if (this.#definition === null) {
      if (isOneRun(src, at, end, n, max)) return n
      this.#definition = new Uint8Array(this.#meta.values).fill(max, 0, this.count)
    }
    const levels = this.#definition
    decodeRuns(src, at, end, bitWidth(max), n, levels, this.count, this.#file)
    return countOf(levels, this.count, this.count + n, max)
  }

  #values(header: PageHeader, raw: Buffer, at: number, present: number): void {
    const { encoding } = header
    this.count += header.values
    if (present === 0) return
    if (encoding === ENCODING.rleDictionary || encoding === ENCODING.plainDictionary) this.#indexed(raw, at, present)
    else if (this.#width > 0) this.#fixedValues(encoding, raw, at, present)
    else this.#byteStrings(encoding, raw, at, present)
    this.#dense += present
  }

  #indexed(raw: Buffer, at: number, n: number): void {
    if (this.#dictionary === null) this.#bad('a page refers to a dictionary that is not there')
    const width = raw[at]
    if (this.#width === 0 && this.#plain === null) {
      this.#indexes ??= int32s(this.#allocate, this.#meta.values)
      decodeRuns(raw, at + 1, raw.length, width, n, this.#indexes, this.#dense, this.#file)
      this.#checkIndexes(this.#indexes, this.#dense, n)
      return
    }
    const indexes = new Int32Array(n)
    decodeRuns(raw, at + 1, raw.length, width, n, indexes, 0, this.#file)
    this.#checkIndexes(indexes, 0, n)
    if (this.#width === 0) {
      this.#appendIndexed(indexes)
      return
    }
    const w = this.#width
    const dictionary = this.#dictionary as Buffer
    for (let i = 0, p = this.#dense * w; i < n; i++, p += w) copyBytes(dictionary, indexes[i] * w, w, this.#fixed, p)
  }

  #checkIndexes(indexes: Int32Array, from: number, n: number): void {
    const dictionary = this.#dictionary as PlainVector | Buffer
    const entries = 'kind' in dictionary ? dictionary.starts.length - 1 : Math.floor(dictionary.length / this.#width)
    let most = 0
    for (let i = from; i < from + n; i++) {
      const k = indexes[i] >>> 0
      if (k > most) most = k
    }
    if (most >= entries) this.#bad('a page refers to an entry that its dictionary does not have')
  }

  #fixedValues(encoding: number, raw: Buffer, at: number, n: number): void {
    const w = this.#width
    const to = this.#dense * w
    const type = this.#leaf.element.type
    if (type === PHYSICAL.boolean) {
      if (encoding === ENCODING.rle) decodeRuns(raw, at + 4, raw.length, 1, n, this.#fixed, to, this.#file)
      else for (let i = 0; i < n; i++) this.#fixed[to + i] = (raw[at + (i >> 3)] >> (i & 7)) & 1
    } else if (encoding === ENCODING.plain) {
      if (raw.length < at + n * w) this.#bad('a page is cut short')
      raw.copy(this.#fixed, to, at, at + n * w)
    } else if (encoding === ENCODING.deltaBinaryPacked) {
      const out = type === PHYSICAL.int32 ? new Int32Array(n) : new BigInt64Array(n)
      deltaBinaryUnpack({ view: viewOf(raw, at), offset: 0 }, n, out)
      this.#fixed.set(new Uint8Array(out.buffer), to)
    } else if (encoding === ENCODING.byteStreamSplit) {
      for (let b = 0; b < w; b++) for (let i = 0; i < n; i++) this.#fixed[to + i * w + b] = raw[at + b * n + i]
    } else if (encoding === ENCODING.deltaByteArray) {
      const out: Uint8Array[] = new Array(n)
      deltaByteArray({ view: viewOf(raw, at), offset: 0 }, n, out)
      for (let i = 0; i < n; i++) this.#fixed.set(out[i], to + i * w)
    } else {
      throw new Failure('TRB-LAKE-402', { file: this.#file, feature: `encoding ${encoding} of column ${this.#leaf.path.join('.')}` })
    }
  }

  #byteStrings(encoding: number, raw: Buffer, at: number, n: number): void {
    this.#leaveDictionary()
    if (encoding === ENCODING.plain) {
      this.#appendPage(raw, at, n)
      return
    }
    const out: Uint8Array[] = new Array(n)
    const reader = { view: viewOf(raw, at), offset: 0 }
    if (encoding === ENCODING.deltaLengthByteArray) deltaLengthByteArray(reader, n, out)
    else if (encoding === ENCODING.deltaByteArray) deltaByteArray(reader, n, out)
    else throw new Failure('TRB-LAKE-402', { file: this.#file, feature: `encoding ${encoding} of column ${this.#leaf.path.join('.')}` })
    const starts = new Int32Array(n + 1)
    for (let i = 0; i < n; i++) starts[i + 1] = starts[i] + 4 + out[i].length
    const data = Buffer.allocUnsafe(starts[n])
    for (let i = 0; i < n; i++) {
      data.writeInt32LE(out[i].length, starts[i])
      data.set(out[i], starts[i] + 4)
    }
    this.#appendPlain(data, starts, n)
  }

  /** From here on rows are plain; those read as indexes so far are written out. */
  #leaveDictionary(): void {
    if (this.#plain !== null) return
    const indexes = this.#indexes?.subarray(0, this.#dense) ?? new Int32Array(0)
    this.#indexes = null
    const starts = int32s(this.#allocate, this.#meta.values + 1)
    starts[0] = 0
    this.#plain = { data: this.#allocate(Math.max(1024, this.#meta.rawBytes)), length: 0, starts }
    const done = this.#dense
    this.#dense = 0
    this.#appendIndexed(indexes)
    this.#dense = done
  }

  #appendIndexed(indexes: Int32Array): void {
    if (this.#plain === null) this.#leaveDictionary()
    const plain = this.#plain!
    const { data, starts } = this.#dictionary === null ? emptyPlain() : (this.#dictionary as PlainVector)
    for (let i = 0; i < indexes.length; i++) {
      const k = indexes[i]
      const length = starts[k + 1] - starts[k]
      this.#room(length)
      copyBytes(data, starts[k], length, plain.data, plain.length)
      plain.length += length
      plain.starts[this.#dense + i + 1] = plain.length
    }
  }

  /** n length-prefixed values of a page from `at` on, as they lie there. */
  #appendPage(raw: Buffer, at: number, n: number): void {
    const plain = this.#plain!
    const { starts } = plain
    const shift = plain.length - at
    let p = at
    for (let i = this.#dense + 1, end = i + n; i < end; i++) {
      const from = p
      p += 4 + (raw[p] | (raw[p + 1] << 8) | (raw[p + 2] << 16) | (raw[p + 3] << 24))
      if (p > raw.length || p < from + 4) this.#bad('a byte string runs past its page')
      starts[i] = p + shift
    }
    this.#room(p - at)
    raw.copy(plain.data, plain.length, at, p)
    plain.length += p - at
  }

  #appendPlain(raw: Buffer, starts: Int32Array, n: number): void {
    const plain = this.#plain!
    const bytes = starts[n] - starts[0]
    this.#room(bytes)
    raw.copy(plain.data, plain.length, starts[0], starts[n])
    const shift = plain.length - starts[0]
    for (let i = 1; i <= n; i++) plain.starts[this.#dense + i] = starts[i] + shift
    plain.length += bytes
  }

  #room(bytes: number): void {
    const plain = this.#plain!
    if (plain.length + bytes <= plain.data.length) return
    const bigger = Buffer.allocUnsafeSlow(Math.max(plain.data.length * 2, plain.length + bytes))
    plain.data.copy(bigger, 0, 0, plain.length)
    plain.data = bigger
  }
}

const NOTHING = Buffer.alloc(0)

/** Levels that are one run of `n` times `max` (see rle.ts): a page without nulls. */
function isOneRun(src: Buffer, at: number, end: number, n: number, max: number): boolean {
  let header = 0
  let p = at
  for (let shift = 0; p < end && shift < 28; shift += 7) {
    const b = src[p++]
    header |= (b & 127) << shift
    if (b < 128) return (header & 1) === 0 && header >>> 1 >= n && p < end && src[p] === max
  }
  return false
}

function countOf(levels: Uint8Array, from: number, to: number, max: number): number {
  let n = 0
  for (let i = from; i < to; i++) if (levels[i] === max) n++
  return n
}

/** Positions of n length-prefixed values that begin at `at`. */
function plainStarts(raw: Buffer, at: number, n: number, bad: (problem: string) => never): Int32Array<ArrayBuffer> {
  const starts = new Int32Array(n + 1)
  let p = at
  for (let i = 0; i < n; i++) {
    starts[i] = p
    p += 4 + (raw[p] | (raw[p + 1] << 8) | (raw[p + 2] << 16) | (raw[p + 3] << 24))
    if (p > raw.length || p < starts[i] + 4) bad('a byte string runs past its page')
  }
  starts[n] = p
  return starts
}

function viewOf(raw: Buffer, at: number): DataView<ArrayBuffer> {
  return new DataView(raw.buffer as ArrayBuffer, raw.byteOffset + at, raw.length - at)
}
