import type { Duplex } from 'node:stream'
import type { SqlConnection } from '../connect.ts'

/** The bytes of a connection after login and settings: from now on a binlog dump. */
export class DumpSocket {
  /** The chunk is valid only during the call. */
  onChunk: (chunk: Buffer) => void = () => undefined
  /** Called once, with null when the other side closed. */
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

  /** The server listens to nothing during a dump: there is no goodbye. */
  destroy(): void {
    this.onChunk = () => undefined
    this.#socket.destroy()
  }

  #end(error: Error | null): void {
    if (this.#ended) return
    this.#ended = true
    this.onEnd(error)
  }
}
