import type { BatchBuilder } from '../../batch-builder.ts'
import { inflateColumn, lengthAt } from './row-layout.ts'

const ABSENT = 0x75
const NULL = 0x6e
const BINARY = 0x62
/** Values up to here are copied byte by byte: a call to copy costs more. */
const SHORT = 40
/** Events up to here are taken as the bound of their rows; the rows of larger ones are measured. */
const SMALL_EVENT = 1 << 16

/** Bit per column: whether a row image holds it. Null: all of them. */
export type Image = Uint8Array | null

/**
 * The columns that are present in the row images of a rows event.
 *   image => bit[columns], the least significant bit of the first byte first
 */
export function readImage(buf: Uint8Array, p: number, columns: number): Image {
  let all = true
  for (let i = 0; i < columns && all; i++) all = ((buf[p + (i >> 3)] >> (i & 7)) & 1) === 1
  return all ? null : Uint8Array.from(buf.subarray(p, p + ((columns + 7) >> 3)))
}

/**
 * Copies one row image as a tuple of ChangeBatch's grammar to the end of the builder's arena, and returns where it starts there.
 *   row   => null:bit[columns in the image] value*      values as in row-layout.ts
 */
export class RowsReader {
  /** Behind the row that was read last; −1: it does not fit the event, or a compressed value in it is damaged. */
  pos = 0
  readonly #builder: BatchBuilder

  constructor(builder: BatchBuilder) {
    this.#builder = builder
  }

  copy(buf: Buffer, start: number, end: number, layout: Int8Array, image: Image): number {
    const b = this.#builder
    const columns = layout.length
    const rest = end - start
    const bytes = rest <= SMALL_EVENT ? rest : this.#measure(buf, start, end, layout, image)
    if (bytes < 0) {
      this.pos = -1
      return 0
    }
    b.reserve(bytes + 5 * columns + 2)
    const tuple = b.filled
    const out = b.arena
    let o = tuple
    out[o++] = columns >> 8
    out[o++] = columns & 0xff
    let nulls = start
    let bit = 1
    let p = start + nullBytes(columns, image)
    for (let c = 0; c < columns; c++) {
      if (image !== null && ((image[c >> 3] >> (c & 7)) & 1) === 0) {
        out[o++] = ABSENT
        continue
      }
      const isNull = (buf[nulls] & bit) !== 0
      if (bit === 128) {
        bit = 1
        nulls++
      } else bit <<= 1
      if (isNull) {
        out[o++] = NULL
        continue
      }
      let length = layout[c]
      if (length < 0) {
        if (length < -4) return this.#compressed(buf, start, end, layout, image)
        const prefix = -length
        length = prefix === 1 ? buf[p] : lengthAt(buf, p, prefix)
        p += prefix
      }
      // Compared before anything is written: a damaged length must not write beyond the arena.
      if (p + length > end) {
        this.pos = -1
        return 0
      }
      out[o] = BINARY
      out[o + 1] = length >>> 24
      out[o + 2] = length >>> 16
      out[o + 3] = length >>> 8
      out[o + 4] = length
      o += 5
      if (length <= SHORT) for (let i = 0; i < length; i++) out[o + i] = buf[p + i]
      else buf.copy(out, o, p, p + length)
      o += length
      p += length
    }
    this.pos = p <= end ? p : -1
    b.filled = b.parsed = o
    return tuple
  }

  /** Behind a row that is not wanted; −1: it does not fit the event. */
  skip(buf: Buffer, start: number, end: number, layout: Int8Array, image: Image): void {
    const bytes = this.#measure(buf, start, end, layout, image)
    this.pos = bytes < 0 ? -1 : start + bytes
  }

  /** Bytes of the row at `start`; −1: it does not fit the event. */
  #measure(buf: Buffer, start: number, end: number, layout: Int8Array, image: Image): number {
    let n = 0
    let p = start + nullBytes(layout.length, image)
    for (let c = 0; c < layout.length; c++) {
      if (image !== null && ((image[c >> 3] >> (c & 7)) & 1) === 0) continue
      const isNull = ((buf[start + (n >> 3)] >> (n & 7)) & 1) === 1
      n++
      if (isNull) continue
      const width = layout[c]
      if (width > 0) p += width
      else if (width < 0) {
        const prefix = -width % 10
        p += prefix + lengthAt(buf, p, prefix)
      }
      if (p > end) return -1
    }
    return p <= end ? p - start : -1
  }

  /** The same with compressed columns, which few tables have: values are inflated one by one. */
  #compressed(buf: Buffer, start: number, end: number, layout: Int8Array, image: Image): number {
    const b = this.#builder
    const tuple = b.filled
    const mark = (byte: number): void => {
      b.reserve(1)
      b.arena[b.filled++] = byte
    }
    mark(layout.length >> 8)
    mark(layout.length & 0xff)
    let n = 0
    let p = start + nullBytes(layout.length, image)
    for (let c = 0; c < layout.length; c++) {
      const present = image === null || ((image[c >> 3] >> (c & 7)) & 1) === 1
      const isNull = present && ((buf[start + (n >> 3)] >> (n & 7)) & 1) === 1
      if (present) n++
      if (!present || isNull) {
        mark(present ? NULL : ABSENT)
        continue
      }
      const width = layout[c]
      const prefix = width < 0 ? -width % 10 : 0
      const length = width < 0 ? lengthAt(buf, p, prefix) : width
      p += prefix
      const value = p + length > end ? null : width < -4 ? inflateColumn(buf, p, length) : buf.subarray(p, p + length)
      if (value === null) {
        b.filled = tuple
        this.pos = -1
        return 0
      }
      p += length
      b.reserve(5 + value.length)
      b.arena[b.filled] = BINARY
      b.arena.writeUInt32BE(value.length, b.filled + 1)
      value.copy(b.arena, b.filled + 5)
      b.filled += 5 + value.length
    }
    b.parsed = b.filled
    this.pos = p
    return tuple
  }
}

function nullBytes(columns: number, image: Image): number {
  if (image === null) return (columns + 7) >> 3
  let present = 0
  for (let c = 0; c < columns; c++) present += (image[c >> 3] >> (c & 7)) & 1
  return (present + 7) >> 3
}
