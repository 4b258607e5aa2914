import { createZstdDecompress } from 'node:zlib'

/** Compressed bytes given to the decompressor at once. */
const PIECE = 64 * 1024
const OUTPUT = 256 * 1024

/**
 * Unpacks zstd bytes in pieces of at most 256 KiB; while a piece is being used, no more is unpacked than a few of them. Fails with zlib's error
 * when the bytes are damaged.
 */
export async function* unzstd(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const stream = createZstdDecompress({ chunkSize: OUTPUT })
  let at = 0
  const feed = (): void => {
    while (at < bytes.length) {
      const piece = bytes.subarray(at, at + PIECE)
      at += piece.length
      if (!stream.write(piece)) return
    }
    stream.end()
  }
  stream.on('drain', feed)
  feed()
  try {
    for await (const chunk of stream) yield chunk as Uint8Array
  } finally {
    stream.destroy()
  }
}
