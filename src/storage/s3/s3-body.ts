import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'

/** The whole body of an answer, in one buffer. Fails with the signal's reason when that comes first, and when the connection was cut. */
export async function readBody(body: unknown, length: number | undefined, signal: AbortSignal): Promise<Buffer> {
  const stream = body as Readable
  const stop = (): void => {
    stream.destroy(signal.reason as Error)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    const chunks: Buffer[] = []
    let have = 0
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer)
      have += (chunk as Buffer).length
    }
    if (length !== undefined && have !== length) throw Object.assign(new Error('the body was cut'), { name: 'IncompleteBody' })
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, have)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Value of `x-amz-checksum-crc32`: with it the service refuses a body that was damaged on its way. */
export function checksumOf(body: Uint8Array): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return sum.toString('base64')
}
