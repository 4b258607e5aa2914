import zlib from 'node:zlib'
import { compressSync as nativeCompress } from 'snappy'
import { Failure } from '../../failure/failure.ts'
import { decodeSnappy, SLACK } from './snappy-decode.ts'
import { encodeLiterals, literalsBound } from './snappy-literals.ts'

/** Numbers of parquet.thrift's CompressionCodec. */
export const CODEC = { none: 0, snappy: 1, gzip: 2, lzo: 3, brotli: 4, lz4: 5, zstd: 6, lz4Raw: 7 } as const

export type WriteCodec = 'none' | 'snappy' | 'zstd'

export function codecNumber(codec: WriteCodec): number {
  return CODEC[codec]
}

/** A page from this size on is looked at before it is compressed: a sample that stays above 97 % says that it is no use. */
const WORTH_A_LOOK = 64 * 1024
const SAMPLE = 8 * 1024

/** Compresses one page. `room` gives memory that is used again: the result is only valid until the next call. */
export function compress(codec: WriteCodec, raw: Uint8Array, room: (bytes: number) => Uint8Array): Uint8Array {
  if (codec === 'snappy') {
    if (raw.length < WORTH_A_LOOK || !incompressible(raw)) return compressSync(raw)
    const out = room(literalsBound(raw.length))
    return out.subarray(0, encodeLiterals(raw, out))
  }
  if (codec === 'zstd') return zlib.zstdCompressSync(raw)
  return raw
}

/** A copy of the result: the decoder's own memory is fresh pages for each call, which the system clears first. */
function compressSync(raw: Uint8Array): Buffer {
  return nativeCompress(raw, { copyOutputData: true })
}

function incompressible(raw: Uint8Array): boolean {
  const at = raw.length >> 1
  return compressSync(raw.subarray(at, at + SAMPLE)).length > SAMPLE * 0.97
}

/**
 * Inflates one page. `rawSize` is the size the page header promises; a page that doesn't keep it is refused. `room`: memory that may be used
 * again by the next call.
 */
export function decompress(codec: number, stored: Uint8Array, rawSize: number, file: string, room: (bytes: number) => Buffer): Buffer {
  let raw: Uint8Array
  if (rawSize === 0) return Buffer.alloc(0)
  switch (codec) {
    case CODEC.none:
      raw = stored
      break
    case CODEC.snappy: {
      // a copy of 64 bytes takes three at least: what promises more isn't worth the memory
      if (rawSize > stored.length * 22) throw cut(file, rawSize, 'more than it can')
      const out = room(rawSize + SLACK)
      if (!decodeSnappy(stored, rawSize, out)) throw cut(file, rawSize, 'something else')
      raw = out.subarray(0, rawSize)
      break
    }
    case CODEC.gzip:
      raw = zlib.gunzipSync(stored)
      break
    case CODEC.zstd:
      raw = zlib.zstdDecompressSync(stored)
      break
    case CODEC.brotli:
      raw = zlib.brotliDecompressSync(stored)
      break
    case CODEC.lz4Raw:
      raw = lz4Block(stored, rawSize, file)
      break
    default:
      throw new Failure('TRB-LAKE-402', { file, feature: `compression codec ${codec}` })
  }
  if (raw.length !== rawSize) throw cut(file, rawSize, `${raw.length}`)
  return Buffer.isBuffer(raw) ? raw : Buffer.from(raw.buffer, raw.byteOffset, raw.length)
}

function cut(file: string, rawSize: number, to: string): Failure {
  return new Failure('TRB-LAKE-401', { file, problem: `a page of ${rawSize} bytes inflates to ${to}` })
}

/**
 * One LZ4 block:
 *   block    => sequence*
 *   sequence => token:u8 litExtra:u8* literals offset:u16le matchExtra:u8*   (the last one ends after its literals)
 */
function lz4Block(src: Uint8Array, rawSize: number, file: string): Buffer {
  const out = Buffer.allocUnsafe(rawSize)
  let s = 0
  let d = 0
  const bad = (): never => {
    throw new Failure('TRB-LAKE-401', { file, problem: 'an LZ4 page is damaged' })
  }
  while (s < src.length) {
    const token = src[s++]
    let literals = token >> 4
    if (literals === 15) for (let b = 255; b === 255; literals += b) b = s < src.length ? src[s++] : bad()
    if (s + literals > src.length || d + literals > rawSize) bad()
    out.set(src.subarray(s, s + literals), d)
    s += literals
    d += literals
    if (s === src.length) break
    const offset = src[s] | (src[s + 1] << 8)
    s += 2
    let match = token & 15
    if (match === 15) for (let b = 255; b === 255; match += b) b = s < src.length ? src[s++] : bad()
    match += 4
    if (offset === 0 || offset > d || d + match > rawSize) bad()
    for (let i = 0; i < match; i++, d++) out[d] = out[d - offset]
  }
  return out.subarray(0, d)
}
