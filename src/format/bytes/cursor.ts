import { Failure } from '../../failure/failure.ts'

/** Reads a buffer from left to right. 64-bit results are left in `hi` and `lo` (u32 halves of two's complement). */
export class ByteCursor {
  buf: Buffer
  pos = 0
  end = 0
  hi = 0
  lo = 0

  constructor(buf: Buffer = EMPTY) {
    this.buf = buf
    this.end = buf.length
  }

  reset(buf: Buffer, pos: number, end: number): void {
    this.buf = buf
    this.pos = pos
    this.end = end
  }

  /** Unsigned varint below 2^32. */
  varint(): number {
    const buf = this.buf
    let pos = this.pos
    let b = buf[pos++]
    let v = b & 127
    let shift = 7
    while (b > 127) {
      if (shift > 28) throw truncated('a varint within 32 bits')
      b = buf[pos++]
      v |= (b & 127) << shift
      shift += 7
    }
    if (pos > this.end) throw truncated('a varint')
    this.pos = pos
    return v >>> 0
  }

  zigzag32(): number {
    const v = this.varint()
    return (v >>> 1) ^ -(v & 1)
  }

  /** Leaves the value in hi/lo. */
  zigzag64(): void {
    const buf = this.buf
    let pos = this.pos
    let lo = 0
    let hi = 0
    let shift = 0
    let b = 128
    while (b > 127) {
      if (shift > 63) throw truncated('a varint within 64 bits')
      b = buf[pos++]
      const bits = b & 127
      if (shift < 28) lo |= bits << shift
      else if (shift === 28) {
        lo |= bits << 28
        hi = bits >>> 4
      } else hi |= bits << (shift - 32)
      shift += 7
    }
    if (pos > this.end) throw truncated('a varint')
    this.pos = pos
    const sign = -(lo & 1)
    this.lo = (((lo >>> 1) | (hi << 31)) ^ sign) >>> 0
    this.hi = ((hi >>> 1) ^ sign) >>> 0
  }

  /** A zigzag value that is known to stay within ±2^53 (times in ms). */
  zigzagNumber(): number {
    this.zigzag64()
    return (this.hi | 0) * 4294967296 + this.lo
  }

  skip(bytes: number): void {
    this.pos += bytes
    if (this.pos > this.end) throw truncated('a value')
  }

  /** Avro long as length of bytes or string; never negative. */
  length(): number {
    const n = this.zigzag32()
    if (n < 0 || this.pos + n > this.end) throw truncated('a length')
    return n
  }
}

const EMPTY = Buffer.alloc(0)

function truncated(what: string): Failure {
  return new Failure('TRB-INT-001', { invariant: `${what} ends inside its record` })
}
