import type { ByteSink } from '../../contract/change.ts'
import { writeSlice } from '../bytes/growable-sink.ts'
import { varintSize, writeVarint, writeZigzagNumber } from '../bytes/varint.ts'

/**
 * Writes the record grammar of contract/log.ts:
 *   record  => timestampMs:zz64 key:blob value:blob side:blob headerCount:varint header*
 *   blob    => (length + 1):varint bytes        0 means null
 *   header  => nameLength:varint name value:blob
 * A blob whose length is not known yet is opened with `openBlob`, filled in place, and closed with `closeBlob`.
 */

const VARINT_ROOM = 10

export function writeTimestamp(out: ByteSink, ms: number): void {
  writeZigzagNumber(out, ms)
}

export function writeNullBlob(out: ByteSink): void {
  out.reserve(1)
  out.buf[out.pos++] = 0
}

export function writeBlob(out: ByteSink, bytes: Uint8Array): void {
  writeVarint(out, bytes.length + 1)
  writeSlice(out, bytes, 0, bytes.length)
}

/** Leaves room for a length of `width` varint bytes (1: expected below 127 bytes, 2: below 16383) and returns the mark for closeBlob. */
export function openBlob(out: ByteSink, width: 1 | 2): number {
  out.reserve(width)
  const mark = out.pos
  out.pos += width
  return mark
}

/** Writes the length of what was appended since `openBlob`, moving the content when the guessed width was wrong. */
export function closeBlob(out: ByteSink, mark: number, width: 1 | 2): void {
  const start = mark + width
  const length = out.pos - start
  const size = varintSize(length + 1)
  // Room for whatever writeVarint asks for at the mark: growing there would keep only what lies before it.
  out.reserve(VARINT_ROOM)
  if (size !== width) out.buf.copyWithin(mark + size, start, out.pos)
  out.pos = mark
  writeVarint(out, length + 1)
  out.pos = mark + size + length
}

/** Header list: count, then the headers. */
export function writeHeaders(out: ByteSink, headers: readonly { readonly name: string; readonly value: Uint8Array | null }[]): void {
  writeVarint(out, headers.length)
  for (const h of headers) writeHeader(out, h.name, h.value)
}

export function writeHeader(out: ByteSink, name: string, value: Uint8Array | null): void {
  const n = Buffer.from(name, 'utf8')
  writeVarint(out, n.length)
  writeSlice(out, n, 0, n.length)
  if (value === null) writeNullBlob(out)
  else writeBlob(out, value)
}
