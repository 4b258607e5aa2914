import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Reads of this size from the kernel: four of Node's own. */
const READ_BYTES = 256 * 1024

/**
 * A socket whose bytes first go to the driver (handshake, login) and then, after `take`, straight to one handler. Plain sockets read
 * into one buffer that is used again and again (`chunk` is valid only during the call) and stop reading the moment they are paused;
 * a stream of Node would go on until its own buffer is full.
 */
export class ByteSocket {
  readonly #socket = new Socket({ onread: { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: (n, buf) => this.#read(n, buf) } })
  #handler: ((chunk: Buffer) => void) | null = null

  /** For the driver. */
  get socket(): Socket {
    return this.#socket
  }

  /** From now on everything that arrives goes to `handler`. */
  take(handler: (chunk: Buffer) => void): void {
    this.#handler = handler
  }

  #read(n: number, buf: Uint8Array): boolean {
    const chunk = Buffer.from(buf.buffer, buf.byteOffset, n)
    if (this.#handler !== null) this.#handler(chunk)
    // The driver keeps what it is given.
    else this.#socket.emit('data', Buffer.from(chunk))
    return true
  }
}

/** A taken-over connection: where the bytes come from and go to. */
export interface TakenSocket {
  readonly socket: Duplex
  /**
   * Waiting before a read makes the read larger: it takes all that the kernel holds. Not so with TLS, where each record, so each row,
   * comes on its own, already in memory; nor with a Unix socket, whose buffer holds so few rows that the server would stand still.
   */
  readonly gathers: boolean
  /** Registers the one reader. */
  onData(handler: (chunk: Buffer) => void): void
}

/** TLS decrypts into buffers of its own, so there the events of the stream are what there is. */
export function takenStream(socket: Duplex): TakenSocket {
  return { socket, gathers: false, onData: (handler) => void socket.on('data', handler) }
}

export function takenPlain(bytes: ByteSocket, unix: boolean): TakenSocket {
  return { socket: bytes.socket, gathers: !unix, onData: (handler) => bytes.take(handler) }
}
