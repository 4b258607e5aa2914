import { Failure } from '../../../failure/failure.ts'
import { u32 } from './big-endian.ts'
import { parseErrorResponse, type ServerError } from './error-response.ts'
import type { RawSession } from './raw-session.ts'
import { simpleQuery } from './standby-status.ts'

/** The store when it holds no more than the end of a read. */
const STORE_BYTES = 1 << 20

/** Takes one line of COPY text; false: no room, the same line is offered again by the next `read`. */
export type LineSink = (buf: Buffer, start: number, end: number) => boolean

/**
 * Runs `COPY … TO STDOUT` on a raw session, line by line. The server sends, each message as type:u8 len:i32 body:
 *   CopyOutResponse 'H' · CopyData 'd' (one line each) · CopyDone 'c' · CommandComplete 'C' · ReadyForQuery 'Z'; ErrorResponse 'E'
 * One socket read is held at a time: while it is worked on the socket is paused.
 */
export class CopyOut {
  readonly #raw: RawSession
  /** The last socket read, or a part of the store. */
  #pending: Buffer = Buffer.alloc(0)
  /** A message that has not come whole, from its first byte. */
  #store: Buffer = Buffer.allocUnsafeSlow(0)
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
      this.#keep()
      this.#raw.resume()
      await this.#wake.promise
      this.#wake = null
    }
  }

  #take(chunk: Buffer): void {
    this.#raw.pause()
    if (this.#pending.length === this.#at) {
      this.#pending = chunk
      this.#at = 0
    } else {
      this.#keep()
      const held = this.#pending.length
      this.#room(held + chunk.length, held)
      chunk.copy(this.#store, held)
      this.#pending = this.#store.subarray(0, held + chunk.length)
    }
    this.#wake?.resolve()
  }

  /** Moves what is left to the front of the store: the next socket read goes into the same memory as the last one. */
  #keep(): void {
    const held = this.#pending.length - this.#at
    if (this.#pending.buffer !== this.#store.buffer) {
      this.#room(held, 0)
      this.#pending.copy(this.#store, 0, this.#at)
    } else if (this.#at > 0) this.#store.copyWithin(0, this.#at, this.#pending.length)
    this.#pending = this.#store.subarray(0, held)
    this.#at = 0
    if (held === 0 && this.#store.length > STORE_BYTES) this.#store = Buffer.allocUnsafeSlow(0)
  }

  /** Grows by doubling: a value of a gigabyte arrives in thousands of reads, each of which may not copy all that came before. */
  #room(bytes: number, held: number): void {
    if (bytes <= this.#store.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(STORE_BYTES, bytes, this.#store.length * 2))
    this.#store.copy(larger, 0, 0, held)
    this.#store = larger
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
