import type { TakenSocket } from '../../byte-socket.ts'

/** The store when it holds no more than the end of a read. */
const STORE_BYTES = 1 << 20
const WHOLE_PACKET = 0xffffff

/** Takes one row packet; false: no room, the same row is offered again by the next `read`. */
export type RowSink = (buf: Buffer, start: number, end: number) => boolean

/** What the server answered instead of rows. */
export class SqlError extends Error {
  readonly errno: number
  readonly state: string

  constructor(errno: number, state: string, message: string) {
    super(message)
    this.errno = errno
    this.state = state
  }
}

/**
 * Runs queries on a connection that was taken over from its driver, row by row in the text protocol:
 *   packet   => length:u24le sequence:u8 payload      a payload of 2^24 − 1 bytes goes on in the next packet
 *   answer   => columns:lenenc column{columns} eof? row* (eof | ok)        or error
 *   row      => (0xfb | length:lenenc bytes){columns}       eof, ok => 0xfe …, shorter than 2^24 − 1
 *   error    => 0xff number:u16le '#' state:5 message
 * One socket read is held at a time: while it is worked on the socket is paused.
 */
export class TextRows {
  readonly #taken: TakenSocket
  #pending: Buffer = Buffer.alloc(0)
  /** A packet that has not come whole, from its first byte. */
  #store: Buffer = Buffer.allocUnsafeSlow(0)
  #at = 0
  #wake: PromiseWithResolvers<void> | null = null
  #ended: Error | null = null
  /** Packets before the first row that are still to come; −1: the number of columns is. */
  #head = -1
  /** An EOF packet may follow the columns. */
  #eofDue = false

  constructor(taken: TakenSocket) {
    this.#taken = taken
    taken.onData((chunk) => this.#take(chunk))
    const end = (error: Error | null): void => {
      this.#ended ??= error ?? new Error('the server closed the connection')
      this.#wake?.resolve()
    }
    taken.socket.on('error', (e) => end(e))
    taken.socket.on('close', () => end(null))
    taken.socket.pause()
  }

  /** Sends a query; its rows are then `read`. */
  start(sql: string): void {
    const text = Buffer.from(sql, 'utf8')
    const head = Buffer.alloc(5)
    head.writeUIntLE(text.length + 1, 0, 3)
    head[4] = 3
    this.#head = -1
    this.#eofDue = false
    this.#taken.socket.write(Buffer.concat([head, text]))
  }

  /** Offers rows to the sink until it has no room ('full') or there are no more ('done'). Errors of the server are SqlErrors. */
  async read(sink: RowSink): Promise<'full' | 'done'> {
    for (;;) {
      const outcome = this.#parse(sink)
      if (outcome !== 'more') return outcome
      if (this.#ended !== null) throw this.#ended
      this.#wake = Promise.withResolvers()
      this.#keep()
      this.#taken.socket.resume()
      await this.#wake.promise
      this.#wake = null
    }
  }

  #take(chunk: Buffer): void {
    this.#taken.socket.pause()
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

  #room(bytes: number, held: number): void {
    if (bytes <= this.#store.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(STORE_BYTES, bytes, this.#store.length * 2))
    this.#store.copy(larger, 0, 0, held)
    this.#store = larger
  }

  #parse(sink: RowSink): 'more' | 'full' | 'done' {
    const buf = this.#pending
    const end = buf.length
    let p = this.#at
    while (end - p >= 4) {
      const size = buf[p] | (buf[p + 1] << 8) | (buf[p + 2] << 16)
      let next = p + size + 4
      if (end < next) break
      let payload = buf
      let from = p + 4
      let to = next
      if (size === WHOLE_PACKET) {
        const joined = this.#joined(buf, p, end)
        if (joined === null) break
        payload = joined.payload
        from = 0
        to = payload.length
        next = joined.next
      }
      const first = payload[from]
      if (first === 0xff) {
        this.#at = next
        throw serverError(payload, from, to)
      }
      if (this.#head !== 0) this.#header(payload, from)
      else if (first === 0xfe && to - from < WHOLE_PACKET) {
        if (!this.#eofDue || to - from >= 9) {
          this.#at = next
          return 'done'
        }
        this.#eofDue = false
      } else {
        this.#eofDue = false
        if (!sink(payload, from, to)) {
          this.#at = p
          return 'full'
        }
      }
      p = next
    }
    this.#at = p
    return 'more'
  }

  /** The number of columns, then one packet for each. */
  #header(payload: Buffer, from: number): void {
    if (this.#head < 0) {
      this.#head = payload[from] < 251 ? payload[from] : payload[from + 1] | (payload[from + 2] << 8)
      this.#eofDue = true
    } else this.#head--
  }

  /** A payload over several packets, and where the packet behind it starts; null: not all has come. */
  #joined(buf: Buffer, at: number, end: number): { payload: Buffer; next: number } | null {
    const parts: Buffer[] = []
    let p = at
    for (;;) {
      if (end - p < 4) return null
      const size = buf[p] | (buf[p + 1] << 8) | (buf[p + 2] << 16)
      if (end - p < size + 4) return null
      parts.push(buf.subarray(p + 4, p + 4 + size))
      p += size + 4
      if (size < WHOLE_PACKET) return { payload: Buffer.concat(parts), next: p }
    }
  }
}

function serverError(b: Buffer, from: number, to: number): SqlError {
  const errno = b.readUInt16LE(from + 1)
  const state = b[from + 3] === 35 ? b.toString('latin1', from + 4, from + 9) : ''
  return new SqlError(errno, state, b.toString('utf8', from + (state === '' ? 3 : 9), to))
}
