import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import type { Compression } from './options.ts'

export interface Codec {
  /** Low three bits of a record batch's attributes. */
  readonly bits: number
  /** Null: the bytes go as they are. */
  readonly compress: ((bytes: Buffer) => Uint8Array) | null
}

/** Level 1 and a window that stays in the processor's cache: the same choice, for the same reason, as the embedded log's. */
const ZSTD = { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 17 }

/** Codecs of Kafka's record batches. Snappy is raw (not framed), as Kafka's readers accept beside their own framing; LZ4 is its frame format. */
export function codecOf(compression: Compression): Codec {
  switch (compression) {
    case 'none':
      return { bits: 0, compress: null }
    case 'gzip':
      return { bits: 1, compress: (bytes) => gzipSync(bytes, { level: 4 }) }
    case 'snappy':
      return { bits: 2, compress: (bytes) => compressionsAlgorithms.snappy.compressSync(bytes) }
    case 'lz4':
      return { bits: 3, compress: (bytes) => compressionsAlgorithms.lz4.compressSync(bytes) }
    case 'zstd':
      return { bits: 4, compress: (bytes) => zstdCompressSync(bytes, { chunkSize: Math.max(16 << 10, bytes.length >> 2), params: ZSTD }) }
  }
}
