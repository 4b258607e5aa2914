import { crc32 } from 'node:zlib'
import { Failure } from '../../../failure/failure.ts'
import { CHECKSUM_BYTES, E, eventSize, eventType, HEADER_BYTES } from './event.ts'
import { u32 } from './little-endian.ts'
import { PacketInbox, parseServerError, type ServerError } from './packets.ts'

/** Events one after the other; the current one is in `buf` from `start` to `end`, valid until `consume`. */
export interface EventSource {
  readonly buf: Buffer
  readonly start: number
  readonly end: number
  /** True: the next event is there, whole. */
  peek(): boolean
  consume(): void
}

/** Compressed transactions from this size on are unpacked while they come. */
const LARGE = 8 << 20
/** Header, and fields in front of the compressed bytes. */
const LARGE_HEAD = HEADER_BYTES + 64

export interface LargeEvent {
  /** Its first bytes. */
  readonly head: Buffer
  /** Its size, without a checksum. */
  readonly bytes: number
}

/**
 * The events of a binlog dump, out of its packets; checksums are verified and cut off.
 *   packet => 0x00 event checksum:u32? | 0xfe … the end | 0xff error
 */
export class PacketEvents implements EventSource {
  readonly inbox = new PacketInbox()
  /** Set when the server ended the dump: its error, or null when it has no more to say. */
  ended: { readonly error: ServerError | null } | null = null
  #end = 0
  #checked = false
  #checksum: boolean
  /** Answers to commands that come before the events. */
  #answers: number
  readonly #where: () => string
  #large: { begun: boolean; readonly bytes: number; seen: number; crc: number; tail: Buffer } | null = null

  /**
   * @param checksum whether events before the first format description have one
   * @param answers packets that answer commands and come first
   * @param where the position, for messages
   */
  constructor(checksum: boolean, answers: number, where: () => string) {
    this.#checksum = checksum
    this.#answers = answers
    this.#where = where
  }

  /** Events have a checksum. */
  get checksums(): boolean {
    return this.#checksum
  }

  get buf(): Buffer {
    return this.inbox.buf
  }

  get start(): number {
    return this.inbox.start + 1
  }

  get end(): number {
    return this.inbox.start + this.#end
  }

  peek(): boolean {
    const { inbox } = this
    if (this.ended !== null || !inbox.peek()) return false
    if (this.#checked) return true
    while (this.#answers > 0 && inbox.buf[inbox.start] === 0) {
      this.#answers--
      inbox.consume()
      if (!inbox.peek()) return false
    }
    const { buf, start, end } = inbox
    if (end === start || buf[start] !== 0) {
      const error = end > start && buf[start] === 0xff ? parseServerError(buf, start, end) : null
      this.ended = { error }
      return false
    }
    this.#check(buf, start + 1, end)
    this.#checked = true
    return true
  }

  consume(): void {
    this.#checked = false
    this.inbox.consume()
  }

  /**
   * A compressed transaction that is too large to wait for the whole of it: the event's header and the begin of its body, and then
   * `readLarge`. Null: the next event is none of these, or too little of it is there.
   */
  beginLarge(): LargeEvent | null {
    const { inbox } = this
    if (this.ended !== null || this.#answers > 0 || this.#checked || !inbox.peekHead(LARGE_HEAD + 1)) return null
    const { buf, start } = inbox
    if (buf[start] !== 0 || eventType(buf, start + 1) !== E.TRANSACTION_PAYLOAD) return null
    const size = eventSize(buf, start + 1)
    if (size < LARGE) return null
    const bytes = size - (this.#checksum ? CHECKSUM_BYTES : 0)
    this.#large = { begun: false, bytes, seen: 0, crc: 0, tail: Buffer.alloc(0) }
    return { head: Buffer.from(buf.subarray(start + 1, start + 1 + LARGE_HEAD)), bytes }
  }

  /** More of the large event, header included, a copy; empty: nothing yet; null: it is over, and its checksum was right. */
  readLarge(): Buffer | null {
    const large = this.#large!
    const part = this.inbox.readPart()
    if (part === null) {
      this.#large = null
      if (large.seen !== large.bytes || (this.#checksum && large.tail.length !== CHECKSUM_BYTES)) {
        throw new Failure('TRB-MY-012', { position: this.#where(), reason: `an event of ${large.seen} bytes says it has another length` })
      }
      if (this.#checksum) this.#compare(u32(large.tail, 0), large.crc, E.TRANSACTION_PAYLOAD, large.bytes)
      return null
    }
    // The packet's first byte is no part of the event.
    const from = !large.begun && part.length > 0 ? 1 : 0
    if (part.length > 0) large.begun = true
    const take = Math.min(part.length - from, large.bytes - large.seen)
    const event = Buffer.from(part.subarray(from, from + take))
    large.seen += take
    large.crc = crc32(event, large.crc)
    large.tail = Buffer.concat([large.tail, part.subarray(from + take)])
    return event
  }

  #check(buf: Buffer, start: number, end: number): void {
    if (end - start < HEADER_BYTES || eventSize(buf, start) !== end - start) {
      throw new Failure('TRB-MY-012', { position: this.#where(), reason: `an event of ${end - start} bytes says it has another length` })
    }
    const type = eventType(buf, start)
    if (type === E.FORMAT_DESCRIPTION) this.#checksum = checksumOf(buf, start + HEADER_BYTES, end) ?? this.#checksum
    if (this.#checksum) this.#verify(buf, start, end, type)
    this.#end = end - this.inbox.start - (this.#checksum ? CHECKSUM_BYTES : 0)
  }

  #verify(buf: Buffer, start: number, end: number, type: number): void {
    const found = u32(buf, end - CHECKSUM_BYTES)
    const computed = crc32(buf.subarray(start, end - CHECKSUM_BYTES))
    if (found === computed) return
    // The flag "in use" of a format description is set after its checksum was made.
    if (type === E.FORMAT_DESCRIPTION) {
      const copy = Buffer.from(buf.subarray(start, end - CHECKSUM_BYTES))
      copy[17] &= 0xfe
      if (crc32(copy) === found) return
    }
    this.#compare(found, computed, type, end - start)
  }

  #compare(found: number, computed: number, type: number, size: number): void {
    if (found === computed) return
    const hex = (n: number): string => n.toString(16).padStart(8, '0')
    throw new Failure('TRB-MY-011', { position: this.#where(), type, size, found: hex(found), computed: hex(computed) })
  }
}

/** Whether the events behind a format description have a checksum; null: the event is too short to say. */
function checksumOf(buf: Buffer, p: number, end: number): boolean | null {
  // version:u16 server:byte[50] created:u32 headerLength:u8 lengths:byte[] method:u8 checksum:u32
  if (end - p < 57 + 5) return null
  return buf[end - 5] === 1
}

/** Events that follow each other without packets or checksums: those of a compressed transaction. */
export class PlainEvents implements EventSource {
  buf = Buffer.allocUnsafeSlow(512 * 1024)
  start = 0
  end = 0
  #filled = 0

  append(chunk: Uint8Array): void {
    if (this.#filled + chunk.length > this.buf.length) {
      const waiting = this.#filled - this.start
      const room = waiting + chunk.length
      const next = room > this.buf.length ? Buffer.allocUnsafeSlow(Math.max(this.buf.length * 2, room)) : this.buf
      this.buf.copy(next, 0, this.start, this.#filled)
      this.buf = next
      this.start = 0
      this.#filled = waiting
    }
    this.buf.set(chunk, this.#filled)
    this.#filled += chunk.length
  }

  /** Bytes that wait. */
  get waiting(): number {
    return this.#filled - this.start
  }

  peek(): boolean {
    if (this.waiting < HEADER_BYTES) return false
    this.end = this.start + Math.max(HEADER_BYTES, eventSize(this.buf, this.start))
    return this.end <= this.#filled
  }

  consume(): void {
    this.start = this.end
  }
}
