import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { uncompressSync } from 'snappy'

/** First bytes of the framing that Kafka's Java client writes around snappy (xerial): then version:i32, compatible:i32, (length:i32be block)*. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEAD = 16

/** Records of a batch by the codec of its attributes: 1 gzip, 2 snappy (with and without xerial's frames), 3 lz4 frames, 4 zstd. Null: no such codec. */
export function decompressRecords(codec: number, packed: Buffer): Buffer | null {
  switch (codec) {
    case 1:
      return gunzipSync(packed)
    case 2:
      return packed.length >= XERIAL_HEAD && packed.subarray(0, XERIAL.length).equals(XERIAL) ? xerial(packed) : snappy(packed)
    case 3:
      return compressionsAlgorithms.lz4.decompressSync(packed)
    case 4:
      return zstdDecompressSync(packed, { chunkSize: zstdRoom(packed) })
    default:
      return null
  }
}

/**
 * Room for what a zstd frame holds, at most 4 MiB: with enough of it the decoder works without a window of its own. Most frames say their size:
 * magic:u32le, descriptor:u8 (bits 7-6 size of the size, 5 no window byte, 1-0 size of the dictionary id), window:u8?, dictionary?, size (le).
 */
function zstdRoom(packed: Buffer): number {
  const descriptor = packed[4] ?? 0
  const single = (descriptor & 0x20) !== 0
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!
  const form = descriptor >> 6
  // A guess: a batch is some four to ten times its packed size.
  let size = packed.length * 8
  if (packed.length >= at + 8) {
    if (form === 0 && single) size = packed[at]!
    else if (form === 1) size = packed.readUInt16LE(at) + 256
    else if (form === 2) size = packed.readUInt32LE(at)
    else if (form === 3) size = Number(packed.readBigUInt64LE(at))
  }
  return Math.min(4 << 20, Math.max(1 << 10, size))
}

function xerial(packed: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = XERIAL_HEAD; at < packed.length; ) {
    const length = packed.readInt32BE(at)
    if (length <= 0 || at + 4 + length > packed.length) throw new Error('a snappy block ends outside its batch')
    parts.push(snappy(packed.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function snappy(block: Buffer): Buffer {
  return uncompressSync(block, { asBuffer: true }) as Buffer
}
