import { createHash } from 'node:crypto'
import type { ByteSink, Column, ValueEncoder } from '../../contract/change.ts'
import { GrowableSink, writeAll } from '../../format/bytes/growable-sink.ts'
import { avroBytes } from '../types/text.ts'

/**
 * stars: that many asterisks in the place of every value, also of null. truncate: the first characters (UTF-16 units, as Java counts).
 * hash: hexadecimal digest of salt and value; version 1 digests the value as Java serialises it.
 */
export type Mask =
  | { readonly kind: 'stars'; readonly chars: number }
  | { readonly kind: 'truncate'; readonly chars: number }
  | { readonly kind: 'hash'; readonly algorithm: string; readonly salt: string; readonly version: 1 | 2 }

/**
 * The column with its text values masked; the record key keeps them (`asKey`). Only for columns whose Avro form is a string.
 * @param length characters that the column's type allows, which digests are cut to; null: no limit
 */
export function maskedColumn(column: Column, mask: Mask, length: number | null): Column {
  const parameter = mask.kind === 'truncate' ? (['truncateLength', String(mask.chars)] as const) : (['masked', 'true'] as const)
  const parameters = [...(column.connect.parameters ?? []), parameter]
  const common = { ...column, asKey: column.asKey ?? column, connect: { ...column.connect, parameters } }
  if (mask.kind === 'stars') {
    const stars = avroBytes(Buffer.alloc(mask.chars, 42))
    const encode: ValueEncoder = (_src, _start, _length, out) => {
      writeAll(out, stars)
      return true
    }
    const { encodeSnapshot: _, ...rest } = common
    return { ...rest, encode, unavailable: stars, instead: stars, fallback: column.connect.optional ? column.fallback : stars }
  }
  const change = mask.kind === 'truncate' ? truncated(mask.chars) : hashed(mask, length)
  const masked = (bytes: Uint8Array | null): Uint8Array | null => (bytes === null ? null : avroBytes(change(textOf(bytes))))
  return {
    ...common,
    encode: wrapped(column.encode, change),
    ...(column.encodeSnapshot === undefined ? {} : { encodeSnapshot: wrapped(column.encodeSnapshot, change) }),
    unavailable: masked(column.unavailable),
    ...(column.instead === undefined ? {} : { instead: masked(column.instead)! }),
    // Connect puts the schema's default, unchanged, where a value that may be null is null.
    fallback: column.connect.optional ? column.fallback : masked(column.fallback),
  }
}

/** Marks a column that the mask does not change, as Debezium marks it. */
export function markedOnly(column: Column, mask: Mask): Column {
  const parameter = mask.kind === 'truncate' ? (['truncateLength', String(mask.chars)] as const) : (['masked', 'true'] as const)
  const connect = { ...column.connect, parameters: [...(column.connect.parameters ?? []), parameter] }
  return { ...column, asKey: column.asKey ?? column, connect }
}

type Change = (text: Buffer) => Buffer

function wrapped(encode: ValueEncoder, change: Change): ValueEncoder {
  const scratch = new GrowableSink(256)
  return (src: Buffer, start: number, length: number, out: ByteSink): boolean => {
    scratch.pos = 0
    if (!encode(src, start, length, scratch)) return false
    writeAll(out, avroBytes(change(textOf(scratch.buf.subarray(0, scratch.pos)))))
    return true
  }
}

/** UTF-8 bytes of an Avro string. */
function textOf(avro: Uint8Array): Buffer {
  let at = 0
  while ((avro[at++] & 128) !== 0);
  return Buffer.from(avro.buffer, avro.byteOffset + at, avro.length - at)
}

function truncated(chars: number): Change {
  return (text) => {
    if (text.length <= chars) return text
    // Half of a surrogate pair is `?` when Java writes it.
    const cut = text.toString('utf8').slice(0, chars)
    return Buffer.from(/[\ud800-\udbff]$/.test(cut) ? `${cut.slice(0, -1)}?` : cut, 'utf8')
  }
}

function hashed(mask: Extract<Mask, { kind: 'hash' }>, length: number | null): Change {
  const salt = Buffer.from(mask.salt, 'utf8')
  return (text) => {
    const value = mask.version === 1 ? javaSerialised(text) : text
    const hex = createHash(mask.algorithm).update(salt).update(value).digest('hex')
    return Buffer.from(length === null ? hex : hex.slice(0, length), 'latin1')
  }
}

/**
 * java.io.ObjectOutputStream of a String.
 *   stream => 0xac 0xed 0x00 0x05 ( 't' length:u16be | '|' length:u64be ) modified-utf8
 */
function javaSerialised(utf8: Buffer): Buffer {
  const text = modifiedUtf8(utf8)
  const head = Buffer.alloc(text.length < 65_536 ? 7 : 13)
  head.writeUInt32BE(0xaced0005, 0)
  if (text.length < 65_536) {
    head[4] = 0x74
    head.writeUInt16BE(text.length, 5)
  } else {
    head[4] = 0x7c
    head.writeBigUInt64BE(BigInt(text.length), 5)
  }
  return Buffer.concat([head, text])
}

/** Zero in two bytes, characters beyond the basic plane as two surrogates of three bytes each. */
function modifiedUtf8(utf8: Buffer): Buffer {
  if (!utf8.some((b) => b === 0 || b >= 0xf0)) return utf8
  const out: number[] = []
  const text = utf8.toString('utf8')
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c > 0 && c < 0x80) out.push(c)
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63))
    else out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63))
  }
  return Buffer.from(out)
}
