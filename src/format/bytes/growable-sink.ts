import type { ByteSink } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'

/**
 * An output buffer that doubles as it fills, up to `limit` bytes. `buf` is replaced when it grows: re-read it after `reserve`.
 * Bytes in [0, pos) are the content.
 */
export class GrowableSink implements ByteSink {
  buf: Buffer
  pos = 0
  readonly limit: number

  constructor(initial = 1 << 16, limit = 1 << 30) {
    this.buf = Buffer.allocUnsafeSlow(initial)
    this.limit = limit
  }

  reserve(bytes: number): void {
    const need = this.pos + bytes
    if (need > this.buf.length) this.#grow(need)
  }

  /** A copy of the content. */
  copy(): Buffer {
    const out = Buffer.allocUnsafeSlow(this.pos)
    this.buf.copy(out, 0, 0, this.pos)
    return out
  }

  /** The content itself, without a copy; the sink starts over with a buffer of `initial` bytes. */
  take(initial = 1 << 16): Buffer {
    const out = this.buf.subarray(0, this.pos)
    this.buf = Buffer.allocUnsafeSlow(initial)
    this.pos = 0
    return out
  }

  #grow(need: number): void {
    if (need > this.limit)
      throw new Failure('TRB-INT-001', { invariant: `a byte sink stays within ${this.limit} bytes (asked for ${need})` })
    let size = this.buf.length * 2
    while (size < need) size *= 2
    const next = Buffer.allocUnsafeSlow(Math.min(size, this.limit))
    this.buf.copy(next, 0, 0, this.pos)
    this.buf = next
  }
}

/** Appends `length` bytes of `src` from `start`. Short runs are copied in place: a native copy costs more than 24 assignments. */
export function writeSlice(out: ByteSink, src: Uint8Array, start: number, length: number): void {
  out.reserve(length)
  const buf = out.buf
  const pos = out.pos
  if (length <= 24) {
    for (let i = 0; i < length; i++) buf[pos + i] = src[start + i]
  } else if (start === 0 && length === src.length) {
    buf.set(src, pos)
  } else {
    Buffer.prototype.copy.call(src, buf, pos, start, start + length)
  }
  out.pos = pos + length
}

/** Appends all of `bytes`. */
export function writeAll(out: ByteSink, bytes: Uint8Array): void {
  writeSlice(out, bytes, 0, bytes.length)
}
