import { pipeline, Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'

/** What is unpacked at once. */
const OUTPUT = 256 * 1024

/**
 * Unpacks zstd bytes in pieces of at most 256 KiB; while a piece is being used no more is read and unpacked than a few of them. Fails with zlib's
 * error when the bytes are damaged, or with that of `bytes`.
 */
export async function* unzstd(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const stream = createZstdDecompress({ chunkSize: OUTPUT })
  const source = Readable.from(bytes, { objectMode: true, highWaterMark: 1 })
  // What goes wrong on the way in comes out of the iteration below.
  pipeline(source, stream, () => undefined)
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
  } finally {
    stream.destroy()
    source.destroy()
  }
}

/** Bytes in pieces that the decompressor takes one by one. */
export async function* pieces(bytes: Uint8Array, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
