import type { ByteSink } from '../../../contract/change.ts'
import { javaHashOrder } from '../../../format/bytes/java-hash-order.ts'
import { writeVarint, writeZigzag32 } from '../../../format/bytes/varint.ts'
import { badValue } from '../../types/bad-value.ts'
import { encodeText } from '../../types/text.ts'

/** `"k"=>"v", "n"=>NULL` → entries in the order of a Java HashMap of the same keys (Debezium goes through one). */
export function parseHstore(src: Buffer, start: number, length: number): (readonly [string, string | null])[] {
  const text = src.toString('utf8', start, start + length)
  const entries = new Map<string, string | null>()
  const item = /\s*"((?:[^"\\]|\\.)*)"=>(?:NULL|"((?:[^"\\]|\\.)*)")\s*(?:,|$)/gsy
  while (item.lastIndex < text.length) {
    const m = item.exec(text)
    if (m === null) throw badValue('hstore', src, start, length)
    const value = m[2] === undefined ? null : m[2].replace(/\\(.)/gs, '$1')
    entries.set(m[1].replace(/\\(.)/gs, '$1'), value)
  }
  return javaHashOrder([...entries])
}

/** hstore.handling.mode=json: compact JSON text. */
export function encodeHstoreJson(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const body = parseHstore(src, start, length).map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`)
  const text = Buffer.from(`{${body.join(',')}}`, 'utf8')
  return encodeText(text, 0, text.length, out)
}

/** hstore.handling.mode=map: Avro map of optional strings. */
export function encodeHstoreMap(src: Buffer, start: number, length: number, out: ByteSink): boolean {
  const entries = parseHstore(src, start, length)
  if (entries.length > 0) writeZigzag32(out, entries.length)
  for (const [k, v] of entries) {
    const key = Buffer.from(k, 'utf8')
    encodeText(key, 0, key.length, out)
    writeVarint(out, v === null ? 0 : 2)
    if (v === null) continue
    const value = Buffer.from(v, 'utf8')
    encodeText(value, 0, value.length, out)
  }
  writeVarint(out, 0)
  return true
}
