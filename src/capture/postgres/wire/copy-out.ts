import { Failure } from '../../../failure/failure.ts'
import { u32 } from './big-endian.ts'
import { parseErrorResponse, type ServerError } from './error-response.ts'
import type { RawSession } from './raw-session.ts'
import { simpleQuery } from './standby-status.ts'

/** Takes one line of COPY text; false: no room, the same line is offered again by the next `read`. */
export type LineSink = (buf: Buffer, start: number, end: number) => boolean

/**
 * Runs `COPY … TO STDOUT` on a raw session, line by line. The server sends, each message as type:u8 len:i32 body:
 *   CopyOutResponse 'H' · CopyData 'd' (one line each) · CopyDone 'c' · CommandComplete 'C' · ReadyForQuery 'Z'; ErrorResponse 'E'
 * One socket read is held at a time: while it is worked on the socket is paused.
 */
export class CopyOut {
  readonly #raw: RawSession
  #pending: Buffer = Buffer.alloc(0)
  #at = 0
  #wake: PromiseWithResolvers<void> | null = null
  #ended: Error | null = null
  #error: ServerError | null = null

  constructor(raw: RawSession) {
    this.#raw = raw
    raw.onChunk = (chunk) => this.#take(chunk)
    raw.onEnd = (error) => {
      this.#ended = error ?? new Error('the server closed the connection')
      this.#wake?.resolve()
    }
  }

  start(sql: string): void {
    this.#error = null
    this.#raw.write(simpleQuery(sql))
  }

  /** Offers lines to the sink until it has no room ('full') or the command is complete ('done'). Server errors are thrown as they are. */
  async read(sink: LineSink): Promise<'full' | 'done'> {
    for (;;) {
      const outcome = this.#parse(sink)
      if (outcome !== 'more') return outcome
      if (this.#ended !== null) throw this.#ended
      this.#wake = Promise.withResolvers()
      // The next read goes into the same memory as the last one.
      this.#pending = Buffer.from(this.#pending.subarray(this.#at))
      this.#at = 0
      this.#raw.resume()
      await this.#wake.promise
      this.#wake = null
    }
  }

  #take(chunk: Buffer): void {
    this.#raw.pause()
    this.#pending = this.#pending.length === this.#at ? chunk : Buffer.concat([this.#pending.subarray(this.#at), chunk])
    this.#at = 0
    this.#wake?.resolve()
  }

  #parse(sink: LineSink): 'more' | 'full' | 'done' {
    const buf = this.#pending
    const end = buf.length
    let p = this.#at
    while (end - p >= 5) {
      const size = u32(buf, p + 1) + 1
      if (end - p < size) break
      if (buf[p] === 0x64) {
        if (!sink(buf, p + 5, p + size)) {
          this.#at = p
          return 'full'
        }
      } else if (this.#control(buf, p, size)) {
        this.#at = p + size
        if (this.#error !== null) throw this.#error
        return 'done'
      }
      p += size
    }
    this.#at = p
    return 'more'
  }

  /** True at ReadyForQuery. */
  #control(buf: Buffer, p: number, size: number): boolean {
    switch (buf[p]) {
      case 0x45: // E
        this.#error = parseErrorResponse(buf, p + 5, p + size)
        return false
      case 0x5a: // Z
        return true
      case 0x48: // H
      case 0x63: // c
      case 0x43: // C
      case 0x4e: // N
      case 0x53: // S
        return false
      default:
        throw new Failure('TRB-PG-020', { found: `message type ${buf[p]} during COPY`, position: 'the snapshot', address: 'the server' })
    }
  }
}
