import type { ValueEncoder } from '../../../contract/change.ts'
import { Failure } from '../../../failure/failure.ts'
import { writeSlice } from '../../../format/bytes/growable-sink.ts'
import { writeVarint } from '../../../format/bytes/varint.ts'
import { encodeText } from '../../types/text.ts'

/**
 * Text of a binlog row is in the column's own character set; the record holds UTF-8. utf8mb4, utf8mb3 and ascii are copied. Sets of one
 * byte per character go by a table of 256 texts that the server itself prints (what MySQL calls latin1 is cp1252 and a bit more); sets of
 * several bytes by the decoders of the platform.
 */
const SAME = ['utf8mb4', 'utf8mb3', 'utf8', 'ascii', 'binary']

const MULTI_BYTE: Readonly<Record<string, string>> = {
  big5: 'big5',
  cp932: 'shift_jis',
  eucjpms: 'euc-jp',
  euckr: 'euc-kr',
  gb18030: 'gb18030',
  gb2312: 'gb18030',
  gbk: 'gbk',
  sjis: 'shift_jis',
  ucs2: 'utf-16be',
  ujis: 'euc-jp',
  utf16: 'utf-16be',
  utf16le: 'utf-16le',
}

/** UTF-8 of each byte of a character set of one byte per character; null: no character. */
export type CharsetTable = readonly Buffer[]

/** Character sets that need a table of the server. */
export function needsTable(charset: string): boolean {
  return !SAME.includes(charset) && MULTI_BYTE[charset] === undefined && charset !== 'utf32'
}

/** From bytes in `charset` to an Avro string. Fails with TRB-MY-050 on a set that is neither known nor among `tables`. */
export function charsetEncoder(charset: string, tables: ReadonlyMap<string, CharsetTable>): ValueEncoder {
  if (SAME.includes(charset)) return encodeText
  const table = tables.get(charset)
  if (table !== undefined) return tableEncoder(table)
  const decode = charsetDecoder(charset)
  return (src, start, length, out) => {
    const text = Buffer.from(decode(src.subarray(start, start + length)), 'utf8')
    return encodeText(text, 0, text.length, out)
  }
}

/** Text of bytes, for labels and names. */
export function decodeCharset(charset: string, bytes: Buffer, tables: ReadonlyMap<string, CharsetTable>): string {
  if (SAME.includes(charset)) return bytes.toString('utf8')
  const table = tables.get(charset)
  if (table !== undefined) return Buffer.concat([...bytes].map((b) => table[b])).toString('utf8')
  return charsetDecoder(charset)(bytes)
}

function charsetDecoder(charset: string): (bytes: Buffer) => string {
  if (charset === 'utf32') return utf32
  const label = MULTI_BYTE[charset]
  if (label === undefined) throw new Failure('TRB-MY-050', { charset })
  const decoder = new TextDecoder(label, { ignoreBOM: true })
  return (bytes) => decoder.decode(bytes)
}

function utf32(bytes: Buffer): string {
  let s = ''
  for (let i = 0; i + 4 <= bytes.length; i += 4) s += String.fromCodePoint(bytes.readUInt32BE(i))
  return s
}

function tableEncoder(table: CharsetTable): ValueEncoder {
  const sizes = Uint8Array.from(table, (b) => b.length)
  return (src, start, length, out) => {
    const end = start + length
    let size = 0
    for (let i = start; i < end; i++) size += sizes[src[i]]
    writeVarint(out, size * 2)
    out.reserve(size)
    for (let i = start; i < end; i++) {
      const b = src[i]
      if (b < 128 && sizes[b] === 1) out.buf[out.pos++] = table[b][0]
      else writeSlice(out, table[b], 0, sizes[b])
    }
    return true
  }
}
