import type { ValueEncoder } from '../../../contract/change.ts'
import { writeAll } from '../../../format/bytes/growable-sink.ts'
import { badValue } from '../../types/bad-value.ts'
import { avroBytes } from '../../types/text.ts'

/** Labels as Debezium lists them: a comma inside one is escaped. */
export function allowed(values: readonly string[]): string {
  return values.map(escaped).join(',')
}

export function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll(',', '\\,')
}

/** ENUM of a binlog row: its ordinal in 1 or 2 bytes, 0 is the empty label of an invalid value. */
export function binlogEnum(values: readonly string[], quirks: boolean): ValueEncoder {
  const texts = ['', ...values.map((v) => (quirks ? v.replaceAll(',', '\\,') : v))].map((v) => avroBytes(Buffer.from(v, 'utf8')))
  return (src, start, length, out) => {
    const index = length === 1 ? src[start] : src.readUInt16LE(start)
    const text = texts[index]
    if (text === undefined) throw badValue('enum', Buffer.from(String(index)), 0, String(index).length)
    writeAll(out, text)
    return true
  }
}

/** SET of a binlog row: a bit per label in 1 to 8 bytes, little-endian; shown joined by commas in the order of the definition. */
export function binlogSet(values: readonly string[]): ValueEncoder {
  const texts = values.map((v) => Buffer.from(v, 'utf8'))
  const known = new Map<string, Uint8Array>()
  return (src, start, length, out) => {
    const id = src.toString('latin1', start, start + length)
    let bytes = known.get(id)
    if (bytes === undefined) {
      const members = texts.filter((_, i) => (src[start + (i >> 3)] & (1 << (i & 7))) !== 0)
      const joined = Buffer.concat(members.flatMap((m, i) => (i === 0 ? [m] : [COMMA, m])))
      bytes = avroBytes(joined)
      if (known.size < 4096) known.set(id, bytes)
    }
    writeAll(out, bytes)
    return true
  }
}

const COMMA = Buffer.from(',')
