import type { Duplex } from 'node:stream'
import type { SqlConnection } from '../connect.ts'

/** What is still read after the goodbye before the connection is cut. */
const GOODBYE_BYTES = 1 << 20

/**
 * The bytes of a connection after the login: `pg` does the handshake, then its parser, which makes an object, a Buffer and an event
 * per row, is taken out of the way and the socket is read directly.
 *
 * Why not `pg-logical-replication`, measured with 1,000,000 inserts in 1000-row transactions (10 columns, 227 MB of stream; Postgres
 * 15 over TCP on the same 2 cores; CPU s of the client only, nothing decoded in the first two rows):
 *   pg-logical-replication with a plugin of our own, manual acknowledgement   4.1–4.7 s   3.4 CPU s
 *   pg, `copyData` events                                                     4.2 s       2.4 CPU s
 *   this: decoded into batches                                                3.8–4.0 s   0.9 CPU s
 * The server's one send per row limits the wall time of all three (pg_recvlogical: 9.5 s, it slows the server with its own reads), so
 * by wall time the library would do; by CPU it costs nearly four times as much, and it cannot stop reading its socket, which a bound
 * in bytes needs. It stays as a reference in bench.
 */
export class RawSession {
  /** The chunk is valid only during the call. */
  onChunk: (chunk: Buffer) => void = () => undefined
  /** Called once, with null after an orderly end. */
  onEnd: (error: Error | null) => void = () => undefined
  /** Waiting before a read makes the read larger (TakenSocket.gathers). */
  readonly gathers: boolean
  readonly #socket: Duplex
  #ended = false

  constructor(connection: SqlConnection) {
    const taken = connection.takeSocket()
    this.#socket = taken.socket
    this.gathers = taken.gathers
    taken.onData((chunk) => this.onChunk(chunk))
    this.#socket.resume()
    this.#socket.on('error', (e) => this.#end(e))
    this.#socket.on('close', () => this.#end(null))
  }

  write(bytes: Buffer): void {
    if (!this.#ended) this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#ended) this.#socket.resume()
  }

  get paused(): boolean {
    return this.#socket.isPaused()
  }

  /** Sends what was written, tells the server goodbye and closes. */
  async close(): Promise<void> {
    if (this.#ended) return
    this.#socket.resume()
    // Terminate => 'X' len:i32
    this.#socket.end(Buffer.from([0x58, 0, 0, 0, 4]))
    const done = Promise.withResolvers<void>()
    this.#socket.once('close', () => done.resolve())
    // The server may be in the middle of a long transaction, which it would send to its end: what is left to say is not waited for.
    let patience = GOODBYE_BYTES
    this.onChunk = (chunk) => {
      patience -= chunk.length
      if (patience < 0) this.#socket.destroy()
    }
    await done.promise
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #end(error: Error | null): void {
    if (this.#ended) return
    this.#ended = true
    this.onEnd(error)
  }
}
