/** Integers of MySQL's protocol and binlog: little-endian, unsigned. The caller has checked the bounds. */

export function u16(buf: Uint8Array, p: number): number {
  return buf[p] | (buf[p + 1] << 8)
}

export function u24(buf: Uint8Array, p: number): number {
  return buf[p] | (buf[p + 1] << 8) | (buf[p + 2] << 16)
}

export function u32(buf: Uint8Array, p: number): number {
  return (buf[p] | (buf[p + 1] << 8) | (buf[p + 2] << 16) | (buf[p + 3] << 24)) >>> 0
}

export function u48(buf: Uint8Array, p: number): number {
  return u16(buf, p + 4) * 4294967296 + u32(buf, p)
}

export function u64(buf: Uint8Array, p: number): bigint {
  return (BigInt(u32(buf, p + 4)) << 32n) | BigInt(u32(buf, p))
}

/** `bytes` (1–4) little-endian bytes. */
export function uN(buf: Uint8Array, p: number, bytes: number): number {
  let v = 0
  for (let i = bytes - 1; i >= 0; i--) v = v * 256 + buf[p + i]
  return v
}

/**
 * Length-encoded integers ("packed"), one after the other:
 *   lenenc => u8 < 251 | 0xfc u16 | 0xfd u24 | 0xfe u64
 * Reading beyond `end` makes `ok` false instead of throwing: the caller names what was malformed.
 */
export class PackedReader {
  pos: number
  ok = true
  readonly buf: Buffer
  readonly end: number

  constructor(buf: Buffer, pos: number, end: number) {
    this.buf = buf
    this.pos = pos
    this.end = end
  }

  get more(): boolean {
    return this.ok && this.pos < this.end
  }

  number(): number {
    const first = this.byte()
    if (first < 0xfb) return first
    const width = first === 0xfc ? 2 : first === 0xfd ? 3 : first === 0xfe ? 8 : 0
    if (width === 0) this.ok = false
    const at = this.take(width)
    if (!this.ok) return 0
    if (width === 2) return u16(this.buf, at)
    if (width === 3) return u24(this.buf, at)
    const v = u32(this.buf, at + 4) * 4294967296 + u32(this.buf, at)
    if (!Number.isSafeInteger(v)) this.ok = false
    return v
  }

  byte(): number {
    const at = this.take(1)
    return this.ok ? this.buf[at] : 0
  }

  /** Skips `bytes` and returns where they start. */
  take(bytes: number): number {
    const at = this.pos
    if (bytes > this.end - at) {
      this.ok = false
      this.pos = this.end
      return at
    }
    this.pos = at + bytes
    return at
  }

  /** Bytes behind a packed length; a view. */
  bytes(): Buffer {
    const length = this.number()
    const at = this.take(length)
    return this.buf.subarray(at, this.ok ? at + length : at)
  }
}
