import type { ByteSink, ValueEncoder } from '../../contract/change.ts'
import { writeSlice } from '../../format/bytes/growable-sink.ts'
import { writeVarint } from '../../format/bytes/varint.ts'
import { badValue } from './bad-value.ts'

/** Every type that Debezium shows as the server's own text: Avro string of the same UTF-8 bytes. */
export function encodeText(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  writeVarint(out, length * 2)
  writeSlice(out, src, start, length)
  return true
}

/** The type is known, but Debezium's stream never delivers its value (spec debezium B.6: `name`). */
export function encodeNothing(): boolean {
  return false
}

/** The same for a NOT NULL column, which shows its fallback. */
export function encodeEmpty(_src: Buffer, _start: number, _length: number, out: ByteSink): boolean {
  writeVarint(out, 0)
  return true
}

/** Avro string or bytes of a constant. */
export function avroBytes(bytes: Uint8Array): Uint8Array {
  const prefix: number[] = []
  let n = bytes.length * 2
  for (; n > 127; n = Math.floor(n / 128)) prefix.push((n & 127) | 128)
  prefix.push(n)
  return Buffer.concat([Buffer.from(prefix), bytes])
}

export type BinaryMode = 'bytes' | 'base64' | 'base64-url-safe' | 'hex'

/** bytea (`\x` hex, or the old escape form) in one of the binary.handling.modes. */
export function encodeBytea(mode: BinaryMode): ValueEncoder {
  if (mode === 'bytes') {
    return (src, start, length, out) => {
      if (length < 2 || src[start] !== 92 || src[start + 1] !== 120) {
        const bytes = unescapeBytea(src, start, length)
        return encodeText(bytes, 0, bytes.length, out)
      }
      const n = (length - 2) >> 1
      writeVarint(out, n * 2)
      out.reserve(n)
      const buf = out.buf
      let pos = out.pos
      for (let i = start + 2; i < start + length; i += 2) {
        const v = (NIBBLE[src[i]] << 4) | NIBBLE[src[i + 1]]
        if (v < 0) throw badValue('bytea', src, start, length)
        buf[pos++] = v
      }
      out.pos = pos
      return true
    }
  }
  return (src, start, length, out) => {
    const bytes = byteaValue(src, start, length)
    const text = Buffer.from(binaryText(bytes, mode), 'latin1')
    return encodeText(text, 0, text.length, out)
  }
}

/** Text form of bytes in the modes that print them. */
export function binaryText(bytes: Buffer, mode: Exclude<BinaryMode, 'bytes'>): string {
  if (mode === 'hex') return bytes.toString('hex')
  const b64 = bytes.toString('base64')
  return mode === 'base64' ? b64 : b64.replaceAll('+', '-').replaceAll('/', '_')
}

function byteaValue(src: Buffer, start: number, length: number): Buffer {
  if (length >= 2 && src[start] === 92 && src[start + 1] === 120)
    return Buffer.from(src.toString('latin1', start + 2, start + length), 'hex')
  return unescapeBytea(src, start, length)
}

function unescapeBytea(src: Buffer, start: number, length: number): Buffer {
  const out: number[] = []
  for (let i = start; i < start + length; i++) {
    if (src[i] !== 92) out.push(src[i])
    else if (src[i + 1] === 92) {
      out.push(92)
      i++
    } else {
      const v = Number.parseInt(src.toString('latin1', i + 1, i + 4), 8)
      if (Number.isNaN(v)) throw badValue('bytea', src, start, length)
      out.push(v)
      i += 3
    }
  }
  return Buffer.from(out)
}

/** −1 where the byte is no hex digit; -1 << 4 | x stays negative. */
const NIBBLE = new Int32Array(256).fill(-1)
for (let i = 0; i < 10; i++) NIBBLE[48 + i] = i
for (let i = 0; i < 6; i++) {
  NIBBLE[65 + i] = 10 + i
  NIBBLE[97 + i] = 10 + i
}

/** bit(1), varbit(1): Avro boolean. */
export function encodeBit(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  if (length !== 1 || (src[start] !== 48 && src[start] !== 49)) throw badValue('bit(1)', src, start, length)
  out.reserve(1)
  out.buf[out.pos++] = src[start] - 48
  return true
}

/** bit(n), varbit: bytes little-endian, only as many as the highest set bit needs (java.util.BitSet). */
export function encodeBits(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const end = start + length
  let first = start
  while (first < end && src[first] === 48) first++
  const n = (end - first + 7) >> 3
  writeVarint(out, n * 2)
  out.reserve(n)
  const buf = out.buf
  let pos = out.pos
  for (let right = end; right > first; right -= 8) {
    let v = 0
    for (let bit = 0; bit < 8 && right - 1 - bit >= first; bit++) {
      const c = src[right - 1 - bit]
      if (c === 49) v |= 1 << bit
      else if (c !== 48) throw badValue('bit', src, start, length)
    }
    buf[pos++] = v
  }
  out.pos = pos
  return true
}
