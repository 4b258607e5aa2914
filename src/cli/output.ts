import { once } from 'node:events'
import type { WriteStream } from 'node:tty'
import type { Secrets } from './secrets.ts'
import type { Output } from './verb.ts'

export type Sink = NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns'>>

/**
 * Writes with back-pressure. `closed` is called once when the reader has gone (EPIPE: `cdc tail | head`); writes are then dropped.
 */
export function createOutput(stream: Sink, secrets: Secrets | null, closed: () => void): Output {
  let gone = false
  stream.on('error', (e: NodeJS.ErrnoException) => {
    if (e.code !== 'EPIPE' && e.code !== 'ERR_STREAM_DESTROYED') throw e
    if (!gone) closed()
    gone = true
  })
  return {
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? 0,
    async write(chunk) {
      if (gone) return
      const masked = secrets !== null && typeof chunk === 'string' ? secrets.mask(chunk) : chunk
      if (stream.write(masked)) return
      // 'close' and 'error' end the wait too: a reader that leaves never drains.
      const stop = new AbortController()
      const wait = (event: string): Promise<unknown> => once(stream, event, { signal: stop.signal })
      await Promise.race([wait('drain'), wait('close'), wait('finish')].map((p) => p.catch(ignoreAbort))).finally(() => stop.abort())
    },
  }
}

/** The losers of the race above reject when it is over; an error of the stream is handled by its listener. */
function ignoreAbort(e: unknown): void {
  if ((e as NodeJS.ErrnoException).code === 'ABORT_ERR') return
  const code = (e as NodeJS.ErrnoException).code
  if (code !== 'EPIPE' && code !== 'ERR_STREAM_DESTROYED') throw e
}

/** Resolves when everything written has been handed to the system: before process.exit, which would cut it. */
export async function flush(stream: Sink): Promise<void> {
  if ((stream as unknown as { destroyed?: boolean }).destroyed) return
  await new Promise<void>((done) => {
    stream.write('', () => done())
  })
}
