import zlib from 'node:zlib'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { crc32c } from './crc32c.ts'

/**
 * HFile version 3, as Hudi's metadata table and HFile log blocks have it. All integers big-endian:
 *
 *   file     => block* trailer:4096
 *   block    => magic:8 storedSize:i32 rawSize:i32 previous:i64 checksumType:i8 bytesPerChecksum:i32 dataSize:i32 data checksums
 *               storedSize: data and checksums; dataSize: head and data; one u32 per bytesPerChecksum of head and data
 *   data     => cell*        (blocks of magic DATABLK*; others hold indexes and filters, which a scan has no use for)
 *   cell     => keySize:i32 valueSize:i32 rowSize:u16 row familySize:u8 family qualifier time:i64 kind:u8 value mvcc:vlong
 *   trailer  => 'TRABLK"$' size:varint protobuf padding version:i32
 */
const HEAD = 33
const TRAILER = 4096
const DATA_MAGIC = 'DATABLK*'
const TRAILER_MAGIC = 'TRABLK"$'

/** Numbers of HBase's Compression.Algorithm and ChecksumType. */
const CODEC = { gzip: 1, none: 2 } as const
const CHECKSUM = { none: 0, crc32: 1, crc32c: 2 } as const

/** Field numbers of the trailer's protobuf. */
const FIELD = { firstData: 9, lastData: 10, dataCount: 5, entries: 7, codec: 12 } as const

/** Cells of one data block: key i is data[keyFrom[i], keyTo[i]) and so on. */
export interface HFileCells {
  readonly count: number
  readonly data: Buffer
  readonly keyFrom: Int32Array
  readonly keyTo: Int32Array
  readonly valueFrom: Int32Array
  readonly valueTo: Int32Array
}

/**
 * The cells of an HFile in key order, data block by data block. `size`: bytes of the file. Damage (checksums included) fails with TRB-LAKE-401, another
 * version or compression with TRB-LAKE-402.
 */
export async function* readHFile(store: Pick<ObjectStore, 'range'>, file: string, size: number): AsyncGenerator<HFileCells> {
  const bad = (problem: string, cause?: unknown): Failure => new Failure('TRB-LAKE-401', { file, problem }, cause)
  if (size < TRAILER) throw bad(`it has ${size} bytes`)
  const trailer = readTrailer(await store.range(file, size - TRAILER, TRAILER), file)
  const end = size - TRAILER
  let entries = 0
  for (let at = trailer.firstData, left = trailer.blocks; left > 0; ) {
    if (at < 0 || at + HEAD > end) throw bad('it has fewer data blocks than its trailer says')
    const head = await store.range(file, at, HEAD)
    const stored = head.readInt32BE(8)
    if (stored < 0 || at + HEAD + stored > end) throw bad(`the block at byte ${at} runs past the end`)
    if (head.toString('latin1', 0, 8) === DATA_MAGIC) {
      const block = Buffer.concat([head, await store.range(file, at + HEAD, stored)])
      const cells = readCells(unpack(block, trailer.codec, file), bad)
      entries += cells.count
      left--
      yield cells
    }
    at += HEAD + stored
  }
  if (entries !== trailer.entries) throw bad(`it has ${entries} entries, its trailer says ${trailer.entries}`)
}

interface Trailer {
  readonly firstData: number
  readonly blocks: number
  readonly entries: number
  readonly codec: number
}

function readTrailer(bytes: Buffer, file: string): Trailer {
  const bad = (problem: string): Failure => new Failure('TRB-LAKE-401', { file, problem })
  if (bytes.toString('latin1', 0, 8) !== TRAILER_MAGIC) throw bad('it does not end with the trailer of an HFile')
  const major = bytes.readInt32BE(TRAILER - 4) & 0xffffff
  if (major !== 3) throw new Failure('TRB-LAKE-402', { file, feature: `HFile version ${major}` })
  const p = { buf: bytes, pos: 8 }
  const end = Math.min(varint(p) + p.pos, TRAILER)
  const fields = new Map<number, number>()
  while (p.pos < end) {
    const tag = varint(p)
    if ((tag & 7) === 0) fields.set(tag >>> 3, varint(p))
    else if ((tag & 7) === 2) {
      const length = varint(p)
      p.pos += length
    } else throw bad('its trailer cannot be read')
  }
  const field = (n: number): number => fields.get(n) ?? 0
  const codec = fields.get(FIELD.codec) ?? CODEC.none
  if (codec !== CODEC.gzip && codec !== CODEC.none) throw new Failure('TRB-LAKE-402', { file, feature: `HFile compression ${codec}` })
  const entries = field(FIELD.entries)
  return { firstData: field(FIELD.firstData), blocks: entries === 0 ? 0 : field(FIELD.dataCount), entries, codec }
}

/** The data of a block, its checksums compared. */
function unpack(block: Buffer, codec: number, file: string): Buffer {
  const bad = (problem: string, cause?: unknown): Failure => new Failure('TRB-LAKE-401', { file, problem }, cause)
  const rawSize = block.readInt32BE(12)
  const type = block.readInt8(24)
  const perChecksum = block.readInt32BE(25)
  const dataSize = block.readInt32BE(29)
  if (dataSize < HEAD || dataSize > block.length || rawSize < 0) throw bad('a data block has impossible sizes')
  if (type !== CHECKSUM.none) compareChecksums(block, type, perChecksum, dataSize, file)
  const data = block.subarray(HEAD, dataSize)
  try {
    const raw = codec === CODEC.gzip ? zlib.gunzipSync(data, { maxOutputLength: Math.max(1, rawSize) }) : data
    if (raw.length !== rawSize) throw bad('a data block has another size than it says')
    return raw
  } catch (e) {
    if (isFailure(e)) throw e
    throw bad('a data block cannot be decompressed', e)
  }
}

function compareChecksums(block: Buffer, type: number, perChecksum: number, dataSize: number, file: string): void {
  const bad = (): Failure => new Failure('TRB-LAKE-401', { file, problem: 'the checksum of a data block differs' })
  const sum = type === CHECKSUM.crc32 ? (b: Buffer) => zlib.crc32(b) : type === CHECKSUM.crc32c ? crc32c : null
  if (sum === null) throw new Failure('TRB-LAKE-402', { file, feature: `HFile checksum type ${type}` })
  if (perChecksum <= 0) throw bad()
  for (let from = 0, at = dataSize; from < dataSize; from += perChecksum, at += 4) {
    if (at + 4 > block.length) throw bad()
    if (sum(block.subarray(from, Math.min(from + perChecksum, dataSize))) !== block.readUInt32BE(at)) throw bad()
  }
}

function readCells(data: Buffer, bad: (problem: string) => Failure): HFileCells {
  const places: number[] = []
  for (let p = 0; p < data.length; ) {
    if (p + 10 > data.length) throw bad('a data block ends inside a cell')
    const keySize = data.readInt32BE(p)
    const valueSize = data.readInt32BE(p + 4)
    const rowSize = data.readUInt16BE(p + 8)
    const value = p + 8 + keySize
    if (keySize < rowSize + 12 || valueSize < 0 || value + valueSize >= data.length) throw bad('a data block ends inside a cell')
    places.push(p + 10, p + 10 + rowSize, value, value + valueSize)
    p = value + valueSize + vlongSize(data[value + valueSize])
  }
  const pick = (n: number): Int32Array => Int32Array.from({ length: places.length / 4 }, (_, i) => places[i * 4 + n])
  return { count: places.length / 4, data, keyFrom: pick(0), keyTo: pick(1), valueFrom: pick(2), valueTo: pick(3) }
}

/** Bytes of Hadoop's variable-length long, by its first byte. */
function vlongSize(first: number): number {
  const signed = (first << 24) >> 24
  return signed >= -112 ? 1 : signed >= -120 ? -111 - signed : -119 - signed
}

/** A protobuf varint, as a number. */
function varint(p: { readonly buf: Buffer; pos: number }): number {
  let value = 0
  for (let scale = 1; scale < 2 ** 56; scale *= 128) {
    const b = p.buf[p.pos++]
    value += (b & 127) * scale
    if (b < 128) return value
  }
  return -1
}
