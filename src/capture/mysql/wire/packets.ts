import { u24 } from './little-endian.ts'

const MOST = 0xffffff
const FIRST_BYTES = 512 * 1024

/**
 * Received bytes cut into packets. A packet is in `buf` from `start` to `end`, valid until `consume`.
 *   packet => (length:u24 sequence:u8 payload)*    a payload of 2^24 − 1 bytes is continued by the next one
 * Memory: the largest packet, and what was received behind it.
 */
export class PacketInbox {
  buf = Buffer.allocUnsafeSlow(FIRST_BYTES)
  start = 0
  end = 0
  #from = 0
  #filled = 0
  /** Behind the last whole part of the packet at `#from`, when it comes in several: the parts are moved together as they come. */
  #joined = 0
  /** Where the next part of it begins. */
  #next = 0
  /** Bytes left of the part that `readPart` is in; −1: none. */
  #left = -1
  /** Another part follows. */
  #more = false
  /** `peek` found the packet whole. */
  #whole = false

  /** Bytes that wait. */
  get waiting(): number {
    return this.#filled - this.#from
  }

  append(chunk: Uint8Array): void {
    if (this.#filled + chunk.length > this.buf.length) this.#makeRoom(chunk.length)
    this.buf.set(chunk, this.#filled)
    this.#filled += chunk.length
  }

  /** True: the next packet is whole, between `start` and `end`. */
  peek(): boolean {
    if (!this.#whole) this.#whole = this.#find()
    return this.#whole
  }

  /** True: the first `bytes` of the next packet are there, from `start` on, though perhaps not all of it. */
  peekHead(bytes: number): boolean {
    if (this.#joined > 0 || this.#left >= 0 || this.#filled - this.#from < 4 + bytes) return false
    this.start = this.#from + 4
    return true
  }

  /**
   * What has come of the packet at the front, without waiting for the rest; a view until the next call, empty: nothing yet, null: it is over. Once
   * begun it is to be read to its end this way.
   */
  readPart(): Buffer | null {
    if (this.#left < 0) {
      if (this.#filled - this.#from < 4) return this.buf.subarray(0, 0)
      this.#left = u24(this.buf, this.#from)
      this.#more = this.#left === MOST
      this.#from += 4
    }
    const at = this.#from
    const bytes = Math.min(this.#left, this.#filled - at)
    this.#from += bytes
    this.#left -= bytes
    if (this.#left === 0 && bytes === 0) {
      // A part without bytes, or the call behind the last one.
      this.#left = -1
      if (!this.#more) return null
    } else if (this.#left === 0 && this.#more) this.#left = -1
    return this.buf.subarray(at, at + bytes)
  }

  #find(): boolean {
    if (this.#joined > 0) return this.#join()
    if (this.#filled - this.#from < 4) return false
    const length = u24(this.buf, this.#from)
    if (this.#filled - this.#from - 4 < length) return false
    this.start = this.#from + 4
    this.end = this.start + length
    if (length < MOST) return true
    this.#joined = this.#next = this.end
    return this.#join()
  }

  /** Forgets the packet that `peek` found. */
  consume(): void {
    this.#from = this.#next > 0 ? this.#next : this.end
    this.#joined = this.#next = 0
    this.#whole = false
    if (this.#from === this.#filled) this.#from = this.#filled = 0
  }

  #join(): boolean {
    for (;;) {
      const at = this.#next
      if (this.#filled - at < 4) return false
      const length = u24(this.buf, at)
      if (this.#filled - at - 4 < length) return false
      this.buf.copyWithin(this.#joined, at + 4, at + 4 + length)
      this.#joined += length
      this.#next = at + 4 + length
      if (length === MOST) continue
      this.end = this.#joined
      return true
    }
  }

  #makeRoom(bytes: number): void {
    const waiting = this.#filled - this.#from
    const room = waiting + bytes
    const shrink = this.buf.length > 4 * FIRST_BYTES && room <= FIRST_BYTES
    const target = room > this.buf.length ? Math.max(this.buf.length * 2, room) : shrink ? FIRST_BYTES : this.buf.length
    const next = target === this.buf.length ? this.buf : Buffer.allocUnsafeSlow(target)
    this.buf.copy(next, 0, this.#from, this.#filled)
    this.buf = next
    const by = this.#from
    this.#from = 0
    this.#filled = waiting
    this.start -= by
    this.end -= by
    if (this.#joined > 0) {
      this.#joined -= by
      this.#next -= by
    }
  }
}

/** A command in one packet (they are all short). */
export function commandPacket(body: Buffer): Buffer {
  const packet = Buffer.alloc(4 + body.length)
  packet.writeUIntLE(body.length, 0, 3)
  body.copy(packet, 4)
  return packet
}

/** Behind a payload's first byte 0xff: errno:u16 ('#' sqlstate:byte[5])? text */
export interface ServerError {
  readonly errno: number
  readonly message: string
}

export function parseServerError(buf: Buffer, start: number, end: number): ServerError {
  const errno = end - start >= 3 ? buf.readUInt16LE(start + 1) : 0
  const at = buf[start + 3] === 0x23 ? start + 9 : start + 3
  return { errno, message: buf.toString('utf8', Math.min(at, end), end) }
}
